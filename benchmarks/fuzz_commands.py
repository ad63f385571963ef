"""Strange and hostile messages to a replay: `python -m benchmarks.fuzz_commands [--seconds N] [FILE …]`.

Whatever a client sends, it is a command that the player takes, or it is refused by a typed error; the answer is the
client's own `request_id` and little more. The messages are made out of those of the conformance vectors
(`benchmarks/fuzzing.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.fuzzing import main, time_limit, watched

with watched("scrollcast.stream.wire", "scrollcast.playback"):
    from scrollcast.playback.commands import Control, Mode, SeekEvent, SeekSeq
    from scrollcast.playback.player import Player
    from scrollcast.playback.timeline import Timeline
    from scrollcast.stream.wire import MAX_COMMAND_BYTES, Ack, decode_command, encode_error, encode_state

from scrollcast.conformance.vectors import load_vectors, vectors_folder
from scrollcast.errors import BadCommand, CommandTooLarge

SECONDS: Final = 0.5
"""The time that one message may take, of this process's own; the longest that is not refused takes a hundredth."""

ANSWER_BYTES: Final = 1024
"""An answer may have so many, and those of the message."""

DEEP: Final = b"[" * 1020 + b"]" * 1020
"""A value that is nested as deeply as JSON is read."""

EXTREMES: Final = (
    b'{"type":' + DEEP + b"}",
    b'{"type":"control","seek":' + DEEP + b"}",
    b'{"type":"control","request_id":"' + b"\\u0007" * 10_000 + b'","speed":0}',
    b'{"type":"' + b"\\u0007" * 10_000 + b'"}',
    b'{"type":"control","step":{"by":-18446744073709551616,"unit":"error"},"idle":1e-308,"speed":100}',
)
"""What no vector has a client send."""

MAX_OUTPUTS: Final = 16
"""What a player may have to do because of one command."""

TIMELINE: Final = Timeline(
    range(0, 64_000, 1000), 64, turns=range(0, 64, 8), tools=range(3, 64, 8), errors=(5, 40), reading=(500,) * 64
)


class Commands:
    """The messages that a client may send while a session is played."""

    unit = "messages"
    header_bytes = 0
    large_bytes = MAX_COMMAND_BYTES + 1024

    def __init__(self, _folder: Path) -> None:
        self.seeds: Sequence[bytes] = [*sorted(set(filter(None, map(_message, _steps())))), *EXTREMES]

    def name_of(self, data: bytes) -> str:
        """The beginning of it."""
        return repr(data[:60])

    def check(self, data: bytes) -> None:
        """Whether it is obeyed or refused, in time and with a bounded answer."""
        # What is no UTF-8 comes no further than the WebSocket; other transports may hand on any text.
        text = data.decode(errors="surrogateescape")
        with time_limit(SECONDS):
            answer = _answer_to(text)
        if answer is None:
            return
        assert len(answer) <= len(data) + ANSWER_BYTES, f"an answer of {len(answer)} bytes to one of {len(data)}"
        request_id = orjson.loads(answer).get("request_id")
        assert request_id is None or request_id == orjson.loads(text)["request_id"], "an answer to another message"


def _steps() -> list[Any]:
    return [step for vector in load_vectors(vectors_folder()) for step in vector.steps]


def _message(step: Any) -> bytes | None:
    """What a client sends in a step of a vector."""
    if "send" in step:
        return orjson.dumps(step["send"])
    text = step.get("send_text")
    return text.encode() if isinstance(text, str) else None


def _answer_to(text: str) -> bytes | None:
    """What a stream answers; an acknowledgement has no answer."""
    is_long = len(text.encode(errors="replace")) > MAX_COMMAND_BYTES
    try:
        command = decode_command(text)
    except BadCommand as problem:
        if isinstance(problem, CommandTooLarge) != is_long:
            raise AssertionError("too long, or not, and refused for something else") from problem
        return encode_error("bad_command", str(problem), request_id=problem.request_id)
    assert not is_long, "longer than a message may be"
    if isinstance(command, Ack):
        assert command.seq >= 0
        return None
    player = Player(TIMELINE, 0.0, mode=Mode.REALTIME, start=SeekSeq(20))
    outputs = player.handle(_found(command.control), 0.25)
    outputs += player.advance(0.5)
    assert len(outputs) <= MAX_OUTPUTS, f"{len(outputs)} outputs of one command"
    assert 0 <= player.cursor <= TIMELINE.count
    return encode_state(player.snapshot(0.5), request_id=command.request_id)


def _found(control: Control) -> Control:
    """With the message that it names looked up, as the stream does."""
    return replace(control, seek=SeekSeq(30)) if isinstance(control.seek, SeekEvent) else control


if __name__ == "__main__":
    sys.exit(main("benchmarks.fuzz_commands", __doc__, Commands, sys.argv[1:]))
