from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from archives import SCROLL_ID, message, write_session
from scrollcast.access.secrets import HideSecrets
from scrollcast.access.token import OwnerToken
from scrollcast.access.tries import MAX_TRIES
from scrollcast.web import open_shares
from serving import Client, Serving, serving, talk
from web.doors import OWNER, TOKEN, bearer, guarded_serving, make_share, sign_in

OTHER = UUID(int=7)


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """Two sessions, behind a token."""
    write_session(root, talk(20))
    write_session(root, talk(5), scroll_id=OTHER)
    async with guarded_serving(root, cache) as server:
        yield server


@pytest.fixture
async def http(server: Serving) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, as far as cookies go."""
    async with server.http() as http:
        yield http


def cookie_of(http: httpx.AsyncClient) -> dict[str, str]:
    """The header that sends what the browser has kept."""
    return {"cookie": "; ".join(f"{name}={value}" for name, value in http.cookies.items())}


# ------------------------------------------------------------------------------------------------------- signing in


async def test_a_token_is_exchanged_for_a_cookie(server: Serving, http: httpx.AsyncClient) -> None:
    """Which no script can read and no other site send, and which is not the token."""
    response = await sign_in(http, TOKEN)
    set_cookie = response.headers["set-cookie"]

    assert response.json()["owner"] is True
    assert f"scrollcast-{server.port}-owner=" in set_cookie
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in set_cookie.split(";")}
    assert "secure" not in set_cookie.lower()
    assert TOKEN not in set_cookie
    assert response.headers["cache-control"] == "no-store"
    assert (await http.get("/api/sessions")).status_code == 200
    assert (await http.get("/api/access")).json()["owner"] is True


async def test_a_link_signs_in_once(server: Serving, http: httpx.AsyncClient) -> None:
    """Then it is nothing any more, and says so."""
    assert server.door.shares is not None
    code = await asyncio.to_thread(server.door.shares.make_code)

    assert (await sign_in(http, code)).status_code == 200
    again = await sign_in(http, code)
    assert again.status_code == 401
    assert "opened before" in again.json()["detail"]
    assert (await http.get("/api/sessions")).status_code == 200


async def test_signing_out_takes_the_cookie_back(http: httpx.AsyncClient) -> None:
    """All of them."""
    await sign_in(http, TOKEN)
    await http.delete("/api/access")

    assert (await http.get("/api/sessions")).status_code == 401
    assert not http.cookies


async def test_a_shares_secret_is_exchanged_for_a_cookie_of_its_session(
    server: Serving, http: httpx.AsyncClient
) -> None:
    """Beside which that of another can be."""
    for scroll_id in (SCROLL_ID, OTHER):
        _, secret = await asyncio.to_thread(make_share, server, scroll_id=scroll_id)
        told = (await sign_in(http, secret)).json()
        assert (told["owner"], told["scroll_id"]) == (False, str(scroll_id))

    for scroll_id in (SCROLL_ID, OTHER):
        assert (await http.get(f"/api/sessions/{scroll_id}")).status_code == 200
        assert (await http.get(f"/api/access?session={scroll_id}")).json()["scroll_id"] == str(scroll_id)
    assert (await http.get("/api/sessions")).status_code == 401


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"token":"' + TOKEN.encode() + b'"}', "text/plain"),
        (b'{"token":"' + TOKEN.encode() + b'"}', "application/x-www-form-urlencoded"),
        (b"token=" + TOKEN.encode(), "application/json"),
        (b'{"token":1}', "application/json"),
        (b"{}", "application/json"),
        (b"[]", "application/json"),
        (b'{"token":"' + b"x" * 5000 + b'"}', "application/json"),
    ],
)
async def test_what_a_form_could_send_signs_nobody_in(http: httpx.AsyncClient, body: bytes, content_type: str) -> None:
    """Only JSON, of one size, and it is not repeated."""
    response = await http.post("/api/access", content=body, headers={"content-type": content_type})

    assert response.status_code == 400
    assert not http.cookies
    assert TOKEN not in response.text


# ------------------------------------------------------------------------------------------------- wrong and too many


@pytest.mark.parametrize("how", ["bearer", "sign in", "cookie"])
async def test_wrong_ones_are_counted(server: Serving, http: httpx.AsyncClient, how: str) -> None:
    """After so many nothing is looked at, the right one neither; who is signed in goes on."""
    async with server.http() as before:
        await sign_in(before, TOKEN)
        for number in range(MAX_TRIES + 2):
            if how == "sign in":
                response = await sign_in(http, f"wrong-{number}-and-long-enough")
            elif how == "bearer":
                response = await http.get("/api/sessions", headers=bearer(f"wrong-{number}"))
            else:
                forged = {"cookie": f"scrollcast-{server.port}-owner=sco_9999999999.{'A' * 43}"}
                response = await http.get("/api/sessions", headers=forged)
            assert response.status_code == (401 if number < MAX_TRIES else 429)
        assert 0 < int(response.headers["retry-after"]) <= 60
        assert response.json()["code"] == "too_many_tries"
        assert (await http.get("/api/sessions", headers=OWNER)).status_code == 429
        assert (await sign_in(http, TOKEN)).status_code == 429
        with pytest.raises(InvalidStatus) as caught:
            async with server.watch(SCROLL_ID, TOKEN):
                pass
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["retry-after"]
        assert (await before.get("/api/sessions")).status_code == 200


async def test_a_cookie_of_another_token_is_taken_back(server: Serving, http: httpx.AsyncClient) -> None:
    """So that a browser does not go on trying it."""
    stale, _ = OwnerToken("another-token-than-this-one").make_cookie()
    response = await http.get("/api/sessions", headers={"cookie": f"scrollcast-{server.port}-owner={stale}"})

    assert response.status_code == 401
    assert f'scrollcast-{server.port}-owner=""' in response.headers["set-cookie"]
    assert "Max-Age=0" in response.headers["set-cookie"]


async def test_who_only_knows_of_an_ended_share_is_not_counted(server: Serving, http: httpx.AsyncClient) -> None:
    """A page that was left open has done nothing wrong."""
    share, secret = await asyncio.to_thread(make_share, server)
    assert server.door.shares is not None
    await asyncio.to_thread(server.door.shares.revoke, share.id)

    for _ in range(MAX_TRIES + 5):
        response = await http.get(f"/api/sessions/{SCROLL_ID}", headers=bearer(secret))
        assert response.status_code == 401
    assert "withdrawn" in response.json()["detail"]


# ---------------------------------------------------------------------------------------------------------- sockets


async def watch_by_subprotocol(server: Serving, *offered: str) -> tuple[Client, str | None]:
    """A viewer that offers these, and what was chosen."""
    protocols = [Subprotocol(each) for each in offered]
    async with connect(server.replay_url(), subprotocols=protocols, proxy=None, max_size=None) as socket:
        client = Client(socket)
        await client.rest()
        return client, socket.subprotocol


async def test_a_token_can_come_as_a_subprotocol(server: Serving) -> None:
    """For clients that can send no header; it is never chosen, in whatever order."""
    for offered in (("scrollcast.v1", f"scrollcast.token.{TOKEN}"), (f"scrollcast.token.{TOKEN}", "scrollcast.v1")):
        client, chosen = await watch_by_subprotocol(server, *offered)
        assert chosen == "scrollcast.v1"
        assert len(client.log.events) == 20

    client, chosen = await watch_by_subprotocol(server, "scrollcast.v1", "scrollcast.token.wrong")
    assert (client.log.codes(), client.close_code, chosen) == (["unauthenticated"], 4500, "scrollcast.v1")


async def test_a_token_alone_is_no_protocol(server: Serving) -> None:
    """The answer says what to add, and does not repeat it."""
    with pytest.raises(InvalidStatus) as caught:
        await watch_by_subprotocol(server, f"scrollcast.token.{TOKEN}")

    assert caught.value.response.status_code == 400
    assert b"beside the token" in bytes(caught.value.response.body or b"")
    assert TOKEN.encode() not in bytes(caught.value.response.body or b"") + str(caught.value.response.headers).encode()


async def upgraded(server: Serving, origin: str | None, headers: dict[str, str]) -> Client:
    """What a page of this origin would have of an upgrade with these headers."""
    sent = Origin(origin) if origin is not None else None
    async with connect(server.replay_url(), origin=sent, additional_headers=headers, proxy=None) as socket:
        client = Client(socket)
        await client.rest()
        return client


async def test_a_cookie_opens_a_socket_for_our_own_pages_only(root: Path, cache: Path) -> None:
    """Not for one of an origin that was allowed: that has to send a token, which no browser adds by itself."""
    write_session(root, talk(20))
    front = "https://front.example"
    async with guarded_serving(root, cache, allowed_origins=frozenset({front})) as server, server.http() as http:
        await sign_in(http, TOKEN)
        cookie = cookie_of(http)

        own = await upgraded(server, server.url, cookie)
        assert len(own.log.events) == 20
        for origin in (front, None):
            refused = await upgraded(server, origin, cookie)
            assert (refused.log.codes(), refused.close_code) == (["unauthenticated"], 4500)
        assert len((await upgraded(server, front, OWNER)).log.events) == 20
        for site in ("cross-site", "same-site"):
            refused = await upgraded(server, server.url, {**cookie, "sec-fetch-site": site})
            assert refused.close_code == 4500
        with pytest.raises(InvalidStatus):
            await upgraded(server, "http://evil.example", cookie)
        assert (await http.get("/api/sessions", headers={"origin": front})).status_code == 401
        assert (await http.get("/api/sessions", headers={"origin": front, **OWNER})).status_code == 200


# ----------------------------------------------------------------------------------------------- what browsers send


@pytest.mark.parametrize("site", ["cross-site", "same-site", "CROSS-SITE", "anything"])
@pytest.mark.parametrize(
    ("mode", "dest"),
    [("cors", "empty"), ("no-cors", "image"), ("no-cors", "script"), ("navigate", "document"), ("navigate", "iframe")],
)
async def test_other_pages_lead_to_pages_and_to_nothing_else(
    http: httpx.AsyncClient, site: str, mode: str, dest: str
) -> None:
    """Even with the right cookie; another port of this machine is another page too."""
    await sign_in(http, TOKEN)
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    for path in ("/api/sessions", f"/api/sessions/{SCROLL_ID}/export", "/api/access", "/oembed", "/healthz"):
        assert (await http.get(path, headers=headers)).status_code == 403
    for path in ("/", f"/sessions/{SCROLL_ID}", f"/embed/{SCROLL_ID}"):
        assert (await http.get(path, headers=headers)).status_code == (200 if mode == "navigate" else 403)
        assert (await http.post(path, headers=headers)).status_code == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
async def test_ones_own_pages_and_the_address_bar_are_answered(http: httpx.AsyncClient, site: str) -> None:
    """Whatever they ask for."""
    await sign_in(http, TOKEN)

    assert (await http.get("/api/sessions", headers={"sec-fetch-site": site})).status_code == 200


@pytest.mark.parametrize("name", ["authorization", "sec-fetch-site", "cookie", "origin"])
async def test_what_comes_twice_is_refused(server: Serving, name: str) -> None:
    """Someone between could take the other one."""
    values = {
        "authorization": (f"Bearer {TOKEN}", "Bearer other"),
        "sec-fetch-site": ("same-origin", "cross-site"),
        "cookie": (f"scrollcast-{server.port}-owner=a", f"scrollcast-{server.port}-owner=b"),
        "origin": (server.url, server.url),
    }[name]
    async with server.http() as http:
        for headers in ([(name, each) for each in values], [(name, each) for each in values[::-1]]):
            assert (await http.get("/api/sessions", headers=headers)).status_code == 403
        if name == "cookie":
            assert (await http.get("/api/sessions", headers={name: "; ".join(values)})).status_code == 403


# --------------------------------------------------------------------------------------------------------- the log


async def test_no_secret_is_logged_at_any_level(
    server: Serving, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Not by us, not by uvicorn, not by the library that reads the handshake; and nothing of a session."""
    caplog.set_level(logging.DEBUG)
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Keep()
    handler.setFormatter(HideSecrets(logging.Formatter("%(name)s %(message)s"), (TOKEN,)))
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "scrollcast")]
    for logger in loggers:
        logger.addHandler(handler)
    share, secret = await asyncio.to_thread(make_share, server)
    assert share.id
    await sign_in(http, TOKEN)
    await sign_in(http, secret)
    await sign_in(http, "wrong-but-long-enough-to-be-one")
    await upgraded(server, server.url, cookie_of(http))
    await watch_by_subprotocol(server, "scrollcast.v1", f"scrollcast.token.{TOKEN}")
    await server.replay(SCROLL_ID, secret)
    for logger in loggers:
        logger.removeHandler(handler)

    written = "\n".join(lines)
    assert "WebSocket" in written  # there is something to be looked at
    ours = [record for record in caplog.records if record.name.startswith(("scrollcast", "uvicorn", "asyncio"))]
    unhidden = "\n".join(record.getMessage() for record in ours)
    for said in (written, unhidden):
        for hidden in (TOKEN, secret, secret[4:], *http.cookies.values(), "message 3 "):
            assert hidden not in said


