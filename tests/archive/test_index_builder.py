# ruff: noqa: ASYNC240  # a test's own loop may wait for a small file

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import orjson
import pytest

from archives import (
    SCROLL_ID,
    Line,
    ScriptedReader,
    join_lines,
    message,
    meta_event,
    native_source,
    records,
    scripted_source,
    write_session,
)
from scrollcast.archive import event_writer
from scrollcast.archive.cache import Fingerprint, index_place, load_index
from scrollcast.archive.event_writer import FIRST_PUBLISH_EVENTS
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.index_builder import MAX_REPORTED_LINES, IndexBuilder
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, MarkerKind, Record, Session

SESSION = Session(SCROLL_ID)


def builder_of(source: SessionSource, cache: Path, *, meta: bool = False) -> IndexBuilder:
    """A builder of a session as its files are now."""
    return IndexBuilder(source, SESSION, Fingerprint.of(source), cache, meta=meta)


def built(source: SessionSource, cache: Path, *, meta: bool = False) -> SessionIndex:
    """The index of a session, read to its end."""
    builder = builder_of(source, cache, meta=meta)
    builder.run()
    return builder.index


async def ids_of(index: SessionIndex) -> list[str]:
    """The ids of an index's events, in order."""
    block = await index.read(0, index.count)
    events = [orjson.loads(block.event(seq))["event"] for seq in range(index.count)]
    return [(event.get("message") or event.get("meta_event"))["id"] for event in events]


class Running:
    """A builder at work in a thread, until the block ends."""

    def __init__(self, builder: IndexBuilder) -> None:
        self.index = builder.index
        self._thread = threading.Thread(target=builder.run)

    def __enter__(self) -> SessionIndex:
        self._thread.start()
        return self.index

    def __exit__(self, *_exc: object) -> None:
        self._thread.join()


# ------------------------------------------------------------------------------------------------- while building


async def test_events_play_while_the_rest_is_read(tmp_path: Path, cache: Path) -> None:
    """The first events can be read as soon as they were found, and nothing waits for the end."""
    gate = threading.Event()
    reader = ScriptedReader(*records(FIRST_PUBLISH_EVENTS), gate, *records(4, FIRST_PUBLISH_EVENTS))
    with Running(builder_of(scripted_source(tmp_path, reader), cache)) as index:
        await index.reach(FIRST_PUBLISH_EVENTS - 1)
        early = (index.count, index.complete, await ids_of(index))
        gate.set()
        await index.finish()

    assert early == (FIRST_PUBLISH_EVENTS, False, [f"m{number}" for number in range(FIRST_PUBLISH_EVENTS)])
    assert (index.count, index.complete) == (FIRST_PUBLISH_EVENTS + 4, True)
    assert await ids_of(index) == [f"m{number}" for number in range(FIRST_PUBLISH_EVENTS + 4)]


async def test_waiting_for_a_time(tmp_path: Path, cache: Path) -> None:
    """A recorded time is reached with the first event at or after it, or with the end."""
    gate = threading.Event()
    reader = ScriptedReader(*records(FIRST_PUBLISH_EVENTS), gate, *records(4, FIRST_PUBLISH_EVENTS))
    with Running(builder_of(scripted_source(tmp_path, reader), cache)) as index:
        await index.reach_time(15_000)
        early = index.complete
        beyond = asyncio.create_task(index.reach_time(1e12))
        await asyncio.sleep(0.01)
        waits = not beyond.done()
        gate.set()
        await beyond

    assert not early
    assert waits
    assert index.complete


def test_two_loops_wait_for_one_index(tmp_path: Path, cache: Path) -> None:
    """Servers in two threads share an index: each is woken in its own loop, and a loop that is gone hurts nobody."""
    gate = threading.Event()
    reader = ScriptedReader(*records(FIRST_PUBLISH_EVENTS), gate, *records(4, FIRST_PUBLISH_EVENTS))
    reached: list[int] = []

    async def give_up(index: SessionIndex) -> None:
        await index.reach(0)
        index.changed(index.openness)  # nobody awaits it, and its loop is closed

    async def finish(index: SessionIndex) -> None:
        await index.finish()
        reached.append(index.count)

    with Running(builder_of(scripted_source(tmp_path, reader), cache)) as index:
        asyncio.run(give_up(index))
        waiting = [threading.Thread(target=asyncio.run, args=(finish(index),)) for _ in range(2)]
        for thread in waiting:
            thread.start()
        gate.set()
        for thread in waiting:
            thread.join()

    assert reached == [FIRST_PUBLISH_EVENTS + 4] * 2


async def test_cancelled_wait_is_forgotten(tmp_path: Path, cache: Path) -> None:
    """A waiter that gave up does not disturb the one that still waits."""
    gate = threading.Event()
    reader = ScriptedReader(gate, *records(3))
    with Running(builder_of(scripted_source(tmp_path, reader), cache)) as index:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(index.reach(0), 0.01)
        patient = asyncio.create_task(index.finish())
        await asyncio.sleep(0)
        gate.set()
        await patient

    assert index.count == 3


