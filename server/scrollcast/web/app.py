"""`create_app(settings)`: the ASGI application."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from scrollcast.archive.archive import Archive
from scrollcast.archive.redacted_archive import RedactedArchive
from scrollcast.errors import ScrollcastError
from scrollcast.settings import Settings, static_folder
from scrollcast.stream.packed_runs import PackedRuns
from scrollcast.stream.registry import StreamRegistry
from scrollcast.web import access, contract, embedding, routes
from scrollcast.web.assets import Assets
from scrollcast.web.compression import Compression
from scrollcast.web.door import Door
from scrollcast.web.doors import Doors
from scrollcast.web.export import export
from scrollcast.web.failures import UnknownErrors, handle_error, handle_http_exception
from scrollcast.web.gate import Need, guarded, guarded_socket
from scrollcast.web.metrics import exposition, metrics
from scrollcast.web.open_shares import OpenShares
from scrollcast.web.path_prefix import PathPrefix
from scrollcast.web.readiness import DiskLook, health, readiness
from scrollcast.web.security import ELEMENT_PATH, RequestGuard
from scrollcast.web.siblings import Siblings
from scrollcast.web.websocket import replay, unknown_socket

__all__ = ["create_app"]

THREADS = 64
"""Threads that wait for disks and databases, at most. asyncio's own six on two cores were soon all waiting for one disk
that hangs."""


def create_app(settings: Settings, siblings: Path | None = None) -> Starlette:
    """The application that serves the sessions under `settings.paths`.

    `siblings` is a folder that it shares with the other workers of the same server, where there are any. Looks at the
    disk, so it is called before a loop runs.
    """
    mimetypes.init()  # reads the system's tables, which would otherwise happen at the first request

    roots = settings.roots
    kept = settings.kept if settings.keep else None

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        archive = await asyncio.to_thread(Archive, roots, settings.cache, optional=bool(settings.places), kept=kept)
        app.state.archive = archive
        app.state.redacted = RedactedArchive(archive, settings.redaction)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="scrollcast-wait"))

        def found() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(app.state.ready.set)

        await asyncio.to_thread(archive.keep_up, found)
        watching = loop.create_task(app.state.open_shares.watch()) if app.state.door.shares is not None else None
        try:
            async with app.state.siblings.telling(partial(exposition, app.state)):
                # Which uvicorn gives to each of its connections.
                pacer = app.state.registry.pacer
                yield {"doors": app.state.doors, "compression": Compression(settings), "pacer": pacer}
        finally:
            if watching is not None:
                watching.cancel()
            await asyncio.to_thread(app.state.packed_runs.close)
            await asyncio.to_thread(app.state.redacted.close)
            await asyncio.to_thread(archive.close)

    trusted = list(settings.trusted_proxies)
    proxies = [Middleware(ProxyHeadersMiddleware, trusted_hosts=trusted)] if trusted else []
    app = Starlette(
        routes=[
            guarded("/", routes.page, Need.NOTHING),
            guarded("/sessions/{scroll_id}", routes.page, Need.NOTHING),
            guarded("/embed/{scroll_id}", embedding.frame, Need.NOTHING),
            guarded(ELEMENT_PATH, embedding.element, Need.NOTHING),
            guarded("/assets/{digest}/{path:path}", routes.asset, Need.NOTHING),
            guarded("/healthz", health, Need.NOTHING),
            guarded("/readyz", readiness, Need.NOTHING),
            guarded("/openapi.json", contract.openapi, Need.NOTHING),
            guarded("/asyncapi.json", contract.asyncapi, Need.NOTHING),
            guarded("/api/access", access.who, Need.NOTHING),
            guarded("/api/access", access.sign_in, Need.NOTHING, ["POST"]),
            guarded("/api/access", access.sign_out, Need.NOTHING, ["DELETE"]),
            guarded("/api/sessions/{scroll_id}", routes.session, Need.SESSION),
            guarded("/api/sessions/{scroll_id}/timeline", routes.timeline, Need.SESSION),
            guarded("/api/sessions/{scroll_id}/timeline/{table}", routes.timeline_table, Need.SESSION),
            guarded("/api/sessions/{scroll_id}/turns", routes.turns, Need.SESSION),
            guarded("/api/sessions/{scroll_id}/events", routes.events, Need.SESSION),
            guarded("/api/sessions/{scroll_id}/events/{seq}/parts/{path:path}", routes.part, Need.SESSION),
            guarded("/api/sessions/{scroll_id}/search", routes.search, Need.SESSION),
            guarded("/api/sessions/{scroll_id}/export", export, Need.SESSION),
            guarded("/api/sessions", routes.sessions),
            guarded("/api/sessions/{scroll_id}/shares", access.session_shares),
            guarded("/api/sessions/{scroll_id}/shares", access.make_share, methods=["POST"]),
            guarded("/api/shares", access.shares),
            guarded("/api/shares/{share_id}", access.revoke_share, methods=["DELETE"]),
            guarded("/api/facets", routes.facets),
            guarded("/api/unrecognised", routes.unrecognised),
            guarded("/oembed", embedding.oembed),
            guarded("/metrics", metrics),
            guarded("/api/{rest:path}", routes.unknown_api),
            guarded_socket("/ws/sessions/{scroll_id}", replay, Need.SESSION),
            guarded_socket("/{rest:path}", unknown_socket, Need.NOTHING),
        ],
        middleware=[
            *proxies,
            Middleware(PathPrefix, root_path=settings.root_path),
            Middleware(
                RequestGuard,
                allowed_hosts=settings.known_hosts,
                allowed_origins=settings.allowed_origins,
                embedders=settings.embedders,
                own_origins=settings.own_origins,
            ),
            Middleware(UnknownErrors),
        ],
        exception_handlers={
            ScrollcastError: handle_error,
            HTTPException: handle_http_exception,
        },
        lifespan=lifespan,
    )
    app.state.registry = StreamRegistry(settings.max_streams, settings.max_sessions)
    app.state.packed_runs = PackedRuns()
    app.state.doors = Doors(settings.max_connections, settings.max_connections_of_address)
    app.state.siblings = Siblings(siblings)
    app.state.named = settings.paths
    app.state.max_commands = settings.max_commands
    app.state.ready = asyncio.Event()
    app.state.disk_look = DiskLook()
    app.state.door = Door(settings, siblings)
    app.state.open_shares = OpenShares(app.state.door.shares)
    app.state.public_url = settings.public_url
    app.state.redact = settings.redact
    app.state.assets = Assets(static_folder())
    return app
