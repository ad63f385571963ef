# ruff: noqa: ASYNC240  # a test's own loop may wait for a small file

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

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
    write_document,
    write_session,
)
from growing import LineReader, append, growing_source
from scrollcast.archive import event_writer, index_builder
from scrollcast.archive.cache import Fingerprint, index_place, load_index
from scrollcast.archive.epoch import epoch_of, remember_epoch
from scrollcast.archive.event_writer import FIRST_PUBLISH_EVENTS
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.index_builder import (
    LINE_REST_SECONDS,
    MAX_REPORTED_LINES,
    RECORD_REST_SECONDS,
    IndexBuilder,
)
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
    for name in ("times", "offsets", "ids", "turns", "tools", "errors", "gaps"):
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


def test_an_event_with_an_error_is_one_error_however_it_is_marked(tmp_path: Path, cache: Path) -> None:
    """Steps by error stop where the markers say that something went wrong, once."""
    failed = [(MarkerKind.ERROR, "no such file"), (MarkerKind.ERROR, "and again")]
    script = [*records(1), Record("x", None, kind="progress", markers=failed), *records(1, 3)]
    index = built(scripted_source(tmp_path, ScriptedReader(*script)), cache)

    assert (list(index.errors), list(index.turns)) == ([1], [0, 2])


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


# ----------------------------------------------------------------------------------------------------------- growing


@pytest.fixture
def source(tmp_path: Path) -> SessionSource:
    """A session of two lines."""
    return growing_source(tmp_path, LineReader(), "a", "b")


@pytest.fixture
def grown(source: SessionSource, cache: Path) -> Iterator[IndexBuilder]:
    """A builder that has read it."""
    builder = builder_of(source, cache)
    builder.run()
    yield builder
    builder.close()


def holding(tmp_path: Path, cache: Path, *lines: str, held: int = 1) -> tuple[SessionSource, IndexBuilder]:
    """A session whose reader holds records back, just written, and a builder that has read it."""
    source = growing_source(tmp_path, LineReader(held), *lines)
    builder = builder_of(source, cache)
    builder.run()
    return source, builder


async def test_what_is_appended_is_added(source: SessionSource, grown: IndexBuilder) -> None:
    """The index grows in place, in the same epoch, each time by what came."""
    index, epoch = grown.index, grown.index.epoch
    append(source, "c")
    done = grown.grow()
    append(source, "d", "e")
    grown.grow()
    grown.grow()

    assert done
    assert grown.index is index
    assert (await ids_of(index), index.epoch, index.shown) == (["a", "b", "c", "d", "e"], epoch, 5)
    assert [json.loads(event)["seq"] for event in await events_of(index)] == [0, 1, 2, 3, 4]


async def events_of(index: SessionIndex) -> list[bytes]:
    """The bytes of an index's events."""
    return [bytes((await index.read(seq, seq + 1)).event(seq)) for seq in range(index.count)]


async def test_what_is_there_at_once_and_what_grew_is_the_same(
    source: SessionSource, grown: IndexBuilder, tmp_path: Path
) -> None:
    """To the byte."""
    append(source, "c", "?", "d")
    grown.grow()
    whole = built(source, tmp_path / "other")

    assert await events_of(grown.index) == await events_of(whole)
    assert (grown.index.skipped_count, grown.index.skipped_lines) == (whole.skipped_count, whole.skipped_lines)


async def test_bad_records_that_are_appended_are_counted(source: SessionSource, grown: IndexBuilder) -> None:
    """Beside those that were there; whoever waits is woken."""
    append(source, "?")
    waiting = grown.index.changed(grown.index.openness)
    grown.grow()
    await asyncio.wait_for(waiting, 30)
    append(source, "?")
    grown.grow()

    assert (grown.index.skipped_count, grown.index.skipped_lines) == (2, [3, 4])


