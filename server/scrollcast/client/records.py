"""What comes out of a replay, as a client sees it: records made of the messages of `docs/protocol.md`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias

from scrollcast.model import Message, MetaEvent

__all__ = ["CaughtUp", "End", "Hello", "Item", "Notice", "ReplayEvent", "ReplayState", "Skipped", "make_event"]


class ReplayEvent(NamedTuple):
    """One event of a session.

    `t_ms` is recorded time: milliseconds since the session's first message. `gen` is the generation: it grows by one
    with each seek. `is_live` says that the event was written after the replay had caught up. `data` is the event as it
    came; `message` and `meta_event` are made of it when asked for.
    """

    seq: int
    t_ms: int
    gen: int
    is_live: bool
    data: Mapping[str, Any]

    @property
    def message(self) -> Message | None:
        """The message; `None` for a meta event."""
        fields = self.data.get("message")
        return None if fields is None else _take(Message, fields)

    @property
    def meta_event(self) -> MetaEvent | None:
        """The meta event; `None` for a message."""
        fields = self.data.get("meta_event")
        return None if fields is None else _take(MetaEvent, fields)

    @property
    def text(self) -> str:
        """What was said: the message's text parts, one after the other, with an empty line between them."""
        parts = self.data.get("message", {}).get("content", ())
        return "\n\n".join(part["text"] for part in parts if part.get("type") == "text")


make_event: Final[Callable[[tuple[int, int, int, bool, Mapping[str, Any]]], ReplayEvent]] = partial(
    tuple.__new__, ReplayEvent
)
"""A `ReplayEvent` of its fields in order; calling the class itself takes twice as long."""


@dataclass(frozen=True, slots=True)
class ReplayState:
    """What a replay is doing. `seq` is the next event to come, `t_ms` the recorded time reached, `idle` the longest
    silence played in seconds (`None` for no cap), `late_ms` by how much the next event is overdue."""

    status: str
    seq: int
    t_ms: int
    gen: int
    mode: str
    speed: float
    idle: float | None
    did_seek: bool = False
    late_ms: int = 0

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """From a `state` message, or the `state` of `hello`."""
        state: Self = _take(cls, fields)
        return state


@dataclass(frozen=True, slots=True)
class Hello:
    """How the replay began, or went on after a lost connection: `session` and `range` as in the protocol."""

    replay_id: str
    epoch: str
    resume: Literal["none", "continued", "reset"]
    session: Mapping[str, Any]
    range: Mapping[str, Any]
    capabilities: Sequence[str]

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """From a `hello` message."""
        return cls(**{name: fields[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Skipped:
    """A silence that was cut: the recorded times, in milliseconds, of the events on either side."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """All that was archived has come; from the event `seq` on, each comes as it is written."""

    seq: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth knowing; `code` is for programs, `message` for people, `facts` are the other fields."""

    level: str
    code: str
    message: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """The end was reached. `final_seq` is the last event (`None` of an empty session), `report` what was sent."""

    reason: str
    final_seq: int | None
    report: Mapping[str, Any]


Item: TypeAlias = ReplayEvent | ReplayState | Hello | Skipped | CaughtUp | Notice | End


def _take(kind: type[Any], fields: Mapping[str, Any]) -> Any:
    """A record of the fields that it has; a newer server may send more."""
    return kind(**{name: fields[name] for name in kind.__dataclass_fields__ if name in fields})
