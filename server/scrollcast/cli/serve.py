"""`scrollcast serve`: the server and the page."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import socket
import ssl
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scrollcast.access.shares import Shares
from scrollcast.cli.choosing import add_paths, add_redaction, choose, redaction_of, say, usable_cache, usable_kept
from scrollcast.cli.running import QUEUE, make_config, serve_alone, with_room_for_files
from scrollcast.cli.workers import serve_by_workers
from scrollcast.errors import SettingsError
from scrollcast.logs import FORMATS, LEVELS, Logging, log_to_stderr
from scrollcast.settings import (
    COMPRESSION,
    DEFAULT_PORT,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_OF_ADDRESS,
    PORTS_TRIED,
    Settings,
    allowed_embedders,
    is_loopback_name,
    keeps_sessions,
    kept_folder,
    owner_token,
    shares_file,
    token_file,
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
    parser.add_argument(
        "--auth", action="store_true",
        help="ask everybody for the owner's token, or a link that shares a session; prints a link to open once",
    )  # fmt: skip
    parser.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen on; one that others can reach asks for --auth (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT,
        help="port; the next free one where it is taken, 0 for any (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--open", action=argparse.BooleanOptionalAction, default=None,
        help="open the page in a browser (default: where there is a screen, and not with --auth)",
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
        "--public-url", default="", metavar="URL",
        help="where the server is to be had from elsewhere, as behind a proxy: https://name or https://name/prefix",
    )  # fmt: skip
    parser.add_argument(
        "--trusted-proxy", action="append", default=[], metavar="ADDRESS",
        help="believe this proxy (an address or a network) whom it speaks for, and whether over TLS; may be repeated",
    )  # fmt: skip
    parser.add_argument("--ssl-certfile", type=Path, metavar="FILE", help="serve over TLS, with this certificate")
    parser.add_argument("--ssl-keyfile", type=Path, metavar="FILE", help="its key, where that is another file")
    parser.add_argument(
        "--root-path", default="", metavar="PREFIX",
        help="the path prefix that a proxy gives the server, such as /scrollcast",
    )  # fmt: skip
    parser.add_argument(
        "--redact", action=argparse.BooleanOptionalAction, default=None,
        help="take secrets out of everything that is shown, on this machine too; or out of nothing that is, documents "
        "included (default: out of what leaves the machine)",
    )  # fmt: skip
    add_redaction(parser)
    parser.add_argument(
        "--compression", choices=COMPRESSION, default="auto",
        help="compress what is sent to WebSocket clients that offer it; auto: to those not on this machine "
        "(default: %(default)s)",
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
    token = owner_token() if arguments.auth else None
    level = "debug" if arguments.verbose else arguments.log_level
    logs = Logging(logging.getLevelNamesMapping()[level.upper()], arguments.log_format)
    log_to_stderr(logs, token)
    choice = choose(tuple(arguments.paths), discover=arguments.discover, demo=True)
    public_url = arguments.public_url.rstrip("/")
    keep = keeps_sessions() if arguments.keep is None else arguments.keep
    settings = Settings(
        paths=choice.paths,
        places=choice.place_paths,
        kept=usable_kept() if keep else kept_folder(),
        keep=keep,
        host=arguments.host,
        port=arguments.port,
        # What a browser is given to open stands in the list of processes, and so does the link that signs in.
        open_browser=_has_screen() and token is None if arguments.open is None else arguments.open,
        allowed_hosts=frozenset(arguments.allow_host),
        allowed_origins=frozenset(arguments.allow_origin),
        cache=usable_cache(),
        root_path=arguments.root_path.rstrip("/") or urlsplit(public_url).path,
        embedders=allowed_embedders().union(arguments.allow_embed),
        max_streams=arguments.max_streams,
        max_sessions=arguments.max_sessions,
        max_connections=arguments.max_connections,
        max_connections_of_address=arguments.max_connections_of_address,
        max_commands=arguments.max_commands,
        token=token,
        shares=shares_file() if token is not None else None,
        public_url=public_url,
        trusted_proxies=tuple(arguments.trusted_proxy),
        redact=arguments.redact,
        certificate=arguments.ssl_certfile,
        certificate_key=arguments.ssl_keyfile,
        compression=arguments.compression,
        redaction=redaction_of(arguments),
    )
    _check_certificate(settings)
    if choice.is_demo:
        say("no agent's sessions were found on this machine, so this serves the demo; scrollcast doctor says more")
    settings = with_room_for_files(settings)
    listener = bind(settings.host, settings.port)
    port = listener.getsockname()[1]
    if settings.port not in (0, port):
        say(f"port {settings.port} is taken; using {port}")
    address = _address(settings, port)
    _warn(settings)
    if settings.shares is not None:
        address = _sign_in_address(Shares(settings.shares), address)
    if arguments.workers > 1:
        return serve_by_workers(settings, listener, address, arguments.workers, logs)
    serve_alone(settings, listener, address)
    return 0


def _address(settings: Settings, port: int) -> str:
    """Where the server is to be had, with a slash at its end."""
    if settings.public_url:
        return f"{settings.public_url}/"
    scheme = "http" if settings.certificate is None else "https"
    return f"{scheme}://{_shown(settings.host)}:{port}{settings.root_path}/"


def _sign_in_address(shares: Shares, address: str) -> str:
    """The link that signs the owner's browser in, once."""
    shares.note_address(address)
    where = "SCROLLCAST_TOKEN" if os.environ.get("SCROLLCAST_TOKEN") else token_file()
    say(f"the link signs one browser in, once; for others, and for programs, the token is in {where}")
    return f"{address}#login={shares.make_code()}"


def _warn(settings: Settings) -> None:
    """Say what somebody may not know of what they asked for."""
    if settings.token is None:
        if settings.public_url or any(not is_loopback_name(host) for host in settings.allowed_hosts):
            say("whoever can reach this server sees every session; with --auth they are asked for a token")
    elif not settings.is_secure and not is_loopback_name(settings.host):
        say(
            "this is plain HTTP: the token, and every session, can be read by whoever is on the network between; "
            "serve over TLS with --ssl-certfile, or behind a proxy that does, named by --public-url https://…"
        )


def _check_certificate(settings: Settings) -> None:
    """Raise `SettingsError` where TLS cannot be served with what was named."""
    if settings.certificate is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            settings.certificate, settings.certificate_key, lambda: ""
        )
    except (OSError, ValueError) as problem:  # SSLError is an OSError
        files = " and ".join(str(file) for file in (settings.certificate, settings.certificate_key) if file)
        raise SettingsError(
            f"{files} cannot be used for TLS: {getattr(problem, 'strerror', None) or problem}"
        ) from problem


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
