"""A session of this machine, without a server: the same `SessionStream` at the other end of two queues."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import Any, Final, Literal, Unpack
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import orjson
from websockets.exceptions import ConnectionClosedError

from scrollcast.archive.index import SessionIndex
from scrollcast.archive.indexing import texts_of
from scrollcast.archive.redacted_archive import AnyArchive
from scrollcast.archive.search_query import Query, fold, parse_query
from scrollcast.client import Replay, connect
from scrollcast.client.asking import Parameters
from scrollcast.errors import ReplayRefused, ScrollcastError
from scrollcast.export.text import clock
from scrollcast.stream.parameters import ReplayParameters
from scrollcast.stream.preview import cut_event, part_hrefs
from scrollcast.stream.session_stream import Connection, SessionStream
from scrollcast.stream.wire import session_json
from scrollcast.terminal.source import PREVIEW_BYTES, TimedEvent

__all__ = ["InProcess", "LocalSource"]

WAITING_MESSAGES: Final = 64
"""So many messages wait for a player that is drawing; the stream waits then, as it would for a slow network."""

MAX_HITS: Final = 500
NORMAL: Final = 1000

_ADDRESS: Final = "ws://in-process/ws/sessions/"
"""Names the session and carries the parameters of its replay; nothing is ever looked up by it."""


class LocalSource:
    """A session of an archive. `named` is how the person named it on the command line."""

    def __init__(self, archive: AnyArchive, scroll_id: UUID, named: str) -> None:
        self._archive = archive
        self._scroll_id = scroll_id
        self._named = named

    def connect(self, **parameters: Unpack[Parameters]) -> Replay:
        """A replay of it by a stream in this process."""
        return connect(f"{_ADDRESS}{self._scroll_id}", transport=self._open, **parameters)

    async def _open(self, url: str, _token: str | None) -> InProcess:
        return InProcess(self._archive, str(self._scroll_id), url)

    async def session(self) -> Mapping[str, Any]:
        """What is known of it."""
        with _told():
            return session_json(await asyncio.to_thread(self._archive.session, self._scroll_id))

    async def timeline(self, *, meta: bool) -> Mapping[str, Any]:
        """Its length, markers and silences."""
        with _told():
            index = await self._index(meta=meta)
            markers = orjson.loads(await index.markers())
        gaps = [
            {"start_ms": start, "end_ms": end} for start, end in zip(index.gaps[::2], index.gaps[1::2], strict=True)
        ]
        return {
            "epoch": index.epoch, "count": index.count, "duration_ms": index.duration_ms, "markers": markers,
            "thinned": False, "gaps": gaps,
        }  # fmt: skip

    async def events(self, start: int, stop: int, *, meta: bool) -> list[TimedEvent]:
        """These events, or the first of them."""
        with _told():
            index = await self._index(meta=meta)
            await index.reach(stop - 1)
            stop = min(stop, index.count)
            if start >= stop:
                return []
            block = await index.read(start, stop)
        return await asyncio.to_thread(lambda: [self._event(block.event(seq), seq, meta) for seq in range(start, stop)])

    def _event(self, data: memoryview, seq: int, meta: bool) -> TimedEvent:
        hrefs = part_hrefs(self._scroll_id, seq, meta=meta)
        event = orjson.loads(cut_event(data, PREVIEW_BYTES, hrefs) if len(data) > PREVIEW_BYTES else data)
        return event["seq"], event["t_ms"], event["event"]

    async def find(self, words: str) -> list[Mapping[str, Any]]:
        """Where in it these words are. Reads all of it, in a thread."""
        with _told():
            query = parse_query(words)
            index = await self._index(meta=False)
            await index.finish()
        return await asyncio.to_thread(_hits, index, query)

    def link(self, t_ms: int) -> str:
        """The command that plays it from that moment on."""
        return f"scrollcast play {shlex.quote(self._named)} --from {clock(t_ms)}"

    async def _index(self, *, meta: bool) -> SessionIndex:
        index = await self._archive.open_index(self._scroll_id, meta=meta)
        index.check()
        return index


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong is told as a server would tell it."""
    try:
        yield
    except ScrollcastError as problem:
        raise _refusal(problem) from None


