from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archives import SCROLL_ID, ScriptedReader, scripted_source
from scrollcast.archive import spent
from scrollcast.archive.cache import Fingerprint
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.index_builder import IndexBuilder
from scrollcast.archive.spent import BEGINNING_BYTES, END_BYTES, EVENT_BYTES, RUN_BYTES, Purse, Spent, Tokens
from scrollcast.archive.spent import find_spent as find
from scrollcast.model import Part, Record, Session

TAKEN = {"usage": {"input": 30, "output": 4}, "cost": 0.5}
TOLD = Spent(Tokens(30, 4), 0.5, whole=True)
NOTHING = Spent(None, None, whole=True)
NOT_ALL = Spent(None, None, whole=False)

ALIKE = {"a": 1, "status": "completed", "metadata": {"usage": {"input": 7, "output": 7}}}
"""Reads, as JSON, as the end of a message does."""


class CountedIndex(SessionIndex):
    """Counts the bytes that are read of it."""

    bytes_read = 0

    def read_bytes(self, offset: int, size: int) -> bytes:
        """As it is."""
        self.bytes_read += size
        return super().read_bytes(offset, size)


def built(folder: Path, *script: Record, meta: bool = False) -> CountedIndex:
    """The index of a session of these records."""
    cache = folder / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    source = scripted_source(folder, ScriptedReader(*script))
    builder = IndexBuilder(source, Session(SCROLL_ID), Fingerprint.of(source), cache, meta=meta)
    builder.run()
    index = builder.index
    index.__class__ = CountedIndex
    assert isinstance(index, CountedIndex)
    return index


def said(metadata: dict[str, Any] | None = None, *parts: Part, role: str = "assistant", size: int = 0) -> Record:
    """A message with a text of so many bytes."""
    return Record("m", None, role, [{"type": "text", "text": "x" * size}, *parts], metadata)


def whole(index: SessionIndex) -> Spent | None:
    """What all of it took together."""
    (told,) = find(index, [0, index.count])
    return told


def test_each_turn_is_the_sum_of_its_messages(tmp_path: Path) -> None:
    """And of no other's; one without a number is unknown, not nothing."""
    index = built(tmp_path, said(TAKEN), said(), said(TAKEN), said(TAKEN), said({"usage": {"input": 0}}), said({}))

    assert find(index, [0, 1, 2, 4, 5, 6]) == [
        TOLD, NOTHING, Spent(Tokens(60, 8), 1.0, whole=True), Spent(Tokens(0, 0), None, whole=True), NOTHING,
    ]  # fmt: skip
    assert find(index, [6]) == []


@pytest.mark.parametrize("size", [0, RUN_BYTES - 1000, RUN_BYTES, 5 * RUN_BYTES])
@pytest.mark.parametrize("extra", [{}, {"x": "y" * (END_BYTES // 2)}, {"x": "y" * END_BYTES}, {"x": ALIKE}])
@pytest.mark.parametrize("first", [True, False])
def test_whatever_stands_around_it(tmp_path: Path, size: int, extra: dict[str, Any], first: bool) -> None:
    """Long messages, long metadata, and what looks like metadata in a call's input, in metadata, in a text."""
    parts: list[Part] = [
        {"type": "tool_call", "call_id": "c", "name": "x", "input": ALIKE},
        {"type": "text", "text": ',"status":"completed","metadata":{"usage":{"input":9}}}}}'},
    ]
    metadata = {**extra, **TAKEN} if first else {**TAKEN, **extra}
    index = built(tmp_path, said(metadata, *parts, size=size))

    assert whole(index) == TOLD


@pytest.mark.parametrize("size", [0, 5 * RUN_BYTES])
@pytest.mark.parametrize("role", ["system", "assistant", "user"])
def test_messages_without_metadata_and_of_any_role(tmp_path: Path, size: int, role: str) -> None:
    """Some have the metadata that we add, and who speaks does not matter."""
    assert whole(built(tmp_path, said(None, role=role, size=size))) == NOTHING
    assert whole(built(tmp_path / "more", said(TAKEN, role=role, size=size))) == TOLD


@pytest.mark.parametrize("size", [0, 5 * RUN_BYTES])
def test_meta_events_count_nothing(tmp_path: Path, size: int) -> None:
    """Whatever they hold; of a large one little is read."""
    payload = {"text": "x" * size, **ALIKE}
    index = built(tmp_path, Record("e", None, kind="k", payload=payload), said(TAKEN), meta=True)

    assert index.count == 2
    assert whole(index) == TOLD
    assert index.bytes_read <= END_BYTES + BEGINNING_BYTES + 2000


def test_metadata_that_is_nested_deeply(tmp_path: Path) -> None:
    """More deeply than is written in the usual way."""
    deep: Any = 1
    for _ in range(600):
        deep = [deep]
    assert whole(built(tmp_path, said({**TAKEN, "x": deep}))) == TOLD


def test_of_large_messages_only_the_end_is_read(tmp_path: Path) -> None:
    """A turn of what tools gave back costs no more than one of words."""
    index = built(tmp_path, *[said(TAKEN, size=1 << 20)] * 8)

    assert whole(index) == Spent(Tokens(240, 32), 4.0, whole=True)
    assert index.bytes_read == 8 * END_BYTES


def test_what_is_read_for_a_page_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns that were not come to are not told of, so that they are asked for again; the first one always is."""
    index = built(tmp_path, *[said(TAKEN, size=RUN_BYTES - 1000)] * 9)
    monkeypatch.setattr(spent, "MAX_SPENT_BYTES", 4 * (RUN_BYTES + EVENT_BYTES))

    assert find(index, [0, 2, 4, 6, 7]) == [Spent(Tokens(60, 8), 1.0, whole=True)] * 2 + [None] * 2
    assert find(index, [0, 9]) == [Spent(Tokens(120, 16), 2.0, whole=False)]
    assert find(index, [0, 8, 9]) == [Spent(Tokens(120, 16), 2.0, whole=False), None]
    assert index.bytes_read <= 3 * 4 * RUN_BYTES


@pytest.mark.parametrize("budget", [0, EVENT_BYTES + END_BYTES, 2 * (EVENT_BYTES + END_BYTES), 3 * RUN_BYTES])
def test_one_message_that_is_too_much_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int) -> None:
    """Is not looked at, which is said."""
    index = built(tmp_path, said({"x": "y" * (3 * RUN_BYTES), **TAKEN}))
    monkeypatch.setattr(spent, "MAX_SPENT_BYTES", budget)

    assert whole(index) == NOT_ALL
    assert index.bytes_read <= budget


def test_many_small_messages_count_for_more_than_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For it takes longer to look at each than to read it."""
    index = built(tmp_path, *[said(TAKEN)] * 90)
    monkeypatch.setattr(spent, "MAX_SPENT_BYTES", 80 * EVENT_BYTES)

    told = find(index, [0, 30, 60, 90])
    assert told[0] == told[1] == Spent(Tokens(900, 120), 15.0, whole=True)
    assert told[2] is None


def test_numbers_that_would_grow_beyond_what_json_holds() -> None:
    """They stay numbers of JSON."""
    purse = Purse()
    for _ in range(5):
        purse.take({"usage": {"input": 2**53 - 1, "output": 0.5}, "cost": 2**53})

    told = purse.spent()
    assert told.cost is None
    assert told.tokens is not None
    assert isinstance(told.tokens.read, float)
    assert told.tokens.written == 2.5