# ------------------------------------------------------------------------------------------------- an end to shares


async def test_revoking_ends_those_who_watch_and_nobody_else(server: Serving) -> None:
    """With the reason first, within two seconds; what had been sent was whole."""
    (share, secret), (_, other) = [await asyncio.to_thread(make_share, server) for _ in range(2)]
    query = {"mode": "realtime", "speed": "0.1", "hold": "true"}
    async with (
        server.watch(SCROLL_ID, secret, **query) as watched,
        server.watch(SCROLL_ID, other, **query) as kept,
        server.watch(SCROLL_ID, TOKEN, **query) as owner,
        server.http() as http,
    ):
        for client in (watched, kept, owner):
            await client.until("hello")
        assert (await http.delete(f"/api/shares/{share.id}", headers=OWNER)).status_code == 204
        began = time.monotonic()
        await watched.rest()
        took = time.monotonic() - began

        assert watched.log.messages[-1]["code"] == "unauthenticated"
        assert "withdrawn" in watched.log.messages[-1]["message"]
        assert watched.close_code == 4500
        assert took < 3
        for client in (kept, owner):
            assert (await client.control("still", play=True))["type"] == "state"
        assert (await http.get(f"/api/sessions/{SCROLL_ID}", headers=bearer(secret))).status_code == 401
    refused = await server.replay(SCROLL_ID, secret)
    assert (refused.log.codes(), refused.close_code) == (["unauthenticated"], 4500)
    await server.until_streams(0)
    assert server.app.state.open_shares._held == {}


