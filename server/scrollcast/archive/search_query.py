"""What is searched for, and where it stands in a text: the query language, folding, snippets. No I/O.

A query is words, all of which have to be there. `"a phrase"` is words in a row, and so is a word with punctuation in
it (`time_records`, `src/main.rs`). A leading `-` leaves out the sessions that hold what follows it (`--flag`, with two,
is a word like any other). A trailing `*`, or being the last word with no space behind it, makes a word of three letters
or more the beginning of words; fewer letters would stand for half the dictionary. All else is taken literally.

Text is *folded* before it is compared: upper and lower case, accents and compatible forms (`ﬁ`, `Ａ`) are the same,
and what is neither letter nor digit only separates. In scripts that put no spaces between words (Chinese, Japanese,
Thai, …), and in Korean with its endings, each character is a word of its own: a run of them is a phrase, and is found
inside longer runs. FTS5 gets text that is folded already, and a tokenizer that only splits: what the index finds and
what is marked in a snippet are the same by construction, whatever Unicode version SQLite was built with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from unicodedata import category, normalize

from scrollcast.errors import BadRequest

__all__ = ["MAX_QUERY_CHARACTERS", "MAX_TERMS", "Query", "Snippet", "Term", "fold", "make_snippet", "parse_query"]

MAX_QUERY_CHARACTERS: Final = 1_000
MAX_TERMS: Final = 16
"""Each costs a look into the index of a few milliseconds where it is common."""

MIN_PREFIX_CHARACTERS: Final = 3
"""The words that begin with one letter are a twentieth of the index: half a second over 10,000 sessions."""

SNIPPET_BYTES: Final = 200
SNIPPET_LEAD_BYTES: Final = 60
"""How much of a snippet stands before the first match; some two lines of a list in all."""

Snippet: TypeAlias = tuple[tuple[str, bool], ...]
"""A piece of text in parts, each with whether it is a match."""

# ------------------------------------------------------------------------------------------------------- folding

_NON_ASCII: Final = re.compile(rb"[\x80-\xff]+")

# Combining marks that are left out (accents, variation selectors, voicing marks of kana); those of other scripts are
# vowels, which a word needs.
_LEFT_OUT: Final = re.compile(
    "[\u00ad\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe00-\ufe0f\ufe20-\ufe2f\U000e0100-\U000e01ef]"
)

# Scripts without spaces, or with endings glued to each word: Thai to Tibetan, Burmese, Hangul (as its letters, which
# is what its syllables are taken apart to), Khmer, kana, Han and what belongs to it.
_WORD_EACH: Final = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3105-\u312f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\ud7b0-\ud7ff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)


class _Foldings(dict[int, str]):
    """What each character that is not ASCII becomes, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        form: Literal["NFKD", "NFD"] = "NFKD" if category(character)[0] in "LN" else "NFD"
        folded = "".join(map(_fold_character, normalize(form, normalize(form, character).casefold())))
        self[code] = folded
        return folded


def _fold_character(character: str) -> str:
    if _LEFT_OUT.match(character):
        return ""
    if _WORD_EACH.match(character):
        return f" {character} "
    is_word = character.isalnum() if character.isascii() else category(character)[0] in "LNM"
    return character.lower() if is_word else " "


_FOLDINGS: Final = _Foldings()

_REMEMBERED_RUNS: Final = 8_192
_REMEMBERED_RUN_BYTES: Final = 12
"""Dashes, quotes, accented letters: nearly all runs of such characters are short, and the same few."""


def fold(text: bytes) -> bytes:
    """UTF-8 text as it is compared. Its length may differ."""
    return text.lower() if text.isascii() else _NON_ASCII.sub(_fold_match, text).lower()


def _fold_match(match: re.Match[bytes]) -> bytes:
    run = match[0]
    return _fold_short(run) if len(run) <= _REMEMBERED_RUN_BYTES else _fold_run(run)


def _fold_run(run: bytes) -> bytes:
    return run.decode(errors="replace").translate(_FOLDINGS).encode()


_fold_short: Final = lru_cache(_REMEMBERED_RUNS)(_fold_run)


