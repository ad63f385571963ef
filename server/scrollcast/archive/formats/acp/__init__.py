"""Logs of the Agent Client Protocol (`docs/formats.md`); `reader` says what the other modules are for."""

from scrollcast.archive.formats.acp.reader import AcpReader

__all__ = ["AcpReader"]
