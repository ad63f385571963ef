"""What holds of every text: redacting twice is redacting once, nothing grows without bound, JSON stays JSON."""

from __future__ import annotations

import json
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollcast.errors import SettingsError
from scrollcast.redaction import Redaction, Redactor
from scrollcast.redaction.rules import compile_bytes, load_rules
from secrets_corpus import event_of, planted

TOKEN = "ghp_" + "n4Vb9cXz2LkJ7hGf5DsA1qWe3rTy6uIoP0pM"
SECRET = b"s" * 32
REDACTOR = Redaction().redactor(SECRET, UUID(int=1))

pieces = st.sampled_from(
    (TOKEN, "AKIAQWERTYUIOPASDFGH", "password=", "token: ", '"api_key": "', "hunter2!x", " ", "\n", "\\", '"', "%41",
     "Bearer ", "://a:", "@h", "[redacted:github-pat#123456]", "[redacted:", "#", "]", "ey", "=",
     "Cookie: a=bcdefghij;")
)  # fmt: skip
texts = st.lists(st.one_of(pieces, st.text(max_size=12)), max_size=8).map("".join)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**31), 2**31), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)


@given(texts)
def test_twice_is_once(text: str) -> None:
    """What was redacted has nothing more to redact."""
    once, _ = REDACTOR.text(text)
    assert REDACTOR.text(once) == (once, 0)


@given(texts)
def test_nothing_grows_without_bound(text: str) -> None:
    """A placeholder is some times as long as the shortest secret, in its longest form."""
    once, count = REDACTOR.text(text)
    assert len(once) <= len(text) + 3 * 80 * count


@given(values)
def test_a_value_keeps_its_shape(value: object) -> None:
    """Numbers and their like stay; there are as many of each in as many lists."""
    data = event_of([{"type": "unknown", "raw": value}])
    redacted, count = REDACTOR.event(data)
    assert (redacted == data) is (count == 0)
    assert orjson.loads(redacted)["seq"] == 0
    assert REDACTOR.event(redacted) == (redacted, 0)


@given(texts)
def test_json_in_a_string_stays_json(text: str) -> None:
    """A placeholder has nothing that would have to be escaped."""
    redacted, _ = REDACTOR.text(json.dumps({"a": text}))
    assert json.loads(redacted).keys() == {"a"}


def test_the_same_secret_has_the_same_placeholder_in_one_session(redaction: Redaction, redactor: Redactor) -> None:
    """Wherever it stands, and in no other session."""
    shown = {
        redactor.text(text)[0].partition("[")[2].partition("]")[0] for text in (TOKEN, f"T={TOKEN}", f"a {TOKEN}.")
    }
    assert len(shown) == 1
    other = redaction.redactor(SECRET, UUID(int=2))
    assert other.text(TOKEN)[0] != redactor.text(TOKEN)[0]


def test_what_holds_no_secret_is_the_same_object(redactor: Redactor) -> None:
    """Not even encoded anew."""
    data = event_of([{"type": "text", "text": "nothing"}])
    assert redactor.event(data)[0] is data


@pytest.mark.parametrize("pattern", ["(", "a*", "(?=x)", "\\1", "x" * 3000])
def test_a_bad_pattern_is_named(pattern: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(SettingsError, match="--redact-pattern"):
        Redaction((pattern,))


def test_a_pattern_cannot_stall_the_server() -> None:
    """The classic one, which takes others for ever."""
    redactor = Redaction(("(a+)+$",)).redactor(SECRET, UUID(int=1))
    redactor.text("a" * 50_000 + "b")


def test_every_rule_is_an_expression() -> None:
    """They are made when they are needed, which must not be when it is too late."""
    rules = load_rules()
    assert len(rules) > 240
    for rule in rules:
        compile_bytes(rule.pattern)


def test_samples_are_the_same_from_the_same_seed() -> None:
    """So that a number means the same everywhere."""
    assert [sample.event() for sample in planted(3)] == [sample.event() for sample in planted(3)]
