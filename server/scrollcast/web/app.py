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
from starlette.routing import Route, WebSocketRoute

from scrollcast.archive.archive import Archive
from scrollcast.errors import ScrollcastError
from scrollcast.settings import Settings, static_folder
from scrollcast.stream.registry import StreamRegistry
from scrollcast.web import contract, embedding, routes
from scrollcast.web.assets import Assets
from scrollcast.web.doors import Doors
from scrollcast.web.export import export
from scrollcast.web.failures import UnknownErrors, handle_error, handle_http_exception
from scrollcast.web.metrics import exposition, metrics
from scrollcast.web.path_prefix import PathPrefix
from scrollcast.web.readiness import health, readiness
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
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="scrollcast-wait"))

        def found() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(app.state.ready.set)

        await asyncio.to_thread(archive.keep_up, found)
        try:
            async with app.state.siblings.telling(partial(exposition, app.state)):
                yield {"doors": app.state.doors}  # which uvicorn gives to each of its connections
        finally:
            await asyncio.to_thread(archive.close)

    app = Starlette(
        routes=[
            Route("/", routes.page),
            Route("/sessions/{scroll_id}", routes.page),
            Route("/embed/{scroll_id}", embedding.frame),
            Route(ELEMENT_PATH, embedding.element),
            Route("/oembed", embedding.oembed),
            Route("/openapi.json", contract.openapi),
            Route("/asyncapi.json", contract.asyncapi),
            Route("/healthz", health),
            Route("/readyz", readiness),
            Route("/metrics", metrics),
            Route("/api/sessions", routes.sessions),
            Route("/api/sessions/{scroll_id}", routes.session),
            Route("/api/sessions/{scroll_id}/timeline", routes.timeline),
            Route("/api/sessions/{scroll_id}/timeline/{table}", routes.timeline_table),
            Route("/api/sessions/{scroll_id}/turns", routes.turns),
            Route("/api/sessions/{scroll_id}/events", routes.events),
            Route("/api/sessions/{scroll_id}/export", export),
            Route("/api/sessions/{scroll_id}/search", routes.search),
            Route("/api/sessions/{scroll_id}/events/{seq}/parts/{path:path}", routes.part),
            Route("/api/facets", routes.facets),
            Route("/api/unrecognised", routes.unrecognised),
            Route("/api/{rest:path}", routes.unknown_api),
            WebSocketRoute("/ws/sessions/{scroll_id}", replay),
            WebSocketRoute("/{rest:path}", unknown_socket),
            Route("/assets/{digest}/{path:path}", routes.asset),
        ],
        middleware=[
            Middleware(PathPrefix, root_path=settings.root_path),
            Middleware(
                RequestGuard,
                allowed_hosts=settings.allowed_hosts,
                allowed_origins=settings.allowed_origins,
                embedders=settings.embedders,
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
    app.state.doors = Doors(settings.max_connections, settings.max_connections_of_address)
    app.state.siblings = Siblings(siblings)
    app.state.named = settings.paths
    app.state.max_commands = settings.max_commands
    app.state.ready = asyncio.Event()
    app.state.assets = Assets(static_folder())
    return app
