"""Trajectories in Harbor's Agent Trajectory Interchange Format, ATIF (`docs/formats.md`, ATIF).

One JSON document: `schema_version` is `ATIF-v1.0` … `ATIF-v1.7`, and `steps` are the session. Its subagents stand in
`subagent_trajectories` (from v1.7 on) or in files of their own; each is a session with a parent. The rules are those
of RFC 0001 of harbor-framework/harbor, `rfcs/0001-trajectory-format.md`.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final
from uuid import UUID

from scrollcast.archive.formats import FormatReader, Item, SessionSource, SniffedFile
from scrollcast.archive.formats.atif.steps import content_parts, has_failed, record_count, records_of, results_of
from scrollcast.archive.formats.facts import Extent, project_of, trim_title
from scrollcast.archive.formats.json_values import JsonObject, decode_object, dicts, mapping, read_object, text_of
from scrollcast.archive.storage import FileStamp, decode_json, read_whole, stamp
from scrollcast.archive.timestamps import parse_instant
from scrollcast.errors import ArchiveError
from scrollcast.model import Session, derive_scroll_id

__all__ = ["AtifReader"]

_NAME: Final = "atif"

_MAX_DEPTH: Final = 8
"""Subagents of subagents further down than this are not listed; real ones go one or two deep."""

_KEPT_OUTLINES: Final = 16
"""Documents whose summaries are remembered: a document is decoded once for all sessions in it."""

_MAX_EMBEDDED: Final = 1000
"""So many trajectories of one document are listed."""

_MAX_LOOKS: Final = 4
"""So many `schema_version` are looked at for the one at the top level, which mostly is the first."""

_MAX_SIBLINGS: Final = 32
_MAX_SIBLING_BYTES: Final = 32 << 20
"""A subagent's file does not name its parent; the parent is looked for among this many files beside it."""

# Harbor names agents as on its command line.
_AGENTS: Final = {
    "claude-code": "Claude Code", "codex": "Codex", "gemini-cli": "Gemini CLI", "opencode": "OpenCode",
    "openhands": "OpenHands", "mini-swe-agent": "mini-SWE-agent", "swe-agent": "SWE-agent", "terminus-2": "Terminus 2",
    "cursor-cli": "Cursor", "qwen-code": "Qwen Code",
}  # fmt: skip


class AtifReader(FormatReader):
    """Reads trajectories, the embedded subagents of one being sessions too."""

    name = _NAME

    def claims(self, file: SniffedFile) -> bool:
        """Whether it is an object with an ATIF `schema_version` at its top level."""
        head = file.head.lstrip()
        if head[:1] != b"{":
            return False
        found = islice(_VERSION.finditer(head), _MAX_LOOKS)
        return any(_is_top_level(head, version.start()) for version in found)

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """The trajectory, and each one embedded in it."""
        return tuple(
            SessionSource(found.session.scroll_id, self, file.path, root, member)
            for member, found in _outline(file.path, root).items()
        )

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The document; images and subagents beside it are not opened."""
        return (source.path,)

    def summarise(self, source: SessionSource) -> Session:
        """From the whole document, as there is no other way to count its steps."""
        found = _outline(source.path, source.root).get(source.member)
        if found is None:
            raise ArchiveError("the trajectory no longer holds this subagent")
        session = replace(found.session, scroll_id=source.scroll_id)
        return session if source.member else _with_parent(session, source, found.names)

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Item]:
        """A record a step and a record a result, in order."""
        for member, trajectory, _ in _trajectories(_document(source.path, source.root)):
            if member == source.member:
                return records_of(trajectory, meta=meta)
        raise ArchiveError("the trajectory no longer holds this subagent")


# ------------------------------------------------------------------------------------------------------ detection

_VERSION: Final = re.compile(rb'"schema_version"\s*:\s*"ATIF-v\d', re.IGNORECASE)


def _is_top_level(head: bytes, position: int) -> bool:
    """Whether a field begins at the top level: what stands before it is an object that only has to be closed."""
    try:
        before = decode_json(head[:position] + b'"schema_version":0}')
    except ValueError:
        return False
    return isinstance(before, dict) and before.get("schema_version") == 0


# -------------------------------------------------------------------------------------------------------- outline


@dataclass(frozen=True, slots=True)
class _Found:
    """A trajectory's session, and the names by which another may refer to it."""

    session: Session
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Parent:
    """The trajectory that another is embedded in."""

    native_id: str
    call_ids: Mapping[str, str | None]


