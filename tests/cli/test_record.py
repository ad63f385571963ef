from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from archives import SCROLL_ID, JsonObject, at, join_lines, message, write_session
from scrollcast.archive.archive import Archive
from serving import PATIENCE_SECONDS, Child, Serving, serving_in_thread

FIXTURES = Path(__file__).parents[2] / "archive_fixtures"

FIELDS = ("title", "agent", "model", "project", "native_session_id", "parent_scroll_id", "parent_call_id", "timing")
"""What is told of a session and not of its events."""

Scrollcast = Callable[..., tuple[int, str, str]]


def append(path: Path, data: bytes) -> None:
    """Write on."""
    with path.open("ab") as file:
        file.write(data)


def wait_for(happened: Callable[[], bool]) -> None:
    """Until something is so; fails where that takes too long."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


async def replayed(archive: Archive, scroll_id: UUID, *, meta: bool) -> list[JsonObject]:
    """The events of a session, as they go over the wire."""
    index = await archive.open_index(scroll_id, meta=meta)
    await index.finish()
    block = await index.read(0, index.count)
    return [orjson.loads(block.event(seq)) for seq in range(index.count)]


def session_ids() -> list[UUID]:
    """Every session of the fixtures that can be played."""
    with Archive.open(FIXTURES) as archive:
        return [each.scroll_id for each in archive.sessions() if each.error is None]


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of the fixtures."""
    with serving_in_thread(FIXTURES, cache=tmp_path_factory.mktemp("cache")) as server:
        yield server


@pytest.mark.parametrize("scroll_id", session_ids())
async def test_a_replay_of_what_was_recorded_is_equal(
    tmp_path: Path, fixtures: Serving, scrollcast: Scrollcast, scroll_id: UUID
) -> None:
    """Event for event, with meta events and without, whatever the format was; and so is what is told of it."""
    status, out, err = scrollcast("record", f"{fixtures.url}/sessions/{scroll_id}", "-o", tmp_path / "copy")
    assert (status, out) == (0, ""), err
    with Archive.open(FIXTURES) as archive, Archive.open(tmp_path / "copy") as copy:
        for meta in (False, True):
            before = await replayed(archive, scroll_id, meta=meta)
            after = await replayed(copy, scroll_id, meta=meta)
            assert [{**event, "t_ms": 0} for event in after] == [{**event, "t_ms": 0} for event in before]
            # A time that was recorded finer than a millisecond, and without a zone, is written to the millisecond.
            assert all(abs(one["t_ms"] - other["t_ms"]) <= 1 for one, other in zip(after, before, strict=True))
        told, again = archive.session(scroll_id), copy.session(scroll_id)
    for name in FIELDS:
        assert getattr(again, name) == getattr(told, name)


def test_goes_on_until_it_is_stopped(tmp_path: Path, root: Path) -> None:
    """With `--follow`: what is appended is written as well, and Ctrl+C leaves all that came."""
    folder = write_session(root, [message("m0")])
    copy = tmp_path / "copy" / f"{SCROLL_ID}.jsonl"
    with (
        serving_in_thread(root, cache=tmp_path / "cache") as server,
        Child(tmp_path, "record", f"{server.url}/sessions/{SCROLL_ID}", "-o", copy.parent, "--follow") as recording,
    ):
        append(folder / "messages.jsonl", join_lines([message("m1", 5), message("m2", 6)]))
        wait_for(lambda: copy.exists() and copy.read_bytes().count(b"\n") == 4)
        status, _, err, _ = recording.stop()
    assert (status, err) == (0, f"scrollcast: stopped; wrote 3 events to {copy}\n")


def test_is_for_its_owner_and_never_written_twice(tmp_path: Path, fixtures: Serving, scrollcast: Scrollcast) -> None:
    """A second recording of the same session is refused, and the first stays as it is."""
    address = f"{fixtures.url}/sessions/{session_ids()[0]}"
    scrollcast("record", address, "-o", tmp_path / "copy")
    (copy,) = (tmp_path / "copy").iterdir()
    before = copy.read_bytes()

    status, _, err = scrollcast("record", address, "-o", tmp_path / "copy")
    assert (status, err) == (2, f"scrollcast: there is a {copy} already\n")
    assert (copy.read_bytes(), copy.stat().st_mode & 0o777) == (before, 0o600)


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("5ca1ab1e", 2, "is no address; scrollcast keep copies"),
        ("http://127.0.0.1/list", 2, "is no address of a session"),
        ("http://127.0.0.1:9/sessions/x", 1, "nothing was written"),
        ("{url}/sessions/00000000-0000-4000-8000-00000000dead", 1, "session_not_found"),
    ],
)
def test_what_cannot_be_recorded(
    tmp_path: Path, fixtures: Serving, scrollcast: Scrollcast, address: str, status: int, sentence: str
) -> None:
    """Says why in a sentence, and makes nothing."""
    given, _, err = scrollcast("record", address.format(url=fixtures.url), "-o", tmp_path / "copy")
    assert (given, err.count("\n")) == (status, 1)
    assert sentence in err
    assert not (tmp_path / "copy").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path, fixtures: Serving, scrollcast: Scrollcast) -> None:
    """Is named."""
    target = tmp_path / "file" / "copy"
    target.parent.touch()
    status, _, err = scrollcast("record", f"{fixtures.url}/sessions/{session_ids()[0]}", "-o", target)
    assert (status, err) == (2, f"scrollcast: {target} cannot be made: Not a directory\n")


def test_tells_what_the_server_could_not_read(tmp_path: Path, root: Path, scrollcast: Scrollcast) -> None:
    """Bad records, and a session that stops in the middle of one."""
    write_session(root, [message("m0"), b"{broken", message("m1", 1)])
    append(root / str(SCROLL_ID) / "messages.jsonl", b'{"message_id":"m2","ts":"' + at(2).encode())
    with serving_in_thread(root, cache=tmp_path / "cache") as server:
        status, _, err = scrollcast("record", f"{server.url}/sessions/{SCROLL_ID}", "-o", tmp_path / "copy")
    assert status == 0
    assert "1 records could not be read" in err
    assert "half-written" in err
    assert "wrote 2 events" in err
