"""Claude Code (`docs/formats.md`); `reader` says what the other modules are for."""

from scrollcast.archive.formats.claude_code.reader import ClaudeCodeReader

__all__ = ["ClaudeCodeReader"]