def _document(path: Path, root: Path) -> JsonObject:
    return read_object(path, root, "the trajectory")


def _trajectories(document: JsonObject) -> Iterator[tuple[str, JsonObject, str]]:
    """Each trajectory of a document with its member, numbers from the top down, and its parent's member."""
    yield "", document, ""
    waiting, listed = deque([("", document, 0)]), 0
    while waiting:
        parent, trajectory, depth = waiting.popleft()
        if depth >= _MAX_DEPTH:
            continue
        some = dicts(trajectory.get("subagent_trajectories"))[: _MAX_EMBEDDED - listed]
        listed += len(some)
        for number, embedded in enumerate(some):
            member = f"{parent}/{number}"
            yield member, embedded, parent
            waiting.append((member, embedded, depth + 1))


def _outline(path: Path, root: Path) -> Mapping[str, _Found]:
    """The sessions of a document by their members; `""` is the document itself."""
    return _outline_as_of(path, root, stamp(path))


@lru_cache(maxsize=_KEPT_OUTLINES)
def _outline_as_of(path: Path, root: Path, _as_of: FileStamp | None) -> Mapping[str, _Found]:
    parents: dict[str, _Parent] = {}
    outline: dict[str, _Found] = {}
    for member, trajectory, parent_member in _trajectories(_document(path, root)):
        parent = parents[parent_member] if member else None
        native_id = _native_id(trajectory, path, parent, member)
        parents[member] = _Parent(native_id, _call_ids(trajectory))
        names = frozenset(filter(None, (*_ids(trajectory), path.name, "/".join(path.parts[-2:]))))
        outline[member] = _Found(_session(trajectory, native_id, parent), names)
    return outline


def _ids(trajectory: JsonObject) -> tuple[str, str]:
    return text_of(trajectory.get("trajectory_id")), text_of(trajectory.get("session_id"))


def _native_id(trajectory: JsonObject, path: Path, parent: _Parent | None, member: str) -> str:
    """The id of this very document; a `session_id` names one only where it is no part of another's run.

    An embedded trajectory's id need not be unique beyond its parent, so the parent's stands before it.
    """
    trajectory_id, session_id = _ids(trajectory)
    if parent is not None:
        return f"{parent.native_id}/{trajectory_id or member.rpartition('/')[2]}"
    return trajectory_id or session_id or f"{path.parent.name}/{path.stem}"


def _call_ids(trajectory: JsonObject) -> dict[str, str | None]:
    """The calls that started subagents, by everything that their references name these by."""
    found: dict[str, str | None] = {}
    for step in dicts(trajectory.get("steps")):
        for result in dicts(mapping(step.get("observation")).get("results")):
            for ref in dicts(result.get("subagent_trajectory_ref")):
                for name in _names_of(ref, text_of(trajectory.get("session_id"))):
                    found.setdefault(name, text_of(result.get("source_call_id")) or None)
    return found


def _names_of(ref: JsonObject, own_session_id: str) -> Iterator[str]:
    """What a reference names a trajectory by: its id, the end of its path, or its run.

    Up to v1.6 there was no id. A run may be shared from v1.7 on, so that it tells nothing where there is an id, or
    where it is that of the referring trajectory itself.
    """
    trajectory_id, session_id = text_of(ref.get("trajectory_id")), text_of(ref.get("session_id"))
    path = "/".join(PurePosixPath(text_of(ref.get("trajectory_path")).replace("\\", "/")).parts[-2:])
    run = session_id if not trajectory_id and session_id != own_session_id else ""
    return filter(None, (trajectory_id, path, run))


# --------------------------------------------------------------------------------------------------------- parent


def _with_parent(session: Session, source: SessionSource, names: frozenset[str]) -> Session:
    """The session with the trajectory in a file beside it that refers to it, where there is one."""
    for path in _siblings(source.path):
        referred = _referred_by(path, source.root, stamp(path))
        if referred is None or referred.native_id == session.native_session_id:
            continue
        for name in names:
            if name in referred.call_ids:
                parent_id = derive_scroll_id(_NAME, referred.native_id)
                return replace(session, parent_scroll_id=parent_id, parent_call_id=referred.call_ids[name])
    return session


