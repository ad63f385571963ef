"""`scrollcast keep`: copies of sessions that stay when their agent deletes them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from scrollcast.archive.catalogue import Catalogue
from scrollcast.archive.kept import Keeper
from scrollcast.archive.kept_bytes import NO_ROOM
from scrollcast.cli.choosing import choose, find_session, is_path, say, settings_of, usable_cache, usable_kept
from scrollcast.cli.terminal import clean, format_bytes
from scrollcast.errors import ArchiveError, SettingsError
from scrollcast.model import Session

__all__ = ["add_parser", "run"]


def add_parser(verbs: Any, *, epilog: str) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "keep",
        help="copy sessions, so that they stay when their agent deletes them",
        description="Copies sessions byte for byte into the folder of kept sessions (SCROLLCAST_KEPT_DIR), with their "
        "subagents' and all that is needed to play them. A copy that was made before is brought up to date. Where the "
        "original is gone the copy is listed and played in its place.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sessions", nargs="*", metavar="SESSION",
        help="its id, the beginning of it, or the id that its agent knows it by; or a file or folder of sessions",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", help="all in the places where agents put their sessions")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Keep them, and give the exit status."""
    if not arguments.sessions and not arguments.all:
        raise SettingsError("say which sessions to keep, or --all")
    keeper = Keeper(usable_kept())
    named = [Path(text) for text in arguments.sessions if is_path(text)]
    ids = [text for text in arguments.sessions if not is_path(text)]
    settings = settings_of(choose(tuple(named), discover=bool(ids) or arguments.all), usable_cache())
    with closing(Catalogue(settings.roots, settings.cache, optional=True)) as catalogue:
        catalogue.refresh()
        sessions = _wanted(catalogue, ids, named, everything=arguments.all)
        kept, copied_bytes, failures = _keep(keeper, catalogue, sessions)
    if not kept and not failures:
        say("there are no sessions to keep")
    print(f"kept {kept} session{'' if kept == 1 else 's'} in {keeper.folder}; {format_bytes(copied_bytes)} were copied")
    return 1 if failures else 0


def _wanted(
    catalogue: Catalogue, ids: Sequence[str], named: Sequence[Path], *, everything: bool
) -> dict[UUID, Session]:
    """The sessions that were asked for, those that they started included."""
    known = {session.scroll_id: session for session in catalogue.sessions()}
    if everything:
        return known
    wanted: dict[UUID, Session] = {}
    if named:
        roots = tuple(path.resolve() for path in named)
        inside = (key for key in known if _lies_in(catalogue.entry(key).source.path, roots))
        wanted.update((key, known[key]) for key in inside)
    for text in ids:
        found = find_session(known.values(), text)
        wanted.update((session.scroll_id, session) for session in _with_children(catalogue, found))
    return wanted


def _lies_in(path: Path, roots: Iterable[Path]) -> bool:
    return any(path.is_relative_to(root) or root.is_relative_to(path) for root in roots)


def _with_children(catalogue: Catalogue, session: Session) -> Iterator[Session]:
    pending, seen = [session], {session.scroll_id}
    while pending:
        yield (parent := pending.pop())
        children = [child for child in catalogue.children(parent.scroll_id) if child.scroll_id not in seen]
        seen.update(child.scroll_id for child in children)
        pending += children


def _keep(keeper: Keeper, catalogue: Catalogue, sessions: dict[UUID, Session]) -> tuple[int, int, int]:
    """How many sessions are kept now, how many bytes were copied for that, and how many could not be kept."""
    kept = copied_bytes = failures = 0
    for scroll_id, session in sessions.items():
        if session.source_gone:
            continue
        try:
            done = keeper.keep(catalogue.entry(scroll_id).source)
        except ArchiveError as problem:
            failures += 1
            say(f"{str(scroll_id)[:8]} {clean(session.title)[:80]}: {problem} {problem.detail}".rstrip())
            if problem.reason == NO_ROOM:  # nor is there for the next one
                break
        else:
            kept += 1
            copied_bytes += done.copied_bytes
    return kept, copied_bytes, failures
