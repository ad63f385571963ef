"""The table of readers, and which of them owns a file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from scrollcast.archive.formats import FormatReader, SniffedFile
from scrollcast.archive.formats.acp import AcpReader
from scrollcast.archive.formats.atif import AtifReader
from scrollcast.archive.formats.claude_code import ClaudeCodeReader
from scrollcast.archive.formats.codex import CodexReader
from scrollcast.archive.formats.cursor import CursorReader
from scrollcast.archive.formats.gemini import GeminiReader
from scrollcast.archive.formats.inspect_eval import InspectReader
from scrollcast.archive.formats.native import NativeReader
from scrollcast.archive.formats.openai_chat import OpenAiChatReader
from scrollcast.archive.formats.opencode import OpenCodeReader
from scrollcast.archive.formats.session_lines import SessionLinesReader
from scrollcast.archive.storage import read_head

__all__ = ["READERS", "READERS_BY_NAME", "owner", "sniff"]

READERS: Final[tuple[FormatReader, ...]] = (
    NativeReader(),
    SessionLinesReader(),
    InspectReader(),
    OpenCodeReader(),
    GeminiReader(),
    CodexReader(),
    AcpReader(),
    ClaudeCodeReader(),
    CursorReader(),
    AtifReader(),
    OpenAiChatReader(),
)
"""Asked in this order whether a file is theirs."""

READERS_BY_NAME: Final = {reader.name: reader for reader in READERS}

SNIFFED_LINES: Final = 256
"""So many first lines tell a format: some files begin with many rows of bookkeeping."""


def sniff(path: Path, root: Path, size: int) -> SniffedFile:
    """The beginning of a file of `size` bytes.

    Raises:
        ArchiveError: it cannot be read, or is a link to outside `root`.
    """
    head = read_head(path, root)
    lines = head.split(b"\n", SNIFFED_LINES)
    # The last piece is cut anywhere, unless the head is the whole file.
    whole = lines if size <= len(head) and len(lines) <= SNIFFED_LINES else lines[:-1]
    return SniffedFile(path, head, tuple(line for line in whole if line.strip()), size)


def owner(file: SniffedFile) -> FormatReader | None:
    """The reader whose format a file is of, or `None` where no reader knows it."""
    return next((reader for reader in READERS if reader.claims(file)), None)
