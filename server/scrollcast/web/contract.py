"""`GET /openapi.json` and `GET /asyncapi.json`: the protocol for machines, with this server's own address."""

from __future__ import annotations

import orjson
from starlette.requests import Request
from starlette.responses import Response

from scrollcast.contract.asyncapi import asyncapi_document
from scrollcast.contract.openapi import openapi_document

__all__ = ["asyncapi", "openapi"]


async def openapi(request: Request) -> Response:
    """`GET /openapi.json`."""
    document = openapi_document(request.scope["root_path"] or "/")
    return Response(orjson.dumps(document), media_type="application/json")


async def asyncapi(request: Request) -> Response:
    """`GET /asyncapi.json`."""
    url, path = request.url, request.scope["root_path"]
    document = asyncapi_document(url.netloc, path, is_secure=url.scheme == "https")
    return Response(orjson.dumps(document), media_type="application/json")
