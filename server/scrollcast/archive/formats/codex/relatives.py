"""Files around a rollout that say more of it: its parent's rollout, and the index of names in the Codex home."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from scrollcast.archive.formats.json_values import decode_object, mapping, text_of
from scrollcast.archive.storage import FileStamp, decode_json, read_lines, stamp
from scrollcast.errors import ArchiveError

__all__ = ["NO_PARENT", "Parent", "find_rollout", "read_parent", "thread_title", "thread_uuid"]

_MAX_PARENT_BYTES: Final = 16 << 20
"""Beyond this a parent's rollout is not looked into: a summary may take a few milliseconds, no more."""

_MAX_TURNS: Final = 10_000
_MAX_INDEX_BYTES: Final = 16 << 20
_SESSION_FOLDERS: Final = frozenset(("sessions", "archived_sessions"))
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def thread_uuid(name: str) -> str:
    """The id in the name of a rollout's file; `""` where there is none."""
    found = _UUID.search(name)
    return found[0] if found else ""


# -------------------------------------------------------------------------------------------------------- places


def _dated_tree(path: Path, root: Path) -> Path | None:
    """The folder above `YYYY/MM/DD/<file>`, where it is within what was opened."""
    if len(path.parents) < 4:
        return None
    day, month, year = (path.parents[i].name for i in range(3))
    dated = year.isdecimal() and month.isdecimal() and day.isdecimal()
    return path.parents[3] if dated and path.parents[3].is_relative_to(root) else None


def _codex_home(path: Path, root: Path) -> Path | None:
    """The folder that holds `sessions`, where it is within what was opened."""
    for folder in path.parents[:6]:
        if folder.name in _SESSION_FOLDERS and folder.parent.is_relative_to(root):
            return folder.parent
    return None


def _day_of(thread_id: str) -> date | None:
    """When a thread began: an id of version 7 begins with the milliseconds since 1970 (RFC 9562, 5.7)."""
    if _UUID.fullmatch(thread_id) is None or thread_id[14] != "7":
        return None
    try:
        return datetime.fromtimestamp(int(thread_id[:8] + thread_id[9:13], 16) / 1000, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None


def _folders(path: Path, root: Path, thread_id: str) -> Iterator[Path]:
    """Where a thread's rollout may lie: beside this one, on the day when it began (of local time), in the archive."""
    yield path.parent
    tree, day = _dated_tree(path, root), _day_of(thread_id)
    if tree is not None:
        days = [day + timedelta(days=shift) for shift in (0, -1, 1)] if day and date.min < day < date.max else []
        yield from (tree / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}" for day in days)
    if home := _codex_home(path, root):
        yield home / "archived_sessions"


def find_rollout(path: Path, root: Path, thread_id: str) -> Path | None:
    """The rollout of another thread in the same tree of sessions; the plain file before a packed one."""
    if _UUID.fullmatch(thread_id) is None:
        return None
    for folder in _folders(path, root, thread_id):
        known = stamp(folder)
        if known is None:
            continue
        names = [name for name in _rollouts(folder, known) if thread_id in name and folder / name != path]
        plain = [name for name in names if not name.endswith(".zst")]
        if found := next(iter(plain or names), None):
            return folder / found
    return None


@lru_cache(maxsize=64)
def _rollouts(folder: Path, _stamp: FileStamp) -> tuple[str, ...]:
    try:
        names = os.listdir(folder)
    except OSError:
        return ()
    return tuple(sorted(name for name in names if name.endswith((".jsonl", ".jsonl.zst"))))


# -------------------------------------------------------------------------------------------------------- parent


@dataclass(frozen=True, slots=True)
class Parent:
    """What a parent's rollout says of a thread: the ids of its own turns, and the call that spawned the thread."""

    turns: frozenset[str] = frozenset()
    call_id: str | None = None


NO_PARENT: Final = Parent()

_TURN_BEGINS: Final = re.compile(rb'"type"\s*:\s*"(?:turn_context|task_started|turn_started)"')
_TURN_ID: Final = re.compile(rb'"turn_id"\s*:\s*"([^"\\]{1,200})"')


def read_parent(path: Path, root: Path, thread_id: str) -> Parent:
    """Of the rollout at `path`, as far as it can be read."""
    turns: set[str] = set()
    call_id = None
    child, budget = thread_id.encode(), _MAX_PARENT_BYTES
    try:
        for line in read_lines(path, root):
            data = line.data or b""
            budget -= len(data)
            if budget < 0:
                break
            if b'"turn_id"' in data and len(turns) < _MAX_TURNS and _TURN_BEGINS.search(data[:4096]):
                turns.update(found.decode("utf-8", "replace") for found in _TURN_ID.findall(data[: 1 << 20]))
            if call_id is None and child in data:
                call_id = _spawning_call(data, thread_id)
    except ArchiveError:
        return NO_PARENT
    return Parent(frozenset(turns), call_id)


def _spawning_call(data: bytes, thread_id: str) -> str | None:
    try:
        row: Any = decode_json(data)
    except ValueError:
        return None
    match row:
        case {"payload": {"new_thread_id": new_id, "call_id": str(call_id)}} if new_id == thread_id:
            return call_id
        case {"payload": {"type": "function_call_output", "call_id": str(call_id), "output": output}}:
            return call_id if _names_agent(output, thread_id) else None
        case {"payload": {"agent_thread_id": new_id, "event_id": str(call_id), "kind": str(kind)}}:
            return call_id if new_id == thread_id and kind.lower() == "started" else None
        case _:
            return None


def _names_agent(output: object, thread_id: str) -> bool:
    """Whether the output of `spawn_agent` names this thread."""
    if isinstance(output, str):
        try:
            output = decode_json(output.encode())
        except ValueError:
            return False
    return isinstance(output, dict) and output.get("agent_id") == thread_id


# --------------------------------------------------------------------------------------------------------- names


def thread_title(path: Path, root: Path, thread_id: str) -> str:
    """The name that a person gave a thread in the program; `""` where none is at hand."""
    home = _codex_home(path, root)
    known = stamp(home / "session_index.jsonl") if home else None
    if home is None or known is None or known.size > _MAX_INDEX_BYTES:
        return ""
    return _names(home / "session_index.jsonl", root, known).get(thread_id, "")


@lru_cache(maxsize=4)
def _names(path: Path, root: Path, _stamp: FileStamp) -> Mapping[str, str]:
    """The names of all threads; the last one of each counts."""
    names: dict[str, str] = {}
    try:
        for line in read_lines(path, root):
            row = mapping(decode_object(line.data))
            if thread_id := text_of(row.get("id")):
                names[thread_id] = text_of(row.get("thread_name"))
    except ArchiveError:
        pass
    return names
