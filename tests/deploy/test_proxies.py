"""The proxies' files in `deploy/`, with the real proxies before a real server where these are on the machine."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.asyncio.client import connect

from archives import SCROLL_ID, write_session
from certificates import self_signed
from scrollcast import cli
from scrollcast.access.tries import MAX_TRIES
from scrollcast.settings import DEFAULT_PORT
from scrollcast.stream.wire import HEARTBEAT_SECONDS
from scrollcast.web.text_frames import WRITE_TIMEOUT
from serving import PATIENCE_SECONDS, Child, Client, talk
from web.doors import OWNER, TOKEN

DEPLOY = Path(__file__).parents[2] / "deploy"
GAP_MS: Final = 150
"""Between two events of the session that is watched."""

TEMPORARY: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
"""What nginx makes folders for."""


# -------------------------------------------------------------------------------------------- what the files say


def commands() -> list[tuple[str, list[str]]]:
    """Every `scrollcast serve` that a comment in a file gives, with the name of the file."""
    return [
        (path.name, found.split())
        for path in sorted(DEPLOY.iterdir())
        for found in re.findall(r"^#   scrollcast (serve .*)$", path.read_text(), re.MULTILINE)
    ]


@pytest.mark.parametrize(("name", "words"), commands())
def test_the_server_before_which_a_proxy_stands_is_the_one_it_asks(name: str, words: list[str]) -> None:
    """With flags that there are, the port that the file has, its host name and its path."""
    arguments = cli._parser().parse_args(words)
    address = httpx.URL(arguments.public_url)
    text = (DEPLOY / name).read_text() + (DEPLOY / "nginx.conf").read_text() * name.startswith("nginx")

    assert arguments.auth
    assert arguments.trusted_proxy == ["127.0.0.1"]
    assert f"127.0.0.1:{arguments.port}" in text
    assert name == "nginx-prefix.conf" or re.search(rf"^\s*(?:server_name )?{re.escape(address.host)}[ ;]", text, re.M)
    assert address.path == "/" or f" {address.path}/" in text


def test_every_file_has_a_command() -> None:
    """But the one that others include."""
    assert [name for name, _ in commands()] == ["Caddyfile", "Caddyfile", "nginx-prefix.conf", "nginx.conf"]


def test_a_replay_is_not_cut_off_by_a_proxy_before_the_server_does() -> None:
    """Whatever the server waits for is shorter than what nginx does."""
    text = (DEPLOY / "nginx-proxy.conf").read_text()
    seconds = dict(re.findall(r"^proxy_(read|send)_timeout (\d+)s;", text, re.MULTILINE))

    assert int(seconds["read"]) > 2 * HEARTBEAT_SECONDS
    assert int(seconds["send"]) > WRITE_TIMEOUT
    assert "proxy_buffering off;" in text


def test_the_page_shows_the_files_as_they_are() -> None:
    """Whoever copies from it gets what was tested."""
    page = (DEPLOY.parent / "docs" / "deployment.md").read_text()
    blocks = re.findall(r"<!-- deploy/(\S+) -->\n\n```\w*\n(.*?)```", page, re.DOTALL)

    assert {name for name, _ in blocks} == {path.name for path in DEPLOY.iterdir()}
    for name, block in blocks:
        assert block == (DEPLOY / name).read_text(), name


# ------------------------------------------------------------------------------------------- the proxies themselves


@dataclass(frozen=True)
class Proxied:
    """A server behind a proxy: where it is to be had, and the one that answers there."""

    host: str
    port: int
    path: str
    trusted: ssl.SSLContext
    child: Child

    @property
    def root(self) -> str:
        """The public address, without a slash at its end."""
        return f"https://{self.host}:{self.port}{self.path}"

    @contextmanager
    def http(self, **headers: str) -> Iterator[httpx.Client]:
        """A client that knows where the host is, as no name server does."""
        names = {"host": f"{self.host}:{self.port}", **headers}
        with httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}{self.path}", headers=names, verify=self.trusted, trust_env=False
        ) as client:

            def name_host(request: httpx.Request) -> None:
                request.extensions["sni_hostname"] = self.host

            client.event_hooks["request"] = [name_host]
            yield client

    @asynccontextmanager
    async def watch(self, headers: Mapping[str, str] = OWNER, **query: Any) -> AsyncIterator[Client]:
        """A viewer."""
        address = f"{self.root.replace('https', 'wss', 1)}/ws/sessions/{SCROLL_ID}?{httpx.QueryParams(query)}"
        async with connect(
            address, host="127.0.0.1", port=self.port, ssl=self.trusted, additional_headers=headers, proxy=None,
            ping_interval=None, close_timeout=1,
        ) as socket:  # fmt: skip
            yield Client(socket)


def found(name: str) -> str:
    """The program, else a skipped test; a variable of its name may say where it is."""
    path = os.environ.get(name.upper()) or shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not on this machine, nor named by {name.upper()}")
    return path


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def adapt(text: str, **changes: tuple[str, str]) -> str:
    """A file with other ports, names of files and such; each has to be in it."""
    for before, after in changes.values():
        assert before in text, before
        text = text.replace(before, after)
    return text


def nginx(folder: Path, ports: dict[str, int], certificate: Path, key: Path) -> list[str]:
    """The command line of nginx with our files, both hosts behind one port."""
    (folder / "snippets").mkdir()
    (folder / "snippets" / "scrollcast-proxy.conf").write_text((DEPLOY / "nginx-proxy.conf").read_text())
    text = re.sub(r"^ *listen \[::\].*\n", "", (DEPLOY / "nginx.conf").read_text(), flags=re.MULTILINE)
    pair = f"ssl_certificate {certificate}; ssl_certificate_key {key};"
    at_root = adapt(
        text,
        plain=("listen 80;", f"listen 127.0.0.1:{ports['plain']};"),
        secure=("listen 443 ssl http2;", f"listen 127.0.0.1:{ports['secure']} ssl http2;"),
        certificate=("ssl_certificate /etc/letsencrypt/live/replay.example/fullchain.pem;", pair),
        key=("ssl_certificate_key /etc/letsencrypt/live/replay.example/privkey.pem;", ""),
        server=(f"127.0.0.1:{DEFAULT_PORT}", f"127.0.0.1:{ports['replay.example']}"),
    )
    below = adapt((DEPLOY / "nginx-prefix.conf").read_text(), server=("http://scrollcast;", "http://prefixed;"))
    (folder / "nginx.conf").write_text(
        f"""
        {"user root;" if os.geteuid() == 0 else ""}
        daemon off; pid {folder}/nginx.pid; error_log stderr;
        events {{ }}
        http {{
          access_log off;
          {" ".join(f"{kind}_temp_path {folder}/{kind};" for kind in TEMPORARY)}
          {at_root}
          upstream prefixed {{ server 127.0.0.1:{ports["tools.example"]}; keepalive 16; }}
          server {{ listen 127.0.0.1:{ports["secure"]} ssl http2; server_name tools.example; {pair} {below} }}
        }}
        """
    )
    return [found("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, ports: dict[str, int], certificate: Path, key: Path) -> list[str]:
    """The command line of Caddy with our file."""
    at = f":{ports['secure']} {{\n\ttls {certificate} {key}\n"
    text = adapt(
        (DEPLOY / "Caddyfile").read_text(),
        root=("\nreplay.example {\n", f"\nreplay.example{at}"),
        below=("\ntools.example {\n", f"\ntools.example{at}"),
        server=(f"proxy 127.0.0.1:{DEFAULT_PORT}", f"proxy 127.0.0.1:{ports['replay.example']}"),
        other=(f"proxy 127.0.0.1:{DEFAULT_PORT + 1}", f"proxy 127.0.0.1:{ports['tools.example']}"),
    )
    options = (
        f"{{\n\tadmin off\n\thttp_port {ports['plain']}\n\thttps_port {ports['secure']}\n\tdefault_bind 127.0.0.1\n}}\n"
    )
    (folder / "Caddyfile").write_text(options + text)
    return [found("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxied(request: pytest.FixtureRequest, tmp_path: Path, root: Path) -> Iterator[Callable[[str], Proxied]]:
    """A proxy, and before what it stands: servers with a name of their own and below a path."""
    make: Callable[[Path, dict[str, int], Path, Path], list[str]] = request.param
    found(make.__name__)
    write_session(root, talk(20, GAP_MS))
    certificate, key = self_signed(tmp_path, "proxy", "DNS:replay.example,DNS:tools.example")
    trusted = ssl.create_default_context(cafile=str(certificate))
    ports = dict(zip(("plain", "secure", "replay.example", "tools.example"), free_ports(4), strict=True))
    folder = tmp_path / "proxy"
    folder.mkdir()
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with ExitStack() as stack:
        line = make(folder, ports, certificate, key)
        process = subprocess.Popen(line, env=environment, cwd=folder, stderr=subprocess.PIPE, text=True)
        stack.callback(process.communicate)
        stack.callback(process.terminate)

        def serve(host: str) -> Proxied:
            (words,) = (words for name, words in commands() if name == "Caddyfile" and f"https://{host}" in str(words))
            path = httpx.URL(words[words.index("--public-url") + 1]).path.rstrip("/")
            home = tmp_path / host
            home.mkdir()
            given = {"--port": str(ports[host]), "--public-url": f"https://{host}:{ports['secure']}{path}"}
            if "--port" not in words:
                words = [*words, "--port", ""]
            words = [given.get(before, word) for before, word in zip(["", *words], words, strict=False)]
            child = stack.enter_context(Child(home, *words, str(root), SCROLLCAST_TOKEN=TOKEN))
            assert child.address().startswith(f"https://{host}:{ports['secure']}{path}/#login=")
            server = Proxied(host, ports["secure"], path, trusted, child)
            _wait_for(server, process)
            return server

        yield serve


def _wait_for(server: Proxied, process: subprocess.Popen[str]) -> None:
    """Wait until the proxy answers."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[1]
        try:
            with server.http() as http:
                if http.get("/readyz").status_code == 200:
                    return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("the proxy does not answer")


