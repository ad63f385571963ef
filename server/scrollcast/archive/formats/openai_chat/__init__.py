"""OpenAI-style chat, SWE-agent and OpenHands (`docs/formats.md`); `reader` says what the other modules are for."""

from scrollcast.archive.formats.openai_chat.reader import OpenAiChatReader

__all__ = ["OpenAiChatReader"]
