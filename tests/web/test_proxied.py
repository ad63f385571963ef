"""Somebody far away, behind a reverse proxy that runs on this machine: who is not the owner on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from archives import SCROLL_ID, message, write_session
from serving import Client, Serving, serving
from web.doors import OWNER, TOKEN, guarded_serving

SECRET = "ghp_" + "q8Zr2LmT5vXc9NbK4sHd7WyJ1fGp6QaE3uRo"
AFAR = "192.0.2.66"
PUBLIC = "https://replay.example"


@dataclass
class ReverseProxy:
    """What passes requests on from loopback, as the programs do that people put before a server.

    `adds` are the headers that it sets; `drops` those that it takes out, as one does that a client talked into it by
    naming them in `Connection` (RFC 9110, 7.6.1). `host` is the name that it asks under.
    """

    port: int
    host: str = "127.0.0.1"
    adds: dict[str, str] = field(default_factory=dict)
    drops: tuple[str, ...] = ()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        sent = [line.partition(": ") for line in lines]
        own = ("host", "connection", *self.drops)  # what holds for one connection alone is not passed on
        kept = [f"{name}: {value}" for name, _, value in sent if name.lower() not in own]
        is_upgrade = any(name.lower() == "upgrade" for name, _, _ in sent)
        kept.append(f"Connection: {'Upgrade' if is_upgrade else 'close'}")
        added = [f"{name}: {value}" for name, value in self.adds.items() if name not in self.drops]
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.port)
        up_writer.write("\r\n".join((first, f"Host: {self.host}:{self.port}", *added, *kept, "", "")).encode("latin-1"))
        try:
            async with asyncio.TaskGroup() as group:
                passing = group.create_task(_pass_on(reader, up_writer))
                await _pass_on(up_reader, writer)
                passing.cancel()
        finally:
            up_writer.close()
            writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def proxied(server: Serving, **how: Any) -> AsyncIterator[str]:
    """A proxy before a server; its address."""
    proxy = ReverseProxy(server.port, **how)
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


async def leaks(address: str, headers: dict[str, str]) -> bool:
    """Whether a secret of the session comes that way: over HTTP, in what is searched, or by the WebSocket."""
    seen = []
    async with httpx.AsyncClient(base_url=address, trust_env=False, headers=headers) as http:
        for path in (
            f"/api/sessions/{SCROLL_ID}/events",
            f"/api/sessions/{SCROLL_ID}/export?format=jsonl&redact=false",
        ):
            answer = await http.get(path)
            seen.append(answer.text)
        told = (await http.get("/api/access")).json()
    async with connect(
        f"{address.replace('http', 'ws', 1)}/ws/sessions/{SCROLL_ID}", additional_headers=headers, proxy=None
    ) as socket:
        client = Client(socket)
        await client.rest()
        seen.append(str(client.log.messages))
    shown = any(SECRET in each for each in seen)
    assert told["redact"] is not shown
    return shown


@pytest.fixture
def archive(root: Path) -> Path:
    """A session that holds a secret."""
    write_session(root, [message("m0", content_md=f"export GITHUB_TOKEN={SECRET}")])
    return root


FORGED = {
    "nothing": {},
    "that it is on loopback": {"X-Forwarded-For": "127.0.0.1"},
    "that it asked loopback": {"X-Forwarded-Host": "localhost:8420", "X-Forwarded-For": "::1"},
    "both ways of saying so": {"Forwarded": "for=127.0.0.1;host=localhost", "X-Real-IP": "127.0.0.1"},
    "that what the proxy adds is for the proxy": {"Connection": "x-forwarded-for, x-real-ip, forwarded, via"},
}
"""What an attacker sends along, for a proxy that passes it on."""

PROXIES: dict[str, dict[str, Any]] = {
    "the address": {"adds": {"x-forwarded-for": AFAR}},
    "the host alone": {"adds": {"x-forwarded-host": "replay.example"}},
    "the scheme alone": {"adds": {"x-forwarded-proto": "https"}},
    "its own name": {"adds": {"via": "1.1 front"}},
    "several, and was talked out of one": {
        "adds": {"x-forwarded-for": AFAR, "x-forwarded-host": "replay.example"}, "drops": ("x-forwarded-for",),
    },
}  # fmt: skip


@pytest.mark.parametrize("said", FORGED)
@pytest.mark.parametrize("proxy", PROXIES)
async def test_whoever_a_proxy_brings_is_not_on_this_machine(archive: Path, cache: Path, proxy: str, said: str) -> None:
    """Whatever it adds, though it is on loopback and asks for loopback, and whatever else was sent along."""
    async with serving(archive, cache=cache) as server, proxied(server, **PROXIES[proxy]) as address:
        assert not await leaks(address, FORGED[said])


@pytest.mark.parametrize("said", FORGED)
@pytest.mark.parametrize("named", [{"public_url": PUBLIC}, {"trusted_proxies": ("127.0.0.1",)}], ids=["url", "proxy"])
async def test_a_server_that_was_told_of_a_proxy_takes_nobody_for_local(
    archive: Path, cache: Path, named: dict[str, Any], said: str
) -> None:
    """Not even where the proxy says nothing at all, and is not to be told from the owner: then the owner is neither."""
    async with guarded_serving(archive, cache, **named) as server, proxied(server) as address:
        assert not await leaks(address, {**OWNER, **FORGED[said]})
        assert not await leaks(server.url, OWNER)
    async with guarded_serving(archive, cache, redact=False, **named) as server:
        assert await leaks(server.url, OWNER)


@pytest.mark.parametrize("public", ["http://localhost:9000", "http://127.0.0.1:9000/x"])
async def test_a_server_whose_public_address_is_on_this_machine_knows_who_is(
    archive: Path, cache: Path, public: str
) -> None:
    """As one behind a program of the owner's own, such as an editor's."""
    prefix = "/x" if public.endswith("/x") else ""
    async with guarded_serving(archive, cache, public_url=public, root_path=prefix) as server:
        assert await leaks(f"{server.url}{prefix}", OWNER)


async def test_a_trusted_proxy_cannot_be_talked_into_loopback(archive: Path, cache: Path) -> None:
    """Of the addresses that are named the last one that is no proxy's counts; none makes anybody local."""
    trusted = ("127.0.0.0/8", "::1")
    async with guarded_serving(archive, cache, trusted_proxies=trusted) as server:
        for said in ("127.0.0.1", f"127.0.0.1, {AFAR}", f"{AFAR}, 127.0.0.1", "::1", "localhost", ""):
            async with proxied(server, adds={"x-forwarded-for": said}) as address:
                assert not await leaks(address, {"Authorization": f"Bearer {TOKEN}"})


async def test_who_is_on_this_machine_still_sees_everything(archive: Path, cache: Path) -> None:
    """Without a proxy, with and without a token."""
    async with serving(archive, cache=cache) as server:
        assert await leaks(server.url, {})
    async with guarded_serving(archive, cache) as server:
        assert await leaks(server.url, OWNER)
