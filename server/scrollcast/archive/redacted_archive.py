"""`RedactedArchive`: an archive as it is shown to whoever may not see all of it.

It has the methods of `Archive` that those who show sessions use, and nothing that it gives holds a secret. Whoever is
handed one in place of the archive cannot forget to redact; there is no other place where a session is redacted.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

from scrollcast.archive.archive import Archive, FoundInSession, FoundPage
from scrollcast.archive.catalogue import Unrecognised
from scrollcast.archive.encoding import decode_event
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.listing import Listing, decode_cursor, encode_cursor
from scrollcast.archive.redacted_index import RedactedIndex
from scrollcast.archive.rows import title_key
from scrollcast.archive.search import Hit
from scrollcast.archive.search_blocks import Block, BlockBuilder
from scrollcast.archive.searchable import EventText, searchable
from scrollcast.errors import ArchiveError
from scrollcast.model import Record, Session
from scrollcast.redaction import Redaction, Redactor

__all__ = ["AnyArchive", "RedactedArchive"]

KEY_FILE: Final = "redaction.key"
_KEY_BYTES: Final = 32

REDACTORS: Final = 2
"""Sessions redacted at the same time."""

KEPT_INDEXES: Final = 16
"""Redacted sessions kept though nobody plays from them: as much space on the disk as their events take."""

KEPT_REDACTORS: Final = 1_000

MAX_SEARCHED: Final = 100
"""So many sessions that may hold what is looked for are looked through, the newest first: each takes its redaction."""

HITS_LISTED: Final = 3
"""So many hits of each session are told in the list."""

_NOBODYS: Final = UUID(int=0)
"""In place of a session's id for what belongs to none."""


class RedactedArchive:
    """The sessions of `archive` without secrets. Close it before the archive.

    What it shows of a session is redacted as a whole, once, when somebody opens it for the first time.
    """

    def __init__(self, archive: Archive, redaction: Redaction) -> None:
        self._archive = archive
        self._redaction = redaction
        self._folder = archive.cache_folder
        self._threads = ThreadPoolExecutor(REDACTORS, thread_name_prefix="scrollcast-redact")
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._indexes: OrderedDict[tuple[UUID, bool], RedactedIndex] = OrderedDict()
        self._redactors: OrderedDict[UUID, Redactor] = OrderedDict()

    @cached_property
    def _secret(self) -> bytes:
        return _read_secret(self._folder)

    def close(self) -> None:
        """Redact no more, not even the rest of a session. Streams that still play it get an `ArchiveError`."""
        self._stopping.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    # ---------------------------------------------------------------------------------------------------- sessions

    def session(self, scroll_id: UUID | str) -> Session:
        """As `Archive.session`."""
        return self._shown(self._archive.session(scroll_id))

    def children(self, scroll_id: UUID | str) -> list[Session]:
        """As `Archive.children`."""
        return [*map(self._shown, self._archive.children(scroll_id))]

    def page(self, listing: Listing, words: str | None = None) -> FoundPage:
        """As `Archive.page`. Words are looked for in what is shown: of the sessions that may hold them, in the newest
        `MAX_SEARCHED`."""
        known = self._as_recorded(listing)
        searched = None if words is None else self._archive.searched()
        hits = None if words is None else dict(self._search(words))
        page, progress = self._archive.page_of(known, None if hits is None else hits.keys())
        shown = replace(
            page, sessions=[*map(self._shown, page.sessions)], next_cursor=_plain_cursor(listing, page.next_cursor)
        )
        found = None if hits is None else [hits[number] for number in page.numbers]
        return FoundPage(shown, found, progress, searched)

    def hits(self, scroll_id: UUID | str, words: str, limit: int) -> FoundInSession:
        """As `Archive.hits`, in what is shown of the session."""
        entry = self._archive.catalogue.entry(scroll_id)
        complete = self._archive.is_searchable(entry)
        hits = self._hits(words, entry.number, entry.session.scroll_id, limit) or []
        return FoundInSession(hits, complete)

    def facets(self) -> dict[str, list[tuple[str, int]]]:
        """As `Archive.facets`."""
        shared = self._redactor(_NOBODYS)
        found = self._archive.facets()
        return {name: [(shared.text(value)[0], count) for value, count in values] for name, values in found.items()}

    def unrecognised(self) -> list[Unrecognised]:
        """As `Archive.unrecognised`."""
        shared = self._redactor(_NOBODYS)
        return [
            replace(file, path=Path(shared.text(str(file.path))[0]), why=shared.text(file.why)[0])
            for file in self._archive.unrecognised()
        ]

    def _shown(self, session: Session) -> Session:
        return self._redactor(session.scroll_id).session(session)

    def _redactor(self, scroll_id: UUID) -> Redactor:
        with self._lock:
            redactor = self._redactors.get(scroll_id)
            if redactor is None:
                redactor = self._redactors[scroll_id] = self._redaction.redactor(self._secret, scroll_id)
                while len(self._redactors) > KEPT_REDACTORS:
                    self._redactors.popitem(last=False)
            return redactor

    def _as_recorded(self, listing: Listing) -> Listing:
        """The listing with what it asks for as the catalogue knows it.

        What only stands in the catalogue and is not shown is not to be had by asking for it.
        """
        if listing.cursor is not None and listing.sort == "title":
            # Not what the cursor says it is: by that, titles could be guessed letter by letter.
            last = self._archive.session(listing.cursor[1])
            listing = replace(listing, cursor=(title_key(last.title), listing.cursor[1]))
        asked = {name: getattr(listing, name) for name in ("agent", "project", "model") if getattr(listing, name)}
        if not asked:
            return listing
        shared, facets = self._redactor(_NOBODYS), self._archive.facets()
        found: dict[str, Any] = {}
        for name, wanted in asked.items():
            values = (value for value, _ in facets[f"{name}s"] if shared.text(value)[0] == wanted)
            found[name] = next(values, shared.text(wanted)[0])
        return replace(listing, **found)

    # ------------------------------------------------------------------------------------------------------ search

    def _search(self, words: str) -> Iterator[tuple[int, list[Hit]]]:
        numbers = self._archive.search_index().matching(words, excluding=False)
        newest, _ = self._archive.page_of(Listing(limit=MAX_SEARCHED), numbers)
        for number, session in zip(newest.numbers, newest.sessions, strict=True):
            with suppress(ArchiveError):  # one that cannot be read cannot be searched
                found = self._hits(words, number, session.scroll_id, HITS_LISTED)
                if found is not None:
                    yield number, found

    def _hits(self, words: str, number: int, scroll_id: UUID, limit: int) -> list[Hit] | None:
        """Hits in what is shown of a session, `None` where that does not match. Blocks until it was redacted."""
        opened: list[SessionIndex] = []

        def show(block: Block) -> Block | None:
            if not opened:
                opened.append(self.read_whole(scroll_id))
            return _shown_block(opened[0], block)

        return self._archive.search_index().shown_hits(words, number, limit, show)

    # ----------------------------------------------------------------------------------------------------- playing

    async def open_index(self, scroll_id: UUID | str, *, meta: bool = False) -> SessionIndex:
        """As `Archive.open_index`. It raises `ArchiveError` as well where the redacted session cannot be kept."""
        plain = await self._archive.open_index(scroll_id, meta=meta)
        return await asyncio.to_thread(self._index_of, plain)

    def read_whole(self, scroll_id: UUID | str, *, meta: bool = False) -> SessionIndex:
        """As `Archive.read_whole`."""

        async def read() -> SessionIndex:
            index = await self.open_index(scroll_id, meta=meta)
            await index.finish()
            return index

        return asyncio.run(read())

    def _index_of(self, plain: SessionIndex) -> RedactedIndex:
        scroll_id = plain.session.scroll_id
        key = (scroll_id, plain.meta)
        redactor, digest = self._redactor(scroll_id), self._redaction.digest(self._secret)
        with self._lock:
            index = self._indexes.get(key)
            if index is None or index.plain is not plain or index.failure is not None:
                try:
                    index = RedactedIndex(plain, redactor, self._threads, self._folder, digest, self._stopping)
                except OSError as problem:
                    raise ArchiveError("the redacted session cannot be kept", str(problem)) from problem
                self._indexes[key] = index
            self._indexes.move_to_end(key)
            while len(self._indexes) > KEPT_INDEXES:
                self._indexes.popitem(last=False)
        index.tell()
        index.catch_up()
        return index

    async def was_rewritten(self, index: SessionIndex) -> bool:
        """As `Archive.was_rewritten`."""
        return await self._archive.was_rewritten(_plain(index))

    def following(self, scroll_id: UUID | str, *, meta: bool = False) -> AbstractAsyncContextManager[None]:
        """As `Archive.following`."""
        return self._archive.following(scroll_id, meta=meta)

    async def let_grow(self, index: SessionIndex) -> None:
        """As `Archive.let_grow`."""
        await self._archive.let_grow(_plain(index))


