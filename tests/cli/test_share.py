from __future__ import annotations

import ssl
import stat
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect as open_socket

from archives import SCROLL_ID, write_session
from certificates import self_signed
from scrollcast.client.sync import connect
from scrollcast.errors import ReplayLost, ReplayRefused
from serving import Child, run_command, talk

TOKEN = "a-token-for-the-test-of-the-command"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose agent's place holds one session."""
    home = tmp_path / "home"
    write_session(home / ".local" / "share" / "scrollcast" / "sessions", talk(20, 1000))
    return home


def root_of(address: str) -> str:
    """The server's root, out of the link that it prints."""
    return address.partition("#")[0]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_command_makes_lists_and_withdraws_links(home: Path, workers: str) -> None:
    """To the server that runs; who watches by one is cut off, whichever worker serves it."""
    with Child(home, "serve", "--auth", "--port", "0", "--workers", workers) as child:
        root = root_of(child.address())
        made = run_command(home, "share", str(SCROLL_ID)[:8], "--expires", "1h", "--from", "0:05", "--to", "0:10")
        link = made.stdout.strip()
        assert link.startswith(f"{root}sessions/{SCROLL_ID}#share=scs_")
        assert "to withdraw it: scrollcast share --revoke " in made.stderr
        share_id = made.stderr.rpartition(" ")[2].strip()
        listed = run_command(home, "share", "--list").stdout
        assert listed.startswith(f"{share_id}  {SCROLL_ID}  open")
        assert "from 0:05 to 0:10" in listed
        assert "scs_" not in listed

        assert [event.seq for event in connect(link)] == [5, 6, 7, 8, 9, 10]
        replays = [connect(link, mode="realtime", speed=0.1, hold=True, patience=0) for _ in range(6)]
        for replay in replays:
            replay.__enter__()
        assert run_command(home, "share", "--revoke", share_id).returncode == 0
        for replay in replays:
            with pytest.raises(ReplayRefused) as caught:
                list(replay.items())
            assert caught.value.code == "unauthenticated"
        assert "withdrawn" in run_command(home, "share", "--list").stdout
        again = run_command(home, "share", "--revoke", share_id)
        assert (again.returncode, share_id in again.stderr) == (2, True)


def test_a_client_shows_a_token(home: Path) -> None:
    """In a header; without one, or with a wrong one, it is told why."""
    with Child(home, "serve", "--auth", "--port", "0", SCROLLCAST_TOKEN=TOKEN) as child:
        url = f"{root_of(child.address())}sessions/{SCROLL_ID}"
        assert len(list(connect(url, token=TOKEN))) == 20
        for token in (None, "another-token-than-the-right-one"):
            with pytest.raises(ReplayRefused) as caught:
                list(connect(url, token=token))
            assert caught.value.code == "unauthenticated"
        assert not (home / ".local" / "share" / "scrollcast" / "token").exists()