def _hits(index: SessionIndex, query: Query) -> list[Mapping[str, Any]]:
    """The events that hold all of the words and none of those to be left out."""
    hits: list[Mapping[str, Any]] = []
    for seq, texts in groupby(texts_of(index, 0), key=lambda text: text.seq):
        parts = list(texts)
        folded = fold("\x1f".join(part.text for part in parts).encode(errors="replace"))
        holds = [term.find(folded, 0, len(folded)) is not None for term in (*query.terms, *query.excluded)]
        if all(holds[: len(query.terms)]) and not any(holds[len(query.terms) :]):
            hits.append({"seq": seq, "t_ms": parts[0].t_ms, "kind": parts[0].kind})
            if len(hits) >= MAX_HITS:
                break
    return hits


class InProcess:
    """A transport of the client, with the stream at its other end in a task of its own."""

    def __init__(self, archive: AnyArchive, scroll_id: str, url: str) -> None:
        self.close_code: int | None = None
        self._end = _StreamEnd()
        self._failure: ReplayRefused | None = None
        self._task = asyncio.create_task(self._run(archive, scroll_id, urlsplit(url).query))

    async def _run(self, archive: AnyArchive, scroll_id: str, query: str) -> None:
        try:
            parameters = ReplayParameters.parse(parse_qsl(query, keep_blank_values=True))
            await SessionStream(self._end, archive, scroll_id, parameters).run()
        except ScrollcastError as problem:
            self._failure = _refusal(problem)
        except Exception as problem:
            self._failure = ReplayRefused("internal_error", repr(problem))
        finally:
            self._end.over = True
            self._end.news.set()

    @property
    def transport(self) -> InProcess:
        """There is nothing below it."""
        return self

    def abort(self) -> None:
        """End the stream at once."""
        self._task.cancel()

    async def send(self, message: bytes, *, text: Literal[True]) -> None:
        """Hand a command to the stream."""
        if self._end.over:
            raise ConnectionClosedError(None, None)
        self._end.commands.put_nowait(message)

    async def recv(self, decode: Literal[False]) -> bytes:
        """What the stream says next."""
        end = self._end
        while not end.messages:
            if end.over:
                self.close_code = NORMAL
                raise self._failure or ConnectionClosedError(None, None)
            end.news.clear()
            await end.news.wait()
        end.room.set()
        return end.messages.popleft()

    async def close(self) -> None:
        """End the stream, and wait until it has let go of the archive."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


def _refusal(problem: ScrollcastError) -> ReplayRefused:
    """An error under the name that a server has for it: `session_not_found` of `SessionNotFound`."""
    return ReplayRefused(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(problem).__name__).lower(), str(problem))


class _StreamEnd(Connection):
    """The stream's end: what it says waits in `messages`, at most `WAITING_MESSAGES` of them."""

    def __init__(self) -> None:
        self.commands: asyncio.Queue[bytes] = asyncio.Queue()
        self.messages: deque[bytes] = deque()
        self.news, self.room = asyncio.Event(), asyncio.Event()
        self.over = False
        self._sent_bytes = 0

    @property
    def sent_bytes(self) -> int:
        return self._sent_bytes

    async def receive(self) -> str:
        return (await self.commands.get()).decode()

    async def send(self, message: bytes | bytearray) -> None:
        while len(self.messages) >= WAITING_MESSAGES:
            self.room.clear()
            await self.room.wait()
        self._put(bytes(message))

    def send_now(self, head: bytes, tail: bytes | bytearray, /) -> bool:
        if len(self.messages) >= WAITING_MESSAGES:
            return False
        self._put(b"".join((head, tail)))
        return True

    def _put(self, message: bytes) -> None:
        self.messages.append(message)
        self._sent_bytes += len(message)
        self.news.set()
