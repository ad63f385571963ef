"""Files that vanish, shrink, fail or never answer while they are played: a typed error, for that session alone."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from archives import SCROLL_ID, metadata, write_session
from scrollcast.archive import growing_file, index, page_cache, storage
from scrollcast.archive.formats.native import NativeReader
from serving import PATIENCE_SECONDS, Child, Client, Serving, ids, serving, talk, until

OTHER_ID = UUID("0b5e55ed-0000-4000-8000-0000000000aa")
EVENTS = 3000
PAD = 2000
"""Some 6 MB: read in several pieces."""


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of a session that will be in trouble, and of one that will not."""
    write_session(root, talk(EVENTS, pad=PAD))
    write_session(root, talk(200), scroll_id=OTHER_ID)
    async with serving(root, cache=cache) as server:
        await until(server.app.state.ready.is_set)
        yield server


def messages_file(root: Path) -> Path:
    """Where the lines of the session are."""
    return root / str(SCROLL_ID) / "messages.jsonl"


async def beside(server: Serving, watched: Client) -> Client:
    """What the other session's viewer gets while this one is played."""
    other = await server.replay(OTHER_ID)
    assert other.log.ids() == ids(200)
    assert other.close_code == 1000
    return watched


Fault = Callable[[Path], None]


def vanish(path: Path) -> None:
    """It is deleted."""
    path.unlink()


def shrink(path: Path) -> None:
    """Its second half goes, under whoever reads it."""
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    """All of it goes."""
    os.truncate(path, 0)


@pytest.mark.parametrize("fault", [vanish, shrink, empty])
async def test_what_was_read_is_played_whatever_becomes_of_the_file(server: Serving, root: Path, fault: Fault) -> None:
    """To the end, or from its beginning as it is now, and never as an error that nobody foresaw."""
    await server.replay(start_seq=EVENTS)  # so that it was read
    async with server.watch(mode="realtime", speed=100, idle=1) as client:
        await client.read_events(50)
        await asyncio.to_thread(fault, messages_file(root))
        await beside(server, client)
        await client.control(seek={"seq": EVENTS - 10})
        log = await client.rest()

    assert client.close_code == 1000
    assert set(log.codes()) <= {"archive_rewritten", "records_skipped"}
    assert log.of("end")


