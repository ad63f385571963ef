"""Files made to be slow, through their readers: `python -m benchmarks.hostile_files [NAME …]`.

Each has one shape that a reader once took, or might take, a time for that grows with the square of the size: results of
calls that nobody made, rewinds over rewinds, an id that comes again and again, tags that are never closed. Each is read
at `SMALL_BYTES` and at four times that. The table gives the seconds of this process for the larger one, and by how much
they grew: 4 is in proportion to the size, 16 is its square. The exit status is 1 where one took longer than
`LIMIT_SECONDS`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, count, repeat
from pathlib import Path
from typing import Final

import orjson

from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.readers import owner, sniff
from scrollcast.errors import ArchiveError

SMALL_BYTES: Final = 1 << 20
LARGE_BYTES: Final = 4 * SMALL_BYTES

LIMIT_SECONDS: Final = 12.0
"""Some six times what the slowest of these takes where it is in proportion; its square would be minutes."""

Shape = Callable[[int], bytes]
"""Makes a file of about so many bytes."""


def row(**fields: object) -> bytes:
    """A line of JSON."""
    return orjson.dumps(fields) + b"\n"


def rows(*parts: Iterator[bytes]) -> Shape:
    """Lines: of each part as many as make up its share of the file."""

    def make(size: int) -> bytes:
        data = bytearray()
        for number, part in enumerate(parts, 1):
            while len(data) < size * number // len(parts):
                data += next(part)
        return bytes(data)

    return make


def numbered(template: str) -> Callable[[], Iterator[bytes]]:
    """Lines with a number of its own in each, where `@` stands."""
    return lambda: (template.replace("@", str(number)).encode() + b"\n" for number in count())


def lines(*templates: str) -> Shape:
    """A file of such lines, each template in its share of it."""
    return lambda size: rows(*(numbered(template)() for template in templates))(size)


def document(start: str, item: str, end: str) -> Shape:
    """A document with a list of numbered items in it."""

    def make(size: int) -> bytes:
        items = (item.replace("@", str(number)) for number in range(size // (len(item) + 4)))
        return f"{start}{','.join(items)}{end}".encode()

    return make


def text_row(fields: Callable[[str], bytes], piece: str, *others: bytes) -> Shape:
    """Other lines, and one with a text that is a piece over and over."""
    return lambda size: b"".join((*others, fields(piece * (size // len(piece)))))


# --------------------------------------------------------------------------------------------------------- shapes

_OPENHANDS: Final = {"timestamp": "2026-01-01T00:00:00", "source": "agent", "tool_name": "x", "tool_call_id": "c"}
_GEMINI: Final = '{"sessionId":"s","projectHash":"p"}\n'
_INSPECT: Final = '{"version":2,"status":"success","plan":{},"eval":{"task":"t"},"samples":[{"id":1,"epoch":1,'
_CODEX: Final = '{"timestamp":"2026-01-01T00:00:00Z","type":"event_msg","payload":'
_CODEX_ITEM: Final = '{"timestamp":"2026-01-01T00:00:00Z","type":"response_item","payload":'


def _thought(text: str) -> bytes:
    return row(id="1", kind="ActionEvent", thought=[{"type": "text", "text": text}], **_OPENHANDS)


def _gemini(**fields: object) -> bytes:
    return _GEMINI.encode() + row(id="m", **fields)


def _claude(text: str) -> bytes:
    return row(type="user", uuid="u", message={"role": "user", "content": text})


def _codex(text: str) -> bytes:
    return row(type="event_msg", payload={"type": "user_message", "message": text})


def _thoughts(size: int) -> bytes:
    content = [{"thought": True, "text": f"a{number}b"} for number in range(size // 80)]
    return _gemini(type="gemini", content=content, thoughts=[{"description": f"a{n}"} for n in range(size // 60)])


def _typed(size: int) -> bytes:
    display = [{"x": number} for number in range(size // 20)]
    return _gemini(type="user", displayContent=display, content=[{"y": number} for number in range(size // 20)])


def _pool(size: int) -> bytes:
    events = ",".join(repeat('{"event":"model","input_refs":[[0,999999]]}', size // 88))
    pool = ",".join(repeat("{}", size // 6))
    messages = '"messages":[{"role":"user","content":"x"}]'
    return f'{_INSPECT}{messages},"events_data":{{"messages":[{pool}]}},"events":[{events}]}}]}}'.encode()


SHAPES: Final[Mapping[str, tuple[str, Shape]]] = {
    "acp-responses": ("a.jsonl", lines(
        '{"jsonrpc":"2.0","id":@,"method":"session/x","params":{"sessionId":"s"}}',
        '{"jsonrpc":"2.0","id":"q","result":{}}',
    )),
    "acp-images": ("a.jsonl", lines(
        '{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"image","data":"x"}}}',
    )),
    "acp-calls": ("a.jsonl", lines('{"sessionUpdate":"tool_call","toolCallId":"@","title":"","status":"completed"}')),
    "atif-embedded": ("a.json", document(
        '{"schema_version":"ATIF-v1.7","steps":[],"subagent_trajectories":[', "{}", "]}",
    )),
    "atif-results": ("a.json", document(
        '{"schema_version":"ATIF-v1.7","steps":[{"source":"agent","message":"","tool_calls":[{"tool_call_id":"c"}],'
        '"observation":{"results":[', '{"source_call_id":"c","content":"@"}', "]}}]}",
    )),
    "atif-versions": ("a.json", document('{"x":[', '{"schema_version":"ATIF-v1.0"}', "]}")),
    "claude-branches": ("a.jsonl", lines(
        '{"type":"user","uuid":"u@","parentUuid":null,"message":{"role":"user","content":"a"}}',
        '{"type":"user","uuid":"v@","parentUuid":"u@","message":{"role":"user","content":"a"}}',
    )),
    "claude-damage": ("a.jsonl", lines(
        '{"type":"user","message":{"role":"user","content":"a"}}', '{"type":"user",' + '"a":{"b":1},' * 80,
    )),
    "claude-tags": ("a.jsonl", text_row(_claude, "<system-reminder>", _claude("a"))),
    "codex-calls": ("a.jsonl", lines(
        _CODEX_ITEM + '{"type":"function_call","name":"f","arguments":"{}","call_id":"c@"}}',
        _CODEX_ITEM + '{"type":"function_call_output","output":"","call_id":"x@"}}',
    )),
    "codex-rollbacks": ("a.jsonl", lines(
        _CODEX + '{"type":"user_message","message":"m@"}}', _CODEX + '{"type":"thread_rolled_back","num_turns":1}}',
    )),
    "codex-tags": ("a.jsonl", text_row(
        _codex, "<skill></skill>", _codex("a"),
    )),
    "cursor-arguments": ("agent-transcripts/a.txt", lambda size: (
        b"user:\n<user_query>a</user_query>\nassistant:\n[Tool call] X\n  a: b\n" + b"     x\n" * (size // 7)
    )),
    "cursor-plans": ("a.jsonl", lines(
        '{"role":"assistant","message":{"content":[{"type":"tool_use","name":"TodoWrite",'
        '"input":{"merge":true,"todos":[{"id":"@"}]}}]}}',
    )),
    "gemini-contexts": ("a.jsonl", text_row(
        lambda text: _gemini(type="user", content=text), "<hook_context></hook_context>",
    )),
    "gemini-histories": ("a.jsonl", lambda size: _GEMINI.encode() + lines(
        '{"id":"u@","type":"info","content":"@"}', '{"id":"v@","type":"user","content":"q@"}\n{"$set":{"messages":[]}}',
    )(size)),
    "gemini-rewinds": ("a.jsonl", lambda size: _GEMINI.encode() + lines(
        '{"id":"u@","type":"user","content":"@"}', '{"$rewindTo":"x"}',
    )(size)),
    "gemini-thoughts": ("a.jsonl", _thoughts),
    "gemini-typed": ("a.jsonl", _typed),
    "inspect-notices": ("a.json", document(
        _INSPECT + '"messages":[{"id":"z","role":"assistant","content":"x"}],"events":[{"event":"model",'
        '"timestamp":1700000000,"output":{"choices":[{"message":{"id":"z"}}]}},',
        '{"event":"info","data":"x","timestamp":1600000000}', "]}]}",
    )),
    "inspect-pool": ("a.json", _pool),
    "openai-results": ("a.jsonl", lines(
        '{"role":"assistant","content":"","tool_calls":[{"id":"c@","function":{"name":"f","arguments":""}}]}',
        '{"role":"tool","tool_call_id":"x@","content":""}',
    )),
    "opencode-ids": ("a.jsonl", lines('{"type":"text","sessionID":"s","part":{"id":"x","text":"a"}}')),
    "opencode-steps": ("a.json", document(
        '{"info":{"id":"ses_1","time":{}},"messages":[{"info":{"id":"m","role":"assistant"},"parts":[',
        '{"type":"step-start"}', "]}]}",
    )),
    "openhands-spaces": ("a.jsonl", text_row(_thought, " ", _thought("x"))),
    "openhands-thoughts": ("a.jsonl", text_row(_thought, "<think>", _thought("x"))),
    "blank-lines": ("a.jsonl", lambda size: _claude("a") + b"\n" * (size // 4)),
    "brackets": ("a.json", lambda size: b"[" * size),
    "objects": ("a.json", lambda size: b'{"eval":{"task":{"loglines":[' * (size // 30)),
}  # fmt: skip


# -------------------------------------------------------------------------------------------------------- measuring


def seconds_for(name: str, content: bytes) -> float:
    """How long this process works on a file with this name and content, with all that may be asked about it."""
    with tempfile.TemporaryDirectory(prefix="scrollcast-hostile-") as folder:
        root = Path(folder)
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        start = time.process_time()
        _read(path, root)
        return time.process_time() - start


def _read(path: Path, root: Path) -> None:
    file = sniff(path, root, path.stat().st_size)
    reader = owner(file)
    try:
        for source in [*reader.locate(file, root)][:1] if reader else ():
            reader_of = source.reader
            reader_of.summarise(source)
            for meta in (False, True):
                _count(source, meta=meta)
    except ArchiveError:
        return


def _count(source: SessionSource, *, meta: bool) -> int:
    apart = source.reader.meta_events(source) if meta else None
    return sum(1 for _ in chain(source.reader.records(source, meta=meta), apart or ()))


def main(names: Sequence[str]) -> int:
    """Measure the shapes of these names, or all; 1 where one is too slow."""
    print(f"{'shape':20} {'seconds':>8} {'grew by':>8}")
    slow = False
    for name in names or SHAPES:
        path, shape = SHAPES[name]
        small, large = (seconds_for(path, shape(size)) for size in (SMALL_BYTES, LARGE_BYTES))
        slow = slow or large > LIMIT_SECONDS
        print(f"{name:20} {large:8.2f} {large / max(small, 0.001):8.1f}", flush=True)
    return int(slow)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