AnyArchive: TypeAlias = Archive | RedactedArchive
"""What is shown to somebody: all of it, or what may be."""


def _shown_block(index: SessionIndex, block: Block) -> Block | None:
    """What is shown of a block of texts, `None` where that is nothing."""
    texts = []
    for seq in range(block.seqs.start, min(block.seqs.stop, index.count)):
        event = decode_event(index.read_now(seq, seq + 1)[:-1])
        message = event["event"]["message"]
        record = Record(message["id"], None, message["role"], message["content"])
        texts += [EventText(seq, event["t_ms"], kind, text) for kind, text in searchable(record)]
    return next(BlockBuilder(block.seqs.stop).build(texts), None)


def _plain_cursor(listing: Listing, cursor: str | None) -> str | None:
    """The cursor without the title that it may hold, which is looked up again (`_as_recorded`)."""
    if cursor is None or listing.sort != "title":
        return cursor
    return encode_cursor(listing.order, ("", decode_cursor(cursor, listing.order)[1]))


def _plain(index: SessionIndex) -> SessionIndex:
    assert isinstance(index, RedactedIndex)
    return index.plain


def _read_secret(folder: Path) -> bytes:
    """What makes the numbers of placeholders: the same as long as the cache lasts, and for all workers of a server."""
    place, made = folder / KEY_FILE, folder / f"{KEY_FILE}.{secrets.token_hex(8)}"
    try:
        if not place.exists():
            fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
            with suppress(FileExistsError):  # another worker was first
                os.link(made, place)
        known = place.read_bytes()
    except OSError:  # then it lasts as long as the process
        known = b""
    finally:
        with suppress(OSError):
            made.unlink(missing_ok=True)
    return known if len(known) == _KEY_BYTES else secrets.token_bytes(_KEY_BYTES)
