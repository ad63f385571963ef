"""Sessions to measure with: the same bytes on every machine and in every run."""

from __future__ import annotations

import json
import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

__all__ = [
    "ODDITIES",
    "START",
    "ClaudeCode",
    "Codex",
    "Corpus",
    "Native",
    "Pool",
    "Speech",
    "claude_code_session",
    "fill",
    "native_session",
    "random_uuid",
    "realtime_session",
    "stamp",
]

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


class Pool:
    """Words in a row, to be cut anywhere between two: never inside an escape or a character."""

    def __init__(self, words: Iterable[bytes]) -> None:
        pieces = list(words)
        self.data: Final = b" ".join(pieces)
        self.cuts: Final = array("I", [0])
        place = 0
        for piece in pieces:
            place += len(piece) + 1
            self.cuts.append(place)

    @classmethod
    def small(cls, random: Random) -> Pool:
        """A million bytes in 2,000 words."""
        letters = "etaoinshrdlucmfwypvbgk"
        words = ["".join(random.choices(letters, k=random.randint(2, 9))) for _ in range(2_000)]
        words += ODDITIES
        return cls(_words(words, random))


ODDITIES: Final = (
    *("naïve", "größer", "—", "東京", "🙂", "\\n", "\\n\\n", '\\"quoted\\"', "`code()`", "C:\\\\dir"),
    *("value = f(x, y)\\n", "\\tif err != nil {\\n", "<div>", "https://example.com/a?b=c") * 8,
)
"""What is no plain word, ready to stand in a JSON string."""


def _words(words: Sequence[str], random: Random) -> Iterator[bytes]:
    size = 0
    while size < POOL_BYTES:
        piece = random.choice(words).encode()
        yield piece
        size += len(piece) + 1


