"""The reference client: `async for event in connect(url)`.

Needs websockets and orjson and nothing else of what the server is made of. `scrollcast.client.sync` is the same without
`await`.
"""

from scrollcast.client.records import CaughtUp, End, Hello, Item, Notice, ReplayEvent, ReplayState, Skipped
from scrollcast.client.replay import Replay, connect
from scrollcast.errors import (
    CommandRefused,
    ProtocolViolation,
    ReplayError,
    ReplayLost,
    ReplayRefused,
    SessionRewritten,
)

__all__ = [
    "CaughtUp",
    "CommandRefused",
    "End",
    "Hello",
    "Item",
    "Notice",
    "ProtocolViolation",
    "Replay",
    "ReplayError",
    "ReplayEvent",
    "ReplayLost",
    "ReplayRefused",
    "ReplayState",
    "SessionRewritten",
    "Skipped",
    "connect",
]
