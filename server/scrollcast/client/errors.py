"""What can go wrong with a replay that somebody else serves.

ScrollcastError
└── ReplayError
    ├── ReplayRefused      the server will not play this; coming back would meet the same answer
    ├── ReplayLost         the connection was lost, and could not be had again in time
    ├── SessionRewritten   the archive says something else now: what came before does not hold
    ├── CommandRefused     the server did not do what it was asked to; the replay goes on
    └── ProtocolViolation  the server does not keep to the protocol
"""

from __future__ import annotations

from dataclasses import dataclass

from scrollcast.errors import ScrollcastError

__all__ = ["CommandRefused", "ProtocolViolation", "ReplayError", "ReplayLost", "ReplayRefused", "SessionRewritten"]


class ReplayError(ScrollcastError):
    """The root of what a client raises; never raised itself."""


@dataclass(eq=False)
class ReplayRefused(ReplayError):
    """The server will not play this. `code` is the server's own, such as `session_not_found`."""

    code: str
    reason: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.code})"


@dataclass(eq=False)
class ReplayLost(ReplayError):
    """The connection could not be made, or not be had again within the patience of the client, in seconds."""

    reason: str
    patience: float

    def __str__(self) -> str:
        return f"the connection is gone and did not come back within {self.patience:g} s: {self.reason}"


@dataclass(eq=False)
class SessionRewritten(ReplayError):
    """The archive was rewritten: what came before belongs to another content. `epoch` is that of the new one."""

    epoch: str

    def __str__(self) -> str:
        return "the session was rewritten while it was played; connect again to play what it says now"


@dataclass(eq=False)
class CommandRefused(ReplayError):
    """A command that the server refused; nothing was changed by it."""

    code: str
    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class ProtocolViolation(ReplayError):
    """A message that breaks the rules of the protocol."""

    reason: str

    def __str__(self) -> str:
        return f"the server does not keep to the protocol: {self.reason}"
