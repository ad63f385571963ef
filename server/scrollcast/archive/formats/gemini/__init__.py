"""Gemini CLI (`docs/formats.md`); `reader` says what the other modules are for."""

from scrollcast.archive.formats.gemini.reader import GeminiReader

__all__ = ["GeminiReader"]
