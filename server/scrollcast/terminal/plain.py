"""The conversation as plain text, for where there is no terminal: no colour, nothing that moves a cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from scrollcast.client import Hello, ReplayEvent, Skipped
from scrollcast.client.asking import Parameters
from scrollcast.terminal.blocks import View
from scrollcast.terminal.conversation import Conversation, Entry
from scrollcast.terminal.rendering import entry_lines
from scrollcast.terminal.source import PREVIEW_BYTES, Source
from scrollcast.terminal.text import first_words
from scrollcast.terminal.watch import Wish

__all__ = ["PLAIN_WIDTH", "print_session"]

PLAIN_WIDTH: Final = 100
"""How long lines are where nothing says how much room there is."""

WINDOW_EVENTS: Final = 64


async def print_session(source: Source, wish: Wish, write: Callable[[str], None], width: int | None = None) -> None:
    """Write the session as it comes, up to its end. Results of tools stand where they came.

    Raises:
        ReplayError: as the client does.
    """
    parameters: Parameters = {
        "mode": wish.mode, "speed": wish.speed, "start_ms": wish.start_ms, "meta": wish.meta,
        "follow": bool(wish.follow), "window": WINDOW_EVENTS, "preview": PREVIEW_BYTES,
    }  # fmt: skip
    if wish.idle is not None:
        parameters["idle"] = wish.idle
    conversation, view = Conversation(joined_within=0), View(width or PLAIN_WIDTH, in_order=True)
    agent: str | None = None
    async with source.connect(**parameters) as replay:
        async for item in replay.items():
            match item:
                case Hello(session=session):
                    agent = session.get("agent")
                    write(first_words(str(session.get("title") or "A session without a title"), 200) + "\n")
                case Skipped(from_ms, to_ms):
                    conversation.skip(from_ms, to_ms)
                case ReplayEvent(seq, t_ms, _, _, data):
                    write(_text(conversation.put(seq, t_ms, data), view, agent))


def _text(entry: Entry, view: View, agent: str | None) -> str:
    lines = ("".join(segment.text for segment in line).rstrip() for line in entry_lines(entry, view, agent))
    return "".join(f"{line}\n" for line in lines)
