"""A server that asks for a token, and what one shows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx

from archives import SCROLL_ID
from scrollcast.access.shares import Share
from scrollcast.access.token import OwnerToken
from scrollcast.model import WHOLE, Span
from serving import Serving, serving

TOKEN: Final = "the-owners-token-of-this-test"

OWNER: Final = {"authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def guarded_serving(root: Path, cache: Path, **more: Any) -> AsyncIterator[Serving]:
    """A server whose token is `TOKEN`."""
    token = OwnerToken(TOKEN)
    async with serving(root, cache=cache, token=token, shares=cache.parent / "shares.sqlite3", **more) as server:
        yield server


def make_share(
    server: Serving, span: Span = WHOLE, scroll_id: UUID = SCROLL_ID, *, redact: bool = False, seconds: int = 600
) -> tuple[Share, str]:
    """A share and its secret."""
    assert server.door.shares is not None
    return server.door.shares.make(scroll_id, span, redact=redact, seconds=seconds)


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"authorization": f"Bearer {token}"}


async def sign_in(http: httpx.AsyncClient, token: str) -> httpx.Response:
    """Exchange a token for a cookie, which `http` keeps."""
    return await http.post("/api/access", json={"token": token})
