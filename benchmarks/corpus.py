"""Sessions to measure with: the same bytes on every machine and in every run."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

__all__ = ["Corpus", "claude_code_session", "native_session", "realtime_session"]

MEAN_TEXT_BYTES: Final = 700
"""What a message says; with what stands around it a native line has 1.2 KB."""

TEXT_SIGMA: Final = 0.9
"""The spread of the lognormal: half of the texts are below 470 bytes, one in a hundred is over 3.8 KB."""

POOL_BYTES: Final = 1 << 20
WRITE_BYTES: Final = 1 << 20

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Corpus:
    """One session on disk: its id, the file that holds its messages, and what a whole replay has to deliver."""

    scroll_id: UUID
    file: Path
    count: int
    duration_ms: int

    @property
    def size(self) -> int:
        """The bytes of the file."""
        return self.file.stat().st_size


class _Speech:
    """Text of any length, ready to stand in a JSON string: prose with code, quotes, line ends, accents and signs."""

    def __init__(self, random: Random) -> None:
        letters = "etaoinshrdlucmfwypvbgk"
        words = ["".join(random.choices(letters, k=random.randint(2, 9))) for _ in range(2_000)]
        words += ["naïve", "größer", "—", "東京", "🙂", "\\n", "\\n\\n", '\\"quoted\\"', "`code()`", "C:\\\\dir"]
        words += ["value = f(x, y)\\n", "\\tif err != nil {\\n", "<div>", "https://example.com/a?b=c"] * 8
        pieces, size = [], 0
        while size < POOL_BYTES:
            piece = random.choice(words).encode()
            pieces.append(piece)
            size += len(piece) + 1
        self._pool = b" ".join(pieces)
        # Cuts are made between words only, never inside an escape or a character.
        self._cuts = [0]
        for piece in pieces:
            self._cuts.append(self._cuts[-1] + len(piece) + 1)
        self._random = random

    def text(self, size: float) -> bytes:
        """About `size` bytes."""
        size = min(int(size), POOL_BYTES // 2)
        first = self._cuts[self._random.randrange(len(self._cuts) // 2)]
        last = self._cuts[bisect_left(self._cuts, first + size, hi=len(self._cuts) - 1)]
        return self._pool[first : last - 1]

    def any_text(self) -> bytes:
        """Text of a length as they are met in sessions."""
        return self.text(self._random.lognormvariate(_mu(MEAN_TEXT_BYTES), TEXT_SIGMA) + 1)


def _mu(mean: float) -> float:
    """The parameter of a lognormal with this mean: ln(mean) - sigma^2 / 2."""
    return math.log(mean) - TEXT_SIGMA**2 / 2


def _stamp(milliseconds: int) -> bytes:
    moment = START + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()


def _uuid(random: Random) -> bytes:
    return str(UUID(int=random.getrandbits(128), version=4)).encode()


def _fill(file: Path, lines: Iterator[tuple[int, bytes]], enough: Callable[[int, int], bool]) -> tuple[int, int]:
    """Write lines until `enough(lines, bytes)`; how many, and the time of the last one."""
    number = size = last_ms = held = 0
    pending: list[bytes] = []
    with file.open("wb") as out:
        while not enough(number, size):
            last_ms, line = next(lines)
            pending.append(line)
            number += 1
            size += len(line)
            held += len(line)
            if held >= WRITE_BYTES:
                out.writelines(pending)
                pending, held = [], 0
        out.writelines(pending)
    return number, last_ms


# -------------------------------------------------------------------------------------------------------- native


def native_session(folder: Path, megabytes: float, *, name: str = "large") -> Corpus:
    """A session of the native archive of about so many million bytes, a message every 3 s in the mean."""
    return _native(folder, name, 3_000, lambda _lines, size: size >= megabytes * 1e6)


def realtime_session(folder: Path, events: int, *, name: str) -> Corpus:
    """A session of the native archive whose gaps are exponential with a mean of 1 s."""
    return _native(folder, name, 1_000, lambda lines, _size: lines >= events)


def _native(folder: Path, name: str, gap_ms: float, enough: Callable[[int, int], bool]) -> Corpus:
    scroll_id = uuid5(NAMESPACE_URL, f"benchmark:{name}")
    place = folder / str(scroll_id)
    place.mkdir(parents=True)
    metadata = {
        "scroll_id": str(scroll_id),
        "connector_uid": str(uuid5(NAMESPACE_URL, "benchmark:connector")),
        "native_session_id": f"native-{name}",
        "kind": "AcpConnection",
        "title": f"Benchmark {name}",
        "agent": "Benchmark",
        "model": "none",
        "project": "benchmarks",
        "created_at": _stamp(0).decode(),
    }
    (place / "session.json").write_text(json.dumps(metadata))
    file = place / "messages.jsonl"
    number, last_ms = _fill(file, _native_lines(str(scroll_id).encode(), Random(name), gap_ms), enough)
    return Corpus(scroll_id, file, number, last_ms)


_NATIVE: Final = (
    b'{"message_id":"%b","session":"%b","ts":"%b","role":"%b","content_md":"%b","content_parts":[%b],"metadata":%b}\n'
)
_CALL_PART: Final = (
    b'{"type":"tool_call","call_id":"%b","name":"shell","kind":"execute","title":"run it","input":{"command":"%b"}}'
)
_RESULT_PART: Final = b'{"type":"tool_result","call_id":"%b","output":[{"type":"text","text":"%b"}],"is_error":%b}'


def _native_lines(scroll_id: bytes, random: Random, gap_ms: float) -> Iterator[tuple[int, bytes]]:
    """Messages as a native archive has them: a fifth prose, whose markdown repeats it, the rest calls and results."""
    speech = _Speech(random)
    milliseconds, call = 0.0, b""
    for number in count():
        text, kind = speech.any_text(), number % 5
        role, markdown, metadata = b"assistant", text, b"null"
        if kind == 0:
            role = b"user" if number % 20 == 0 else b"assistant"
            parts = b'{"type":"text","text":"%b"}' % text
        elif kind in (1, 3):
            call = b"call-%d" % number
            markdown = b"`shell` run it"
            parts = b'{"type":"thinking","text":"%b"},' % speech.text(150) + _CALL_PART % (call, text)
        else:
            role, markdown, metadata = b"tool", b"done", b'{"elapsed_ms":%d}' % random.randrange(5_000)
            parts = _RESULT_PART % (call, text, b"true" if number % 97 == 0 else b"false")
        at = int(milliseconds)
        yield at, _NATIVE % (_uuid(random), scroll_id, _stamp(at), role, markdown, parts, metadata)
        milliseconds += random.expovariate(1 / gap_ms)


# --------------------------------------------------------------------------------------------------- Claude Code


def claude_code_session(folder: Path, megabytes: float) -> Corpus:
    """A Claude Code session of about so many million bytes: prompts, thoughts, texts, calls and their results."""
    native_id = uuid5(NAMESPACE_URL, "benchmark:claude-code")
    place = folder / "-home-someone-project"
    place.mkdir(parents=True)
    file = place / f"{native_id}.jsonl"
    lines = _claude_code_lines(str(native_id).encode(), Random("claude-code"))
    number, last_ms = _fill(file, lines, lambda _lines, size: size >= megabytes * 1e6)
    scroll_id = uuid5(uuid5(NAMESPACE_URL, "scrollcast"), f"claude-code:{native_id}")
    return Corpus(scroll_id, file, number, last_ms)


_ROW: Final = (
    b'{"parentUuid":%b,"isSidechain":false,"userType":"external","cwd":"/home/someone/project","sessionId":"%b",'
    b'"version":"2.1.0","gitBranch":"main",%b,"uuid":"%b","timestamp":"%b"}\n'
)
_ASSISTANT: Final = (
    b'"type":"assistant","requestId":"req_%d","message":{"id":"msg_%d","type":"message","role":"assistant",'
    b'"model":"claude-benchmark","content":[%b],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,'
    b'"cache_creation_input_tokens":310,"cache_read_input_tokens":14210,"output_tokens":%d,"service_tier":"standard"}}'
)
_RESULT: Final = (
    b'"type":"user","message":{"role":"user","content":[{"tool_use_id":"toolu_%d","type":"tool_result",'
    b'"content":"%b","is_error":%b}]},"toolUseResult":{"stdout":"%b","stderr":"","interrupted":false,"isImage":false}'
)


def _claude_code_lines(native_id: bytes, random: Random) -> Iterator[tuple[int, bytes]]:
    """Rows as Claude Code writes them: an answer's thought, sentence and call are rows that share a message id."""
    speech = _Speech(random)
    milliseconds, parent = 0.0, b"null"
    for number, body in enumerate(_claude_code_bodies(speech, random)):
        own, at = _uuid(random), int(milliseconds)
        yield at, _ROW % (parent, native_id, body, own, _stamp(at))
        parent = b'"%b"' % own
        milliseconds += random.expovariate(1 / (200 if number % 4 else 6_000))


def _claude_code_bodies(speech: _Speech, random: Random) -> Iterator[bytes]:
    for answer in count():
        if answer % 12 == 0:
            text = speech.text(300)
            yield b'"type":"user","message":{"role":"user","content":"%b"},"promptSource":"typed"' % text
        blocks = [
            b'{"type":"thinking","thinking":"%b","signature":"%b"}' % (speech.text(400), b"c2lnbmF0dXJl" * 20),
            b'{"type":"text","text":"%b"}' % speech.any_text(),
            b'{"type":"tool_use","id":"toolu_%d","name":"Bash","input":{"command":"%b","description":"%b"}}'
            % (answer, speech.any_text(), speech.text(40)),
        ]
        for block in blocks:
            yield _ASSISTANT % (answer, answer, block, random.randrange(2_000))
        output = speech.any_text()
        yield _RESULT % (answer, output, b"true" if answer % 41 == 0 else b"false", output)
