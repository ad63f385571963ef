"""Scrollcast: plays archived AI-agent sessions back, over a WebSocket or to any object that takes events."""

from __future__ import annotations

from scrollcast._version import __version__

TYPE_CHECKING = False  # as `typing` has it, which is not loaded before the command can be stopped (`__main__.py`)
if TYPE_CHECKING:
    from typing import Final

    from scrollcast.archive.archive import Archive
    from scrollcast.archive.writer import ArchiveWriter, Sync
    from scrollcast.errors import (
        ArchiveError,
        BadCommand,
        BadRequest,
        InvalidRecord,
        PositionOutOfRange,
        ScrollcastError,
        SessionNotFound,
        StreamClosed,
    )
    from scrollcast.model import Message, MetaEvent, Session
    from scrollcast.stream.replay import (
        BusEvent,
        MessageCompleted,
        MetaEventReceived,
        Origin,
        ReplayOptions,
        ReplayReport,
        ReplaySpeed,
        ReplayStream,
        Routing,
        StreamOutcome,
        replay_session_to_stream,
    )

__all__ = [
    "Archive",
    "ArchiveError",
    "ArchiveWriter",
    "BadCommand",
    "BadRequest",
    "BusEvent",
    "InvalidRecord",
    "Message",
    "MessageCompleted",
    "MetaEvent",
    "MetaEventReceived",
    "Origin",
    "PositionOutOfRange",
    "ReplayOptions",
    "ReplayReport",
    "ReplaySpeed",
    "ReplayStream",
    "Routing",
    "ScrollcastError",
    "Session",
    "SessionNotFound",
    "StreamClosed",
    "StreamOutcome",
    "Sync",
    "__version__",
    "replay_session_to_stream",
]

_HOMES: Final = ("errors", "model", "archive.writer", "archive.archive", "stream.replay")
"""The light ones first: they are imported in turn until one has the name."""


def __getattr__(name: str) -> object:
    """A public name, imported when it is first used: the client, and whoever writes, need little of it."""
    if name in __all__:
        from importlib import import_module

        for home in _HOMES:
            module = import_module(f"{__name__}.{home}")
            if name in module.__all__:
                globals()[name] = value = getattr(module, name)
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
