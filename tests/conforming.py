"""A server for conformance vectors in this process: a `SessionStream` on an invented clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from contracts import check_message
from scrollcast.archive.archive import Archive
from scrollcast.archive.redacted_archive import AnyArchive, RedactedArchive
from scrollcast.conformance.vectors import (
    Vector,
    append_records,
    rewrite_records,
    write_session,
)
from scrollcast.conformance.walking import Closed, Tolerance, walk
from scrollcast.errors import ArchiveError, ScrollcastError
from scrollcast.redaction import Redaction
from scrollcast.stream.pacer import TICK_SECONDS
from scrollcast.stream.parameters import ReplayParameters
from scrollcast.stream.session_stream import Connection, SessionStream
from scrollcast.web.failures import error_message
from virtual_clock import run

__all__ = ["run_in_process"]

EXACT = Tolerance(0.001, TICK_SECONDS * 1000)
"""Never early, but for the rounding of a sum of floats; late by what the pacer may be."""

SETTLE_SECONDS = 0.03
"""For what watches the files."""


class StreamEnd(Connection):
    """The stream's end of a connection."""

    def __init__(self) -> None:
        self._sent_bytes = 0
        self.said: asyncio.Queue[str | Closed] = asyncio.Queue()
        self.commands: asyncio.Queue[str | bytes] = asyncio.Queue()

    @property
    def sent_bytes(self) -> int:
        """What was said."""
        return self._sent_bytes

    async def receive(self) -> str | bytes:
        """A command."""
        return await self.commands.get()

    async def send(self, message: bytes | bytearray) -> None:
        """One message, which has to be as its schema says."""
        check_message(orjson.loads(message))
        self._sent_bytes += len(message)
        self.said.put_nowait(message.decode())

    def send_now(self, head: bytes, tail: bytes | bytearray) -> bool:
        """One, from a tick, which has to be as its schema says."""
        message = b"".join((head, tail))
        check_message(orjson.loads(message))
        self.said.put_nowait(message.decode())
        return True


class StreamLine:
    """The client's end: a stream in a task, and what a server says and closes with when that ends."""

    def __init__(self, archive: AnyArchive, scroll_id: str, parameters: Mapping[str, str]) -> None:
        self._end = StreamEnd()
        self._task = asyncio.create_task(self._run(archive, scroll_id, urlencode(parameters)))

    async def _run(self, archive: AnyArchive, scroll_id: str, query: str) -> None:
        code = 1000
        try:
            parameters = ReplayParameters.parse(parse_qsl(query, keep_blank_values=True))
            await SessionStream(self._end, archive, scroll_id, parameters).run()
        except ScrollcastError as problem:
            message, failure = error_message(problem)
            code = failure.close_code
            if failure.code != "too_many_bad_commands":  # that was said of each of them
                await self._end.send(message)
        self._end.said.put_nowait(Closed(code))

    async def receive(self) -> str | Closed:
        """What comes next."""
        return await self._end.said.get()

    async def send(self, message: str | bytes) -> None:
        """A command."""
        self._end.commands.put_nowait(message)

    async def drop(self) -> None:
        """End the stream, and say what it met that was none of ours."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


class InProcess:
    """An archive on the disk, and streams of it."""

    def __init__(self, archive: Archive, shown: AnyArchive, root: Path) -> None:
        self._archive = archive
        self._shown = shown
        self._root = root

    async def connect(self, scroll_id: str, parameters: Mapping[str, str]) -> StreamLine:
        """A stream."""
        with suppress(ScrollcastError):  # read before it plays, since an invented clock waits for no thread
            index = await self._shown.open_index(scroll_id, meta=parameters.get("meta") in ("true", "1"))
            await index.finish()
        return StreamLine(self._shown, scroll_id, parameters)

    async def write(self, vector: Vector, records: list[Any], *, anew: bool) -> None:
        """Write, and wait in real time until the archive knows of it."""
        before = await self._archive.open_index(vector.scroll_id)
        epoch, count = before.epoch, before.count
        (rewrite_records if anew else append_records)(vector, self._root, records)
        while True:
            with suppress(ArchiveError):
                index = await self._archive.open_index(vector.scroll_id)
                await index.finish()
                if index.epoch != epoch or (not anew and index.count == count + len(records)):
                    return


@contextmanager
def _in_process(vector: Vector, root: Path, cache: Path) -> Iterator[InProcess]:
    """A server of one vector's session, with what the vector needs."""
    write_session(vector, root)
    with ExitStack() as stack:
        archive = stack.enter_context(Archive.open(root, cache=cache))
        shown: AnyArchive = archive
        if "redaction" in vector.needs:
            shown = RedactedArchive(archive, Redaction())
            stack.callback(shown.close)
        yield InProcess(archive, shown, root)


def run_in_process(vector: Vector, root: Path, cache: Path) -> None:
    """Hold a stream to a vector, to the tick of the pacer. Raises `Divergence`."""
    with _in_process(vector, root, cache) as server:
        run(walk(vector, server, EXACT), SETTLE_SECONDS if vector.writes else 0.0)
