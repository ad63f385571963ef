"""A server process: how uvicorn is set up, and what it says when it answers."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from scrollcast.settings import Settings
from scrollcast.stream.wire import MAX_COMMAND_BYTES
from scrollcast.web.app import create_app
from scrollcast.web.http_protocol import MAX_HEAD_BYTES, HttpProtocol
from scrollcast.web.text_frames import TextFrameProtocol
from scrollcast.web.tls import TlsProtocol

if sys.platform != "win32":
    import resource

__all__ = [
    "QUEUE",
    "SWITCH_SECONDS",
    "allow_many_connections",
    "make_config",
    "open_in_browser",
    "serve_alone",
    "with_room_for_files",
]

QUEUE = 2048
"""So many connections may wait to be accepted."""

ACCEPTED_AT_ONCE = 8
"""So many connections are taken from the queue before streams have their turn. It is also how often a second it is said
that no more can be taken because the system has no open files left: asyncio says so for each."""

SPARE_FILES = 256
"""Open files beside connections and sessions: the catalogue, the search, folders that are looked through."""

SHUTDOWN_SECONDS = 1
"""How long open streams have to take their close message after Ctrl+C."""

MAX_CONNECTIONS = 65_536
"""More than one process can serve in realtime."""

HANG_SECONDS = 10.0
"""After so long the process ends, though threads of it wait for a disk that hangs."""

SWITCH_SECONDS = 0.0001
"""How soon a thread that reads a session lets the loop run, each time that the loop comes back from the system. With
Python's own 5 ms every viewer would be late; with 0.5 ms 200 of them beside a first play are by 9 ms (p99), so by 3."""

TICK_SECONDS = 1.0
"""How often the server's clock, for the `Date` of its answers, is looked at."""

log = logging.getLogger(__name__)


def with_room_for_files(settings: Settings) -> Settings:
    """Let this process, and those that it starts, open the files that it may need; where the system does not allow so
    many, with fewer connections, so that sessions can still be opened when there are as many as there may be."""
    if sys.platform == "win32":
        return settings
    allow_many_connections()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return settings
    room = max(soft // 2, soft - settings.max_sessions - SPARE_FILES)
    if room < settings.max_connections:
        log.info("%d open files are allowed, so there are at most %d connections", soft, room)
    return replace(settings, max_connections=min(settings.max_connections, room))


def make_config(
    app: Starlette | Callable[[], Starlette], settings: Settings | None = None, *, factory: bool = False
) -> uvicorn.Config:
    """How uvicorn is to serve the application, or what makes it."""
    certificate, key = (settings.certificate, settings.certificate_key) if settings is not None else (None, None)
    return _Config(
        app,
        factory=factory,
        loop="asyncio",  # never wakes a stream before its deadline, as faster loops with coarse clocks do
        http=HttpProtocol,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        ws=TextFrameProtocol,
        ws_max_size=MAX_COMMAND_BYTES,
        ws_ping_interval=None,  # a heartbeat does the same; whether a client is there `WRITE_TIMEOUT` and TCP decide
        ws_per_message_deflate=False,  # for each connection by itself; ours is agreed on by `TextFrameProtocol`
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the application asks whose it believes
        ssl_certfile=certificate,
        ssl_keyfile=key,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


class _Config(uvicorn.Config):
    """uvicorn's, but that TLS is begun by us."""

    def load(self) -> None:
        """Make what is to be served, and what each connection is given to."""
        super().load()
        if self.ssl is not None:
            self.http_protocol_class: Any = partial(TlsProtocol.make, self.ssl)
            self.ssl = None


def allow_many_connections() -> None:
    """Let this process hold as many connections as the system lets it: most give it 1,024 unless it asks."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # some systems allow fewer than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve_alone(settings: Settings, listener: socket.socket, address: str) -> None:
    """Serve in this process until stopped."""
    config = make_config(create_app(settings), settings)
    config.backlog = ACCEPTED_AT_ONCE
    server = _Server(config, address, open_browser=settings.open_browser)
    sys.setswitchinterval(SWITCH_SECONDS)

    def stop(*_: object) -> None:
        server.should_exit = True

    # For a signal that comes before uvicorn takes them up, and when it raises that which it stopped for once more.
    for caught in (signal.SIGINT, signal.SIGTERM):
        signal.signal(caught, stop)
    server.run(sockets=[listener])
    for caught in (signal.SIGINT, signal.SIGTERM):  # else one that comes while Python ends would kill it
        signal.signal(caught, signal.SIG_IGN)


class _Server(uvicorn.Server):
    """Says where it is as soon as it answers."""

    def __init__(self, config: uvicorn.Config, address: str, *, open_browser: bool) -> None:
        super().__init__(config)
        self._address = address
        self._open_browser = open_browser
        self._stop = asyncio.Event()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until stopped, by a signal that may come at any moment from here on."""
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    async def main_loop(self) -> None:
        """Tick once a second, and not ten times, which would be most of what an idle server does."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), TICK_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at once, not at the next tick, and in good order however often it is asked for: that is soon enough."""
        super().handle_exit(sig, frame)
        self.force_exit = False  # with which uvicorn, at a second Ctrl+C, leaves everything open and prints a traceback
        self._loop.call_soon_threadsafe(self._stop.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and do not wait for ever for a thread that waits for a disk."""
        guard = threading.Timer(HANG_SECONDS, _leave)
        guard.daemon = True
        guard.start()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then print the address."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(QUEUE)  # asyncio takes `ACCEPTED_AT_ONCE` for the length of the queue too
        # What was loaded stays; without this every full collection walks through all of it, and every viewer waits.
        gc.collect()
        gc.freeze()
        print(self._address, flush=True)
        if self._open_browser:
            open_in_browser(self._address)


def _leave() -> None:
    log.warning("a disk hangs: what was to be written when the server stopped is lost")
    os._exit(0)


def open_in_browser(address: str) -> None:
    """Open a page. A browser may take its time to come back; nobody waits for it."""
    threading.Thread(target=_open_browser, args=(address,), daemon=True).start()


def _open_browser(address: str) -> None:
    """Open a page in a process apart: what a browser prints is not ours to say, nor is Ctrl+C meant for it."""
    subprocess.run(
        [sys.executable, "-m", "webbrowser", address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )
