from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from archives import SCROLL_ID, message, write_session
from scrollcast.web.security import SECURITY_HEADERS
from serving import ASSETS, Serving, serving_in_thread, talk

ALLOWED_HOST = "replay.example"
ALLOWED_HOST_AND_PORT = "other.example:8443"
ALLOWED_ORIGIN = "https://front.example"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that allows two further hosts and an origin."""
    folder = tmp_path_factory.mktemp("security")
    write_session(folder / "archive", talk(5))
    (folder / "cache").mkdir()
    with serving_in_thread(
        folder / "archive",
        cache=folder / "cache",
        allowed_hosts=frozenset((ALLOWED_HOST, ALLOWED_HOST_AND_PORT)),
        allowed_origins=frozenset((ALLOWED_ORIGIN,)),
    ) as server:
        yield server


def ask(server: Serving, path: str, *headers: tuple[str, str], method: str = "GET") -> http.client.HTTPResponse:
    """A request with exactly these headers; the response's body is read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    response.body = response.read().decode()  # type: ignore[attr-defined]
    connection.close()
    return response


def body_of(response: http.client.HTTPResponse) -> str:
    """The body that `ask` read."""
    body: str = response.body  # type: ignore[attr-defined]
    return body


def upgrade(server: Serving, *headers: tuple[str, str]) -> http.client.HTTPResponse:
    """The answer to a WebSocket handshake with exactly these headers beside its own."""
    own = (
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    )
    return ask(server, f"/ws/sessions/{SCROLL_ID}?paused=true", *own, *headers)


# ------------------------------------------------------------------------------------------------------------ Host

GOOD_HOSTS = [
    "localhost",
    "localhost:1",
    "LocalHost:8420",
    "localhost.:80",
    "127.0.0.1",
    "127.0.0.1:9999",
    "127.1.2.3:80",
    "[::1]",
    "[::1]:8420",
    "[0:0:0:0:0:0:0:1]:8420",
    ALLOWED_HOST,
    f"{ALLOWED_HOST}:1234",
    ALLOWED_HOST.upper(),
    ALLOWED_HOST_AND_PORT,
]

BAD_HOSTS = [
    "evil.example",
    "evil.example:80",
    "localhost.evil.com",
    "evil.com.localhost.example",
    "127.0.0.1.nip.io",
    "127.0.0.1.evil.com:8420",
    "localhost@evil.com",
    "evil.com@localhost",
    "user:password@localhost",
    "localhost:80@evil.com",
    "localhost:",
    "localhost:x",
    "localhost:80:80",
    "localhost:-1",
    "localhost:٣",
    "localhost evil.com",
    "localhost,evil.com",
    "localhost/evil.com",
    "[::1",
    "::1",
    "[::1]evil.com",
    "[::1].evil.com:80",
    "[::2]:80",
    "10.0.0.1",
    "0.0.0.0:8420",
    "192.168.1.2",
    "2130706433",
    "0x7f.0.0.1",
    "127.1",
    "",
    "other.example",
    "other.example:80",
    "sub.replay.example",
    "null",
]


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_a_loopback_or_allowed_host_is_served(server: Serving, host: str) -> None:
    """With any port, so that a forwarded one works; on HTTP and on the upgrade."""
    plain, socket = ask(server, "/healthz", ("Host", host)), upgrade(server, ("Host", host))

    assert (plain.status, socket.status) == (200, 101)


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_any_other_host_is_refused(server: Serving, host: str) -> None:
    """What only looks like loopback too: that is how a page points its own name at this machine."""
    encoded = host.encode().decode("latin-1")
    for response in (ask(server, "/healthz", ("Host", encoded)), upgrade(server, ("Host", encoded))):
        assert response.status in (400, 403)
        assert "ok" not in body_of(response)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.nip.io:8420", "other.example:80"])
def test_the_refusal_of_a_host_names_it_and_the_option(server: Serving, host: str) -> None:
    """In words, on HTTP and on the upgrade alike."""
    for response in (ask(server, "/", ("Host", host)), upgrade(server, ("Host", host))):
        assert response.status == 403
        assert repr(host) in body_of(response)
        assert f"--allow-host {host.partition(':')[0]}" in body_of(response)


@pytest.mark.parametrize("hosts", [[], ["localhost", "localhost"], ["localhost", "evil.example"]], ids=str)
def test_a_request_has_one_host(server: Serving, hosts: list[str]) -> None:
    """Neither none, nor several of which someone between could take another."""
    for response in (
        ask(server, "/healthz", *(("Host", host) for host in hosts)),
        upgrade(server, *(("Host", host) for host in hosts)),
    ):
        assert response.status in (400, 403)


