"""Scrollcast: plays archived AI-agent sessions back, over a WebSocket or to any object that takes events."""

from scrollcast._version import __version__
from scrollcast.archive.archive import Archive
from scrollcast.errors import (
    ArchiveError,
    BadCommand,
    BadRequest,
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
    "BadCommand",
    "BadRequest",
    "BusEvent",
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
    "__version__",
    "replay_session_to_stream",
]