HOSTS = pytest.mark.parametrize("host", ["replay.example", "tools.example"])
"""With a name of its own, and below a path."""


@HOSTS
def test_the_page_and_its_files_come(proxied: Callable[[str], Proxied], host: str) -> None:
    """With the headers that keep them safe, below the path, and over TLS alone."""
    server = proxied(host)
    with server.http() as http:
        page = http.get("/")
        source = re.search(r'src="(/[^"]+/main\.js)"', page.text)
        assert source is not None
        script = http.get(httpx.URL(f"https://127.0.0.1:{server.port}{source[1]}"))

        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert source[1].startswith(f"{server.path}/assets/")
        assert script.status_code == 200
        assert script.headers["content-type"].startswith("text/javascript")
        if server.path:
            led = http.get(httpx.URL(f"https://127.0.0.1:{server.port}{server.path}"))
            assert led.is_redirect
            assert led.headers["location"].endswith(f"{server.path}/")


@HOSTS
async def test_a_browser_is_signed_in_and_shares(proxied: Callable[[str], Proxied], host: str) -> None:
    """The cookie is for TLS and the path alone; a link is of the public address, and shows one session."""
    server = proxied(host)
    origin = f"https://{server.host}:{server.port}"
    with server.http(origin=origin) as http:
        assert http.get("/api/sessions").status_code == 401
        signed = http.post("/api/access", json={"token": TOKEN})
        name, _, value = signed.headers["set-cookie"].partition(";")[0].partition("=")
        http.headers["cookie"] = f"{name}={value}"
        listed = http.get("/api/sessions")
        made = http.post(f"/api/sessions/{SCROLL_ID}/shares", json={})

    assert "Secure" in signed.headers["set-cookie"]
    assert f"Path={server.path}/" in signed.headers["set-cookie"]
    assert name.startswith("__Host-") is not bool(server.path)
    assert [session["scroll_id"] for session in listed.json()["sessions"]] == [str(SCROLL_ID)]
    link, _, secret = made.json()["url"].partition("#share=")
    assert link == f"{server.root}/sessions/{SCROLL_ID}"
    with server.http(authorization=f"Bearer {secret}") as http:
        assert http.get(f"/api/sessions/{SCROLL_ID}").status_code == 200
        assert http.get("/api/sessions").status_code in (401, 403, 404)
    async with server.watch({"Authorization": f"Bearer {secret}"}) as client:
        assert (await client.rest()).messages[-1]["type"] == "end"