async def test_empty_session_is_complete(tmp_path: Path, cache: Path) -> None:
    """A session without messages has an index, with nothing in it."""
    index = built(scripted_source(tmp_path, ScriptedReader()), cache)
    await index.reach(0)

    assert (index.count, index.complete, index.duration_ms) == (0, True, 0)
    assert await index.markers() == b"[]"
    assert await index.find("m0") is None


# --------------------------------------------------------------------------------------------------- what is bad


async def test_bad_records_are_counted(tmp_path: Path, cache: Path) -> None:
    """Every bad record is counted, the lines of the first hundred are kept, and a half-written one is another thing."""
    bad = [BadRecord(number) for number in range(1, MAX_REPORTED_LINES + 8)]
    reader = ScriptedReader(*bad, BadRecord(None), *records(2), BadRecord(900, half_written=True))
    source = scripted_source(tmp_path, reader)
    index = built(source, cache)
    loaded = load_index(SESSION, Fingerprint.of(source), cache, meta=False)

    assert loaded is not None
    for one in (index, loaded):
        assert one.skipped_count == MAX_REPORTED_LINES + 8
        assert one.skipped_lines == list(range(1, MAX_REPORTED_LINES + 1))
        assert one.truncated
        assert await ids_of(one) == ["m0", "m1"]


@pytest.mark.parametrize(("depth", "ids", "skipped"), [(300, ["m0", "deep", "m1"], 0), (1000, ["m0", "m1"], 1)])
async def test_deeply_nested_record(root: Path, cache: Path, depth: int, ids: list[str], skipped: int) -> None:
    """A record that is nested more deeply than JSON can be written costs itself, not its session."""
    nested = b'{"message_id":"deep","metadata":{"deep":' + b"[" * depth + b"]" * depth + b"}}"
    folder = write_session(root, [message("m0"), nested, message("m1", 1)])
    index = built(native_source(folder), cache)

    assert await ids_of(index) == ids
    assert index.skipped_count == skipped


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [
        (ArchiveError("a file of this session is missing"), "a file of this session is missing"),
        (OSError(5, "input/output error", "/home/secret"), "the session could not be read or cached"),
        (KeyError("a defect of the reader"), "the session could not be decoded"),
        (RecursionError("too deep"), "the session could not be decoded"),
    ],
)
async def test_reader_that_fails_ends_its_session(
    tmp_path: Path, cache: Path, problem: Exception, sentence: str
) -> None:
    """What was read before can be played; then comes an `ArchiveError` that shows nothing of our insides."""
    index = built(scripted_source(tmp_path, ScriptedReader(*records(FIRST_PUBLISH_EVENTS), problem)), cache)
    await index.reach(FIRST_PUBLISH_EVENTS - 1)
    played = await ids_of(index)

    with pytest.raises(ArchiveError) as failed:
        await index.finish()
    assert str(failed.value) == sentence
    assert len(played) == FIRST_PUBLISH_EVENTS
    assert list(cache.iterdir()) == []