def test_an_old_request_without_a_host_is_refused_in_words(server: Serving) -> None:
    """HTTP/1.0 lets it through to us."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        line.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(4096), b""))

    assert b" 403 " in answer.partition(b"\r\n")[0]
    assert b"one Host header" in answer


# ---------------------------------------------------------------------------------------------------------- Origin

GOOD_ORIGINS = [
    ("localhost:8420", "http://localhost:8420"),
    ("LOCALHOST:8420", "HTTP://localhost:8420"),
    ("localhost", "http://localhost"),
    ("localhost:80", "http://localhost"),
    ("localhost", "http://localhost:80"),
    ("[::1]:8420", "http://[::1]:8420"),
    (f"{ALLOWED_HOST}:99", f"http://{ALLOWED_HOST}:99"),
    ("localhost:8420", ALLOWED_ORIGIN),
    ("localhost:8420", ALLOWED_ORIGIN.upper()),
]

BAD_ORIGINS = [
    "null",
    "NULL",
    "http://evil.example",
    "https://localhost:8420",
    "ws://localhost:8420",
    "file://localhost:8420",
    "http://localhost",
    "http://localhost:8421",
    "http://127.0.0.1:8420",
    "http://localhost:8420.evil.com",
    "http://localhost:8420@evil.com",
    "http://evil.com@localhost:8420",
    "http://localhost.:8420",
    "http://front.example",
    "https://front.example:444",
    "https://front.example.evil.com",
    "localhost:8420",
    "http://[::1",
    "http://]",
    "",
    "http://",
    "*",
    "chrome-extension://abcdefghijklmnop",
]


@pytest.mark.parametrize(("host", "origin"), GOOD_ORIGINS)
def test_the_servers_own_origin_and_allowed_ones_are_served(server: Serving, host: str, origin: str) -> None:
    """The scheme's own port may be left out on either side."""
    headers = (("Host", host), ("Origin", origin))
    plain, socket = ask(server, "/api/sessions", *headers), upgrade(server, *headers)

    assert (plain.status, socket.status) == (200, 101)


@pytest.mark.parametrize("origin", BAD_ORIGINS)
def test_any_other_origin_is_refused_and_named(server: Serving, origin: str) -> None:
    """`null` is what a sandboxed frame or a file says: anybody's."""
    headers = (("Host", "localhost:8420"), ("Origin", origin))
    for response in (ask(server, "/api/sessions", *headers), upgrade(server, *headers)):
        assert response.status == 403
        assert repr(origin) in body_of(response)
        assert "--allow-origin" in body_of(response)


def test_several_origins_are_refused(server: Serving) -> None:
    """Even the right one twice."""
    headers = (("Host", "localhost"), ("Origin", "http://localhost"), ("Origin", "http://localhost"))
    for response in (ask(server, "/api/sessions", *headers), upgrade(server, *headers)):
        assert response.status in (400, 403)


def test_an_endless_header_is_not_repeated_whole(server: Serving) -> None:
    """The refusal is short, whatever was seen."""
    name = "e" * 20_000
    for headers in ((("Host", name),), (("Host", "localhost"), ("Origin", name))):
        assert len(body_of(ask(server, "/", *headers))) < 1000


def test_a_websocket_client_reads_the_refusal(server: Serving) -> None:
    """What a library shows of it has the words."""
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(server.replay_url(), origin=Origin("http://evil.example"), proxy=None),
    ):
        pass

    response = caught.value.response
    assert response.status_code == 403
    assert b"--allow-origin http://evil.example" in bytes(response.body or b"")


# ------------------------------------------------------------------------------------------------ security headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", f"/sessions/{SCROLL_ID}", 200),
        ("GET", f"{ASSETS}/main.js", 200),
        ("GET", f"{ASSETS}/style.css", 200),
        ("GET", f"{ASSETS}/nothing.js", 404),
        ("POST", f"{ASSETS}/main.js", 405),
        ("GET", "/api/sessions", 200),
        ("GET", f"/api/sessions/{SCROLL_ID}/timeline", 200),
        ("GET", f"/api/sessions/{SCROLL_ID}/events/0/parts/0", 200),
        ("GET", "/api/sessions?limit=0", 400),
        ("GET", "/api/sessions/nobody", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/nothing", 404),
        ("DELETE", "/api/sessions", 405),
        ("OPTIONS", "/api/sessions", 405),
        ("GET", "/healthz", 200),
        ("GET", "/healthz/", 307),
    ],
)
def test_every_answer_has_the_security_headers(server: Serving, method: str, path: str, status: int) -> None:
    """Pages, files, data and errors alike."""
    response = ask(server, path, ("Host", "localhost"), method=method)

    assert response.status == status
    assert SECURITY_HEADERS.items() <= dict(response.getheaders()).items()