@HOSTS
async def test_events_come_when_they_are_due(proxied: Callable[[str], Proxied], host: str) -> None:
    """None of them waits in the proxy for the next; commands reach the server, and who shows nothing does not."""
    server = proxied(host)
    async with server.watch(mode="realtime") as client:
        times = []
        for count in range(1, 9):
            await client.read_events(count)
            times.append(time.monotonic())
        await client.control(seek={"t_ms": 0}, speed=100)
        seen = await client.rest()
    async with server.watch({}) as client:
        refused = await client.rest()

    distances = [later - earlier for earlier, later in pairwise(times)]
    # A busy machine is late now and then, a buffer always.
    assert sorted(distances)[len(distances) // 2] > GAP_MS / 2000
    assert (seen.gen, seen.seqs()) == (1, list(range(20)))
    assert seen.messages[-1]["type"] == "end"
    assert refused.messages[-1]["code"] == "unauthenticated"


def test_nobody_says_for_themselves_who_they_are(proxied: Callable[[str], Proxied]) -> None:
    """Wrong tokens are counted by the address that the proxy saw, whatever the request says."""
    server = proxied("replay.example")
    with server.http() as http:
        for number in range(MAX_TRIES + 1):
            wrong = {"authorization": f"Bearer wrong-{number}", "x-forwarded-for": f"192.0.2.{number}"}
            answer = http.get("/api/sessions", headers=wrong)

        assert answer.status_code == 429


async def test_a_server_that_stops_says_where_to_go_on(proxied: Callable[[str], Proxied]) -> None:
    """Through the proxy as well, which then answers for it."""
    server = proxied("replay.example")
    async with server.watch(mode="realtime") as client:
        await client.next()
        server.child.process.send_signal(signal.SIGTERM)
        seen = await client.rest()
    await asyncio.to_thread(server.child.process.wait, PATIENCE_SECONDS)  # it answers that it stops until it has
    with server.http() as http:
        answer = http.get("/readyz")

    assert "server_stopping" in [message.get("code") for message in seen.messages if message["type"] == "notice"]
    assert client.close_code == 1012
    assert answer.status_code == 502
