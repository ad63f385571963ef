"""`scrollcast doctor`: what was found on this machine, what could not be read, what would be deleted, what is kept."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import orjson

from scrollcast.archive.places import DEFAULT
from scrollcast.cli.choosing import choose, say, settings_of, usable_cache
from scrollcast.cli.examination import Examination, FileFound, Footprint, PlaceFound, Retained, examine
from scrollcast.cli.terminal import Style, clean, format_bytes
from scrollcast.errors import SettingsError
from scrollcast.settings import keeps_sessions, kept_folder

__all__ = ["add_parser", "run"]

SHOWN_FILES: Final = 5
"""Of the files of one place so many are printed; `--json` has more."""

NAMES: Final = {
    "": "Any format",
    "native": "Scrollcast",
    "claude-code": "Claude Code",
    "codex": "Codex CLI",
    "gemini": "Gemini CLI",
    "opencode": "OpenCode",
    "cursor": "Cursor",
    "inspect": "Inspect",
    "openai-chat": "OpenHands, gptme",
}


def add_parser(verbs: Any, *, epilog: str) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "doctor",
        help="say what was found on this machine, and what could not be read",
        description="Looks at every place where agents put sessions, and says what is there, what could not be read "
        "and why, when the agents delete it, and what Scrollcast itself has on the disk.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="the same as one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, print, and give the exit status: 1 where something could not be read."""
    choice = choose(())
    with _cache() as cache:
        settings = settings_of(choice, cache)
        found = examine(choice.places, settings.roots, cache, kept_folder(), keeps=keeps_sessions())
    if arguments.json:
        sys.stdout.buffer.write(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2) + b"\n")
    else:
        print("\n".join(_lines(found, Style())))
    sys.stdout.flush()
    return 0 if found.is_well else 1


@contextmanager
def _cache() -> Iterator[Path]:
    """The cache folder; where it cannot be used, a temporary one, since that is not why somebody asks."""
    try:
        yield usable_cache()
    except SettingsError as problem:
        say(str(problem))
        folder = tempfile.mkdtemp(prefix="scrollcast-")
        try:
            yield Path(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


# ------------------------------------------------------------------------------------------------------------- words


def _lines(found: Examination, style: Style) -> Iterator[str]:
    search = "with" if found.full_text_search else style("red", "without")
    yield f"Scrollcast {found.version}, Python {found.python}, SQLite {found.sqlite} {search} full-text search"
    yield ""
    there = [place for place in found.places if place.exists]
    for place in there:
        yield from _place_lines(place, style)
    if not there:
        yield "No agent's sessions were found."
    yield ""
    yield style("bold", "Looked for in vain")
    for place in found.places:
        if not place.exists:
            yield f"  {NAMES[place.format]}: {_short(place.path)}{_because(place)}"
    yield ""
    yield from _keeping_lines(found, style)
    yield ""
    yield from _footprint_lines(found.footprint, style)
    yield ""
    yield from _watching_lines(found, style)


def _place_lines(place: PlaceFound, style: Style) -> Iterator[str]:
    yield f"{style('bold', NAMES[place.format])}  {_short(place.path)}{_because(place)}"
    yield f"  {_plural(place.sessions, 'session')}, {format_bytes(place.bytes)}; {place.kept} of them kept"
    if place.retention is not None:
        yield f"  {_deleting(place.retention, NAMES[place.format])}"
    yield from _file_lines(style("red", "cannot be read"), place.unreadable)
    yield from _file_lines("not recognised", place.unrecognised)


def _because(place: PlaceFound) -> str:
    return "" if place.reason == DEFAULT else f" ({place.reason})"


def _deleting(retained: Retained, name: str) -> str:
    where = f"{retained.setting} in {_short(retained.file)}"
    if retained.days is None:
        return f"{name} deletes none of them: {where}"
    said = "as set by" if retained.is_set else "by default; to change that set"
    return f"{name} deletes them after {retained.days:g} days, {said} {where}"


def _file_lines(what: str, files: Sequence[FileFound]) -> Iterator[str]:
    if files:
        yield f"  {what}: {_plural(len(files), 'file')}"
    for file in files[:SHOWN_FILES]:
        types = f" ({', '.join(map(clean, file.row_types))})" if file.row_types else ""
        yield f"    {_short(file.path)}: {file.why}{types}"
    if len(files) > SHOWN_FILES:
        yield f"    and {len(files) - SHOWN_FILES} more, see --json"


def _keeping_lines(found: Examination, style: Style) -> Iterator[str]:
    yield style("bold", "Keeping sessions")
    if found.keeps:
        yield "  on: a server copies what it finds (SCROLLCAST_KEEP)"
    else:
        yield "  off; scrollcast keep --all copies them once, SCROLLCAST_KEEP=1 lets a server do so all the time"
    older = (
        f", {format_bytes(found.footprint.older_copies)} of it replaced copies" if found.footprint.older_copies else ""
    )
    yield f"  {format_bytes(found.footprint.kept)} in {_short(found.footprint.kept_folder)}{older}"


def _footprint_lines(footprint: Footprint, style: Style) -> Iterator[str]:
    parts = {
        "indexes": footprint.indexes,
        "catalogue": footprint.catalogue,
        "search": footprint.search,
        "other": footprint.other,
    }
    yield style("bold", "Cache")
    named = ", ".join(f"{name} {format_bytes(size)}" for name, size in parts.items())
    yield f"  {format_bytes(sum(parts.values()))} in {_short(footprint.cache)}: {named}"
    yield "  all of it can be made anew; to clear it, delete that folder while no server runs"


def _watching_lines(found: Examination, style: Style) -> Iterator[str]:
    watching = found.watching
    yield style("bold", "Watching files")
    limit = "" if watching.limit is None else f" of at most {watching.limit} (fs.inotify.max_user_watches)"
    yield f"  {_plural(watching.folders, 'folder')} to watch{limit}"
    if not watching.is_enough:
        yield style(
            "red", "  that is too many: files are looked at every second instead, which costs more; to raise it:"
        )
        yield f"  sudo sysctl fs.inotify.max_user_watches={2 * watching.folders}"


def _plural(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _short(path: str) -> str:
    """A path as a person would write it."""
    home = str(Path.home())
    shown = f"~{path[len(home) :]}" if path.startswith(home + "/") else path
    return clean(shown)