def _span(original: bytes, start: int, stop: int) -> tuple[int, int]:
    """The part of the original that a part of the folded text, not empty, comes from: whole characters."""
    if original.isascii():
        return start, stop
    begin, end = _character_at(original, start)[0], _character_at(original, stop - 1)[1]
    marks = _NON_ASCII.match(original, end)  # accents that are characters of their own belong to the letter before
    for mark in marks[0].decode(errors="replace") if marks else "":
        if mark.translate(_FOLDINGS):
            break
        end += len(mark.encode())
    return begin, end


def _character_at(original: bytes, place: int) -> tuple[int, int]:
    """Start and end of the character that the byte at a place of the folded text comes from."""
    done = folded_done = 0  # up to where the two are known to correspond
    for run in _NON_ASCII.finditer(original):
        if folded_done + run.start() - done > place:
            break
        folded_done += run.start() - done
        size = len(_fold_match(run))
        if folded_done + size > place:
            start, stop = _character_in_run(run[0], place - folded_done)
            return run.start() + start, run.start() + stop
        folded_done += size
        done = run.end()
    start = min(done + place - folded_done, len(original))
    return start, min(start + 1, len(original))


def _character_in_run(run: bytes, place: int) -> tuple[int, int]:
    start = 0
    for character in run.decode(errors="replace"):
        size = len(character.encode())
        place -= len(character.translate(_FOLDINGS).encode())
        if place < 0:
            return start, start + size
        start += size
    return start, start


# --------------------------------------------------------------------------------------------------------- terms

# As FTS5's `ascii` tokenizer sees folded text, with U+001F (which stands between texts) a word of its own.
_WORD_BYTES: Final = rb"0-9a-z\x1f\x80-\xff"
_BETWEEN: Final = rb"[^%b]+" % _WORD_BYTES