class Speech:
    """Text of any length, ready to stand in a JSON string: prose with code, quotes, line ends, accents and signs."""

    def __init__(self, random: Random, pool: Pool) -> None:
        self._random = random
        self._data = pool.data
        self._cuts = pool.cuts

    def text(self, size: float) -> bytes:
        """About `size` bytes."""
        size = min(int(size), POOL_BYTES // 2)
        first = self._cuts[self._random.randrange(len(self._cuts) // 2)]
        last = self._cuts[bisect_left(self._cuts, first + size, hi=len(self._cuts) - 1)]
        return self._data[first : last - 1]

    def any_text(self) -> bytes:
        """Text of a length as they are met in sessions."""
        return self.text(self._random.lognormvariate(_mu(MEAN_TEXT_BYTES), TEXT_SIGMA) + 1)


def _mu(mean: float) -> float:
    """The parameter of a lognormal with this mean: ln(mean) - sigma^2 / 2."""
    return math.log(mean) - TEXT_SIGMA**2 / 2


def stamp(milliseconds: int) -> bytes:
    """A moment so long after the beginning of all sessions here."""
    seconds, thousandths = divmod(milliseconds, 1000)
    return b"%b.%03dZ" % (_second(seconds), thousandths)


@lru_cache(maxsize=4_096)
def _second(seconds: int) -> bytes:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").encode()


def random_uuid(random: Random) -> bytes:
    """An id, drawn."""
    digits = b"%032x" % random.getrandbits(128)
    return b"-".join((digits[:8], digits[8:12], b"4" + digits[13:16], b"8" + digits[17:20], digits[20:]))


def fill(file: Path, lines: Iterator[tuple[int, bytes]], enough: Callable[[int, int], bool]) -> tuple[int, int]:
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
    random = Random(name)
    writer = Native(scroll_id, Speech(random, Pool.small(random)), random, gap_ms=gap_ms)
    file = writer.begin(folder, f"Benchmark {name}", native_session_id=f"native-{name}")
    number, last_ms = fill(file, writer.lines(), enough)
    return Corpus(scroll_id, file, number, last_ms)


_NATIVE: Final = (
    b'{"message_id":"%b","session":"%b","ts":"%b","role":"%b","content_md":"%b","content_parts":[%b],"metadata":%b}\n'
)
_CALL_PART: Final = (
    b'{"type":"tool_call","call_id":"%b","name":"shell","kind":"execute","title":"run it","input":{"command":"%b"}}'
)
_RESULT_PART: Final = b'{"type":"tool_result","call_id":"%b","output":[{"type":"text","text":"%b"}],"is_error":%b}'


class Native:
    """Writes a session of the native archive."""

    def __init__(
        self, scroll_id: UUID, speech: Speech, random: Random, *, gap_ms: float = 3_000, start_ms: int = 0
    ) -> None:
        self._scroll_id = scroll_id
        self._speech = speech
        self._random = random
        self._gap_ms = gap_ms
        self._start_ms = start_ms

    def begin(self, folder: Path, title: str, *, native_session_id: str, **more: str) -> Path:
        """Make the session's folder, with its metadata. Gives the file for its messages."""
        place = folder / str(self._scroll_id)
        place.mkdir(parents=True)
        metadata = {
            "scroll_id": str(self._scroll_id),
            "connector_uid": str(uuid5(NAMESPACE_URL, "benchmark:connector")),
            "native_session_id": native_session_id,
            "kind": "AcpConnection",
            "title": title,
            "agent": "Benchmark",
            "model": "none",
            "project": "benchmarks",
            "created_at": stamp(self._start_ms).decode(),
        }
        (place / "session.json").write_text(json.dumps({**metadata, **more}))
        return place / "messages.jsonl"

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Messages as a native archive has them: a fifth prose, whose markdown repeats it, the rest calls and results.

        With each its time, as `stamp` takes it.
        """
        speech, random, scroll_id = self._speech, self._random, str(self._scroll_id).encode()
        milliseconds, call = float(self._start_ms), b""
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
            yield at, _NATIVE % (random_uuid(random), scroll_id, stamp(at), role, markdown, parts, metadata)
            milliseconds += random.expovariate(1 / self._gap_ms)

    def said(self, text: bytes, at_ms: int) -> bytes:
        """One message that says this."""
        part = b'{"type":"text","text":"%b"}' % text
        own, session = random_uuid(self._random), str(self._scroll_id).encode()
        return _NATIVE % (own, session, stamp(at_ms), b"assistant", text, part, b"null")


# --------------------------------------------------------------------------------------------------- Claude Code


def claude_code_session(folder: Path, megabytes: float) -> Corpus:
    """A Claude Code session of about so many million bytes: prompts, thoughts, texts, calls and their results."""
    native_id = uuid5(NAMESPACE_URL, "benchmark:claude-code")
    random = Random("claude-code")
    writer = ClaudeCode(native_id, Speech(random, Pool.small(random)), random)
    file = folder / "-home-someone-project" / f"{native_id}.jsonl"
    file.parent.mkdir(parents=True)
    number, last_ms = fill(file, writer.lines(), lambda _lines, size: size >= megabytes * 1e6)
    return Corpus(writer.scroll_id, file, number, last_ms)


_ROW: Final = (
    b'{"parentUuid":%b,"isSidechain":false,"userType":"external","cwd":"%b","sessionId":"%b",'
    b'"version":"2.1.0","gitBranch":"main",%b,"uuid":"%b","timestamp":"%b"}\n'
)
_PROMPT: Final = b'"type":"user","message":{"role":"user","content":"%b"},"promptSource":"typed"'
_ASSISTANT: Final = (
    b'"type":"assistant","requestId":"req_%d","message":{"id":"msg_%d","type":"message","role":"assistant",'
    b'"model":"%b","content":[%b],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,'
    b'"cache_creation_input_tokens":310,"cache_read_input_tokens":14210,"output_tokens":%d,"service_tier":"standard"}}'
)
_RESULT: Final = (
    b'"type":"user","message":{"role":"user","content":[{"tool_use_id":"toolu_%d","type":"tool_result",'
    b'"content":"%b","is_error":%b}]},"toolUseResult":{"stdout":"%b","stderr":"","interrupted":false,"isImage":false}'
)


class ClaudeCode:
    """Writes a session as Claude Code does."""

    def __init__(
        self,
        native_id: UUID,
        speech: Speech,
        random: Random,
        *,
        start_ms: int = 0,
        cwd: str = "/home/someone/project",
        model: str = "claude-benchmark",
        first_answer: int = 0,
    ) -> None:
        self.scroll_id = uuid5(uuid5(NAMESPACE_URL, "scrollcast"), f"claude-code:{native_id}")
        self._native_id = str(native_id).encode()
        self._speech = speech
        self._random = random
        self._start_ms = start_ms
        self._cwd = cwd.encode()
        self._model = model.encode()
        self._parent = b"null"
        self._answers = first_answer

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Rows: an answer's thought, sentence and call are rows that share a message id."""
        milliseconds = float(self._start_ms)
        for number, body in enumerate(self._bodies()):
            at = int(milliseconds)
            yield at, self._row(body, at)
            milliseconds += self._random.expovariate(1 / (200 if number % 4 else 6_000))

    def said(self, text: bytes, at_ms: int) -> bytes:
        """An answer that is this text and nothing else."""
        self._answers += 1
        return self._row(self._answer(b'{"type":"text","text":"%b"}' % text), at_ms)

    def asked(self, text: bytes, at_ms: int) -> bytes:
        """A prompt."""
        return self._row(_PROMPT % text, at_ms)

    def failed(self, text: bytes, at_ms: int) -> bytes:
        """The result of a call, which says that it went wrong."""
        return self._row(_RESULT % (self._answers, text, b"true", text), at_ms)

    def _row(self, body: bytes, at_ms: int) -> bytes:
        own = random_uuid(self._random)
        row = _ROW % (self._parent, self._cwd, self._native_id, body, own, stamp(at_ms))
        self._parent = b'"%b"' % own
        return row

    def _answer(self, block: bytes) -> bytes:
        return _ASSISTANT % (self._answers, self._answers, self._model, block, self._random.randrange(2_000))

    def _bodies(self) -> Iterator[bytes]:
        speech = self._speech
        for answer in count():
            if answer % 12 == 0:
                yield _PROMPT % speech.text(300)
            self._answers = answer
            blocks = [
                b'{"type":"thinking","thinking":"%b","signature":"%b"}' % (speech.text(400), b"c2lnbmF0dXJl" * 20),
                b'{"type":"text","text":"%b"}' % speech.any_text(),
                b'{"type":"tool_use","id":"toolu_%d","name":"Bash","input":{"command":"%b","description":"%b"}}'
                % (answer, speech.any_text(), speech.text(40)),
            ]
            for block in blocks:
                yield self._answer(block)
            output = speech.any_text()
            yield _RESULT % (answer, output, b"true" if answer % 41 == 0 else b"false", output)


# --------------------------------------------------------------------------------------------------------- Codex

_CODEX_ROW: Final = b'{"timestamp":"%b","type":"%b","payload":{%b}}\n'
_CODEX_META: Final = (
    b'"id":"%b","timestamp":"%b","cwd":"%b","originator":"codex_cli_rs","cli_version":"0.98.0","source":"cli",'
    b'"model_provider":"openai"'
)
_CODEX_TURN: Final = (
    b'"cwd":"%b","approval_policy":"on-request","sandbox_policy":{"type":"workspace-write"},"model":"%b",'
    b'"effort":"medium","summary":"auto"'
)
_CODEX_MESSAGE: Final = b'"type":"message","role":"%b","content":[{"type":"%b","text":"%b"}]'
_CODEX_THOUGHT: Final = b'"type":"reasoning","summary":[{"type":"summary_text","text":"%b"}],"encrypted_content":"%b"'
_CODEX_CALL: Final = (
    b'"type":"function_call","name":"exec_command","arguments":"{\\"cmd\\":\\"%b\\"}","call_id":"call_%d"'
)
_CODEX_OUTPUT: Final = b'"type":"function_call_output","call_id":"call_%d","output":"%b"'
_CODEX_TOKENS: Final = (
    b'"type":"token_count","info":{"total_token_usage":{"input_tokens":%d,"cached_input_tokens":0,"output_tokens":%d,'
    b'"reasoning_output_tokens":0,"total_tokens":%d},"model_context_window":272000},"rate_limits":null'
)


class Codex:
    """Writes a rollout as the Codex CLI does."""

    def __init__(self, native_id: UUID, speech: Speech, random: Random, *, start_ms: int, cwd: str, model: str) -> None:
        self.scroll_id = uuid5(uuid5(NAMESPACE_URL, "scrollcast"), f"codex:{native_id}")
        self._native_id = str(native_id).encode()
        self._speech = speech
        self._random = random
        self._start_ms = start_ms
        self._cwd = cwd.encode()
        self._model = model.encode()

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Rows of some turns: a prompt, and then thoughts, calls, outputs and sentences."""
        milliseconds = float(self._start_ms)
        for kind, body in self._bodies():
            at = int(milliseconds)
            yield at, _CODEX_ROW % (stamp(at), kind, body)
            milliseconds += self._random.expovariate(1 / 2_000)

    def said(self, text: bytes, at_ms: int) -> bytes:
        """An answer."""
        return _CODEX_ROW % (stamp(at_ms), b"response_item", _CODEX_MESSAGE % (b"assistant", b"output_text", text))

    def _bodies(self) -> Iterator[tuple[bytes, bytes]]:
        speech, random = self._speech, self._random
        yield b"session_meta", _CODEX_META % (self._native_id, stamp(self._start_ms), self._cwd)
        for step in count():
            if step % 10 == 0:
                prompt = speech.text(300)
                yield b"turn_context", _CODEX_TURN % (self._cwd, self._model)
                yield b"response_item", _CODEX_MESSAGE % (b"user", b"input_text", prompt)
                yield b"event_msg", b'"type":"user_message","message":"%b","images":[]' % prompt
            command = speech.any_text().replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            yield b"response_item", _CODEX_THOUGHT % (speech.text(200), b"ZW5jcnlwdGVk" * 30)
            yield b"response_item", _CODEX_CALL % (command, step)
            yield b"response_item", _CODEX_OUTPUT % (step, speech.any_text())
            tokens = random.randrange(20_000)
            yield b"event_msg", _CODEX_TOKENS % (tokens, 200, tokens + 200)
            if step % 3 == 0:
                yield b"response_item", _CODEX_MESSAGE % (b"assistant", b"output_text", speech.any_text())
