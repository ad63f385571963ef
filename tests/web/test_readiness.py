from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from archives import SCROLL_ID, write_session
from scrollcast.archive import catalogue, upkeep
from scrollcast.archive.database import FileLock
from scrollcast.settings import Settings
from scrollcast.web import readiness, shown
from scrollcast.web.security import SECURITY_HEADERS
from serving import PATIENCE_SECONDS, Serving, ids, serving, talk, until


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of one session that is ready."""
    write_session(root, talk(5))
    async with serving(root, cache=cache) as server:
        await until(server.app.state.ready.is_set)
        yield server


async def ask(server: Serving) -> tuple[int, Any]:
    """The status of `/readyz`, and what it says."""
    async with server.http() as http:
        answer = await http.get("/readyz")
    assert SECURITY_HEADERS.items() <= answer.headers.items()
    return answer.status_code, answer.json()


async def unready(server: Serving, root: Path) -> str:
    """The code of a `/readyz` that says no, which it says as a problem and without a path."""
    status, body = await ask(server)
    async with server.http() as http:
        alive = await http.get("/healthz")
    assert (status, body["status"], body["title"]) == (503, 503, "Not ready")
    assert str(root.parent) not in str(body)
    assert alive.status_code == 200
    code: str = body["code"]
    return code


async def test_it_is_ready_when_the_sessions_are_known(server: Serving) -> None:
    """And says no more than that."""
    assert await ask(server) == (200, {"status": "ready"})


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What the first look waits for."""
    held = threading.Event()
    look = catalogue.Catalogue.refresh

    def refresh(self: catalogue.Catalogue, **how: float) -> None:
        held.wait(PATIENCE_SECONDS)
        look(self, **how)

    monkeypatch.setattr(catalogue.Catalogue, "refresh", refresh)
    yield held
    held.set()


async def test_it_is_not_before(root: Path, cache: Path, held: threading.Event) -> None:
    """As long as the archive is looked through for the first time."""
    write_session(root, talk(5))
    async with serving(root, cache=cache) as server:
        code = await unready(server, root)
        held.set()
        await until(server.app.state.ready.is_set)

    assert code == "not_ready"


async def test_an_archive_that_is_gone_is_told(server: Serving, root: Path) -> None:
    """Until it is back; the process lives on."""
    away = root.with_name("elsewhere")
    os.rename(root, away)
    code = await unready(server, root)
    os.rename(away, root)

    assert code == "archive_gone"
    assert (await ask(server))[0] == 200


async def test_an_upkeep_that_ended_is_told(server: Serving, root: Path) -> None:
    """However that came about: nobody looks for sessions any more."""
    running: upkeep.Upkeep = server.app.state.archive._upkeep
    running._stopping.set()
    running._wake.set()
    await asyncio.to_thread(running._thread.join)

    assert await unready(server, root) == "upkeep_stopped"


async def test_a_server_that_stops_is_told(server: Serving, root: Path) -> None:
    """To who is still connected."""
    async with server.http() as http:
        assert (await http.get("/healthz")).status_code == 200
        server.app.state.doors.closing = True
        body = (await http.get("/readyz")).json()

    assert body["code"] == "stopping"


