from __future__ import annotations

import pytest

from scrollcast.stream import buffers
from scrollcast.stream.buffers import BUFFER_BYTES, give_back, take
from scrollcast.stream.session_stream import MAX_GROUP_BYTES


@pytest.fixture(autouse=True)
def none_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with none."""
    monkeypatch.setattr(buffers, "_spare", [])


@pytest.mark.parametrize("size", [0, 1, 1000, 100_000, BUFFER_BYTES, BUFFER_BYTES + 1, 5 * BUFFER_BYTES])
def test_there_is_room_for_what_was_asked_for(size: int) -> None:
    """However little or much it is, and again with what was given back."""
    first = take(size)
    give_back(first)

    assert len(first) >= size
    assert len(take(size)) >= size


def test_a_group_of_batches_and_its_heads_find_room() -> None:
    """Of batches of 64 KiB, and of smaller ones: otherwise none would ever be used again."""
    assert BUFFER_BYTES >= MAX_GROUP_BYTES + (32 << 10)


def test_what_was_given_back_is_taken_again() -> None:
    """And by one at a time, also while views of it are left."""
    first = take(BUFFER_BYTES)
    view = memoryview(first)
    give_back(first)
    second, third = take(BUFFER_BYTES), take(BUFFER_BYTES)

    assert second is first is view.obj
    assert third is not first


def test_a_few_are_kept_and_none_of_another_size() -> None:
    """However many were in use at once."""
    for each in [take(BUFFER_BYTES) for _ in range(20)]:
        give_back(each)
    for each in (take(10), take(BUFFER_BYTES + 1)):
        give_back(each)

    assert [len(each) for each in buffers._spare] == [BUFFER_BYTES] * 4
