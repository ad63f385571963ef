"""Finds secrets in bytes of text: one pass for all keywords, then only the rules whose keyword is there, around it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from scrollcast.redaction.rules import SECRET, Rule, compile_bytes

__all__ = ["PLACEHOLDER", "Finder", "Found"]

PLACEHOLDER: Final = re.compile(rb"\[redacted:[a-z0-9-]{1,60}#[0-9a-f]{6}\]")
"""What stands in place of a secret: what it is called, and a number that is the same for the same secret."""

_BEFORE: Final = 256
"""A match begins at most so many bytes before its keyword."""


class Found(NamedTuple):
    """What to replace, from `start` to `end`: the secret `core`, and what else a rule takes for a part of it."""

    start: int
    end: int
    label: str
    core: tuple[int, int]


class Finder:
    """Finds what some rules look for. Its time is linear in the length of a text."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._always = [rule for rule in rules if not rule.keywords]
        words = sorted({word for rule in rules for word in rule.keywords}, key=lambda word: (-len(word), word))
        # Groups would tell which it was, but take a slower engine; a hit is looked up by its text.
        self._keywords = compile_bytes("|".join(words), ignore_case=True)
        self._rules = {word: [rule for rule in rules if word in rule.keywords] for word in words}
        self._plain = [word for word in words if _literal(word)]
        self._special = [(compile_bytes(word, ignore_case=True), word) for word in words if not _literal(word)]
        self._of_hit: dict[bytes, list[Rule]] = {}

    def find(self, text: bytes) -> list[Found]:
        """The secrets in a text, in order; none overlaps another, nor a placeholder."""
        stretches: dict[Rule, list[tuple[int, int]]] = {rule: [(0, len(text))] for rule in self._always}
        for match in self._keywords.finditer(text):
            start, end = match.span()
            for rule in self._rules_of(text[start:end]):
                _add(stretches.setdefault(rule, []), max(0, start - _BEFORE), end + rule.reach)
        if not stretches:
            return []
        found = [
            Found(*span, rule.label, span)
            for rule, places in stretches.items()
            for start, stop in places
            for span in _secrets(rule, text, start, stop)
        ]
        return _beside_placeholders(_merged(found), text) if found else []

    def has_keyword(self, text: bytes) -> bool:
        """Whether a look at the text is of any use."""
        return bool(self._always) or self._keywords.search(text) is not None

    def _rules_of(self, hit: bytes) -> list[Rule]:
        """The rules to try where this was found: also those whose keyword lies in it, or begins in it."""
        known = self._of_hit.get(hit)
        if known is not None:
            return known
        text = hit.decode("latin-1")
        words = [word for word in self._plain if _overlaps(text if word.isupper() else text.lower(), _literal(word))]
        words += [word for expression, word in self._special if expression.fullmatch(hit)]
        rules = list({rule.id: rule for word in words for rule in self._rules[word]}.values())
        if len(hit) < _LONGEST_KNOWN:
            self._of_hit[hit] = rules
        return rules


_LONGEST_KNOWN: Final = 40
"""What is longer than any keyword is not remembered."""


def _literal(word: str) -> str:
    """The text that a keyword stands for, empty where it is an expression."""
    plain = re.sub(r"\\(.)", r"\1", word)
    return plain if re.escape(plain) == word else ""


def _overlaps(hit: str, word: str) -> bool:
    """Whether a keyword may be found in a text where this one was: in it, or from somewhere in it on."""
    return word in hit or any(word.startswith(hit[place:]) for place in range(len(hit)))


def _add(places: list[tuple[int, int]], start: int, stop: int) -> None:
    """One more stretch, joined to the last one where they touch."""
    if places and start <= places[-1][1]:
        places[-1] = (places[-1][0], max(stop, places[-1][1]))
    else:
        places.append((start, stop))


def _secrets(rule: Rule, text: bytes, start: int, stop: int) -> Iterable[tuple[int, int]]:
    """The secrets in a stretch; what reaches its end is looked at again with more behind it."""
    size = len(text)
    while True:
        stop = min(stop, size)
        spans = list(rule.secrets(text, start, stop))
        if stop == size or not spans or spans[-1][1] < stop:
            return spans
        stop = start + 4 * (stop - start)


def _merged(found: Iterable[Found]) -> list[Found]:
    """In order, with those that overlap as one: with the secret of the one that says what it is, which is the same
    wherever it stands."""
    result: list[Found] = []
    for each in sorted(found):
        if result and each.start < result[-1].end:
            last = result[-1]
            known = each if last.label == SECRET else last
            whole = last.start, max(last.end, each.end)
            core = whole if known.label == SECRET else known.core
            result[-1] = Found(*whole, known.label, core)
        else:
            result.append(each)
    return result


def _beside_placeholders(found: Sequence[Found], text: bytes) -> list[Found]:
    """The same without what was redacted before; what stands beside it in a match is still to be."""
    if b"[redacted:" not in text:
        return list(found)
    result: list[Found] = []
    for each in found:
        place = each.start
        # One that begins before the match may reach into it.
        before, after = max(0, each.start - _LONGEST_PLACEHOLDER), each.end + _LONGEST_PLACEHOLDER
        for known in PLACEHOLDER.finditer(text, before, after):
            if place < known.end() and known.start() < each.end:
                result.append(_piece(each, place, known.start()))
                place = known.end()
        result.append(_piece(each, place, each.end))
    return [each for each in result if each.start < each.end and _says_anything(text[each.start : each.end])]


def _piece(found: Found, start: int, end: int) -> Found:
    is_all = (start, end) == (found.start, found.end)
    return found if is_all else Found(start, end, found.label, (start, end))


_LONGEST_PLACEHOLDER: Final = len("[redacted:#123456]") + 60


def _says_anything(text: bytes) -> bool:
    return any(sign.isalnum() for sign in text.decode(errors="replace"))
