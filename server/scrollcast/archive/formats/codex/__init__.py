"""Codex CLI (`docs/formats.md`); `reader` says what the other modules are for."""

from scrollcast.archive.formats.codex.reader import CodexReader

__all__ = ["CodexReader"]