async def test_full_disk_is_an_archive_error(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that cannot be written to ends the session in words, and leaves nothing behind."""

    def write(_fd: int, _data: bytes) -> NoReturn:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(event_writer, "_write_fully", write)
    index = built(scripted_source(tmp_path, ScriptedReader(*records(1))), cache)

    with pytest.raises(ArchiveError, match="read or cached"):
        await index.reach(0)
    assert list(cache.iterdir()) == []


async def test_cache_that_is_no_folder_is_an_archive_error(tmp_path: Path) -> None:
    """Where there can be no cache, sessions fail in words."""
    (tmp_path / "cache").write_text("in the way")
    index = built(scripted_source(tmp_path, ScriptedReader(*records(1))), tmp_path / "cache")

    with pytest.raises(ArchiveError, match="read or cached"):
        await index.finish()


async def test_cache_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    """The cache can be deleted at any time."""
    index = built(scripted_source(tmp_path, ScriptedReader(*records(1))), tmp_path / "gone" / "cache")

    assert await ids_of(index) == ["m0"]


async def test_stopped_builder_gives_up(tmp_path: Path, cache: Path) -> None:
    """After `stop` the reading ends at the next record, with an error for whoever waits."""
    gate = threading.Event()
    builder = builder_of(scripted_source(tmp_path, ScriptedReader(gate, *records(100))), cache)
    with Running(builder) as index:
        builder.stop()
        gate.set()
        with pytest.raises(ArchiveError, match="stopping"):
            await index.finish()

    assert not index.complete
    assert list(cache.iterdir()) == []


# ------------------------------------------------------------------------------------------------------ the cache


async def test_two_builders_at_once(tmp_path: Path, cache: Path, open_files: Callable[[Path], int]) -> None:
    """Two processes that read the same session get each a whole index, and one of the two is kept."""
    gates = threading.Event(), threading.Event()
    sources = [scripted_source(tmp_path, ScriptedReader(*records(20), gate, *records(5, 20))) for gate in gates]
    fingerprint = Fingerprint.of(sources[0])
    builders = [IndexBuilder(source, SESSION, fingerprint, cache, meta=False) for source in sources]
    with Running(builders[0]) as one, Running(builders[1]) as other:
        for gate in gates:
            gate.set()
        await one.finish()
        await other.finish()
    folders = [path.name for path in cache.iterdir() if path.is_dir()]

    assert await ids_of(one) == await ids_of(other) == [f"m{number}" for number in range(25)]
    assert folders == [index_place(cache, SESSION, fingerprint, meta=False).name]
    del builders, one, other
    assert open_files(cache) == 0


async def test_older_index_makes_room_and_still_plays(root: Path, cache: Path) -> None:
    """A session that grew leaves one index in the cache; whoever plays from the older one goes on."""
    folder = write_session(root, [message("m0")])
    source = native_source(folder)
    older = built(source, cache)
    with (folder / "messages.jsonl").open("ab") as file:
        file.write(join_lines([message("m1", 1)]))
    newer = built(source, cache)

    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1
    assert await ids_of(older) == ["m0"]
    assert await ids_of(newer) == ["m0", "m1"]
    assert older.epoch == newer.epoch


async def test_messages_and_meta_events_are_two_editions(root: Path, cache: Path) -> None:
    """The index with meta events stands beside the one without, and numbers what it holds."""
    source = native_source(write_session(root, [message("m0"), message("m1", 2)], [meta_event("x0", 1)]))
    plain, merged = built(source, cache), built(source, cache, meta=True)

    assert await ids_of(plain) == ["m0", "m1"]
    assert await ids_of(merged) == ["m0", "x0", "m1"]
    assert list(plain.times) == [0, 2000]
    assert list(merged.times) == [0, 1000, 2000]


async def test_loaded_index_equals_the_built_one(tmp_path: Path, cache: Path) -> None:
    """What is taken from the cache is what was made."""
    marked: list[Line] = [message("m0"), message("m1", 5, "assistant", content_parts=[_CALL]), message("m2", 3600)]
    folder = write_session(tmp_path, marked, native_session_id=None)
    source = native_source(folder)
    index = built(source, cache)
    loaded = load_index(SESSION, Fingerprint.of(source), cache, meta=False)

    assert loaded is not None
    for name in ("times", "offsets", "ids", "turns", "tools", "gaps"):
        assert list(getattr(loaded, name)) == list(getattr(index, name)), name
    assert bytes((await loaded.read(0, 3)).run()) == bytes((await index.read(0, 3)).run())
    assert await loaded.markers() == await index.markers()
    assert (loaded.epoch, loaded.count, loaded.duration_ms) == (index.epoch, 3, 3_600_000)
    assert (list(loaded.turns), list(loaded.tools), list(loaded.gaps)) == ([0, 2], [1], [0, 5000, 5000, 3_600_000])
    assert loaded.openness == index.openness


_CALL = {"type": "tool_call", "call_id": "c1", "name": "Bash", "kind": "execute", "title": "make", "input": {}}


async def test_markers_are_listed_in_order(tmp_path: Path, cache: Path) -> None:
    """The markers are a JSON array with number, time, kind and label of each."""
    marker = (MarkerKind.SUBAGENT, "Explore")
    script = [*records(1), Record("x", None, kind="progress", markers=[marker]), *records(1, 3)]
    index = built(scripted_source(tmp_path, ScriptedReader(*script)), cache)

    assert orjson.loads(await index.markers()) == [
        {"seq": 0, "t_ms": 0, "kind": "turn", "label": "text 0"},
        {"seq": 1, "t_ms": 0, "kind": "subagent", "label": "Explore"},
        {"seq": 2, "t_ms": 3000, "kind": "turn", "label": "text 3"},
    ]


def test_nothing_is_held_when_an_index_is_dropped(root: Path, cache: Path, open_files: Callable[[Path], int]) -> None:
    """File descriptors and mappings go with the index, of the archive as of the cache."""
    source = native_source(write_session(root, [message("m0")]))
    index = built(source, cache)
    held = open_files(cache)
    del index

    assert held > 0
    assert open_files(cache) == 0
    assert open_files(root) == 0


def test_missing_file_leaves_no_folder(tmp_path: Path, cache: Path) -> None:
    """A session that went away before it was read leaves nothing in the cache."""
    source = scripted_source(tmp_path, ScriptedReader())
    os.unlink(source.path)

    with pytest.raises(ArchiveError, match="missing"):
        builder_of(source, cache)
    assert list(cache.iterdir()) == []
