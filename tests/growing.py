"""A format for tests of growth: a line is a message of that text, and what is held back can be chosen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from archives import SCROLL_ID, ScriptedReader, at
from scrollcast.archive.formats import Decoder, Item, Revised, SessionSource
from scrollcast.archive.storage import Line
from scrollcast.model import BadRecord, Record

__all__ = ["LineReader", "append", "growing_source"]


class LineReader(ScriptedReader):
    """Each line is a message whose id is the line. `held` records wait for as many later ones.

    A line that ends in `~` changes the record before it, where that is still held back, or revises what was given;
    `?` is a bad record, and `!` a defect of the reader.
    """

    name = "lines"

    def __init__(self, held: int = 0) -> None:
        super().__init__()
        self.held = held

    def grows_by_lines(self, source: SessionSource) -> bool:
        """It does."""
        return True

    def decoder(self, source: SessionSource, *, meta: bool) -> Decoder:
        """A decoder of its own for each reading."""
        return _LineDecoder(self.held)


class _LineDecoder:
    def __init__(self, most: int) -> None:
        self._most = most
        self._held: list[Item] = []

    def feed(self, line: Line) -> Iterable[Item | Revised]:
        text = (line.data or b"").decode()
        if text == "!":
            raise KeyError("a defect of the reader")
        if text == "?":
            return [BadRecord(line.number)]
        record = Record(text, at(line.number), "user", [{"type": "text", "text": text}])
        if text.endswith("~"):
            if not self._held:
                return [Revised(), record]
            self._held[-1] = record
            return []
        self._held.append(record)
        given = self._held[: len(self._held) - self._most]
        del self._held[: len(given)]
        return given

    def pending(self) -> Iterable[Item]:
        return tuple(self._held)


def growing_source(folder: Path, reader: LineReader, *lines: str) -> SessionSource:
    """A session of these lines."""
    path = folder / "lines.jsonl"
    path.write_bytes(b"")
    source = SessionSource(SCROLL_ID, reader, path, folder)
    append(source, *lines)
    return source


def append(source: SessionSource, *lines: str) -> None:
    """Let a session grow by lines."""
    with source.path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))
