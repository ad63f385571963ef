"""Logs of the Agent Client Protocol (agentclientprotocol.com): what a client and an agent said over a pipe, kept.

The protocol has no log format of its own. Read are whole JSON-RPC lines of both sides, wrapped with a time and a
direction or not; the params of `session/update` alone; bare updates; and any of these with other output in between.
One connection carries several sessions, so a file may hold several.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from scrollcast.archive.formats import Decoder, FormatReader, Item, SessionSource, SniffedFile, decode
from scrollcast.archive.formats.acp.rows import is_evidence, read_row
from scrollcast.archive.formats.acp.session import Transcript
from scrollcast.archive.formats.edge_lines import extent_of_lines
from scrollcast.archive.formats.facts import Extent, project_of, trim_title
from scrollcast.archive.formats.json_values import decode_object
from scrollcast.archive.storage import Line, open_confined, read_head, read_lines, stamp
from scrollcast.model import Session, derive_scroll_id

__all__ = ["AcpReader"]

_NAME: Final = "acp"

_MAX_SCANNED_BYTES: Final = 32 << 20
"""So much of a file is searched for sessions; one that begins later is not found."""

_MAX_SESSIONS: Final = 1000
_BLOCK_BYTES: Final = 256 << 10

_SIGNS: Final = re.compile(rb"jsonrpc|sessionUpdate")
_SESSION_ID: Final = re.compile(rb'sessionId\\?"\s*:\s*\\?"([^"\\]+)')


class AcpReader(FormatReader):
    """Reads logs of ACP connections, each session of one being a source of its own."""

    name = _NAME

    def claims(self, file: SniffedFile) -> bool:
        """Whether one of the first lines, or the whole file, is something that only ACP says."""
        if file.path.suffix == ".zst" or not _SIGNS.search(file.head):
            return False
        lines = file.lines if not _is_document(file.head, file.size) else (file.head,)
        return any(_is_evidence(line) for line in lines)

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """A source for each `sessionId`, `member` being that; one for bare updates, by the file's name."""
        document = _document(file.path, root)
        members = _members(_blocks(file.path, root)) if document is None else _document_members(document)
        return tuple(
            SessionSource(derive_scroll_id(_NAME, _native_id(file.path, member)), self, file.path, root, member)
            for member in members
        )

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The log alone."""
        return (source.path,)

    def summarise(self, source: SessionSource) -> Session:
        """Exact for a file of up to 32 KiB; from both ends of a larger one, with an estimate."""
        talk = Transcript(source.member, meta=False)
        document = _document(source.path, source.root)
        if document is None:
            extent = extent_of_lines(talk, source.path, source.root)
        else:
            extent = Extent.of(decode(talk, (document,)))
        return _session(source, talk, extent)

    def grows_by_lines(self, source: SessionSource) -> bool:
        """Unless it is a document by its name."""
        return source.path.suffix != ".json"

    def decoder(self, source: SessionSource, *, meta: bool) -> Decoder | None:
        """A decoder of the session's lines; `None` for a file that is one JSON document."""
        if _document(source.path, source.root) is not None:
            return None
        return Transcript(source.member, meta=meta)

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Item]:
        """What was said in this session, in the order in which it began."""
        return decode(Transcript(source.member, meta=meta), _lines(source.path, source.root))


# ------------------------------------------------------------------------------------------------------ detection


def _is_evidence(line: bytes) -> bool:
    return _SIGNS.search(line) is not None and (value := decode_object(line)) is not None and is_evidence(value)


def _is_document(head: bytes, size: int) -> bool:
    """Whether a small file is one JSON object over several lines."""
    bare = head.strip()
    return size <= len(head) + 3 and bare[:1] == b"{" and b"\n" in bare and decode_object(bare) is not None


def _document(path: Path, root: Path) -> Line | None:
    """The whole file as one line, where it is one JSON object over several."""
    head = read_head(path, root)
    found = stamp(path)
    if found is not None and _is_document(head, found.size):
        return Line(1, head, ended=True)
    return None


def _lines(path: Path, root: Path) -> Iterable[Line]:
    """The lines of a file, a document being one."""
    document = _document(path, root)
    return read_lines(path, root) if document is None else (document,)


# ------------------------------------------------------------------------------------------------------- sessions


def _members(blocks: Iterable[bytes]) -> list[str]:
    """The session ids of a log in the order in which they come; `[""]` where its updates name none."""
    members: dict[str, None] = {}
    bare = False
    for block in blocks:
        # Searching many lines at once is ten times as fast as line by line, and mostly there is nothing new.
        named = set(_SESSION_ID.findall(block))
        bare = bare or (not named and b"sessionUpdate" in block)
        if any(name.decode("utf-8", "replace") not in members for name in named):
            for member in _ids_in(block, members):
                members[member] = None  # at once, so that the next lines are known to say nothing new
        if len(members) >= _MAX_SESSIONS:
            break
    return list(members)[:_MAX_SESSIONS] or ([""] if bare else [])


def _document_members(document: Line) -> list[str]:
    value = decode_object(document.data or b"")
    return [] if value is None else [read_row(value, 1, 0).session_id]


def _blocks(path: Path, root: Path) -> Iterator[bytes]:
    """The file's beginning, cut between lines."""
    rest, left = b"", _MAX_SCANNED_BYTES
    with os.fdopen(open_confined(path, root), "rb") as file:
        while left > 0 and (chunk := file.read(_BLOCK_BYTES)):
            left -= len(chunk)
            whole, _, rest = (rest + chunk).rpartition(b"\n")
            yield whole
    yield rest


def _ids_in(block: bytes, known: Collection[str]) -> Iterator[str]:
    """The new ids in some lines. One may stand inside a tool's input too, so only that of the message counts."""
    for line in block.split(b"\n"):
        if all(name.decode("utf-8", "replace") in known for name in _SESSION_ID.findall(line)):
            continue
        value = decode_object(line)
        if value is not None and (session_id := read_row(value, 0, len(line)).session_id):
            yield session_id


def _native_id(path: Path, member: str) -> str:
    """The session's own id; else the file's name with that of its folder, for want of anything that lasts longer."""
    return member or f"{path.parent.name}/{path.stem}"


def _session(source: SessionSource, talk: Transcript, extent: Extent) -> Session:
    facts = talk.facts
    metadata = {"cwd": facts.cwd, "version": facts.version, "client": facts.client, "mode": facts.mode}
    return Session(
        scroll_id=source.scroll_id,
        title=trim_title(facts.title) or trim_title(extent.prompt),
        agent=facts.agent or None,
        model=facts.model or extent.model or None,
        project=project_of(facts.cwd),
        kind=_NAME,
        native_session_id=_native_id(source.path, source.member),
        created_at=extent.created_at,
        updated_at=extent.updated_at,
        count=extent.count,
        duration_ms=extent.duration_ms,
        timing=extent.timing,
        has_errors=extent.has_errors,
        metadata={name: value for name, value in metadata.items() if value},
    )
