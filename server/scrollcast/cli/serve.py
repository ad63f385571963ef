"""`scrollcast serve`: the server and the page."""

from __future__ import annotations

import argparse
import asyncio
import errno
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from scrollcast.cli.choosing import add_paths, choose, say, usable_cache, usable_kept
from scrollcast.errors import SettingsError
from scrollcast.settings import DEFAULT_PORT, PORTS_TRIED, Settings, allowed_embedders, keeps_sessions, kept_folder
from scrollcast.stream.wire import MAX_COMMAND_BYTES
from scrollcast.web.app import create_app
from scrollcast.web.text_frames import TextFrameProtocol

__all__ = ["add_parser", "bind", "make_config", "serve"]

SHUTDOWN_SECONDS = 1
"""How long open streams have to take their close message after Ctrl+C."""

SWITCH_SECONDS = 0.0001
"""How soon a thread that reads a session lets the loop run, each time that the loop comes back from the system. With
Python's own 5 ms every viewer would be late; with 0.5 ms 200 of them beside a first play are by 9 ms (p99), so by 3."""

PING_SECONDS = 20.0

TICK_SECONDS = 1.0
"""How often the server's clock, for the `Date` of its answers, is looked at."""


def add_parser(verbs: Any, *, epilog: str) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "serve",
        help="serve sessions to the browser and to WebSocket clients",
        description="Serves the sessions under each PATH, of any format that Scrollcast knows. Without a PATH, those "
        "in the places where agents put them (scrollcast doctor shows these); where there are none, the demo.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_paths(parser)
    parser.add_argument(
        "--keep", action=argparse.BooleanOptionalAction, default=None,
        help="copy every session as it is found and as it grows, so that it stays when its agent deletes it "
        "(default: as SCROLLCAST_KEEP says, else not)",
    )  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT,
        help="port; the next free one where it is taken, 0 for any (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--open", action=argparse.BooleanOptionalAction, default=None,
        help="open the page in a browser (default: where there is a screen)",
    )  # fmt: skip
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME",
        help="also answer requests made to this host name, as behind a proxy; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--allow-origin", action="append", default=[], metavar="ORIGIN",
        help="also answer pages of this origin, such as https://example.com; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--allow-embed", action="append", default=[], metavar="ORIGIN",
        help="let pages of this origin show the player in a frame, as SCROLLCAST_ALLOW_EMBED does; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--root-path", default="", metavar="PREFIX",
        help="the path prefix that a proxy gives the server, such as /scrollcast",
    )  # fmt: skip
    parser.add_argument("--verbose", action="store_true", help="log what happens, with details, on stderr")
    parser.set_defaults(run=serve)


def serve(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    level = logging.DEBUG if arguments.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    choice = choose(tuple(arguments.paths), discover=arguments.discover, demo=True)
    keep = keeps_sessions() if arguments.keep is None else arguments.keep
    settings = Settings(
        paths=choice.paths,
        places=choice.place_paths,
        kept=usable_kept() if keep else kept_folder(),
        keep=keep,
        host=arguments.host,
        port=arguments.port,
        open_browser=_has_screen() if arguments.open is None else arguments.open,
        allowed_hosts=frozenset(arguments.allow_host),
        allowed_origins=frozenset(arguments.allow_origin),
        cache=usable_cache(),
        root_path=arguments.root_path.rstrip("/"),
        embedders=allowed_embedders().union(arguments.allow_embed),
    )
    if choice.is_demo:
        say("no agent's sessions were found on this machine, so this serves the demo; scrollcast doctor says more")
    listener = bind(settings.host, settings.port)
    port = listener.getsockname()[1]
    if settings.port not in (0, port):
        say(f"port {settings.port} is taken; using {port}")
    _run(settings, listener, f"http://{_shown(settings.host)}:{port}/")
    return 0


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _has_screen() -> bool:
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on a port, or on the next free one.

    Raises:
        SettingsError: none of `PORTS_TRIED` ports is free, or the address is not this machine's.
    """
    ports = (0,) if port == 0 else range(port, min(port + PORTS_TRIED, 65_536))
    for candidate in ports:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            listener = socket.socket(family, kind, protocol)
        except OSError as problem:
            raise SettingsError(f"--host {host} cannot be used: {problem.strerror}") from problem
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
        except OSError as problem:
            listener.close()
            if problem.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise SettingsError(f"--host {host} cannot be used: {problem.strerror}") from problem
        else:
            return listener
    raise SettingsError(f"no port from {ports[0]} to {ports[-1]} is free on {host}")


def make_config(app: Starlette) -> uvicorn.Config:
    """How uvicorn is to serve the application."""
    return uvicorn.Config(
        app,
        loop="asyncio",  # never wakes a stream before its deadline, as faster loops with coarse clocks do
        http="h11",
        ws=TextFrameProtocol,
        ws_max_size=MAX_COMMAND_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=None,  # a pong waits behind what a slow client has yet to read; `WRITE_TIMEOUT` decides
        ws_per_message_deflate=False,  # costs ten times the whole rest of an event
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _run(settings: Settings, listener: socket.socket, address: str) -> None:
    server = _Server(make_config(create_app(settings)), address, open_browser=settings.open_browser)
    sys.setswitchinterval(SWITCH_SECONDS)
    # uvicorn raises the signal again once it has stopped; these handlers make that an ordinary return.
    for caught in (signal.SIGINT, signal.SIGTERM):
        signal.signal(caught, lambda *_: None)
    server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says where it is as soon as it answers."""

    def __init__(self, config: uvicorn.Config, address: str, *, open_browser: bool) -> None:
        super().__init__(config)
        self._address = address
        self._open_browser = open_browser
        self._stop = asyncio.Event()

    async def main_loop(self) -> None:
        """Tick once a second, and not ten times, which would be most of what an idle server does."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), TICK_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at once, not at the next tick."""
        super().handle_exit(sig, frame)
        self._loop.call_soon_threadsafe(self._stop.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then print the address."""
        await super().startup(sockets)
        # What was loaded stays; without this every full collection walks through all of it, and every viewer waits.
        gc.collect()
        gc.freeze()
        print(self._address, flush=True)
        if self._open_browser:
            # A browser may take its time to come back; nobody waits for it.
            threading.Thread(target=_open_browser, args=(self._address,), daemon=True).start()


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
