import re
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollcast.archive.search_query import (
    MAX_QUERY_CHARACTERS,
    MAX_TERMS,
    SNIPPET_BYTES,
    Snippet,
    Term,
    fold,
    make_snippet,
    parse_query,
)
from scrollcast.errors import BadRequest


def typed(text: str) -> list[str]:
    """What is looked for, and behind a minus what is left out, as FTS5 is told it."""
    query = parse_query(text)
    return [term.expression for term in query.terms] + [f"-{term.expression}" for term in query.excluded]


@pytest.mark.parametrize(
    ("text", "expressions"),
    [
        ("tide ", ['"tide"']),
        ("tide table ", ['"tide"', '"table"']),
        ("tide tide ", ['"tide"']),
        ("Tide TABLE's ", ['"tide"', '"table s"']),
        # the word that is being typed
        ("tide tab", ['"tide"', '"tab" *']),
        ("tide ta", ['"tide"', '"ta"']),
        ("time_rec", ['"time rec" *']),
        ("harbour.", ['"harbour"']),
        ("naïve", ['"naive" *']),
        # prefixes
        ("tab* tide ", ['"tab" *', '"tide"']),
        ("ta* tide ", ['"ta"', '"tide"']),
        ('"high ti"* x ', ['"high ti"', '"x"']),
        ('"high tid"* x ', ['"high tid" *', '"x"']),
        # phrases
        ('"high tide"', ['"high tide"']),
        ('"high tid', ['"high tid" *']),
        ('"high tide" "low', ['"high tide"', '"low" *']),
        ('a"b c"d ', ['"a"', '"b c"', '"d"']),
        ("src/main.rs ", ['"src main rs"']),
        # what is left out
        ("tide -low ", ['"tide"', '-"low"']),
        ("tide -low", ['"tide"', '-"low"']),
        ('tide -"low wa"', ['"tide"', '-"low wa"']),
        ("tide -low*", ['"tide"', '-"low" *']),
        ("--verbose ", ['"verbose"']),
        ("well-known ", ['"well known"']),
        ("tide - low ", ['"tide"', '"low"']),
        # nothing of FTS5's own language
        ("a AND b OR NOT c ", ['"a"', '"and"', '"b"', '"or"', '"not"', '"c"']),
        ("text:tide NEAR(a b) ^c ", ['"text tide"', '"near a"', '"b"', '"c"']),
        ("a') OR 1=1; -- ", ['"a"', '"or"', '"1 1"']),
        # scripts without spaces
        ("東京 ", ['"東 京"']),
        ("東京tower", ['"東 京 tower" *']),
        ("がか ", ['"か か"']),
        ("한 ", ['"ᄒ ᅡ ᆫ"']),
    ],
)
def test_what_is_typed_is_taken_so(text: str, expressions: list[str]) -> None:
    """Each kind of query becomes the terms that `docs` promise for it."""
    assert typed(text) == expressions


@pytest.mark.parametrize("text", ["", "   ", '"', '""', "* - ?!", "-gone", '-"gone away"', "🙂", "\x00\x1f", "—"])
def test_query_without_a_word_is_refused(text: str) -> None:
    """There is nothing to look for, which is said of the parameter."""
    with pytest.raises(BadRequest, match="q: holds no word"):
        parse_query(text)


@pytest.mark.parametrize("text", ["x" * (MAX_QUERY_CHARACTERS + 1), " ".join(f"w{n}" for n in range(MAX_TERMS + 1))])
def test_query_that_is_too_much_is_refused(text: str) -> None:
    """A query is bounded in length and in words."""
    with pytest.raises(BadRequest, match="q: "):
        parse_query(text)


QUERY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from('ab"*-^:(){}+ \x1f\x00ß東')), max_size=60)


@given(QUERY_TEXT)
def test_no_query_is_a_syntax_error(text: str) -> None:
    """Whatever is typed is either refused as a bad request or understood by FTS5."""
    try:
        query = parse_query(text)
    except BadRequest:
        return
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE words USING fts5 (text)")
        for term in (*query.terms, *query.excluded):
            connection.execute("SELECT rowid FROM words WHERE words MATCH ?", (term.expression,)).fetchall()


