"""OpenCode (`docs/formats.md`); `reader` says what the other modules are for."""

from scrollcast.archive.formats.opencode.reader import OpenCodeReader

__all__ = ["OpenCodeReader"]