def test_the_token_is_nowhere_but_in_its_file(home: Path) -> None:
    """Not on stdout, not on stderr with everything that is logged, not in the list of processes."""
    with Child(home, "serve", "--auth", "--port", "0", "--verbose") as child:
        address = child.address()
        path = home / ".local" / "share" / "scrollcast" / "token"
        token = path.read_text().strip()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        root = root_of(address)
        code = address.rpartition("=")[2]
        with httpx.Client(base_url=root, trust_env=False) as http:
            cookie = http.post("/api/access", json={"token": code}).cookies
            for headers in ({"authorization": f"Bearer {token}"}, {"authorization": f"Bearer {token}x"}):
                http.get("/api/sessions", headers=headers)
        with open_socket(
            f"{root.replace('http', 'ws', 1)}ws/sessions/{SCROLL_ID}",
            subprotocols=["scrollcast.v1", f"scrollcast.token.{token}"],  # type: ignore[list-item]
            proxy=None,
        ) as socket:
            socket.recv()
        command = Path(f"/proc/{child.process.pid}/cmdline")
        assert not command.exists() or token not in command.read_text()
        status, out, err, _ = child.stop()

    assert status == 0
    assert "a replay begins" in err  # it was logged
    for secret in (token, code, *cookie.values()):
        assert secret not in out
        assert secret not in err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--host", "0.0.0.0"), "add --auth"),
        (("--public-url", "replay.example"), "--public-url"),
        (("--public-url", "https://replay.example/?x"), "--public-url"),
        (("--public-url", "https://replay.example/a", "--root-path", "/b"), "do not agree"),
        (("--trusted-proxy", "proxy.example"), "--trusted-proxy"),
        (("--trusted-proxy", "*"), "--trusted-proxy"),
        (("--ssl-keyfile", "key.pem"), "--ssl-certfile"),
        (("--ssl-certfile", "nothing.pem"), "nothing.pem"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(home: Path, flags: tuple[str, ...], said: str) -> None:
    """With what to do, and no traceback."""
    done = run_command(home, "serve", "--port", "0", *flags)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_token_that_others_can_read_stops_the_server(home: Path) -> None:
    """And the command that mends it is said."""
    path = home / ".local" / "share" / "scrollcast" / "token"
    path.write_text(TOKEN)
    path.chmod(0o644)
    done = run_command(home, "serve", "--auth", "--port", "0")

    assert (done.returncode, f"chmod 600 {path}" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [(), ("--list", "--revoke", "x"), ("x", "--list"), ("x", "--expires", "soon"), ("x", "--from", "late"),
     ("x", "--url", "replay.example"), ("x",), (str(SCROLL_ID)[:8],), ("--revoke", "nothing")],
)  # fmt: skip
def test_what_cannot_be_shared_is_said(home: Path, arguments: tuple[str, ...]) -> None:
    """A wrong flag, a session that there is not, a server that nobody knows of."""
    done = run_command(home, "share", *arguments)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_plain_http_on_a_network_is_said(home: Path) -> None:
    """It is served, with the token asked for; a TLS or public one is not warned of."""
    with Child(home, "serve", "--auth", "--host", "0.0.0.0", "--port", "0") as child:
        child.address()
        _, _, err, _ = child.stop()
    assert "plain HTTP" in err
    with Child(
        home, "serve", "--auth", "--host", "0.0.0.0", "--port", "0", "--public-url", "https://x.example"
    ) as child:
        assert child.address().startswith("https://x.example/#login=")
        _, _, err, _ = child.stop()
    assert "plain HTTP" not in err


def test_it_serves_over_tls(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link, the cookie and the WebSocket too; the client plays where it is told of the certificate."""
    certificate, key = self_signed(tmp_path)
    flags = ("--ssl-certfile", str(certificate), "--ssl-keyfile", str(key))
    with Child(home, "serve", "--auth", "--port", "0", *flags, SCROLLCAST_TOKEN=TOKEN) as child:
        root = root_of(child.address())
        trusted = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(base_url=root, verify=trusted, trust_env=False) as http:
            signed = http.post("/api/access", json={"token": TOKEN})
            assert signed.headers["set-cookie"].startswith("__Host-scrollcast-")
            assert "Secure" in signed.headers["set-cookie"]
            assert http.get("/api/sessions").json()["total"] == 1
        address = f"{root.replace('https', 'wss', 1)}ws/sessions/{SCROLL_ID}"
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        with open_socket(address, ssl=trusted, additional_headers=bearer, proxy=None) as socket:
            assert len(list(socket)) > 20
        with pytest.raises(ReplayLost, match=r"no connection to the server.*CERTIFICATE"):
            list(connect(address, token=TOKEN))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        page = f"{root}sessions/{SCROLL_ID}"
        seen = [[event.seq for event in connect(url, token=TOKEN, mode="fast")] for url in (address, page)]
        assert seen == [list(range(20))] * 2
    assert root.startswith("https://")
