"""Sessions in other people's pages: the frame, the element that makes one, and oEmbed (`docs/embedding.md`)."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response

from scrollcast.errors import BadRequest, SessionNotFound
from scrollcast.stream.parameters import parse_int
from scrollcast.web.assets import Assets
from scrollcast.web.failures import problem
from scrollcast.web.security import ELEMENT_PATH
from scrollcast.web.shown import shown_archive, wait_until_found

__all__ = ["discovery_link", "element", "frame", "oembed"]

WIDTH: Final = 960
HEIGHT: Final = 600
LEAST_PIXELS: Final = 200
"""The size of a frame in an oEmbed answer: this where there is room for it, its shape kept, and never less than the
last."""

CACHE_SECONDS: Final = 3_600
"""How long a consumer may keep an answer: titles change."""

_SESSION_PATH: Final = re.compile(r"/(?:sessions|embed)/([^/]+)/?")

_TAKEN_ALONG: Final = ("t", "e", "meta", "seq", "speed", "idle", "pace", "theme", "autoplay")
"""What a link to a moment may say of how it is to be played."""


async def frame(request: Request) -> Response:
    """`GET /embed/{scroll_id}`: the player without the page around it."""
    page = _assets(request).page(request.scope["root_path"], "embed.html", shows="player")
    return Response(page, media_type="text/html", headers={"cache-control": "no-cache"})


async def element(request: Request) -> Response:
    """`GET /scrollcast-player.js`: the custom element, under an address that stays."""
    found = _assets(request).get(ELEMENT_PATH.lstrip("/"))
    assert found is not None
    headers = {"cache-control": "no-cache", "vary": "origin"}
    return Response(found.data, media_type=found.media_type, headers=headers)


async def oembed(request: Request) -> Response:
    """`GET /oembed`: what to put into a page for a link to a session (https://oembed.com)."""
    query = request.query_params
    if query.get("format", "json") != "json":
        return problem(501, "not_implemented", "Not implemented", "oEmbed is answered as JSON only")
    scroll_id, address = _named(request, query.get("url", ""))
    await wait_until_found(request, scroll_id)
    archive = shown_archive(request)
    session = await asyncio.to_thread(archive.session, scroll_id)
    width, height = _size(query)
    title = session.title or "A session without a title"
    told = {
        "version": "1.0",
        "type": "rich",
        "title": title,
        "provider_name": "Scrollcast",
        "provider_url": address.partition("/embed/")[0] + "/",
        "cache_age": CACHE_SECONDS,
        "width": width,
        "height": height,
        "html": f'<iframe src="{html.escape(address)}" width="{width}" height="{height}" title="{html.escape(title)}" '
        'allow="fullscreen" loading="lazy" frameborder="0"></iframe>',
    }
    if session.agent:
        told["author_name"] = session.agent
    return Response(orjson.dumps(told), media_type="application/json")


def discovery_link(request: Request) -> bytes:
    """What a session's page says of where its oEmbed answer is."""
    root: str = request.scope["root_path"]
    here = f"{request.url.scheme}://{request.url.netloc}{root}{_within(request)}"
    href = html.escape(f"{root}/oembed?{urlencode({'url': here, 'format': 'json'})}")
    return f'  <link rel="alternate" type="application/json+oembed" href="{href}" title="Scrollcast">\n'.encode()


def _assets(request: Request) -> Assets:
    assets = request.app.state.assets
    assert isinstance(assets, Assets)
    return assets


def _within(request: Request) -> str:
    path: str = request.scope["path"]
    return quote(path.removeprefix(request.scope["root_path"]))


def _named(request: Request, url: str) -> tuple[str, str]:
    """The session that an address of ours is of, and the address of its frame.

    Raises:
        BadRequest: it is no address.
        SessionNotFound: it is not of a session of this server.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BadRequest("url", "must be the address of a session") from None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadRequest("url", "must be the address of a session")
    root: str = request.scope["root_path"]
    found = _SESSION_PATH.fullmatch(parts.path.removeprefix(root))
    # The scheme may be another one than ours: a proxy may have ended TLS.
    if parts.netloc.lower() != request.url.netloc.lower() or not parts.path.startswith(f"{root}/") or found is None:
        raise SessionNotFound(url[:100])
    asked = [*parse_qsl(parts.query), *parse_qsl(parts.fragment)]
    moment = urlencode({name: value for name, value in asked if name in _TAKEN_ALONG})
    address = f"{parts.scheme}://{parts.netloc}{root}/embed/{found[1]}"
    return found[1], f"{address}?{moment}" if moment else address


def _size(query: Mapping[str, str]) -> tuple[int, int]:
    most: dict[str, Any] = {}
    for name, pixels in (("maxwidth", WIDTH), ("maxheight", HEIGHT)):
        try:
            most[name] = parse_int(query[name], 1) if name in query else pixels
        except ValueError as reason:
            raise BadRequest(name, str(reason)) from None
    scale = min(1.0, most["maxwidth"] / WIDTH, most["maxheight"] / HEIGHT)
    return max(LEAST_PIXELS, int(WIDTH * scale)), max(LEAST_PIXELS, int(HEIGHT * scale))
