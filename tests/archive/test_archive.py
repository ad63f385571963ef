# ruff: noqa: ASYNC240  # a test's own loop may wait for a small file

import asyncio
import gc
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from archives import SCROLL_ID, JsonObject, join_lines, message, meta_event, write_session
from scrollcast.archive import archive as archive_module
from scrollcast.archive.archive import Archive
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.index_builder import IndexBuilder
from scrollcast.errors import ArchiveError, SessionNotFound

THREE: list[JsonObject] = [message("m0"), message("m1", 1), message("m2", 2)]


@pytest.fixture
def archive(root: Path, cache: Path) -> Iterator[Archive]:
    """An archive with one session of three messages."""
    write_session(root, THREE)
    with Archive.open(root, cache=cache) as opened:
        yield opened


@pytest.fixture
def messages(root: Path) -> Path:
    """The file of that session's messages."""
    return root / str(SCROLL_ID) / "messages.jsonl"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Holds every builder until it is opened."""
    opened = threading.Event()
    run = IndexBuilder.run

    def wait_and_run(builder: IndexBuilder) -> None:
        opened.wait(10)
        run(builder)

    monkeypatch.setattr(IndexBuilder, "run", wait_and_run)
    yield opened
    opened.set()


async def finished(archive: Archive, *, meta: bool = False) -> SessionIndex:
    """The whole index of the session."""
    index = await archive.open_index(SCROLL_ID, meta=meta)
    await index.finish()
    return index


def append(path: Path, *lines: JsonObject) -> None:
    """Add records to a file."""
    with path.open("ab") as file:
        file.write(join_lines(lines))


# --------------------------------------------------------------------------------------------------------- opening


async def test_concurrent_opens_build_once(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty viewers that open a session at once share one index, which is made once."""
    built: list[IndexBuilder] = []
    run = IndexBuilder.run

    def count_and_run(builder: IndexBuilder) -> None:
        built.append(builder)
        run(builder)

    monkeypatch.setattr(IndexBuilder, "run", count_and_run)
    indexes = await asyncio.gather(*(finished(archive) for _ in range(50)))

    assert len({id(index) for index in indexes}) == 1
    assert len(built) == 1


