"""Which archive a request is answered from: all of it, or what is left when the secrets are taken out."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from starlette.requests import HTTPConnection

from scrollcast.archive.catalogue import scroll_id_of
from scrollcast.archive.redacted_archive import AnyArchive
from scrollcast.errors import SessionNotFound
from scrollcast.web.door import access_of

__all__ = ["archive_for_document", "shown_archive", "wait_until_found"]

FIRST_LOOK_SECONDS: Final = 5.0
"""So long a session that is not known is waited for while the archive is looked through for the first time."""

_LOOK_AGAIN_SECONDS: Final = 0.25
"""A session is listed while others are still looked for, and nothing tells of each."""


def shown_archive(connection: HTTPConnection) -> AnyArchive:
    """The archive that a viewer sees. Every route and every stream takes it from here."""
    return _archive(connection, redacted=access_of(connection).redact)


def archive_for_document(connection: HTTPConnection, wish: bool | None) -> AnyArchive:
    """The archive that a document is made of: without secrets, unless an owner wishes to have them in it.

    A document is made to be given to somebody, so that this has to be said of each, or of all (`--no-redact`).
    """
    is_default = connection.app.state.redact is not False
    return _archive(connection, redacted=access_of(connection).redact or (is_default if wish is None else wish))


def _archive(connection: HTTPConnection, *, redacted: bool) -> AnyArchive:
    archive: AnyArchive = connection.app.state.redacted if redacted else connection.app.state.archive
    return archive


async def wait_until_found(connection: HTTPConnection, scroll_id: str) -> None:
    """Wait until a session is known, or known not to be there: a server that has just started may not have come to it.

    What is not found within `FIRST_LOOK_SECONDS` is answered as what is not there.
    """
    state = connection.app.state
    if state.ready.is_set() or scroll_id_of(scroll_id) is None:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_LOOK_SECONDS):
            while not state.ready.is_set() and not await asyncio.to_thread(_is_known, state.archive, scroll_id):
                with suppress(TimeoutError):
                    await asyncio.wait_for(state.ready.wait(), _LOOK_AGAIN_SECONDS)


def _is_known(archive: AnyArchive, scroll_id: str) -> bool:
    try:
        archive.session(scroll_id)
    except SessionNotFound:
        return False
    return True