@dataclass(frozen=True, slots=True)
class Term:
    """Words that have to stand in a row; with `prefix` the last of them is only a beginning."""

    words: tuple[str, ...]
    prefix: bool = False
    _first: bytes = field(init=False, repr=False, compare=False)
    _pattern: re.Pattern[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        words = [re.escape(word.encode()) for word in self.words]
        end = rb"[%b]*+" if self.prefix else rb"(?![%b])"
        pattern = rb"(?<![%b])" % _WORD_BYTES + _BETWEEN.join(words) + end % _WORD_BYTES
        object.__setattr__(self, "_first", self.words[0].encode())
        object.__setattr__(self, "_pattern", re.compile(pattern))

    @property
    def expression(self) -> str:
        """The same for FTS5. A word holds nothing but letters and digits, so that nothing in it can be syntax."""
        return f'"{" ".join(self.words)}"' + (" *" if self.prefix else "")

    def find(self, folded: bytes, start: int, stop: int) -> tuple[int, int] | None:
        """Where it first stands in this part of a folded text: start and end, words that it begins included."""
        # `find` skips what cannot match many times as fast as a pattern that begins with a look behind.
        place = folded.find(self._first, start, stop)
        while place >= 0:
            if match := self._pattern.match(folded, place, stop):
                return match.span()
            place = folded.find(self._first, place + 1, stop)
        return None

    def find_all(self, folded: bytes) -> Iterator[tuple[int, int]]:
        """Every place where it stands."""
        return (match.span() for match in self._pattern.finditer(folded))


@dataclass(frozen=True, slots=True)
class Query:
    """What has to be in a session (one term at least), and what must not be."""

    terms: tuple[Term, ...]
    excluded: tuple[Term, ...] = ()


_PIECE: Final = re.compile(
    r"""
    (?P<minus> (?<!\S) - (?!-) )?
    (?: " (?P<phrase> [^"]* ) (?P<closed> " \*? )? | (?P<word> [^\s"]+ ) )
    """,
    re.VERBOSE,
)


def parse_query(text: str) -> Query:
    """The query that somebody typed.

    Raises:
        BadRequest: there is no word in it to look for, or there is too much of it.
    """
    if len(text) > MAX_QUERY_CHARACTERS:
        raise BadRequest("q", f"longer than {MAX_QUERY_CHARACTERS} characters")
    # Both dicts are ordered sets: a word that is given twice is looked for once.
    terms: dict[Term, None] = {}
    excluded: dict[Term, None] = {}
    for piece in _PIECE.finditer(text):
        is_last = piece.end() == len(text)
        term = _term(piece, being_typed=is_last and piece["minus"] is None)
        if term is not None:
            (terms if piece["minus"] is None else excluded)[term] = None
    if not terms:
        raise BadRequest("q", "holds no word to search for")
    if len(terms) + len(excluded) > MAX_TERMS:
        raise BadRequest("q", f"more than {MAX_TERMS} words")
    return Query(tuple(terms), tuple(excluded))


def _term(piece: re.Match[str], *, being_typed: bool) -> Term | None:
    content = piece["phrase"] if piece["word"] is None else piece["word"]
    ending = piece["closed"] or "" if piece["word"] is None else content
    folded = fold(content.encode(errors="replace"))
    words = tuple(word.decode() for word in re.findall(rb"[0-9a-z\x80-\xff]+", folded))
    if not words:
        return None
    wanted = ending.endswith("*") or (being_typed and ending != '"' and folded.endswith(words[-1].encode()))
    return Term(words, prefix=wanted and len(words[-1]) >= MIN_PREFIX_CHARACTERS)


# ------------------------------------------------------------------------------------------------------ snippets


def make_snippet(original: bytes, folded: bytes, terms: Sequence[Term]) -> Snippet:
    """The piece of a UTF-8 text around the first match of one of the terms, with every match in it marked.

    White space is one blank each; an ellipsis stands where the text goes on. Without a match it is the beginning.
    """
    match_start, match_stop = _first_match(original, folded, terms)
    start = _cut_start(original, match_start)
    stop = _cut_end(original, max(match_stop, start + SNIPPET_BYTES), match_stop)
    piece = original[start:stop]
    parts = _marked(piece, terms)
    if original[:start].strip():
        parts.insert(0, ("…", False))
    if original[stop:].strip():
        parts.append(("…", False))
    return tuple((_BLANKS.sub(" ", text), is_match) for text, is_match in parts if text)


_BLANKS: Final = re.compile(r"\s+")


def _first_match(original: bytes, folded: bytes, terms: Sequence[Term]) -> tuple[int, int]:
    found = [span for term in terms if (span := term.find(folded, 0, len(folded)))]
    if not found:
        return 0, 0
    start, stop = _span(original, *min(found))
    return start, min(stop, start + SNIPPET_BYTES)  # a phrase may have a desert of punctuation in it


def _cut_start(text: bytes, match: int) -> int:
    """Where a snippet begins: with a word if one begins before the match, else with a character."""
    start = match - SNIPPET_LEAD_BYTES
    if start <= 0:
        return 0
    space = _SPACE.search(text, start - 1, match)
    if space is not None:
        return space.end()
    while start < match and text[start] & 0xC0 == 0x80:
        start += 1
    return start


_SPACE: Final = re.compile(rb"\s+")


def _cut_end(text: bytes, stop: int, match_end: int) -> int:
    """`stop`, moved back to the end of a word where one ends behind the match, else of a character."""
    if stop >= len(text):
        return len(text)
    space = max(text.rfind(b" ", match_end, stop + 1), text.rfind(b"\n", match_end, stop + 1))
    if space >= 0:
        return space
    while stop > match_end and text[stop] & 0xC0 == 0x80:
        stop -= 1
    return stop


def _marked(piece: bytes, terms: Sequence[Term]) -> list[tuple[str, bool]]:
    """A short text in parts, with whether each is a match."""
    folded = fold(piece)
    parts: list[tuple[str, bool]] = []
    done = 0
    for start, stop in sorted(span for term in terms for span in term.find_all(folded)):
        start, stop = _span(piece, start, stop)
        if start < done:  # two terms match the same words
            continue
        parts.append((piece[done:start].decode(errors="replace"), False))
        parts.append((piece[start:stop].decode(errors="replace"), True))
        done = stop
    return [*parts, (piece[done:].decode(errors="replace"), False)]