@pytest.mark.parametrize("fault", [vanish, shrink, empty])
async def test_a_followed_file_that_is_gone_for_good_ends_in_an_archive_error_or_goes_on(
    server: Serving, root: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """Nothing else; and nothing for anybody else."""
    monkeypatch.setattr("scrollcast.stream.session_stream.REOPEN_PATIENCE_SECONDS", 0.5)
    async with server.watch(follow="true", batch=65536) as client:
        await client.until("caught_up")
        await asyncio.to_thread(fault, messages_file(root))
        await beside(server, client)
        with suppress(TimeoutError):
            async with asyncio.timeout(1.5):
                await client.rest()
        client.abort()

    if client.log.of("error"):
        assert client.close_code == 4505
    assert set(client.log.codes()) <= {"index_complete", "archive_rewritten", "archive_error", "records_skipped"}


class Broken:
    """A disk that fails on demand."""

    def __init__(self) -> None:
        self.reads_left = sys.maxsize

    def read(self, kept: Callable[..., Any], *how: Any) -> Any:
        """Read, or fail."""
        self.reads_left -= 1
        if self.reads_left < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return kept(*how)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Broken:
    """What the modules that read sessions read by."""
    broken = Broken()

    class Os:
        def __getattr__(self, name: str) -> Any:
            value = getattr(os, name)
            if name in ("read", "pread", "preadv"):
                return lambda *how: broken.read(value, *how)
            return value

    for module in (growing_file, page_cache, storage, index):
        monkeypatch.setattr(module, "os", Os())
    # What it fails to give is nowhere else either.
    hold = page_cache.CachedPages.hold
    monkeypatch.setattr(
        page_cache.CachedPages, "hold", lambda self, *where: broken.reads_left > 0 and hold(self, *where)
    )
    return broken


async def test_a_disk_that_fails_while_a_session_is_read_is_an_archive_error(
    server: Serving, disk: Broken, root: Path
) -> None:
    """In the middle of the first play: 4505, without a path; once the disk is well, so is the session."""
    disk.reads_left = 2
    broken = await server.replay(batch=65536)
    disk.reads_left = sys.maxsize
    well = await server.replay(batch=65536)
    await beside(server, well)

    error = broken.log.messages[-1]
    assert (error["type"], error["code"]) == ("error", "archive_error")
    assert str(root) not in error["message"]
    assert broken.close_code == 4505
    assert len(well.log.events) == EVENTS


async def test_a_disk_that_fails_while_a_session_is_played_is_an_archive_error(server: Serving, disk: Broken) -> None:
    """Also where only the cache is read; of a replay in realtime and of one in batches."""
    await server.replay(start_seq=EVENTS)
    async with server.watch(mode="realtime", speed=100) as slow, server.watch(paused="true", batch=65536) as fast:
        await slow.read_events(10)
        await fast.next()
        disk.reads_left = 0
        await fast.control(play=True)
        await asyncio.gather(slow.rest(), fast.rest())
        disk.reads_left = sys.maxsize
        await beside(server, slow)

    for client in (slow, fast):
        assert client.log.messages[-1]["code"] == "archive_error"
        assert client.close_code == 4505


# ----------------------------------------------------------------------------------------------------- it says nothing


@pytest.fixture
async def hanging(server: Serving, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[threading.Event]:
    """The disk of one session, which is known already, hangs until this is set."""
    well = threading.Event()
    files = NativeReader.files

    def hang(self: NativeReader, source: Any) -> Any:
        if source.scroll_id == SCROLL_ID:
            well.wait(PATIENCE_SECONDS)
        return files(self, source)

    monkeypatch.setattr(NativeReader, "files", hang)
    yield well
    well.set()


async def test_a_disk_that_hangs_holds_up_no_other_session(server: Serving, hanging: threading.Event) -> None:
    """However many wait for it: they take one thread. Whoever waits gets everything when it answers after all."""

    async def watch() -> Client:
        async with server.watch(start_seq=EVENTS - 50) as client:
            await client.rest()
        return client

    waiting = [asyncio.create_task(watch()) for _ in range(100)]
    await server.until_streams(100)
    others = await asyncio.gather(*(server.replay(OTHER_ID) for _ in range(20)))
    still = [task for task in waiting if not task.done()]
    hanging.set()
    clients = await asyncio.gather(*waiting)

    assert len(still) == 100
    assert all(client.log.ids() == ids(200) for client in others)
    assert {(len(client.log.events), client.close_code) for client in clients} == {(50, 1000)}


# --------------------------------------------------------------------------------------------- the machine's own limits


LIMITED = (
    "import resource, sys; resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]),) * 2);"
    "from scrollcast.cli import main; sys.exit(main(sys.argv[3:]))"
)


async def test_out_of_open_files_new_connections_are_refused_and_streams_play(root: Path, tmp_path: Path) -> None:
    """And there is room again when some have gone; nothing stands on stderr."""
    write_session(root, talk(EVENTS))
    with Child(tmp_path, "RLIMIT_NOFILE", "200", "serve", root, "--port", "0", start=("-c", LIMITED)) as child:
        server = await asyncio.to_thread(child.serving)
        async with server.watch(mode="realtime", speed=10) as client:
            await client.read_events(5)
            idle = [await asyncio.open_connection(server.host, server.port) for _ in range(160)]
            await client.read_events(50)
            refused = 0
            for reader, writer in idle:
                with suppress(TimeoutError):
                    refused += (await asyncio.wait_for(reader.read(12), 0.05)) == b"HTTP/1.1 503"
                writer.close()
            await client.read_events(100)
        again = await server.replay(batch=65536)
        status, out, err, _ = await asyncio.to_thread(child.stop)

    assert refused >= 50
    assert client.log.seqs()[:100] == list(range(100))
    assert len(again.log.events) == EVENTS
    assert (status, out, err) == (0, "", "")


async def test_a_session_that_memory_does_not_hold_ends_nothing_else(root: Path, tmp_path: Path) -> None:
    """It is not listed, or cannot be read; the process lives on, and plays the others.

    Whoever connects at the very moment at which there is no memory may be cut off, and comes back.
    """
    write_session(root, talk(200), scroll_id=OTHER_ID)
    await asyncio.to_thread(write_huge_document, root)
    room = str(900 << 20)
    with Child(tmp_path, "RLIMIT_AS", room, "serve", root, "--port", "0", start=("-c", LIMITED)) as child:
        server = await asyncio.to_thread(child.serving)
        large = await asked_for(server)
        other = await server.replay(OTHER_ID)
        status, _, err, _ = await asyncio.to_thread(child.stop)

    assert large in ("archive_error", "session_not_found")
    assert other.log.ids() == ids(200)
    assert status == 0
    assert "Traceback" not in err


async def asked_for(server: Serving) -> str:
    """What is said of the session when it is tried to be read, which takes its time."""
    for _ in range(20):
        with suppress(ConnectionClosed, InvalidHandshake, OSError):
            async with server.watch() as client:
                return str((await client.next(60)).get("code"))
        await asyncio.sleep(0.5)
    raise AssertionError("nobody was told anything")


def write_huge_document(root: Path) -> None:
    """A session of one document that takes gigabytes once it is decoded."""
    with (root / f"{SCROLL_ID}.json").open("wb") as file:
        file.write(b'{"metadata":' + orjson.dumps(metadata()) + b',"messages":[')
        for _ in range(40):
            file.write(b"[" + b"[]," * 1_000_000 + b"1],")
        file.write(b"1]}")


async def test_the_time_of_day_may_jump(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replays are paced by a clock that does not: nothing comes at once, and nothing waits for a day."""
    real = time.time
    async with server.watch(OTHER_ID, mode="realtime", speed=1) as client:
        await client.read_events(10)
        monkeypatch.setattr(time, "time", lambda: real() - 86_400)
        await client.read_events(60)
        monkeypatch.setattr(time, "time", lambda: real() + 86_400)
        began = time.monotonic()
        await client.rest()
        seconds = time.monotonic() - began

    assert client.log.ids() == ids(200)
    assert client.close_code == 1000
    assert seconds > 0.5
