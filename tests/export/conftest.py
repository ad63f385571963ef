"""Sessions to export, and documents of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archives import SCROLL_ID, Line, write_session
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

    async def excerpt(self, **asked: Any) -> Excerpt:
        """An excerpt of it."""
        if self._archive is None:
            self._archive = Archive.open(self._root)
        return await open_excerpt(self._archive, SCROLL_ID, Selection(**asked))

    async def document(self, format_name: str, **asked: Any) -> bytes:
        """A document of it."""
        return b"".join(make_document(format_name, await self.excerpt(**asked), static_folder()))

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
