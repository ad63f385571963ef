"""The one session that a verb is about: how it and a moment of it are named, and the archive that has it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from scrollcast.archive.archive import Archive
from scrollcast.archive.redacted_archive import AnyArchive, RedactedArchive
from scrollcast.cli.choosing import choose, find_session, is_path, redaction_of, say, settings_of, usable_cache
from scrollcast.errors import SettingsError
from scrollcast.export.documents import parse_time
from scrollcast.settings import client_token, is_loopback_name

__all__ = [
    "SCHEMES", "add_range", "add_session", "add_token_file", "is_address", "open_named", "open_shown", "parse_moment",
    "parse_range", "token_for",
]  # fmt: skip

SCHEMES: Final = ("http://", "https://", "ws://", "wss://")

_NAMES: Final = "its id, the beginning of it, or the id that its agent knows it by; or the file that holds it"


def add_session(parser: argparse.ArgumentParser, *, or_address: bool = False) -> None:
    """Add `SESSION` to a verb; with `or_address` it may lie on a server."""
    address = "; or the address of its page, or of its WebSocket, on any server" if or_address else ""
    parser.add_argument("session", metavar="SESSION", help=_NAMES + address)


def add_range(parser: argparse.ArgumentParser) -> None:
    """Add the recorded times between which a verb takes a session (`parse_range`)."""
    parser.add_argument("--from", dest="start", metavar="TIME", help="only what was recorded then or later: 90, 1:30")
    parser.add_argument("--to", dest="end", metavar="TIME", help="only what was recorded up to then")


def add_token_file(parser: argparse.ArgumentParser) -> None:
    """Add to a verb that takes an address the file of what opens it; the token itself would stand in the list of
    processes."""
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE",
        help="a file that holds the token of the server, where it asks for one (default: SCROLLCAST_CLIENT_TOKEN)",
    )  # fmt: skip


def token_for(named: str, token_file: Path | None) -> str | None:
    """What opens the server on which a session is named; `None` for nothing, or for what the address has in it.

    Raises:
        SettingsError: it is no token, or others could read its file; or the session is none of a server.
    """
    if not is_address(named):
        if token_file is not None:
            raise SettingsError("--token-file is for the address of a session on a server")
        return None
    parts = urlsplit(named)
    if token_file is None and parts.fragment.startswith("share="):
        return None
    token = client_token(token_file)
    if token is not None and parts.scheme in ("http", "ws") and not is_loopback_name(parts.hostname or ""):
        say("this is plain HTTP: the token can be read by whoever is on the network between")
    return None if token is None else token.reveal()


def is_address(named: str) -> bool:
    """Whether somebody who names a session names one on a server."""
    return named.startswith(SCHEMES)


@contextmanager
def open_named(named: str, *, watch: bool = False) -> Iterator[tuple[Archive, UUID]]:
    """The session that was named, and the archive that has it; closed at the end. With `watch` it sees files grow.

    Raises:
        SettingsError: there is none, or there are several.
    """
    paths = (Path(named),) if is_path(named) else ()
    settings = settings_of(choose(paths, demo=not paths), usable_cache())
    with closing(Archive(settings.roots, settings.cache, optional=True)) as archive:
        archive.catalogue.refresh()
        scroll_id = _find(archive, named)
        if watch:
            archive.watch()
        yield archive, scroll_id


@contextmanager
def open_shown(arguments: argparse.Namespace, *, watch: bool = False) -> Iterator[tuple[AnyArchive, UUID]]:
    """As `open_named`, for verbs that give away what they show (`add_redact`): without secrets, unless told otherwise.

    Raises:
        SettingsError: as `open_named`, or what is to be taken out makes no sense.
    """
    redaction = redaction_of(arguments)
    with open_named(arguments.session, watch=watch) as (archive, scroll_id):
        if arguments.redact is False:
            yield archive, scroll_id
            return
        with closing(RedactedArchive(archive, redaction)) as redacted:
            yield redacted, scroll_id


def _find(archive: Archive, named: str) -> UUID:
    """The session that was named; of a file with several the one that no other of them started."""
    if not is_path(named):
        return find_session(archive.sessions(), named).scroll_id
    path = Path(named).resolve()
    known = {session.scroll_id: session for session in archive.sessions()}
    places = {key: archive.catalogue.entry(key).source.path for key in known}
    inside = [known[key] for key, place in places.items() if place.is_relative_to(path) or path.is_relative_to(place)]
    first = [session for session in inside if session.parent_scroll_id not in known]
    if not first:
        raise SettingsError(f"no session is known in {path}; scrollcast doctor {path} says why")
    if len(first) > 1:
        raise SettingsError(f"there are {len(first)} sessions in {path}; name one by its id (scrollcast list {path})")
    return first[0].scroll_id


def parse_moment(text: str | None, flag: str) -> int | None:
    """The recorded time, in milliseconds, that was given to a flag.

    Raises:
        SettingsError: it is none.
    """
    try:
        return None if text is None else parse_time(text)
    except ValueError as reason:
        raise SettingsError(f"{flag} {text} {reason}") from None


def parse_range(arguments: argparse.Namespace) -> tuple[int | None, int | None]:
    """What was given to the flags of `add_range`, in milliseconds.

    Raises:
        SettingsError: one of them is no time.
    """
    return parse_moment(arguments.start, "--from"), parse_moment(arguments.end, "--to")