async def test_an_unended_line_waits_until_the_session_is_at_rest(root: Path, cache: Path) -> None:
    """Then it is taken as it is; half a record stays half, and says so as long as it is."""
    folder = write_session(root, [message("m0")])
    messages, line = folder / "messages.jsonl", join_lines([message("m1", 1)])
    builder = builder_of(native_source(folder), cache)
    builder.run()
    seen = []
    for piece, rest in ((line[:9], 0), (b"", LINE_REST_SECONDS), (line[9:-1], 0), (b"", LINE_REST_SECONDS), (b"\n", 0)):
        with messages.open("ab") as file:
            file.write(piece)
        builder.grow(rest)
        seen.append((builder.index.count, builder.index.truncated))
    builder.close()

    assert seen == [(1, False), (1, True), (1, True), (2, False), (2, False)]
    assert await ids_of(builder.index) == ["m0", "m1"]


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda path: os.truncate(path, 2),
        lambda path: path.write_bytes(b"a\nB\n"),
        lambda path: path.write_bytes(b"a\nbb\nc\n"),
        lambda path: path.replace(path.with_suffix(".old")) and path.write_bytes(b"a\nb\n"),
    ],
    ids=["truncated", "changed", "changed and longer", "replaced"],
)
async def test_what_is_no_growth_supersedes(
    source: SessionSource, grown: IndexBuilder, rewrite: Callable[[Path], object]
) -> None:
    """What was read can still be played, nothing is added to it any more, and who waits is woken."""
    waiting = grown.index.changed(grown.index.openness)
    rewrite(source.path)
    grown.grow(LINE_REST_SECONDS)
    await asyncio.wait_for(waiting, 30)
    append(source, "x")
    again = grown.grow()

    assert grown.index.superseded
    assert not grown.can_grow
    assert not again
    assert await ids_of(grown.index) == ["a", "b"]


async def test_a_line_that_changes_earlier_ones_supersedes(source: SessionSource, grown: IndexBuilder) -> None:
    """The reader says so; the session is to be read anew."""
    append(source, "b~")
    grown.grow()

    assert grown.index.superseded
    assert await ids_of(grown.index) == ["a", "b"]


def test_a_line_that_changed_earlier_ones_while_they_were_read_supersedes(tmp_path: Path, cache: Path) -> None:
    """What the reader could not know of is not in what it gave; unless the file is as it was, and it could."""
    source = growing_source(tmp_path, LineReader(), "a", "b~")
    builder = builder_of(source, cache)
    builder.run()
    unchanged = builder.index.superseded
    late = builder_of(source, cache)
    append(source, "c")
    late.run()

    assert not unchanged
    assert late.index.complete
    assert late.index.superseded