def _siblings(path: Path) -> list[Path]:
    """The files that may be the parent: `name.json` of `name.rest.json` first, and all where there are few."""
    named = path.with_name(path.name.partition(".")[0] + ".json")
    beside: list[str] = []
    with suppress(OSError), os.scandir(path.parent) as entries:
        names = islice((entry.name for entry in entries if entry.name.endswith(".json")), _MAX_SIBLINGS + 2)
        beside = sorted({*names} - {path.name, named.name})
    few = beside if len(beside) <= _MAX_SIBLINGS else []
    return [*([named] if named != path else []), *(path.with_name(name) for name in few)]


@lru_cache(maxsize=_MAX_SIBLINGS * 4)
def _referred_by(path: Path, root: Path, as_of: FileStamp | None) -> _Parent | None:
    """What a file refers to; `None` where it is no trajectory or refers to none."""
    if as_of is None or as_of.size > _MAX_SIBLING_BYTES:
        return None
    try:
        data = read_whole(path, root, _MAX_SIBLING_BYTES)
    except ArchiveError:
        return None
    if b"subagent_trajectory_ref" not in data or not _VERSION.search(data):
        return None
    document = decode_object(data)
    return None if document is None else _Parent(_native_id(document, path, None, ""), _call_ids(document))


# -------------------------------------------------------------------------------------------------------- summary


def _session(trajectory: JsonObject, native_id: str, parent: _Parent | None) -> Session:
    agent = mapping(trajectory.get("agent"))
    extent = _extent(trajectory)
    cwd = _cwd(mapping(agent.get("extra")))
    return Session(
        scroll_id=derive_scroll_id(_NAME, native_id),
        title=trim_title(extent.prompt) or trim_title(text_of(trajectory.get("notes"))),
        agent=_AGENTS.get(text_of(agent.get("name")), text_of(agent.get("name"))) or None,
        model=text_of(agent.get("model_name")) or extent.model or None,
        project=project_of(cwd),
        kind=_NAME,
        native_session_id=native_id,
        parent_scroll_id=_parent_scroll_id(parent),
        parent_call_id=_parent_call_id(trajectory, parent),
        created_at=extent.created_at,
        updated_at=extent.updated_at,
        count=extent.count,
        duration_ms=extent.duration_ms,
        timing=extent.timing,
        has_errors=extent.has_errors,
        metadata=_metadata(trajectory, agent, cwd),
    )


def _extent(trajectory: JsonObject) -> Extent:
    """What the records would say, without making them. A prompt of its own counts before one that was copied."""
    extent = Extent()
    copied = ""
    for step in dicts(trajectory.get("steps")):
        extent.count += record_count(step)
        instant = parse_instant(step.get("timestamp"))
        if instant is not None:
            extent.first = instant if extent.first is None else extent.first
            extent.last = instant if extent.last is None else max(extent.last, instant)
        if step.get("source") == "user" and not extent.prompt:
            prompt = next((part["text"] for part in content_parts(step.get("message")) if part["type"] == "text"), "")
            if step.get("is_copied_context") is True:
                copied = copied or prompt
            else:
                extent.prompt = prompt
        extent.model = text_of(step.get("model_name")) or extent.model
        results = results_of(step)
        extent.has_errors = extent.has_errors or any(has_failed(step, results, result) for result in results)
    extent.prompt = extent.prompt or copied
    return extent


def _parent_scroll_id(parent: _Parent | None) -> UUID | None:
    return derive_scroll_id(_NAME, parent.native_id) if parent else None


def _parent_call_id(trajectory: JsonObject, parent: _Parent | None) -> str | None:
    calls = parent.call_ids if parent else {}
    return next((calls[name] for name in _ids(trajectory) if name in calls), None)


def _cwd(extra: JsonObject) -> str:
    """Where the agent worked; the exporters that note it write one folder, or all that it was in."""
    several = extra.get("cwds")
    first = several[0] if isinstance(several, list) and several else ""
    return text_of(extra.get("cwd")) or text_of(first)


def _metadata(trajectory: JsonObject, agent: JsonObject, cwd: str) -> JsonObject:
    names = ("schema_version", "session_id", "trajectory_id", "notes", "final_metrics", "continued_trajectory_ref")
    facts = {"cwd": cwd, "version": agent.get("version"), **{name: trajectory.get(name) for name in names}}
    return {name: value for name, value in facts.items() if value not in (None, "", {})}