async def test_one_link_leaves_room_for_others(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes by it beyond its bound is told to come back, over HTTP as well; others are let in."""
    monkeypatch.setattr(open_shares, "MAX_OF_LINK", 2)
    (_, secret), (_, other) = [await asyncio.to_thread(make_share, server) for _ in range(2)]
    query = {"mode": "realtime", "speed": "0.1", "hold": "true"}
    async with server.watch(SCROLL_ID, secret, **query) as one:
        async with server.watch(SCROLL_ID, secret, **query) as two, server.http() as http:
            for client in (one, two):
                await client.until("hello")
            refused = await server.replay(SCROLL_ID, secret)
            answer = await http.get(f"/api/sessions/{SCROLL_ID}", headers=bearer(secret))
            for let_in in (other, TOKEN):
                assert (await server.replay(SCROLL_ID, let_in)).hello
        await server.until_streams(1)
        again = await server.replay(SCROLL_ID, secret)

    assert (refused.log.codes(), refused.close_code) == (["too_many_streams"], 4013)
    assert refused.log.messages[-1]["retry_after_ms"] > 0
    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_streams")
    assert again.hello


async def test_a_share_that_expires_ends_those_who_watch(server: Serving) -> None:
    """At its time."""
    _, secret = await asyncio.to_thread(make_share, server, seconds=2)
    async with server.watch(SCROLL_ID, secret, mode="realtime", speed="0.1", hold="true") as client:
        await client.rest()

        assert client.log.messages[0]["type"] == "hello"
        assert client.log.codes()[-1] == "unauthenticated"
        assert client.close_code == 4500


async def test_a_client_that_does_not_read_is_cut_off_too(root: Path, cache: Path) -> None:
    """Though nothing can be said to it any more."""
    write_session(root, talk(3000, pad=10_000))
    async with guarded_serving(root, cache) as server:
        share, secret = await asyncio.to_thread(make_share, server)
        async with server.watch(SCROLL_ID, secret) as client:
            await client.until("hello")
            client.socket.transport.pause_reading()
            await server.until_streams(1)
            await asyncio.sleep(0.5)  # until nothing more fits
            assert server.door.shares is not None
            await asyncio.to_thread(server.door.shares.revoke, share.id)
            async with asyncio.timeout(5):
                await server.until_streams(0)


# --------------------------------------------------------------------------------------------------- shares over HTTP


async def test_the_owner_makes_lists_and_withdraws_links(server: Serving, http: httpx.AsyncClient) -> None:
    """The secret is told once, in the link, behind the sign that no server is sent."""
    path = f"/api/sessions/{SCROLL_ID}/shares"
    wanted = {"from_ms": 50, "to_ms": 100, "redact": False, "expires_s": 3600}
    made = await http.post(path, headers=OWNER, json=wanted)
    share = made.json()

    assert made.status_code == 201
    root, _, secret = share["url"].partition("#share=")
    assert root == f"{server.url}/sessions/{SCROLL_ID}"
    assert (share["from_ms"], share["to_ms"], share["redact"]) == (50, 100, False)
    assert (await sign_in(http, secret)).json()["from_ms"] == 50
    http.cookies.clear()
    for listing in (path, "/api/shares"):
        (listed,) = (await http.get(listing, headers=OWNER)).json()["shares"]
        assert listed == {name: value for name, value in share.items() if name != "url"}
    assert (await http.get(f"/api/sessions/{OTHER}/shares", headers=OWNER)).json() == {"shares": []}
    assert (await http.delete(f"/api/shares/{share['id']}", headers=OWNER)).status_code == 204
    assert (await http.delete(f"/api/shares/{share['id']}", headers=OWNER)).status_code == 404
    assert (await http.get(path, headers=OWNER)).json()["shares"][0]["revoked_at"] is not None


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"expires_s": 0}, "expires"),
        ({"expires_s": 10**12}, "expires"),
        ({"expires_s": "7d"}, "expires_s"),
        ({"from_ms": -1}, "from_ms"),
        ({"from_ms": 1.5}, "from_ms"),
        ({"to_ms": True}, "to_ms"),
        ({"from_ms": 2, "to_ms": 1}, "to"),
        ({"redact": "no"}, "redact"),
    ],
)
async def test_a_link_that_makes_no_sense_is_refused(http: httpx.AsyncClient, wanted: Any, named: str) -> None:
    """By the name of what does not."""
    response = await http.post(f"/api/sessions/{SCROLL_ID}/shares", headers=OWNER, json=wanted)

    assert response.status_code == 400
    assert response.json()["parameter"] == named


async def test_a_link_to_no_session_is_refused(http: httpx.AsyncClient) -> None:
    """As whoever asks for one is answered."""
    assert (await http.post(f"/api/sessions/{UUID(int=99)}/shares", headers=OWNER, json={})).status_code == 404


async def test_without_auth_there_are_no_links(root: Path, cache: Path) -> None:
    """They would hold nobody to anything."""
    write_session(root, talk(5))
    async with serving(root, cache=cache) as server, server.http() as http:
        response = await http.post(f"/api/sessions/{SCROLL_ID}/shares", json={})

    assert response.status_code == 400
    assert "--auth" in response.json()["detail"]


# ------------------------------------------------------------------------------------------------------- behind proxies


async def test_a_trusted_proxy_says_whom_it_speaks_for(root: Path, cache: Path) -> None:
    """Whose wrong tokens are counted apart, and that it ends TLS; an untrusted one is not believed."""
    write_session(root, talk(5))
    public = "https://replay.example"
    async with (
        guarded_serving(root, cache, trusted_proxies=("127.0.0.0/8",), public_url=public) as server,
        server.http() as http,
    ):

        def headers(address: str, **more: str) -> dict[str, str]:
            return {"host": "replay.example", "x-forwarded-for": address, "x-forwarded-proto": "https", **more}

        for number in range(MAX_TRIES):
            wrong = headers("192.0.2.1", authorization=f"Bearer wrong-{number}")
            assert (await http.get("/api/sessions", headers=wrong)).status_code == 401
        assert (await http.get("/api/sessions", headers=headers("192.0.2.1", **OWNER))).status_code == 429
        forged = headers("192.0.2.9, 192.0.2.1", **OWNER)
        assert (await http.get("/api/sessions", headers=forged)).status_code == 429
        assert (await http.get("/api/sessions", headers=headers("192.0.2.2", **OWNER))).status_code == 200
        signed = await http.post("/api/access", json={"token": TOKEN}, headers=headers("192.0.2.2", origin=public))
        cookie = signed.headers["set-cookie"]
        assert cookie.startswith("__Host-scrollcast-443-owner=")
        assert "Secure" in cookie
        assert signed.json()["redact"] is True
    async with guarded_serving(root, cache) as server, server.http() as http:
        for number in range(MAX_TRIES + 1):
            wrong = {"x-forwarded-for": f"192.0.2.{number}", **bearer(f"wrong-{number}")}
            response = await http.get("/api/sessions", headers=wrong)
        assert response.status_code == 429


async def test_a_public_url_is_an_origin_of_our_own(root: Path, cache: Path) -> None:
    """Though the proxy that ends TLS does not say so; under a prefix the cookie is of the prefix."""
    write_session(root, talk(5))
    public = "https://replay.example/tools"
    async with guarded_serving(root, cache, public_url=public, root_path="/tools") as server, server.http() as http:
        headers = {"host": "replay.example", "origin": "https://replay.example"}
        signed = await http.post("/tools/api/access", json={"token": TOKEN}, headers=headers)
        cookie = signed.headers["set-cookie"]
        assert cookie.startswith("scrollcast-443-owner=")
        assert {"Secure", "Path=/tools/"} <= {part.strip() for part in cookie.split(";")}
        kept = {"cookie": cookie.partition(";")[0], **headers}
        assert (await http.get("/tools/api/sessions", headers=kept)).status_code == 200
        made = await http.post(f"/tools/api/sessions/{SCROLL_ID}/shares", json={}, headers=kept)
        assert made.json()["url"].startswith(f"{public}/sessions/{SCROLL_ID}#share=scs_")
        assert (await http.get("/api/sessions", headers={"host": "evil.example", **OWNER})).status_code == 403


@pytest.mark.parametrize(
    "header",
    ["forwarded", "x-forwarded-for", "x-real-ip", "via", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port",
     "x-forwarded-server", "x-forwarded-prefix", "x-original-forwarded-for", "x-original-host", "x-client-ip",
     "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip", "fastly-client-ip", "x-envoy-external-address",
     "proxy-connection"],
)  # fmt: skip
async def test_only_who_is_on_this_machine_sees_secrets(root: Path, cache: Path, header: str) -> None:
    """What a proxy brings is not, as far as anybody knows; nor is what was asked under another name."""
    write_session(root, talk(5))
    hosts = frozenset({"replay.example"})

    async def redacts(http: httpx.AsyncClient, **headers: str) -> bool:
        told: bool = (await http.get("/api/access", headers=headers)).json()["redact"]
        return told

    async with serving(root, cache=cache, allowed_hosts=hosts) as server, server.http() as http:
        assert not await redacts(http)
        assert await redacts(http, **{header: "1"})
        assert await redacts(http, **{header: "127.0.0.1"})
        assert await redacts(http, **{header: ""})
        assert await redacts(http, host="replay.example")
    async with serving(root, cache=cache, allowed_hosts=hosts, redact=False) as server, server.http() as http:
        assert not await redacts(http, **{header: "1"})


# ------------------------------------------------------------------------------------------------------- redaction

SECRET = "ghp_" + "q8Zr2LmT5vXc9NbK4sHd7WyJ1fGp6QaE3uRo"


@pytest.mark.parametrize(("redact", "is_shown"), [(True, False), (False, True)])
async def test_a_link_shows_secrets_only_where_it_was_made_to(
    root: Path, cache: Path, redact: bool, is_shown: bool
) -> None:
    """On the socket, over HTTP and in documents, whatever is asked for; the owner sees them."""
    write_session(root, [message("m0", content_md=f"export GITHUB_TOKEN={SECRET}")])
    export = f"/api/sessions/{SCROLL_ID}/export?format=jsonl&redact=false"
    async with guarded_serving(root, cache) as server, server.http() as http:
        _, secret = await asyncio.to_thread(make_share, server, redact=redact)
        for token, is_there in ((secret, is_shown), (TOKEN, True)):
            for path in (f"/api/sessions/{SCROLL_ID}/events", export):
                answer = await http.get(path, headers=bearer(token))
                assert (SECRET in answer.text) is is_there, path
        client = await server.replay(token=secret)
    assert (SECRET in str(client.log.messages)) is is_shown
    assert ("redacted" in client.log.codes()) is not is_shown
