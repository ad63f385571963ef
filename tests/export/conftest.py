"""Sessions to export, and documents of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from archives import SCROLL_ID, Line, join_lines, metadata, write_session
from scrollcast.archive.archive import Archive
from scrollcast.export.documents import make_document
from scrollcast.export.excerpt import Excerpt, Selection, open_excerpt
from scrollcast.settings import static_folder


class Exporter:
    """Writes a session, and takes documents out of it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._archive: Archive | None = None

    def write(self, messages: list[Line], meta_events: list[Line] | None = None, **fields: Any) -> Exporter:
        """Write the session."""
        write_session(self._root, messages, meta_events, **fields)
        return self

    def write_child(self, scroll_id: UUID, call_id: str, messages: list[Line], parent: UUID = SCROLL_ID) -> Exporter:
        """Write a session that a call of another one started."""
        told = metadata(scroll_id, parent_scroll_id=str(parent), parent_call_id=call_id, native_session_id=None)
        path = self._root / f"{scroll_id}.jsonl"
        path.write_bytes(join_lines([{"scrollcast": 1, "metadata": told}, *messages]))
        return self

    async def excerpt(self, **asked: Any) -> Excerpt:
        """An excerpt of it."""
        if self._archive is None:
            self._archive = Archive.open(self._root)
        return await open_excerpt(self._archive, SCROLL_ID, Selection(**asked))

    async def document(self, format_name: str, **asked: Any) -> bytes:
        """A document of it."""
        excerpt = await self.excerpt(**asked)
        return await asyncio.to_thread(lambda: b"".join(make_document(format_name, excerpt, static_folder())))

    def close(self) -> None:
        """Stop reading."""
        if self._archive:
            self._archive.close()


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    """An exporter of a session that is still to be written."""
    made = Exporter(tmp_path / "archive")
    yield made
    made.close()
