"""Which archive a request is answered from: all of it, or what is left when the secrets are taken out."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from scrollcast.archive.redacted_archive import AnyArchive
from scrollcast.web.door import access_of

__all__ = ["archive_for_document", "shown_archive"]


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
