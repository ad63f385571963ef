"""Inspect (`docs/formats.md`); `reader` says what the other modules are for."""

from scrollcast.archive.formats.inspect_eval.reader import InspectReader

__all__ = ["InspectReader"]
