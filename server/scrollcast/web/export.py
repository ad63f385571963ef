"""`GET /api/sessions/{scroll_id}/export`: a session as one file (`docs/export.md`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from scrollcast.errors import BadRequest
from scrollcast.export.documents import FORMATS, file_name, make_document, parse_format
from scrollcast.export.excerpt import Selection, open_excerpt, parse_leave_out
from scrollcast.model import Span
from scrollcast.settings import static_folder
from scrollcast.stream.parameters import parse_bool, parse_int
from scrollcast.web.door import access_of
from scrollcast.web.shown import archive_for_document

__all__ = ["export"]

CHUNK_BYTES: Final = 64 << 10
"""Pieces of a document are sent together up to this: each costs a thread's turn."""

_HEADERS: Final = {
    "cache-control": "no-store",
    # Should a browser ever show it in place of saving it, it is nobody's page.
    "content-security-policy": "default-src 'none'; sandbox",
}

MAX_TITLE_CHARACTERS: Final = 500


async def export(request: Request) -> Response:
    """Answer with the document, while it is being made."""
    query = request.query_params
    archive = archive_for_document(request, _redact(query))
    format_name = parse_format(query.get("format", "html"))
    access = access_of(request)
    selection = _selection(query, access.span)
    if not access.is_owner:
        selection = selection.without("subagents")  # which are sessions of their own
    excerpt = await open_excerpt(archive, request.path_params["scroll_id"], selection)
    excerpt = replace(excerpt, session=access.told(excerpt.session))
    name = file_name(excerpt, format_name)
    return StreamingResponse(
        gathered(make_document(format_name, excerpt, static_folder())),
        media_type=FORMATS[format_name].media_type,
        headers={**_HEADERS, "content-disposition": f'attachment; filename="{name}"'},
    )


def _redact(query: Mapping[str, str]) -> bool | None:
    if not query.get("redact"):
        return None
    try:
        return parse_bool(query["redact"])
    except ValueError as reason:
        raise BadRequest("redact", str(reason)) from None


def _selection(query: Mapping[str, str], allowed: Span) -> Selection:
    span = Span(_time(query, "from_ms"), _time(query, "to_ms"))
    if span.from_ms is None or span.to_ms is None or span.from_ms <= span.to_ms:  # else it is refused as it stands
        span = span.within(allowed)
    return Selection(
        from_ms=span.from_ms,
        to_ms=span.to_ms,
        title=query.get("title", "")[:MAX_TITLE_CHARACTERS].strip() or None,
        leave_out=parse_leave_out(query.get("leave_out", "")),
    )


def _time(query: Mapping[str, str], name: str) -> int | None:
    if not query.get(name):
        return None
    try:
        return parse_int(query[name], 0)
    except ValueError as reason:
        raise BadRequest(name, str(reason)) from None


def gathered(pieces: Iterable[bytes], size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The same bytes in pieces that are not much smaller than `size`."""
    held: list[bytes] = []
    held_bytes = 0
    for piece in pieces:
        held.append(piece)
        held_bytes += len(piece)
        if held_bytes >= size:
            yield b"".join(held)
            held, held_bytes = [], 0
    if held:
        yield b"".join(held)
