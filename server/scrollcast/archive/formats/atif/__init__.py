"""Trajectories in Harbor's interchange format (`docs/formats.md`); `reader` says what the other modules are for."""

from scrollcast.archive.formats.atif.reader import AtifReader

__all__ = ["AtifReader"]
