from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from archives import SCROLL_ID, message, write_session
from scrollcast.archive.archive import Archive
from scrollcast.archive.redacted_archive import REDACTORS, RedactedArchive
from scrollcast.archive.redacted_index import RedactedIndex
from scrollcast.redaction import Redaction


@contextmanager
def busy(redacted: RedactedArchive) -> Iterator[None]:
    """All threads that redact have something else to do."""
    done = threading.Event()
    for _ in range(REDACTORS):
        redacted._threads.submit(done.wait, 10)
    try:
        yield
    finally:
        done.set()


async def test_who_opens_a_session_that_has_grown_gets_what_it_grew_by(root: Path, cache: Path) -> None:
    """However busy those are who redact: a replay ends where the session ended when it was opened."""
    folder = write_session(root, [message("m0")])
    with Archive.open(root, cache=cache) as archive:
        redacted = RedactedArchive(archive, Redaction())
        before = await redacted.open_index(SCROLL_ID)
        assert isinstance(before, RedactedIndex)
        await before.finish()
        await asyncio.to_thread(before.advance)  # until the thread that did so is at rest
        with busy(redacted):
            with (folder / "messages.jsonl").open("ab") as file:
                file.write(orjson.dumps(message("m1", 1)) + b"\n")
            index = await redacted.open_index(SCROLL_ID)
            seen = index.openness
        redacted.close()

    assert index is before
    assert (seen.count, seen.complete) == (2, True)
