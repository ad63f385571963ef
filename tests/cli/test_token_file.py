"""What opens a server that `cat`, `play` and `record` are given the address of."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from archives import SCROLL_ID, write_session
from scrollcast.access.token import OwnerToken
from scrollcast.cli.naming import token_for
from scrollcast.errors import ReplayError, ReplayRefused
from scrollcast.terminal.source import RemoteSource
from serving import Serving, serving_in_thread, talk
from web.doors import TOKEN, make_share

Run = Callable[..., tuple[int, str, str]]

WRONG = "another-token-than-the-right-one"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server that asks for a token, on this machine too."""
    folder = tmp_path_factory.mktemp("asks")
    archive, cache = folder / "archive", folder / "cache"
    archive.mkdir()
    cache.mkdir()
    write_session(archive, talk(5))
    token = OwnerToken(TOKEN)
    with serving_in_thread(archive, cache=cache, token=token, shares=folder / "shares.sqlite3") as server:
        yield server


@pytest.fixture
def url(server: Serving) -> str:
    """The address of its session's page."""
    return f"{server.url}/sessions/{SCROLL_ID}"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A file that holds the token, its owner's alone."""
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(TOKEN + "\n")
    return path


def verb_of(verb: str, url: str, tmp_path: Path) -> tuple[str | Path, ...]:
    """A command line that ends."""
    return (verb, url, "-o", tmp_path / "out") if verb == "record" else (verb, url)


@pytest.mark.parametrize("verb", ["cat", "play", "record"])
@pytest.mark.parametrize("how", ["file", "variable"])
def test_a_token_opens_a_server_that_asks_for_one(
    url: str, token_file: Path, tmp_path: Path, scrollcast: Run, monkeypatch: pytest.MonkeyPatch, verb: str, how: str
) -> None:
    """By a file or the environment; nothing that is said repeats it."""
    flags: tuple[str | Path, ...] = ("--token-file", token_file)
    if how == "variable":
        monkeypatch.setenv("SCROLLCAST_CLIENT_TOKEN", TOKEN)
        flags = ()
    status, out, err = scrollcast(*verb_of(verb, url, tmp_path), *flags)

    assert status == 0
    shown = out if verb != "record" else "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    assert "message 4" in shown
    assert TOKEN not in out + err


@pytest.mark.parametrize("verb", ["cat", "play", "record"])
def test_without_it_or_with_a_wrong_one_nothing_is_shown(
    url: str, tmp_path: Path, scrollcast: Run, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """And the server's own token is not sent to whatever server is looked at."""
    monkeypatch.setenv("SCROLLCAST_TOKEN", TOKEN)
    status, out, err = scrollcast(*verb_of(verb, url, tmp_path))
    assert (status, out, "unauthenticated" in err) == (1, "", True)

    monkeypatch.setenv("SCROLLCAST_CLIENT_TOKEN", WRONG)
    status, out, err = scrollcast(*verb_of(verb, url, tmp_path))
    assert (status, out, "unauthenticated" in err) == (1, "", True)
    assert WRONG not in err


def test_a_link_is_opened_by_what_it_holds(
    server: Serving, url: str, scrollcast: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server is not shown the token that is meant for another."""
    monkeypatch.setenv("SCROLLCAST_CLIENT_TOKEN", WRONG)
    _, secret = make_share(server)

    assert scrollcast("cat", f"{url}#share={secret}")[0] == 0
    assert token_for(f"{url}#share={secret}", None) is None


def test_what_is_no_token_is_said_in_one_sentence(
    url: str, token_file: Path, scrollcast: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without what stands there."""
    token_file.chmod(0o644)
    status, _, err = scrollcast("cat", url, "--token-file", token_file)
    assert (status, f"chmod 600 {token_file}" in err, "a new one" in err) == (2, True, False)

    token_file.chmod(0o600)
    token_file.write_text("pass word")
    status, _, err = scrollcast("cat", url, "--token-file", token_file)
    assert (status, "there is no token in" in err, "pass word" in err) == (2, True, False)

    assert scrollcast("cat", url, "--token-file", token_file.with_name("none"))[0] == 2
    assert scrollcast("cat", str(SCROLL_ID), "--token-file", token_file)[0] == 2
    monkeypatch.setenv("SCROLLCAST_CLIENT_TOKEN", "pass word")
    status, _, err = scrollcast("cat", url)
    assert (status, "SCROLLCAST_CLIENT_TOKEN" in err, "pass word" in err) == (2, True, False)


@pytest.mark.parametrize(
    ("address", "is_warned"),
    [("http://replay.example", True), ("ws://192.0.2.1:8420", True), ("https://replay.example", False),
     ("http://127.0.0.1:8420", False), ("http://[::1]:8420", False), ("http://localhost", False)],
)  # fmt: skip
def test_plain_http_on_a_network_is_warned_of(
    address: str, is_warned: bool, token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever is between can read it."""
    assert token_for(f"{address}/sessions/{SCROLL_ID}", token_file) == TOKEN
    assert ("plain HTTP" in capsys.readouterr().err) is is_warned


@contextmanager
def listening(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A web server of one answer; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_arguments: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("scheme", ["ws", "http"])
def test_a_server_that_sends_us_on_does_not_have_the_token_sent_on(scheme: str) -> None:
    """Neither what is asked over HTTP nor the WebSocket shows it there; an address that makes no sense is refused."""
    seen: list[tuple[str, str | None]] = []

    def keep(request: BaseHTTPRequestHandler) -> None:
        seen.append((request.path.partition("?")[0], request.headers.get("authorization")))
        request.send_response(404)
        request.send_header("content-length", "0")
        request.send_header("connection", "close")
        request.end_headers()

    with listening(keep) as other:

        def lead_on(request: BaseHTTPRequestHandler) -> None:
            assert request.headers["authorization"] == f"Bearer {TOKEN}"
            request.send_response(307)
            is_socket = request.path.startswith("/ws/")
            to = other.replace("http", scheme) if is_socket else other
            request.send_header("location", f"{to}{request.path}")
            request.send_header("content-length", "0")
            request.send_header("connection", "close")
            request.end_headers()

        with listening(lead_on) as first:
            source = RemoteSource(f"{first}/sessions/{SCROLL_ID}", TOKEN)
            with pytest.raises(ReplayRefused):
                asyncio.run(source.session())

            async def play() -> None:
                async with source.connect():
                    pass

            with pytest.raises(ReplayError):
                asyncio.run(play())

    assert seen[0] == (f"/api/sessions/{SCROLL_ID}", None)
    assert seen[1:] == ([(f"/ws/sessions/{SCROLL_ID}", None)] if scheme == "ws" else [])