async def test_nobody_is_missed_who_asks_while_another_one_reads(
    source: SessionSource, grown: IndexBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who reads looks again when it is done: it may have been at the end already."""
    at_the_end, go_on = threading.Event(), threading.Event()
    append_to_index = IndexBuilder._append

    def append_and_wait(builder: IndexBuilder, *arguments: Any, **options: Any) -> int:
        stop = append_to_index(builder, *arguments, **options)
        at_the_end.set()
        assert go_on.wait(10)
        return stop

    monkeypatch.setattr(IndexBuilder, "_append", append_and_wait)
    reading = threading.Thread(target=grown.grow)
    reading.start()
    assert at_the_end.wait(10)
    append(source, "c")
    asked = grown.grow()
    go_on.set()
    reading.join()

    assert not asked
    assert await ids_of(grown.index) == ["a", "b", "c"]


def test_who_opens_a_session_is_not_kept_by_those_who_ask_meanwhile(
    grown: IndexBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks once more, without the checks that it had made, and leaves what comes then to others."""
    looks: list[tuple[float, int]] = []

    def read_on(builder: IndexBuilder, rest_seconds: float, spare_bytes: int) -> None:
        looks.append((rest_seconds, spare_bytes))
        if len(looks) < 10:
            asking = threading.Thread(target=builder.grow)
            asking.start()
            asking.join()

    monkeypatch.setattr(IndexBuilder, "_read_on", read_on)
    done = grown.grow(LINE_REST_SECONDS, spare_bytes=4096)

    assert done
    assert looks == [(LINE_REST_SECONDS, 4096), (0.0, 0)]


async def test_growth_of_what_is_still_being_read_comes_by_itself(tmp_path: Path, cache: Path) -> None:
    """Who asks for it then does nothing, and waits for nothing."""
    source = growing_source(tmp_path, LineReader(), "a")
    builder = builder_of(source, cache)
    before = builder.grow()
    builder.run()

    assert not before
    assert builder.can_grow
    builder.close()


@pytest.mark.parametrize("problem", [OSError(28, "no space left on device"), ArchiveError("gone")])
async def test_growth_that_fails_supersedes(
    source: SessionSource, grown: IndexBuilder, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    """It has lost its place: whoever opens the session reads it anew, and hears of the problem if it is still there."""

    def fail(*_arguments: object) -> NoReturn:
        raise problem

    append(source, "c")
    monkeypatch.setattr(event_writer, "_write_fully", fail)
    grown.grow()

    assert grown.index.superseded
    assert await ids_of(grown.index) == ["a", "b"]


async def test_a_defect_of_the_reader_ends_the_growth(
    source: SessionSource, grown: IndexBuilder, open_files: Callable[[Path], int], caplog: pytest.LogCaptureFixture
) -> None:
    """What is there can be played, and nothing is read over and over."""
    append(source, "c", "!", "d")
    grown.grow()

    assert (await ids_of(grown.index), grown.index.superseded) == (["a", "b"], False)
    assert not grown.can_grow
    assert "could not be read on" in caplog.text
    assert open_files(source.path) == 0


# ---------------------------------------------------------------------------------------------------- catching up


def reopened(source: SessionSource, cache: Path) -> IndexBuilder:
    """A builder of an index that was found in the cache."""
    fingerprint = Fingerprint.of(source)
    index = load_index(SESSION, fingerprint, cache, meta=False)
    assert index is not None
    return IndexBuilder(source, SESSION, fingerprint, cache, meta=False, finished=index)


async def test_an_index_from_the_cache_grows_when_it_was_caught_up_with(
    source: SessionSource, grown: IndexBuilder, cache: Path
) -> None:
    """Not before; then with what came since, and with its bad records counted as they were."""
    append(source, "?")
    other = cache / "other"
    built(source, other)
    builder = reopened(source, other)
    append(source, "c")
    before = (builder.can_grow, builder.grow())
    builder.catch_up()
    after = await ids_of(builder.index)
    append(source, "?", "d")
    builder.grow()

    assert before == (False, False)
    assert after == ["a", "b", "c"]
    assert (await ids_of(builder.index), builder.index.skipped_lines) == (["a", "b", "c", "d"], [3, 5])
    builder.close()


@pytest.mark.parametrize("data", [b"a\n", b"a\nbb\n", b"", b"a\nb~\nc\n"])
def test_an_index_that_does_not_come_again_is_superseded(source: SessionSource, cache: Path, data: bytes) -> None:
    """Fewer events, or others: the file is not the one that it was made of."""
    built(source, cache)
    builder = reopened(source, cache)
    source.path.write_bytes(data)
    builder.catch_up()

    assert builder.index.superseded
    assert not builder.can_grow


async def test_catching_up_that_fails_adds_nothing_twice(source: SessionSource, cache: Path) -> None:
    """A file that was missing for a moment is not read as if all of it were new."""
    built(source, cache)
    builder = reopened(source, cache)
    source.path.rename(source.path.with_suffix(".away"))
    builder.catch_up()
    source.path.with_suffix(".away").rename(source.path)
    append(source, "c")
    builder.grow()

    assert builder.index.superseded
    assert await ids_of(builder.index) == ["a", "b"]


def test_catching_up_twice_reads_once(source: SessionSource, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second who asks finds it done."""
    built(source, cache)
    builder = reopened(source, cache)
    builder.catch_up()
    monkeypatch.setattr(index_builder, "open_intake", None)
    builder.catch_up()

    assert builder.can_grow
    builder.close()


# -------------------------------------------------------------------------------------------------- held-back records


async def test_what_is_held_back_is_there_and_not_shown(tmp_path: Path, cache: Path) -> None:
    """A replay that ends gets it, who follows does not, before it is settled."""
    source, builder = holding(tmp_path, cache, "a", "b")
    first = builder.index.openness
    append(source, "c", "d")
    builder.grow()

    assert (first.count, first.shown) == (2, 1)
    assert (builder.index.count, builder.index.shown) == (3, 3)
    assert builder.holds_back()
    assert await ids_of(builder.index) == ["a", "b", "c"]
    builder.close()


async def test_what_was_held_back_and_changes_makes_another_index_of_the_same_epoch(
    tmp_path: Path, cache: Path
) -> None:
    """Nobody who follows has seen it. The index that has it stays as it is, and says that there is another."""
    source, builder = holding(tmp_path, cache, "a", "b")
    before = builder.index
    append(source, "b~", "c")
    builder.grow()
    after = builder.index
    append(source, "d")
    builder.grow()

    assert before.superseded
    assert await ids_of(before) == ["a", "b"]
    assert (after.superseded, after.epoch, after.shown) == (False, before.epoch, 3)
    assert builder.index is after
    assert await ids_of(after) == ["a", "b~", "c"]
    builder.close()


async def test_what_was_shown_and_changes_is_read_anew(tmp_path: Path, cache: Path) -> None:
    """After a long rest all that is held back is shown; what becomes of it is another epoch."""
    source, builder = holding(tmp_path, cache, "a", "b")
    builder.grow(RECORD_REST_SECONDS)
    shown = builder.index.shown
    append(source, "b~", "c")
    builder.grow()
    again = IndexBuilder(source, SESSION, Fingerprint.of(source), cache, meta=False, earlier=[builder.index])
    again.run()

    assert shown == 2
    assert builder.index.superseded
    assert again.index.epoch != builder.index.epoch
    assert await ids_of(again.index) == ["a", "b~", "c"]


async def test_what_was_held_back_and_comes_the_same_is_settled(tmp_path: Path, cache: Path) -> None:
    """Nothing is told of it, and nothing comes twice."""
    source, builder = holding(tmp_path, cache, "a", "b", "c", held=2)
    builder.grow(RECORD_REST_SECONDS)
    index = builder.index
    append(source, "d", "e")
    builder.grow()
    builder.grow(RECORD_REST_SECONDS)

    assert builder.index is index
    assert not index.superseded
    assert await ids_of(index) == ["a", "b", "c", "d", "e"]
    builder.close()


async def test_events_that_were_only_held_back_make_no_epoch(tmp_path: Path, cache: Path) -> None:
    """A session that is read again after it has grown keeps the epoch that those who follow know."""
    source, builder = holding(tmp_path, cache, "a", "b")
    append(source, "b~", "c")
    again = IndexBuilder(source, SESSION, Fingerprint.of(source), cache, meta=False, earlier=[builder.index])
    again.run()
    builder.close()

    assert again.index.epoch == builder.index.epoch
    assert await ids_of(again.index) == ["a", "b~", "c"]
    again.close()


# -------------------------------------------------------------------------------------------------- earlier states


@pytest.mark.parametrize(
    ("messages", "is_same"),
    [
        (["m0", "m1", "m2"], True),
        (["m0", "m1"], True),
        (["m0", "m1", "m2", "m3"], True),
        (["m0"], False),
        ([], False),
        (["m0", "M1", "m2"], False),
        (["m-1", "m0", "m1"], False),
    ],
)
def test_epoch_of_a_document_stays_as_long_as_its_events_come_again(
    root: Path, cache: Path, messages: list[str], is_same: bool
) -> None:
    """It is written anew whenever something is added: the events tell what was added and what was changed."""
    made = [message("m0"), message("m1", 1)]
    source = native_source(write_document(root, made))
    before = built(source, cache)
    write_document(root, [message(name, abs(int(name[1:]))) for name in messages])
    builder = IndexBuilder(source, SESSION, Fingerprint.of(source), cache, meta=False, earlier=[before])
    builder.run()
    without = built(source, cache)

    assert (builder.index.epoch == before.epoch) is is_same
    assert without.epoch == builder.index.epoch


def test_events_of_an_earlier_state_tell_whatever_was_noted(root: Path, cache: Path) -> None:
    """The note may be of a state in between, which another reader has noted already."""
    made = [message("m0"), message("m1", 1)]
    source = native_source(write_document(root, made))
    before = built(source, cache)
    remember_epoch(source, "another", cache)
    same, changed = (
        IndexBuilder(source, SESSION, Fingerprint.of(source), cache, meta=False, earlier=[before]) for _ in range(2)
    )
    same.run()
    write_document(root, made[:1])
    changed.run()

    assert same.index.epoch == before.epoch
    assert changed.index.epoch not in (before.epoch, "another")


def test_an_earlier_state_that_is_gone_is_another_epoch(root: Path, cache: Path) -> None:
    """What nobody can compare is not taken for the same."""
    source = native_source(write_document(root, [message("m0")]))
    before = built(source, cache)
    write_document(root, [message("m0"), message("m1", 1)])
    builder = builder_of(source, cache)
    builder.run()

    assert builder.index.epoch != before.epoch


async def test_growth_is_remembered_when_it_is_over(source: SessionSource, grown: IndexBuilder, cache: Path) -> None:
    """A change of what came by growing is another epoch after a restart, too."""
    append(source, "c", "d")
    grown.grow()
    grown.remember()
    unchanged = epoch_of(source, cache)
    source.path.write_bytes(b"a\nb\nC\nd\n")

    assert unchanged == grown.index.epoch
    assert epoch_of(source, cache) != grown.index.epoch


# ----------------------------------------------------------------------------------------------------------- closing


def test_closing_waits_for_nobody(tmp_path: Path, cache: Path, open_files: Callable[[Path], int]) -> None:
    """Whoever reads closes the files when it is done."""
    gate, reader = threading.Event(), LineReader()
    source = growing_source(tmp_path, reader, "a", "b")
    builder = builder_of(source, cache)

    def wait_and_run() -> None:
        gate.wait(10)
        builder.run()

    reading = threading.Thread(target=wait_and_run)
    with builder._lock:
        reading.start()
        gate.set()
        builder.close()
    reading.join()

    assert builder.index.complete
    assert not builder.can_grow
    assert open_files(source.path) == 0


def test_a_closed_builder_can_be_followed_again(
    source: SessionSource, grown: IndexBuilder, open_files: Callable[[Path], int]
) -> None:
    """The file is let go while nobody follows, and opened again for the next one."""
    append(source, "c")
    grown.grow()
    grown.close()
    held = open_files(source.path)
    append(source, "d")
    grown.catch_up()

    assert held == 0
    assert grown.index.count == 4
    assert open_files(source.path) == 1


def test_a_session_that_cannot_be_read_is_let_go(
    tmp_path: Path, cache: Path, open_files: Callable[[Path], int]
) -> None:
    """A builder that failed holds nothing, though somebody may keep it for a while."""
    source = growing_source(tmp_path, LineReader(), "a", "!")
    builder = builder_of(source, cache)
    builder.run()

    assert builder.index.failure is not None
    assert open_files(source.path) == 0


async def test_a_stopped_builder_does_not_grow(source: SessionSource, grown: IndexBuilder) -> None:
    """The server is about to go."""
    grown.stop()
    append(source, "c")
    grown.grow()

    assert await ids_of(grown.index) == ["a", "b"]
    assert not grown.index.superseded