async def test_index_of_an_earlier_run_is_used(
    archive: Archive, root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made before a restart is not made again."""
    first = await finished(archive)
    monkeypatch.delattr(IndexBuilder, "run")
    with Archive.open(root, cache=cache) as reopened:
        index = await reopened.open_index(SCROLL_ID)

    assert (index.count, index.complete, index.epoch) == (3, True, first.epoch)


async def test_session_that_grew_has_the_same_index_and_epoch(archive: Archive, messages: Path) -> None:
    """An index is of the files as they are when it is opened: it has grown with them."""
    before = await finished(archive)
    epoch, count = before.epoch, before.count
    append(messages, message("m3", 3))
    after = await finished(archive)

    assert after is before
    assert (count, after.count, after.epoch) == (3, 4, epoch)


async def test_editions_are_two_indexes(root: Path, cache: Path) -> None:
    """With meta events and without are two indexes, and only the latter counts messages."""
    write_session(root, THREE, [meta_event("x0", 9)])
    with Archive.open(root, cache=cache) as archive:
        merged, plain = await finished(archive, meta=True), await finished(archive)
        session = archive.session(SCROLL_ID)

    assert (merged.count, plain.count) == (4, 3)
    assert (session.count, session.duration_ms) == (3, 2000)


async def test_session_that_came_since_is_found(archive: Archive, root: Path) -> None:
    """A session that is asked for by its id need not have been listed before."""
    write_session(root, THREE, scroll_id=UUID(int=5))
    index = await archive.open_index(str(UUID(int=5)))

    assert index.session.scroll_id == UUID(int=5)


async def test_changed_metadata_is_in_the_index(archive: Archive, root: Path) -> None:
    """Routing is made of the metadata as it is when the session is opened."""
    first = await finished(archive)
    path = root / str(SCROLL_ID) / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "native_session_id": "native-22"}))
    second = await finished(archive)

    assert (first.session.connector_id, second.session.connector_id) == ("native-1", "native-22")


async def test_least_used_indexes_are_let_go(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many indexes are kept open; one that was let go is opened again."""
    monkeypatch.setattr(archive_module, "KEPT_INDEXES", 2)
    ids = [UUID(int=number) for number in (1, 2, 3)]
    for scroll_id in ids:
        write_session(root, THREE, scroll_id=scroll_id)
    with Archive.open(root, cache=cache) as archive:
        first = [await archive.open_index(scroll_id) for scroll_id in ids]
        for index in first:
            await index.finish()
        again = [await archive.open_index(scroll_id) for scroll_id in reversed(ids)]

    assert [one is other for one, other in zip(first, reversed(again), strict=True)] == [False, True, True]
    assert [index.count for index in again] == [3, 3, 3]


# ------------------------------------------------------------------------------------------------- what is known


async def test_counts_are_exact_after_indexing(
    archive: Archive, root: Path, cache: Path, messages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The estimate of a large session becomes exact once it was indexed, and is so after a restart."""
    monkeypatch.setattr("scrollcast.archive.formats.native._EXACT_SUMMARY_BYTES", 0)
    monkeypatch.setattr("scrollcast.archive.formats.native._SAMPLE_BYTES", 300)
    append(messages, message("m3", 60), message("m4", 1))
    with messages.open("ab") as file:
        file.write(b"{broken\n\n")
    archive.catalogue.refresh()
    estimated = archive.session(SCROLL_ID)
    await finished(archive)
    await asyncio.to_thread(archive.close)  # the figures are learnt by the builder's thread
    exact = archive.session(SCROLL_ID)
    with Archive.open(root, cache=cache) as reopened:
        await reopened.open_index(SCROLL_ID)
        again = reopened.session(SCROLL_ID)

    assert estimated.duration_ms != 60_000
    assert (exact.count, exact.duration_ms) == (again.count, again.duration_ms) == (5, 60_000)
    assert [session.count for session in archive.sessions()] == [5]


@pytest.mark.parametrize("missing", [UUID(int=9), "no-uuid", ""])
async def test_unknown_session(archive: Archive, missing: UUID | str) -> None:
    """A session that is not there is not found, however it is asked for."""
    with pytest.raises(SessionNotFound):
        await archive.open_index(missing)
    with pytest.raises(SessionNotFound):
        archive.session(missing)


async def test_broken_session(archive: Archive, messages: Path) -> None:
    """A session that broke since it was listed is an error when it is opened, and plays again when it is mended."""
    away = messages.rename(messages.with_name("away"))
    with pytest.raises(ArchiveError, match="missing"):
        await archive.open_index(SCROLL_ID)
    away.rename(messages)

    assert (await finished(archive)).count == 3


async def test_index_that_failed_is_made_again(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was full for a while does not spoil a session for good."""

    def fail(*_arguments: object) -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("scrollcast.archive.event_writer._write_fully", fail)
        with pytest.raises(ArchiveError):
            await finished(archive)

    assert (await finished(archive)).count == 3


# -------------------------------------------------------------------------------------------------------- rewriting


def _same(_data: bytes) -> bytes:
    return _data


def _grown(data: bytes) -> bytes:
    return data + join_lines([message("m3", 3)])


def _changed(data: bytes) -> bytes:
    return data.replace(b'"m1"', b'"M1"')


@pytest.mark.parametrize(("rewrite", "is_other"), [(_same, False), (_grown, False), (_changed, True)])
@pytest.mark.parametrize("reopened", [False, True])
async def test_was_rewritten(
    archive: Archive,
    messages: Path,
    monkeypatch: pytest.MonkeyPatch,
    rewrite: Callable[[bytes], bytes],
    is_other: bool,
    reopened: bool,
) -> None:
    """Whoever plays an index is told when its session holds other events, also where somebody reopened it before."""
    monkeypatch.setattr(archive_module, "WATCH_SECONDS", 0)
    index = await finished(archive)
    before = await archive.was_rewritten(index)
    messages.write_bytes(rewrite(messages.read_bytes()))
    newer = await finished(archive) if reopened else index

    assert not before
    assert await archive.was_rewritten(index) == is_other
    assert await archive.was_rewritten(newer) == (is_other and not reopened)


async def test_answer_serves_everybody_for_a_while(archive: Archive, messages: Path) -> None:
    """Many streams that ask cost one look; a newly opened index is never told that it was rewritten."""
    index = await finished(archive)
    asked = await archive.was_rewritten(index)
    messages.write_bytes(_changed(messages.read_bytes()))
    unseen = await archive.was_rewritten(index)
    newer = await finished(archive)

    assert not asked
    assert not unseen
    assert not await archive.was_rewritten(newer)
    assert await archive.was_rewritten(index)


async def test_session_that_is_gone_was_not_rewritten(
    archive: Archive, messages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of a session can be played on when its file is deleted."""
    monkeypatch.setattr(archive_module, "WATCH_SECONDS", 0)
    index = await finished(archive)
    messages.unlink()
    deleted = await archive.was_rewritten(index)
    messages.parent.rename(messages.parent.with_name("away"))
    archive.catalogue.refresh()

    assert not deleted
    assert (await index.read(0, 3)).start == 0
    assert not await archive.was_rewritten(index)


# ----------------------------------------------------------------------------------------------------------- closing


async def test_closing_fails_whoever_still_waits(root: Path, cache: Path, gate: threading.Event) -> None:
    """Sessions that are being read, and those that wait for their turn, end with an `ArchiveError`."""
    ids = [UUID(int=number) for number in range(1, 6)]
    for scroll_id in ids:
        write_session(root, THREE, scroll_id=scroll_id)
    archive = Archive.open(root, cache=cache)
    indexes = [await archive.open_index(scroll_id) for scroll_id in ids]
    waiting = [asyncio.create_task(index.finish()) for index in indexes]
    closing = asyncio.create_task(asyncio.to_thread(archive.close))
    await asyncio.sleep(0.01)
    gate.set()
    await closing
    results: list[Any] = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)

    assert [str(result) for result in results] == ["the server is stopping"] * len(ids)
    assert all(isinstance(result, ArchiveError) for result in results)
    assert [path.name for path in cache.iterdir() if not path.name.startswith("catalogue")] == []


async def test_closed_archive_reads_no_more(archive: Archive) -> None:
    """A session that is opened too late is an `ArchiveError`; closing twice is closing."""
    archive.close()
    archive.close()

    with pytest.raises(ArchiveError, match="stopping"):
        await archive.open_index(SCROLL_ID)


async def test_temporary_cache_goes_with_the_archive(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a cache folder nothing stays behind: not of a closed archive, a forgotten one, or one never opened."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    write_session(root, THREE)
    with Archive.open(root) as archive:
        index = await finished(archive)
        during = len(list(temporary.iterdir()))
    forgotten = Archive.open(root)
    del forgotten
    with pytest.raises(ArchiveError):
        Archive.open(tmp_path / "nothing")
    gc.collect()

    assert during == 1
    assert list(temporary.iterdir()) == []
    assert index.count == 3


async def test_nothing_is_held_after_closing(root: Path, cache: Path, open_files: Callable[[Path], int]) -> None:
    """File descriptors and mappings go with the archive and the last stream."""
    write_session(root, THREE)
    archive = Archive.open(root, cache=cache)
    index: SessionIndex | None = await finished(archive)
    archive.close()
    held = open_files(cache)
    index = None

    assert index is None
    assert held > 0
    assert open_files(cache) == 0
    assert open_files(root) == 0


def test_cache_that_cannot_be_made(root: Path, tmp_path: Path) -> None:
    """A cache folder in a place where none can be is an `ArchiveError`."""
    (tmp_path / "file").touch()

    with pytest.raises(ArchiveError, match="cache"):
        Archive.open(root, cache=tmp_path / "file" / "cache")


def test_archive_is_never_written_to(root: Path, cache: Path) -> None:
    """Playing leaves the archive as it was."""
    write_session(root, THREE)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    with Archive.open(root, cache=cache) as archive:
        asyncio.run(finished(archive))

    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
