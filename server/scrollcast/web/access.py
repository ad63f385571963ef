"""Signing in and out, and the links that share a session (`docs/access.md`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import orjson
from starlette.requests import Request
from starlette.responses import Response

from scrollcast.access.grant import Access
from scrollcast.access.shares import DEFAULT_SECONDS, Share, Shares, share_url
from scrollcast.archive.archive import Archive
from scrollcast.errors import BadRequest
from scrollcast.model import Span
from scrollcast.stream.parameters import MAX_NUMBER
from scrollcast.web.door import door_of
from scrollcast.web.failures import problem

__all__ = ["make_share", "public_root", "revoke_share", "session_shares", "shares", "sign_in", "sign_out", "who"]

MAX_BODY_BYTES: Final = 4_096

_NO_STORE: Final = {"cache-control": "no-store"}


async def who(request: Request) -> Response:
    """`GET /api/access`: what whoever asks may see; of a share's `session` what the share shows."""
    door = door_of(request)
    access = await door.admit(request.scope, request.query_params.get("session"))
    return _json(_told(access, asks=not door.is_open))


async def sign_in(request: Request) -> Response:
    """`POST /api/access`: exchange a token, or what a link holds, for a cookie."""
    door, token = door_of(request), (await _body(request)).get("token")
    if not isinstance(token, str):
        raise BadRequest("token", "must be a text")
    if door.is_open:
        return _json(_told(await door.admit(request.scope), asks=False))
    signed_in = await door.sign_in(request.scope, token.strip())
    response = _json(_told(signed_in.access, asks=True))
    door.cookies.set(request.scope, response, signed_in.cookie, signed_in.value, signed_in.until)
    return response


async def sign_out(request: Request) -> Response:
    """`DELETE /api/access`: take the cookies back."""
    response = Response(status_code=204)
    door_of(request).cookies.clear(request.scope, response)
    return response


async def shares(request: Request) -> Response:
    """`GET /api/shares`: every link, the newest first."""
    kept = _shares(request)
    return _json({"shares": [_share_json(share) for share in await asyncio.to_thread(kept.all)]})


async def session_shares(request: Request) -> Response:
    """`GET /api/sessions/{scroll_id}/shares`: those of one session."""
    kept, scroll_id = _shares(request), await _scroll_id(request)
    return _json({"shares": [_share_json(share) for share in await asyncio.to_thread(kept.all, scroll_id)]})


async def make_share(request: Request) -> Response:
    """`POST /api/sessions/{scroll_id}/shares`: a new link, whose secret is told this once."""
    kept, wanted, scroll_id = _shares(request), await _body(request), await _scroll_id(request)
    span = Span(_whole(wanted, "from_ms"), _whole(wanted, "to_ms"))
    redact = wanted.get("redact", True)
    if not isinstance(redact, bool):
        raise BadRequest("redact", "must be true or false")
    seconds = _whole(wanted, "expires_s")
    share, secret = await asyncio.to_thread(
        kept.make, scroll_id, span, redact=redact, seconds=DEFAULT_SECONDS if seconds is None else seconds
    )
    return _json({**_share_json(share), "url": share_url(public_root(request), share, secret)}, 201)


async def revoke_share(request: Request) -> Response:
    """`DELETE /api/shares/{share_id}`: end a link, and what is being watched by it."""
    if not await asyncio.to_thread(_shares(request).revoke, request.path_params["share_id"]):
        return problem(404, "share_not_found", "Share not found", "there is no such share, or it has ended")
    return Response(status_code=204)


def public_root(request: Request) -> str:
    """Where the server is to be had, with a slash at its end, for links that are given away."""
    public_url: str = request.app.state.public_url
    root_path: str = request.scope["root_path"]
    return f"{public_url or f'{request.url.scheme}://{request.url.netloc}{root_path}'}/"


# --------------------------------------------------------------------------------------------------------------- inside


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, headers=_NO_STORE, media_type="application/json")


def _told(access: Access, *, asks: bool) -> dict[str, Any]:
    return {
        "owner": access.is_owner,
        "asks": asks,
        "scroll_id": access.scroll_id,
        "from_ms": access.span.from_ms,
        "to_ms": access.span.to_ms,
        "redact": access.redact,
        "expires_at": None if access.until is None else _instant(access.until),
    }


def _share_json(share: Share) -> dict[str, Any]:
    return {
        "id": share.id,
        "scroll_id": share.scroll_id,
        "from_ms": share.span.from_ms,
        "to_ms": share.span.to_ms,
        "redact": share.redact,
        "created_at": _instant(share.created_at),
        "expires_at": _instant(share.expires_at),
        "revoked_at": None if share.revoked_at is None else _instant(share.revoked_at),
    }


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def _shares(request: Request) -> Shares:
    kept = door_of(request).shares
    if kept is None:
        raise BadRequest(
            "session", "this server asks nobody for a token, so no link could hold anybody to one session; start it "
            "with --auth"
        )  # fmt: skip
    return kept


async def _scroll_id(request: Request) -> UUID:
    archive = request.app.state.archive
    assert isinstance(archive, Archive)
    return (await asyncio.to_thread(archive.session, request.path_params["scroll_id"])).scroll_id


async def _body(request: Request) -> Mapping[str, Any]:
    """What was sent: one JSON object. A form of another site cannot send it as such."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BadRequest("content-type", "must be application/json")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise BadRequest("body", f"must have at most {MAX_BODY_BYTES} bytes")
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("body", "must be JSON") from None
    if not isinstance(fields, dict):
        raise BadRequest("body", "must be one JSON object")
    return fields


def _whole(fields: Mapping[str, Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_NUMBER:
        raise BadRequest(name, "must be a whole number from 0 on")
    return value