async def test_a_disk_that_hangs_is_told(server: Serving, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a bounded time, though every thread of the pool waits for it."""
    held = threading.Event()
    monkeypatch.setattr(readiness, "DISK_SECONDS", 0.2)
    monkeypatch.setattr(readiness, "_disk_reason", lambda *_: held.wait(PATIENCE_SECONDS))
    try:
        code = await unready(server, root)
    finally:
        held.set()

    assert code == "disk_hangs"


async def test_a_disk_that_hangs_holds_one_thread_however_many_ask(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A balancer asks every second, and nobody needs a token for it; when the disk is back, it is looked at anew."""
    held, looks = threading.Event(), []

    def look(*_: object) -> None:
        looks.append(threading.current_thread())
        held.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(readiness, "DISK_SECONDS", 0.2)
    monkeypatch.setattr(readiness, "_disk_reason", look)
    try:
        during = [*await asyncio.gather(*(ask(server) for _ in range(5))), await ask(server)]
        before = len(looks)
    finally:
        held.set()
    await until(lambda: not looks[0].is_alive())
    monkeypatch.setattr(readiness, "DISK_SECONDS", PATIENCE_SECONDS)
    status, _ = await ask(server)

    assert [(status, said["code"]) for status, said in during] == [(503, "disk_hangs")] * 6
    assert before == 1
    assert (status, len(looks)) == (200, 2)


async def test_a_look_at_the_disk_that_fails_is_no_disk_that_hangs(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the next one is made as if there had been none."""

    def fail(*_: object) -> None:
        raise RuntimeError("nobody foresaw this")

    with monkeypatch.context() as patched:
        patched.setattr(readiness, "_disk_reason", fail)
        failed, _ = await ask(server)
    status, _ = await ask(server)

    assert (failed, status) == (500, 200)


# ---------------------------------------------------------------------------------------------------- a real disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB, where one may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("no disk may be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path) -> None:
    """Leave no room on a disk."""
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass


async def test_a_full_disk_for_the_cache_is_told_and_gets_over(root: Path, small_disk: Path) -> None:
    """Sessions whose index is there play on; there is room again when something is deleted."""
    write_session(root, talk(200))
    async with serving(root, cache=small_disk) as server:
        await server.replay()
        await until(server.app.state.ready.is_set)
        await asyncio.to_thread(fill, small_disk)
        code = await unready(server, root)
        played = await server.replay()
        os.unlink(small_disk / "filler")
        status, _ = await ask(server)

    assert code == "cache_full"
    assert played.log.ids() == ids(200)
    assert status == 200


def test_a_read_only_disk_for_the_cache_is_told(small_disk: Path) -> None:
    """It cannot be written, which is something else than full; and nothing is left behind where it can."""
    before = readiness._cache_reason(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    reason = readiness._cache_reason(small_disk)

    assert before is None
    assert list(small_disk.iterdir()) == []
    assert reason is not None
    assert reason[0] == "cache_unwritable"


@pytest.mark.parametrize("path", [f"/api/sessions/{SCROLL_ID}", f"/oembed?url=http://{{}}/sessions/{SCROLL_ID}"])
async def test_a_session_that_was_not_come_to_yet_is_waited_for(
    root: Path, cache: Path, held: threading.Event, path: str
) -> None:
    """Nobody is told that it is not there before everything was looked through."""
    write_session(root, talk(5))
    async with serving(root, cache=cache) as server, server.http() as http:
        asked = asyncio.create_task(http.get(path.format(f"127.0.0.1:{server.port}")))
        done, _ = await asyncio.wait([asked], timeout=0.3)
        assert not done
        held.set()
        answer = await asked

    assert answer.status_code == 200


async def test_a_replay_waits_for_its_session_too(root: Path, cache: Path, held: threading.Event) -> None:
    """And plays it then."""
    write_session(root, talk(5))
    async with serving(root, cache=cache) as server:
        asyncio.get_running_loop().call_later(0.3, held.set)
        client = await server.replay(mode="fast", follow="false")

    assert client.log.ids() == ids(5)


@pytest.fixture
def scanned_by_another(root: Path, cache: Path) -> Iterator[FileLock]:
    """An archive of one session that is known, through which another process looks as long as this is held; since it
    began there is another session, `SCROLL_ID`."""
    write_session(root, talk(3), scroll_id=UUID(int=2))
    with closing(catalogue.Catalogue(Settings((root,)).roots, cache)) as known:
        known.refresh()
    write_session(root, talk(5))
    with FileLock(known.folder / "scan.lock") as lock:
        assert lock.acquire()
        yield lock


async def test_a_session_that_another_process_has_not_come_to_yet_is_waited_for(
    root: Path, cache: Path, scanned_by_another: FileLock
) -> None:
    """As of workers, the first of which looks through the archive for all of them."""
    async with serving(root, cache=cache) as server, server.http() as http:
        known = await http.get(f"/api/sessions/{UUID(int=2)}")
        asked = asyncio.create_task(http.get(f"/api/sessions/{SCROLL_ID}"))
        done, _ = await asyncio.wait([asked], timeout=1.0)
        was_ready = server.app.state.ready.is_set()
        scanned_by_another.__exit__()
        answer = await asked
        await until(server.app.state.ready.is_set)

    assert (known.status_code, done, was_ready) == (200, set(), False)
    assert answer.status_code == 200


async def test_a_server_that_waits_for_another_process_can_be_stopped(
    root: Path, cache: Path, scanned_by_another: FileLock
) -> None:
    """At once, though that goes on."""
    async with serving(root, cache=cache) as server:
        await asyncio.sleep(0.3)  # so that it waits
        assert not server.app.state.ready.is_set()
        stopped = time.monotonic()

    assert time.monotonic() - stopped < 2.0


async def test_nobody_waits_for_long(
    root: Path, cache: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that takes its time is not waited for to its end."""
    monkeypatch.setattr(shown, "FIRST_LOOK_SECONDS", 0.2)
    async with serving(root, cache=cache) as server, server.http() as http:
        answer = await http.get(f"/api/sessions/{SCROLL_ID}")
        was_ready = server.app.state.ready.is_set()
        held.set()

    assert not was_ready
    assert answer.status_code == 404