def test_refusals_have_the_security_headers(server: Serving) -> None:
    """On HTTP and on the upgrade: for a host, an origin, a subprotocol, an unknown route."""
    connection = (("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
    key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    answers = {
        403: [
            ask(server, "/", ("Host", "evil.example")),
            upgrade(server, ("Host", "evil.example")),
            upgrade(server, ("Host", "localhost"), ("Origin", "null")),
        ],
        400: [upgrade(server, ("Host", "localhost"), ("Sec-WebSocket-Protocol", "other.v9"))],
        404: [ask(server, "/ws/nothing", ("Host", "localhost"), key, *connection)],
    }
    for status, responses in answers.items():
        for response in responses:
            assert response.status == status
            assert SECURITY_HEADERS.items() <= dict(response.getheaders()).items()


def test_the_policy_lets_no_foreign_or_inline_code_run() -> None:
    """Nothing unsafe, no wildcard, and nobody may frame the page."""
    policy = SECURITY_HEADERS["content-security-policy"]
    directives = dict(part.split(" ", 1) for part in policy.split("; "))

    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert directives["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy
    assert "*" not in policy


def test_a_page_may_not_ask_for_devices_but_may_fill_the_screen_and_copy() -> None:
    """`Permissions-Policy` allows nobody what it names, and names nothing that the player uses."""
    allowed = dict(each.split("=") for each in SECURITY_HEADERS["permissions-policy"].split(", "))

    assert {"camera", "microphone", "geolocation", "usb", "clipboard-read", "display-capture"} <= allowed.keys()
    assert set(allowed.values()) == {"()"}
    assert not {"fullscreen", "clipboard-write"} & allowed.keys()


# ----------------------------------------------------------------------------------------------- out of the archive


@pytest.mark.parametrize(
    "path",
    [
        f"{ASSETS}/../pyproject.toml",
        f"{ASSETS}/%2e%2e/pyproject.toml",
        f"{ASSETS}/..%2fpyproject.toml",
        f"{ASSETS}/%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fetc/passwd",
        f"{ASSETS}//etc/passwd",
        f"{ASSETS}/..\\pyproject.toml",
        f"{ASSETS}/%00",
        f"{ASSETS}/",
        f"{ASSETS}/views",
        "/api/sessions/..%2f..%2fetc%2fpasswd",
        "/api/sessions/../../etc/passwd",
        "/api/sessions/%00/timeline",
        f"/api/sessions/{SCROLL_ID}%2f..%2f{SCROLL_ID}/events",
        f"/api/sessions/{SCROLL_ID}/events/0/parts/../../../../etc/passwd",
        f"/api/sessions/{SCROLL_ID}/events/0/parts/0/output/../0",
    ],
)
def test_no_path_leads_out(server: Serving, path: str) -> None:
    """Ids are looked up, never joined to a path; of files only the page's own are given."""
    response = ask(server, path, ("Host", "localhost"))

    assert response.status in (400, 404)
    assert "root:" not in body_of(response)
    assert "[project]" not in body_of(response)


def test_nothing_is_served_through_a_link_out_of_the_archive(tmp_path: Path) -> None:
    """Neither a session behind one, nor a session whose messages are behind one; a link within is followed."""
    root, outside = tmp_path / "archive", tmp_path / "outside"
    secret = message("m0", content_md="SECRET")
    write_session(outside, [secret])
    write_session(root, [message("m0")], scroll_id=(within := SCROLL_ID))
    whole, messages, inside = (type(SCROLL_ID)(int=number) for number in (1, 2, 3))
    os.symlink(outside / str(SCROLL_ID), root / str(whole))
    (root / "2").mkdir()
    os.symlink(outside / str(SCROLL_ID) / "session.json", root / "2" / "session.json")
    folder = write_session(root, [], scroll_id=messages)
    (folder / "messages.jsonl").unlink()
    os.symlink(outside / str(SCROLL_ID) / "messages.jsonl", folder / "messages.jsonl")
    folder = write_session(root, [], scroll_id=inside)
    (folder / "messages.jsonl").unlink()
    os.symlink(root / str(within) / "messages.jsonl", folder / "messages.jsonl")
    (tmp_path / "cache").mkdir()

    with serving_in_thread(root, cache=tmp_path / "cache") as server, httpx.Client(trust_env=False) as http:
        listed = http.get(f"{server.url}/api/sessions").json()["sessions"]
        linked = http.get(f"{server.url}/api/sessions/{messages}/events")
        followed = http.get(f"{server.url}/api/sessions/{inside}/events")

    errors = {session["scroll_id"]: session["error"] for session in listed}
    assert errors.keys() == {str(within), str(messages), str(inside)}
    assert "outside the archive" in errors[str(messages)]
    assert linked.status_code == 500
    assert "SECRET" not in linked.text
    assert str(tmp_path) not in linked.text
    assert followed.json()["events"][0]["event"]["message"]["id"] == "m0"
