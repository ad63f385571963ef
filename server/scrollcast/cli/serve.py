"""`scrollcast serve`: the server and the page."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import socket
import sys
from typing import Any

from scrollcast.cli.choosing import add_paths, choose, say, usable_cache, usable_kept
from scrollcast.cli.running import QUEUE, make_config, serve_alone, with_room_for_files
from scrollcast.cli.workers import serve_by_workers
from scrollcast.errors import SettingsError
from scrollcast.logs import FORMATS, LEVELS, Logging, log_to_stderr
from scrollcast.settings import (
    DEFAULT_PORT,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_OF_ADDRESS,
    PORTS_TRIED,
    Settings,
    allowed_embedders,
    keeps_sessions,
    kept_folder,
)
from scrollcast.stream.registry import MAX_SESSIONS, MAX_STREAMS
from scrollcast.stream.session_stream import MAX_COMMANDS_A_SECOND

__all__ = ["add_parser", "bind", "make_config", "serve"]

MAX_WORKERS = 64


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
    parser.add_argument(
        "--workers", type=_workers, default=1, metavar="N",
        help="server processes that share the port, for more viewers than one core can serve (default: %(default)s)",
    )  # fmt: skip
    _add_limits(parser)
    parser.add_argument(
        "--log-level", choices=LEVELS, default="warning",
        help="what is logged on stderr: info has each replay (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--log-format", choices=FORMATS, default="text", help="how: key=value, or one JSON object a line"
    )
    parser.add_argument("--verbose", action="store_true", help="the same as --log-level debug")
    parser.set_defaults(run=serve)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("limits, each for a process")
    for flag, default, what in (
        ("--max-streams", MAX_STREAMS, "replays at once"),
        ("--max-sessions", MAX_SESSIONS, "different sessions that are played at once"),
        ("--max-connections", MAX_CONNECTIONS, "connections at once, replays included"),
        ("--max-commands", MAX_COMMANDS_A_SECOND, "commands of one client in a second"),
    ):
        limits.add_argument(flag, type=int, default=default, metavar="N", help=f"{what} (default: %(default)s)")
    limits.add_argument(
        "--max-connections-of-address", type=int, default=None, metavar="N",
        help="connections at once with one address (default: "
        f"{MAX_CONNECTIONS_OF_ADDRESS}, and as many as there may be with this machine's own)",
    )  # fmt: skip


def serve(arguments: argparse.Namespace) -> int:
    """Serve until stopped."""
    level = "debug" if arguments.verbose else arguments.log_level
    logs = Logging(logging.getLevelNamesMapping()[level.upper()], arguments.log_format)
    log_to_stderr(logs)
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
        max_streams=arguments.max_streams,
        max_sessions=arguments.max_sessions,
        max_connections=arguments.max_connections,
        max_connections_of_address=arguments.max_connections_of_address,
        max_commands=arguments.max_commands,
    )
    if choice.is_demo:
        say("no agent's sessions were found on this machine, so this serves the demo; scrollcast doctor says more")
    settings = with_room_for_files(settings)
    listener = bind(settings.host, settings.port)
    port = listener.getsockname()[1]
    if settings.port not in (0, port):
        say(f"port {settings.port} is taken; using {port}")
    address = f"http://{_shown(settings.host)}:{port}/"
    if arguments.workers > 1:
        return serve_by_workers(settings, listener, address, arguments.workers, logs)
    serve_alone(settings, listener, address)
    return 0


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_WORKERS:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to {MAX_WORKERS}")
    return int(text)


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
            listener.listen(QUEUE)
        except OSError as problem:
            listener.close()
            if problem.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise SettingsError(f"--host {host} cannot be used: {problem.strerror}") from problem
        else:
            return listener
    raise SettingsError(f"no port from {ports[0]} to {ports[-1]} is free on {host}")