# ------------------------------------------------------------------------------------------------------- folding


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CAFÉ", "cafe"),
        ("cafe\u0301", "café"),
        ("STRASSE", "straße"),
        ("ﬁle", "FILE"),
        ("ＡＢ１", "ab1"),
        ("İstanbul", "istanbul"),
        ("ΑΘΉΝΑ", "αθηνα"),
        ("각", "\u1100\u1161\u11a8"),
        ("co\u00adoperate", "cooperate"),
    ],
)
def test_forms_of_one_word_are_the_same(one: str, other: str) -> None:
    """Case, accents, ligatures and widths make no difference, however they are encoded."""
    assert fold(one.encode()).split() == fold(other.encode()).split()


@given(st.text(max_size=40), st.text(max_size=40))
def test_folding_goes_character_by_character(one: str, other: str) -> None:
    """A text folds to what its pieces fold to, so that a part of it can be folded by itself; twice changes nothing."""
    folded = fold((one + other).encode(errors="replace"))
    assert folded == fold(one.encode(errors="replace")) + fold(other.encode(errors="replace"))
    assert fold(folded).split() == folded.split()


# ------------------------------------------------------------------------------------------------------ snippets


def snippet(text: str, query: str) -> Snippet:
    """The snippet of a text for a query."""
    original = text.encode()
    return make_snippet(original, fold(original), parse_query(query).terms)


def marked(parts: Snippet) -> str:
    """A snippet as text, its matches between brackets."""
    return "".join(f"[{text}]" if is_match else text for text, is_match in parts)


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("The tide turns.", "tide ", "The [tide] turns."),
        ("tide, Tide and tidal", "tide tid", "[tide], [Tide] and [tidal]"),
        ("high\n\n  tide", "tide ", "high [tide]"),
        ("time_records(x)", "time_rec", "[time_records](x)"),
        ("un café cafe\u0301 noir", "cafe ", "un [café] [cafe\u0301] noir"),
        ("今日は東京の天気", "東京", "今日は[東京]の天気"),
        ("— “naïve” —", "naive ", "— “[naïve]” —"),
        ("Straße 1", "strasse ", "[Straße] 1"),
        ("\ufb01le", "file ", "[\ufb01le]"),
        ("nothing of it", "tide ", "nothing of it"),
        ("high tide", '"high tide" tide ', "[high tide]"),
    ],
)
def test_matches_are_marked(text: str, query: str, expected: str) -> None:
    """A snippet shows the text as it was written, with whole characters marked."""
    assert marked(snippet(text, query)) == expected


def test_long_text_is_cut_between_words() -> None:
    """Of a long text the piece around the first match is shown, cut between words, with ellipses."""
    shown = marked(snippet("before " * 50 + "tide" + " after" * 50, "tide "))
    assert shown.startswith("…before before")
    assert "before [tide] after" in shown
    assert shown.endswith(" after…")
    assert len(shown) <= SNIPPET_BYTES + 10


def test_text_without_spaces_is_cut_between_characters() -> None:
    """Where there is no space a snippet is cut all the same, and never inside a character."""
    shown = marked(snippet("語" * 200 + "東京" + "本" * 200, "東京"))
    assert shown.startswith("…語")
    assert "語[東京]本" in shown
    assert shown.endswith("本…")
    assert "\ufffd" not in shown


@given(
    st.lists(
        st.sampled_from(["tide", "Tïde", "東", "—", " ", "\n", "x", "é", "e\u0301", "ﬁ", "🙂", "tidal"]), max_size=200
    )
)
def test_snippet_is_a_piece_of_the_text(pieces: list[str]) -> None:
    """A snippet's parts make up a piece of the text, and what is marked is what was looked for."""
    text = "".join(pieces)
    parts = snippet(text, "tide ")
    plain = "".join(part for part, _ in parts if part != "…")
    assert plain.strip() in re.sub(r"\s+", " ", text)
    assert all(fold(part.encode()).strip() == b"tide" for part, is_match in parts if is_match)
    folded = fold(text.encode())
    assert any(is_match for _, is_match in parts) == (Term(("tide",)).find(folded, 0, len(folded)) is not None)
