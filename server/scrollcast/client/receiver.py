"""The client's side of the protocol without I/O: messages in, records out; commands out, answers in.

Whatever happens to the connection, the events that come out follow each other without a repeat or a hole until a seek
says where they go on from. The two `Replay` classes, with and without `await`, only carry the texts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from scrollcast.client.address import Address
from scrollcast.client.records import CaughtUp, End, Hello, Item, Notice, ReplayEvent, ReplayState, Skipped, make_event
from scrollcast.errors import CommandRefused, ProtocolViolation, ReplayError, ReplayRefused, SessionRewritten

__all__ = ["ABNORMAL", "NORMAL", "Receiver", "is_final"]

NORMAL: Final = 1000
ABNORMAL: Final = 1006
"""Close codes of RFC 6455: the end was sent; the connection broke without a word."""

_FINAL: Final = frozenset({1002, 1003, 1007, 1008, 1009, 1010})
"""Close codes of RFC 6455 after which coming back would meet the same answer."""


def is_final(code: int) -> bool:
    """Whether a close code means that coming back is of no use (`docs/protocol.md`, Ending)."""
    return code in _FINAL or 4500 <= code <= 4999


class Receiver:
    """One replay, over as many connections as it takes.

    `items` are the records that came and were not taken yet; whoever takes one removes it from the left.
    """

    def __init__(self, address: Address) -> None:
        self.items: deque[Item] = deque()
        self.hello: Hello | None = None
        self.state: ReplayState | None = None
        self.failure: ReplayError | None = None
        self.retry_after = 0.0
        self._address = address
        self._window = address.number("window")
        self._gen = 0
        self._gen_before = 0  # of the connections before this one: each counts from 0
        self._expected: int | None = None  # the number of the next event; None before the first hello
        self._acknowledged = -1
        self._greeted = False  # on this connection
        self._refusal: Mapping[str, Any] | None = None
        self._last_id = 0
        self._asked: dict[str, dict[str, Any]] = {}  # commands without an answer, by their id
        self._answers: dict[str, ReplayState | ReplayError] = {}

    # ------------------------------------------------------------------------------------------------- connecting

    @property
    def token(self) -> str | None:
        """What opens the address."""
        return self._address.token

    def begin(self) -> str:
        """A connection is to be made: to this address, which goes on where the last one ended."""
        self._greeted = False
        self._refusal = None
        self.retry_after = 0.0
        if self.hello is None or self.state is None:
            return self._address.url()
        state = self.state
        place = {"start_ms": None, "start_seq": self._expected, "epoch": self.hello.epoch}
        pace = {"mode": state.mode, "speed": state.speed, "idle": state.idle or "off"}
        return self._address.url({**place, **pace, "paused": state.status == "paused"})

    def lost(self, code: int) -> None:
        """The connection is gone, with this close code; `failure` says whether for good."""
        refusal = self._refusal
        if is_final(code):
            self.failure = ReplayRefused(*_words(refusal)) if refusal else ReplayRefused(f"closed_{code}", "closed")
        elif refusal:
            self.retry_after = refusal.get("retry_after_ms", 0) / 1000
        # A step counts from where it was asked for: nobody knows how far it came.
        for request_id in [each for each, fields in self._asked.items() if "step" in fields]:
            del self._asked[request_id]
            self._answers[request_id] = CommandRefused("connection_lost", "the connection was lost during the step")

    # ------------------------------------------------------------------------------------------------ to the server

    def ask(self, fields: Mapping[str, Any]) -> tuple[str, bytes | None]:
        """A command: its id, and its text, `None` when it has to wait for a connection."""
        self._last_id += 1
        request_id = f"c{self._last_id}"
        self._asked[request_id] = {"type": "control", "request_id": request_id, **fields}
        return request_id, orjson.dumps(self._asked[request_id]) if self._greeted else None

    def is_answered(self, request_id: str) -> bool:
        """Whether `answer` has something to say."""
        return request_id in self._answers

    def answer(self, request_id: str) -> ReplayState:
        """What the server said to a command. Raises what went wrong."""
        answer = self._answers.pop(request_id)
        if isinstance(answer, ReplayError):
            raise answer
        return answer

    def due(self) -> list[bytes]:
        """What is to be sent now that everything was taken: with a `window`, how far one has come."""
        if not self._window or not self._greeted or self._expected is None or self.items:
            return []
        if self._expected - 1 <= self._acknowledged:
            return []
        self._acknowledged = self._expected - 1
        return [orjson.dumps({"type": "ack", "seq": self._acknowledged})]

    def waiting(self) -> list[bytes]:
        """The commands that have no answer yet, to be sent again on a new connection: they say what is wished for."""
        return [orjson.dumps(fields) for fields in self._asked.values()]

    # ---------------------------------------------------------------------------------------------- from the server

    def take(self, text: bytes | str) -> bool:
        """One message. Whether it was the greeting, after which `waiting` may be sent.

        Raises:
            ProtocolViolation: it breaks the rules.
            SessionRewritten: what came before does not hold any more.
        """
        try:
            message = orjson.loads(text)
            kind = message["type"]
            if kind == "event":
                self._take_events((message,), message)
            elif kind == "events":
                self._take_events(message["events"], message)
            elif kind == "hello":
                self._take_hello(message)
                return True
            else:
                self._take_other(kind, message)
        except (KeyError, TypeError, ValueError) as problem:
            raise ProtocolViolation(f"{problem!r} in {text[:100]!r}") from problem
        return False

    def _take_events(self, events: Sequence[Mapping[str, Any]], message: Mapping[str, Any]) -> None:
        gen, is_live = message["gen"], message["origin"]["type"] == "live"
        if gen < self._gen or not events:
            return
        if gen > self._gen:
            self._rewind(gen, events[0]["seq"])
        gen += self._gen_before
        append, expected = self.items.append, self._expected
        for event in events:
            seq = event["seq"]
            if seq != expected:
                raise ProtocolViolation(f"event {seq} came where {expected} was next")
            append(make_event((seq, event["t_ms"], gen, is_live, event["event"])))
            self._expected = expected = seq + 1

    def _take_hello(self, message: Mapping[str, Any]) -> None:
        if self.hello is not None and message["resume"] == "reset":
            raise SessionRewritten(message["epoch"])
        state = message["state"]
        self._gen_before += self._gen
        self._gen, self._expected = state["gen"], state["seq"]
        self._acknowledged = state["seq"] - 1
        self.state = self._state_of(state)
        self._greeted = True
        self.hello = Hello.of(message)
        self.items.append(self.hello)

    def _take_other(self, kind: str, message: Mapping[str, Any]) -> None:
        match kind:
            case "state":
                self._take_state(message)
            case "skipped":
                self.items.append(Skipped(message["from_ms"], message["to_ms"]))
            case "caught_up":
                self.items.append(CaughtUp(message["seq"]))
            case "notice":
                self._take_notice(message)
            case "end":
                self.items.append(End(message["reason"], message["final_seq"], message["report"]))
            case "error":
                self._take_error(message)
            case _:
                pass  # a heartbeat, or what a newer server says

    def _take_state(self, message: Mapping[str, Any]) -> None:
        if message["gen"] > self._gen:
            self._rewind(message["gen"], message["seq"])
        self.state = self._state_of(message)
        self._settle(message, self.state)
        self.items.append(self.state)

    def _state_of(self, fields: Mapping[str, Any]) -> ReplayState:
        return ReplayState.of({**fields, "gen": self._gen_before + fields["gen"]})

    def _take_notice(self, message: Mapping[str, Any]) -> None:
        if message["code"] == "archive_rewritten":
            raise SessionRewritten(message.get("epoch", ""))
        facts = {name: value for name, value in message.items() if name not in ("type", "level", "code", "message")}
        self.items.append(Notice(message["level"], message["code"], message["message"], facts))

    def _take_error(self, message: Mapping[str, Any]) -> None:
        if not self._settle(message, CommandRefused(*_words(message))):
            self._refusal = message  # a close follows

    def _settle(self, message: Mapping[str, Any], answer: ReplayState | ReplayError) -> bool:
        """Whether a message is the answer to a command of ours; then it has one."""
        request_id = str(message.get("request_id"))
        if self._asked.pop(request_id, None) is None:
            return False
        self._answers[request_id] = answer
        return True

    def _rewind(self, gen: int, seq: int) -> None:
        """A seek: what came before it and was not taken yet is of no interest any more."""
        self._gen, self._expected = gen, seq
        self._acknowledged = seq - 1
        kept = [item for item in self.items if not isinstance(item, ReplayEvent)]
        self.items.clear()
        self.items.extend(kept)


def _words(message: Mapping[str, Any]) -> tuple[str, str]:
    return str(message.get("code", "error")), str(message.get("message", ""))
