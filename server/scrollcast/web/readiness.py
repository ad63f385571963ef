"""`GET /healthz` and `GET /readyz`: whether the process answers, and whether it can do what it is for."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response

from scrollcast.web.failures import problem

__all__ = ["DiskLook", "health", "readiness"]

DISK_SECONDS: Final = 2.0
"""A disk that says nothing for so long hangs."""

PROBE_BYTES: Final = 64 << 10
"""So much is written into the cache, and deleted, to see whether that can be done."""

_Reason: TypeAlias = tuple[str, str]
"""A code, and a sentence that names no path."""


async def health(_request: Request) -> Response:
    """`GET /healthz`: the process answers."""
    return _json({"status": "ok"})


async def readiness(request: Request) -> Response:
    """`GET /readyz`: sessions can be found and played; 503 with the reason where they cannot."""
    reason = await _reason(request)
    if reason is not None:
        return problem(503, reason[0], "Not ready", reason[1])
    return _json({"status": "ready"})


def _json(value: object) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


async def _reason(request: Request) -> _Reason | None:
    state = request.app.state
    if state.doors.closing:
        return "stopping", "the server is stopping"
    if not state.archive.is_kept_up:
        return "upkeep_stopped", "sessions are not looked for any more; the log says why"
    try:
        look: DiskLook = state.disk_look
        found = await look.ask(lambda: _disk_reason(state.named, state.archive.cache))
    except TimeoutError:
        return "disk_hangs", f"the disk has said nothing for {DISK_SECONDS:g} s"
    if found is None and not state.ready.is_set():
        return "not_ready", "the archive is still being looked through"
    return found


class DiskLook:
    """Looks at the disk in a thread of its own, since those of the pool may all be waiting for it.

    There is one look at a time, and whoever asks meanwhile is told what it finds: else each that asks while a disk
    hangs would leave a thread behind.
    """

    def __init__(self) -> None:
        self._running: asyncio.Future[_Reason | None] | None = None

    async def ask(self, work: Callable[[], _Reason | None]) -> _Reason | None:
        """What `work` says.

        Raises:
            TimeoutError: nothing for `DISK_SECONDS`.
        """
        if self._running is None or self._running.done():
            self._running = _in_thread(work)
        async with asyncio.timeout(DISK_SECONDS):
            return await asyncio.shield(self._running)


def _in_thread(work: Callable[[], _Reason | None]) -> asyncio.Future[_Reason | None]:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Reason | None] = loop.create_future()

    def run() -> None:
        try:
            tell = partial(done.set_result, work())
        except Exception as problem:
            tell = partial(done.set_exception, problem)
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=run, name="scrollcast-readiness", daemon=True).start()
    return done


def _disk_reason(named: Iterable[Path], cache: Path) -> _Reason | None:
    for path in named:
        try:
            path.stat()
        except OSError as failed:
            gone = failed.errno in (errno.ENOENT, errno.ENOTDIR)
            what = "gone" if gone else f"not to be read ({failed.strerror})"
            return "archive_gone", f"a file or folder that is to be served is {what}"
        if not os.access(path, os.R_OK):
            return "archive_gone", "a file or folder that is to be served may not be read"
    return _cache_reason(cache)


def _cache_reason(cache: Path) -> _Reason | None:
    try:
        with tempfile.TemporaryFile(dir=cache) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
    except OSError as failed:
        if failed.errno in (errno.ENOSPC, errno.EDQUOT):
            return "cache_full", "there is no room for the cache"
        return "cache_unwritable", f"the cache cannot be written ({failed.strerror})"
    return None
