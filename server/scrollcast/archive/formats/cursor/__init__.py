"""Cursor (`docs/formats.md`); `reader` says what the other modules are for."""

from scrollcast.archive.formats.cursor.reader import CursorReader

__all__ = ["CursorReader"]
