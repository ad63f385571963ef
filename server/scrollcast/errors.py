"""Every error that Scrollcast raises on purpose.

    ScrollcastError
    ├── SessionNotFound       no session has that id
    ├── ArchiveError          a session could not be read or decoded, or not be written
    ├── InvalidRecord         what is to be written of a session would not be read as what it is
    ├── BadRequest            a parameter has a bad value
    │   └── PositionOutOfRange    a start beyond the end of the session
    ├── BadCommand            a message from the client cannot be obeyed; nothing changed
    │   ├── CommandTooLarge       longer than `MAX_COMMAND_BYTES`; the stream closes
    │   └── TooManyBadCommands    a hundred in a row; the stream closes
    ├── TooManyCommands       a client's commands come faster than they may; the stream closes
    ├── Unauthenticated       it is not known who asks, or what was allowed has ended
    ├── TooManyTries          too many wrong tokens came from one address
    ├── NotAllowed            whoever asks is known, and may not do this
    ├── TooManyStreams        the server plays as many as it is allowed to
    │   ├── TooManySessions       the same for different sessions
    │   └── TooManyOfLink         the same for whoever uses one link
    ├── SlowClient            nothing could be written for `WRITE_TIMEOUT`
    ├── StreamClosed          the stream's other end is gone
    ├── ReplayError           what a client raises of a replay that somebody else serves
    │   ├── ReplayRefused         the server will not play this; coming back would meet the same answer
    │   ├── ReplayLost            the connection was lost, and could not be had again in time
    │   ├── SessionRewritten      the archive says something else now: what came before does not hold
    │   ├── CommandRefused        the server did not do what it was asked to; the replay goes on
    │   └── ProtocolViolation     the server does not keep to the protocol
    └── SettingsError         a flag, a variable or a path on the command line is wrong

Attributes carry the facts and `__str__` makes the sentence, which is meant for the person at the other end: it
never holds a path of the server or a detail of its insides. Those are for the log (`ArchiveError.detail`).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

__all__ = [
    "ArchiveError",
    "BadCommand",
    "BadRequest",
    "CommandRefused",
    "CommandTooLarge",
    "InvalidRecord",
    "NotAllowed",
    "PositionOutOfRange",
    "ProtocolViolation",
    "ReplayError",
    "ReplayLost",
    "ReplayRefused",
    "ScrollcastError",
    "SessionNotFound",
    "SessionRewritten",
    "SettingsError",
    "SlowClient",
    "StreamClosed",
    "TooManyBadCommands",
    "TooManyCommands",
    "TooManyOfLink",
    "TooManySessions",
    "TooManyStreams",
    "TooManyTries",
    "Unauthenticated",
]


class ScrollcastError(Exception):
    """The root of the tree; never raised itself."""


@dataclass(eq=False)
class SessionNotFound(ScrollcastError):
    """No session of the archive has this id."""

    scroll_id: UUID | str

    def __str__(self) -> str:
        return f"there is no session {str(self.scroll_id)[:100]}"


@dataclass(eq=False)
class ArchiveError(ScrollcastError):
    """A session that exists could not be read or decoded; or one could not be written.

    `reason` is for everyone; `detail` (paths, the system's own words) is for the log only.
    """

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class InvalidRecord(ScrollcastError):
    """A record, or what is told of a session, that is not written, since it would not be read as what it is."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


@dataclass(eq=False)
class BadRequest(ScrollcastError):
    """A request's parameter has a value that cannot be taken."""

    parameter: str
    reason: str

    def __str__(self) -> str:
        return f"{self.parameter}: {self.reason}"


@dataclass(eq=False)
class PositionOutOfRange(BadRequest):
    """A start position beyond the end of the session."""


@dataclass(eq=False)
class BadCommand(ScrollcastError):
    """A client's message that cannot be obeyed. Nothing was changed by it.

    `request_id` is the message's own, where it could be read.
    """

    reason: str
    request_id: str | None = None

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class CommandTooLarge(BadCommand):
    """A client's message over the size limit."""


@dataclass(eq=False)
class TooManyBadCommands(BadCommand):
    """So many bad commands in a row that the client cannot be meant well."""


@dataclass(eq=False)
class Unauthenticated(ScrollcastError):
    """It is not known who asks, or what a link allowed has ended.

    `stale_cookie` is the name of a cookie that came with the request and is good for nothing.
    """

    reason: str = "this server asks for a token, or for a link that was made for you"
    stale_cookie: str | None = None

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class TooManyTries(ScrollcastError):
    """So many wrong tokens came from an address that none is looked at for a while."""

    retry_after: int
    """In seconds."""

    def __str__(self) -> str:
        return f"too many wrong tokens came from this address; try again in {self.retry_after} s"


@dataclass(eq=False)
class NotAllowed(ScrollcastError):
    """Whoever asks is known, and what they may does not include this."""

    reason: str = "this is for the owner of the server"

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class TooManyStreams(ScrollcastError):
    """The server already plays as many streams as it is allowed to."""

    limit: int
    retry_after_ms: int

    def __str__(self) -> str:
        return f"the server already plays {self.limit} streams; try again in {self.retry_after_ms / 1000:g} s"


@dataclass(eq=False)
class TooManySessions(TooManyStreams):
    """The server already plays as many different sessions as it is allowed to."""

    def __str__(self) -> str:
        return f"the server already plays {self.limit} sessions; try again in {self.retry_after_ms / 1000:g} s"


@dataclass(eq=False)
class TooManyOfLink(TooManyStreams):
    """A link that shares a session is used as often at once as it may be."""

    def __str__(self) -> str:
        return f"this link is already used {self.limit} times at once; try again in {self.retry_after_ms / 1000:g} s"


@dataclass(eq=False)
class TooManyCommands(ScrollcastError):
    """A client sent more commands than it may."""

    a_second: int

    def __str__(self) -> str:
        return f"more than {self.a_second} commands came within a second"


@dataclass(eq=False)
class SlowClient(ScrollcastError):
    """Nothing could be written to the client for so long that it was let go."""

    seconds: float

    def __str__(self) -> str:
        return f"nothing could be written for {self.seconds:g} s; come back and resume"


class StreamClosed(ScrollcastError):
    """The other end of a stream is gone. A stream raises it to end its replay."""

    def __str__(self) -> str:
        return "the stream is closed"


@dataclass(eq=False)
class SettingsError(ScrollcastError):
    """A flag, an environment variable or a path on the command line is wrong."""

    reason: str

    def __str__(self) -> str:
        return self.reason


# -------------------------------------------------------------------------------------- what a client meets elsewhere


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
    """The connection could not be made, or not be had again within the patience of the client, in seconds; 0 where
    nobody waited for it."""

    reason: str
    patience: float

    def __str__(self) -> str:
        if not self.patience:
            return f"there is no connection to the server: {self.reason}"
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
