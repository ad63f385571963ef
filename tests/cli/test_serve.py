from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest
from starlette.applications import Starlette
from websockets.exceptions import InvalidStatus

from archives import SCROLL_ID, write_document, write_session
from scrollcast.access.tries import MAX_TRIES
from scrollcast.cli import running
from scrollcast.cli.running import MAX_CONNECTIONS, _Server, allow_many_connections, serve_alone
from scrollcast.cli.serve import bind, make_config
from scrollcast.client import connect
from scrollcast.errors import SettingsError
from scrollcast.settings import PORTS_TRIED, Settings
from scrollcast.web.text_frames import TextFrameProtocol
from serving import PATIENCE_SECONDS, Child, child_environment, run_command, talk, until

STOP_SECONDS = 2.0
"""A server stops within so long, whoever is connected."""


@pytest.fixture
def archive(root: Path) -> Path:
    """An archive of one long, slow session."""
    write_session(root, talk(2000, 1000, pad=4000))
    return root


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody else listens, with free ones behind it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def get(address: str) -> httpx.Response:
    """An answer of a server at this address."""
    return httpx.get(address, trust_env=False)


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


# -------------------------------------------------------------------------------------------- starting and stopping


async def open_streams(child: Child, stack: AsyncExitStack, count: int) -> list[Any]:
    """Viewers of every kind."""
    server = await asyncio.to_thread(child.serving)
    queries: list[dict[str, Any]] = [{"paused": "true"}, {"mode": "realtime"}, {"window": 3}, {"paused": 1, "hold": 1}]
    clients = [await stack.enter_async_context(server.watch(**queries[n % 4])) for n in range(count)]
    for client in clients:
        await client.next()
    return clients


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_it_within_two_seconds_with_twenty_streams_open(
    archive: Path, tmp_path: Path, sign: signal.Signals
) -> None:
    """Exit status 0, nothing more on stdout, nothing on stderr; the viewers are told to come back."""
    with Child(tmp_path, "serve", archive, "--port", "0") as child:
        async with AsyncExitStack() as stack:
            clients = await open_streams(child, stack, 20)
            status, out, err, seconds = await asyncio.to_thread(child.stop, sign)
            for client in clients:
                await client.rest()

    assert (status, out, err) == (0, "", "")
    assert seconds < STOP_SECONDS
    assert {client.close_code for client in clients} <= {1001, 1012}


async def test_who_watches_is_told_where_to_go_on(archive: Path, tmp_path: Path) -> None:
    """By a notice before the close, which says 1012: nobody who waits for an event is in doubt what was next."""
    with Child(tmp_path, "serve", archive, "--port", "0") as child:
        async with AsyncExitStack() as stack:
            clients = await open_streams(child, stack, 8)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(child.stop, signal.SIGTERM)
            for client in clients:
                await client.rest()

    for client in clients:
        notice = client.log.messages[-1]
        assert (notice["type"], notice["code"]) == ("notice", "server_stopping")
        assert notice["epoch"] == client.hello["epoch"]
        assert notice["start_seq"] == client.log.next_seq
        assert client.close_code == 1012


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_client_goes_on_with_the_server_that_comes_after(
    root: Path, tmp_path: Path, how: signal.Signals
) -> None:
    """On the same port: every event once, with none in between left out."""
    write_session(root, talk(300, 10))
    seen: list[int] = []
    with Child(tmp_path, "serve", root, "--port", "0") as first:
        address = await asyncio.to_thread(first.address)
        url = f"{address}sessions/{SCROLL_ID}"
        port = address.rpartition(":")[2].strip("/")
        async with connect(url, mode="realtime", speed=2, batch=0) as replay:
            async for event in replay:
                seen.append(event.seq)
                if event.seq == 100:
                    await asyncio.to_thread(first.stop, how)
                    second = Child(tmp_path, "serve", root, "--port", port)
                    assert await asyncio.to_thread(second.address) == address
    with second:
        status, out, err, _ = second.stop()

    assert seen == list(range(300))
    assert (status, out, err) == (0, "", "")


async def test_it_stops_as_soon_with_a_client_that_does_not_read(archive: Path, tmp_path: Path) -> None:
    """What waits for it is dropped, without a word on stderr."""
    with Child(tmp_path, "serve", archive, "--port", "0") as child, socket.socket() as stalled:
        server = await asyncio.to_thread(child.serving)
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", server.port))
        path = server.replay_url().partition(str(server.port))[2]
        stalled.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        await asyncio.sleep(0.5)
        status, out, err, seconds = await asyncio.to_thread(child.stop)

    assert (status, out, err) == (0, "", "")
    assert seconds < STOP_SECONDS


STOPS = int(os.environ.get("SCROLLCAST_TORTURE_STOPS", "3"))
"""So often a server with very many clients is stopped; `make torture` does so more often."""

CLIENTS = 200


def leaving(port: int, path: str, number: int) -> socket.socket:
    """A client that is somewhere between its handshake and its end, and reads no more than it has to."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(
        f"GET {path}{('', '', '?mode=realtime', '?follow=true')[number % 4]} HTTP/1.1\r\nHost: localhost\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    if number % 4:
        assert client.recv(12) == b"HTTP/1.1 101"
    if number % 4 == 1:
        client.sendall(b"\x88\x82\x00\x00\x00\x00\x03\xe8")  # a close frame, whose answer waits behind the replay
    elif number % 8 == 2:
        client.close()
    return client


@pytest.mark.timeout(30 + 15 * STOPS)
@pytest.mark.parametrize("stop", range(STOPS))
def test_it_stops_in_good_order_while_very_many_clients_come_and_go(root: Path, tmp_path: Path, stop: int) -> None:
    """Whatever each of them is about; more signals than one, too, end it with status 0, and nothing on stderr."""
    write_session(root, talk(2000, 1000, pad=4000))
    with Child(tmp_path, "serve", root, "--port", "0") as child, ExitStack() as stack:
        server = child.serving()
        path = server.replay_url().partition(str(server.port))[2].rstrip("?")
        for number in range(CLIENTS):
            stack.enter_context(leaving(server.port, path, number))
        time.sleep((1 + stop % 10) / 20)
        for _ in range(1 + stop % 3):
            child.process.send_signal(signal.SIGTERM)
        status, out, err, seconds = child.stop(signal.SIGTERM)

    assert (status, out, err) == (0, "", "")
    assert seconds < 2 * STOP_SECONDS  # so many connections take a busy machine its time


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_right_after_the_address_stops_it(archive: Path, tmp_path: Path, sign: signal.Signals) -> None:
    """And any number of both after that, up to the very end of the process."""
    with Child(tmp_path, "serve", archive, "--port", "0") as child:
        assert child.address()
        child.process.send_signal(sign)
        while child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
            child.process.send_signal(signal.SIGINT)
            time.sleep(0.002)
        out, err = child.process.communicate()

    assert (child.process.returncode, out, err) == (0, "", "")


async def test_a_signal_that_comes_before_it_answers_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as it does; it used to break off where the signal came between its address and its first tick."""
    monkeypatch.setattr(running, "_leave", lambda: None)  # it would end this process, which goes on
    stopped: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        server.handle_exit(signal.SIGTERM, None)
        await send({"type": "lifespan.startup.complete"})
        stopped.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})

    before = signal.signal(signal.SIGTERM, lambda *_: None)  # which uvicorn raises once more at the end
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            server = _Server(make_config(app), "here", open_browser=False)  # type: ignore[arg-type]  # no Starlette
            await server.serve([listener])
    finally:
        signal.signal(signal.SIGTERM, before)

    assert stopped == ["lifespan.shutdown"]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_comes_before_uvicorn_takes_them_up_stops_it(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, sign: signal.Signals
) -> None:
    """It used to be forgotten."""
    stops: list[bool] = []

    def run(server: _Server, sockets: list[socket.socket]) -> None:
        signal.raise_signal(sign)
        stops.append(server.should_exit)

    monkeypatch.setattr(_Server, "run", run)
    monkeypatch.setattr(sys, "setswitchinterval", lambda _seconds: None)
    before = {caught: signal.getsignal(caught) for caught in (signal.SIGINT, signal.SIGTERM)}
    try:
        with socket.socket() as listener:
            serve_alone(Settings((root,), cache=cache), listener, "here")
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)

    assert stops == [True]


HANGING = """
import asyncio, sys
from scrollcast.cli import main
from scrollcast.stream.session_stream import SessionStream
from scrollcast.web import routes

async def hang(self):
    await asyncio.Event().wait()

SessionStream.run = hang
routes.events = hang
sys.exit(main())
"""


async def test_what_does_not_end_by_itself_is_broken_off_without_a_word(archive: Path, tmp_path: Path) -> None:
    """As where a machine is too busy to come to it: it is no mistake, and no traceback for each viewer."""
    with Child(tmp_path, "serve", archive, "--port", "0", start=("-c", HANGING)) as child:
        server = await asyncio.to_thread(child.serving)
        async with server.watch() as client, server.http() as http:
            asking = asyncio.create_task(http.get(f"/api/sessions/{SCROLL_ID}/events"))
            await asyncio.sleep(0.5)
            status, out, err, seconds = await asyncio.to_thread(child.stop, signal.SIGTERM)
            await client.rest()
            with contextlib.suppress(httpx.HTTPError):
                assert (await asking).status_code == 500

    assert (status, out, err) == (0, "", "")
    assert seconds < STOP_SECONDS


async def test_it_stops_while_secrets_are_still_taken_out(root: Path, tmp_path: Path) -> None:
    """Of a long session, for somebody who watches: the rest of it is waited for by nobody."""
    write_session(root, talk(60_000, 1000))
    with Child(tmp_path, "serve", root, "--port", "0", "--redact") as child:
        server = await asyncio.to_thread(child.serving)
        async with server.watch(batch=65_536) as client:
            await client.until("events")
            status, out, err, seconds = await asyncio.to_thread(child.stop, signal.SIGTERM)
            await client.rest()

    assert (status, out, err) == (0, "", "")
    assert seconds < STOP_SECONDS
    assert len(client.log.events) < 60_000


def test_stdout_is_the_address_and_nothing_else(archive: Path, tmp_path: Path) -> None:
    """It is said once, when the server answers."""
    with Child(tmp_path, "serve", archive, "--port", "0") as child:
        address = child.address()
        ready = get(address + "readyz")
        status, out, err, _ = child.stop()

    assert address.startswith("http://127.0.0.1:")
    assert ready.status_code in (200, 503)
    assert (status, out, err) == (0, "", "")


def answers(address: str) -> tuple[Any, Any, Any]:
    """What is the same whoever answers."""
    listed: Any = [
        (session["scroll_id"], session["title"]) for session in get(address + "api/sessions").json()["sessions"]
    ]
    session = f"{address}api/sessions/{listed[0][0]}"
    events = get(f"{session}/events?start_seq=1900").json()
    return listed, get(f"{session}/timeline").json(), events["events"]


def test_workers_share_a_port_and_answer_alike(archive: Path, tmp_path: Path) -> None:
    """The address is said once, for all of them; connections go to more than one."""
    with Child(tmp_path, "serve", archive, "--port", "0", "--workers", "2") as child:
        address = child.address()
        workers = psutil.Process(child.process.pid).children()
        port = int(address.rpartition(":")[2].strip("/"))
        first = answers(address)
        alike = [answers(address) == first for _ in range(10)]
        with ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            time.sleep(0.3)
            taken = [len([c for c in worker.net_connections() if c.status == "ESTABLISHED"]) for worker in workers]
        status, out, err, seconds = child.stop()

    assert all(alike)
    assert sum(taken) == 60
    assert len([count for count in taken if count]) > 1
    assert (status, out, err) == (0, "", "")
    assert seconds < STOP_SECONDS


def test_a_worker_that_dies_is_replaced(archive: Path, tmp_path: Path) -> None:
    """The others go on, and soon there are as many as there were."""
    with Child(tmp_path, "serve", archive, "--port", "0", "--workers", "2") as child:
        address = child.address()
        workers = [p for p in psutil.Process(child.process.pid).children() if p.net_connections()]
        workers[0].kill()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = [p for p in psutil.Process(child.process.pid).children() if p.is_running() and p.net_connections()]
            if len(found) == 2 and workers[0] not in found:
                break
            time.sleep(0.1)
        ready = get(address + "healthz")
        status, out, _err, _ = child.stop()

    assert len(found) == 2
    assert ready.status_code == 200
    assert (status, out) == (0, "")


def test_workers_count_wrong_tokens_together(archive: Path, tmp_path: Path) -> None:
    """Whichever of them a connection comes to, of an address there are no more than one process would look at."""
    with Child(tmp_path, "serve", archive, "--port", "0", "--auth", "--workers", "3") as child:
        root = child.address().partition("#")[0]
        headers = {"authorization": "Bearer wrong-but-long-enough-to-be-one"}
        got = [httpx.get(f"{root}api/sessions", headers=headers, trust_env=False).status_code for _ in range(30)]
        child.stop()

    assert got == [401] * MAX_TRIES + [429] * (30 - MAX_TRIES)


def test_workers_that_are_still_starting_can_be_stopped(archive: Path, tmp_path: Path) -> None:
    """They need not have answered first."""
    with Child(tmp_path, "serve", archive, "--port", "0", "--workers", "2") as child:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(psutil.Process(child.process.pid).children()) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        status, out, _err, _ = child.stop(signal.SIGTERM)

    assert (status, out) == (0, "")


def test_ctrl_c_while_workers_load_is_no_failure_of_theirs(archive: Path, tmp_path: Path) -> None:
    """At a terminal each of the processes gets it, and none of them says a word."""
    with Child(tmp_path, "serve", archive, "--port", "0", "--workers", "2") as child:
        manager = psutil.Process(child.process.pid)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(started := manager.children()) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)  # so that Python runs in them
        for process in started:
            process.send_signal(signal.SIGINT)
        time.sleep(0.5)  # so that it is seen when one ends of it
        status, out, err, _ = child.stop(signal.SIGINT)

    assert (status, out, err) == (0, "", "")


def test_workers_do_not_outlive_the_one_that_started_them(archive: Path, tmp_path: Path) -> None:
    """However it ended: they would hold the port."""
    with Child(tmp_path, "serve", archive, "--port", "0", "--workers", "2") as child:
        child.address()
        workers = psutil.Process(child.process.pid).children()
        child.process.kill()
        _gone, left = psutil.wait_procs(workers, PATIENCE_SECONDS)

    assert left == []


def sessions_of(home: Path, *arguments: str | Path, **environment: str) -> tuple[list[str], str]:
    """The titles of what it serves, and what it says."""
    with Child(home, "serve", "--port", "0", *arguments, **environment) as child:
        address = child.address()
        listed: list[Any] = get(address + "api/sessions").json()["sessions"]
        status, _out, err, _ = child.stop()
    assert status == 0
    assert all(session["error"] is None for session in listed)
    return sorted(session["title"] for session in listed), err


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A place of sessions in the home folder, with one that is called `Found`."""
    folder = tmp_path / ".local" / "share" / "scrollcast" / "sessions"
    write_document(folder, talk(3), scroll_id=UUID(int=7), title="Found")
    return folder


def test_where_there_is_nothing_it_serves_the_demo(tmp_path: Path) -> None:
    """And says so, on stderr."""
    titles, err = sessions_of(tmp_path)

    assert titles
    assert "serves the demo" in err
    assert err.count("\n") == 1


def test_without_a_path_it_serves_the_places(tmp_path: Path, place: Path) -> None:
    """Those of agents, and those of the variable."""
    write_document(tmp_path / "more", talk(3), scroll_id=UUID(int=8), title="More")

    assert sessions_of(tmp_path) == (["Found"], "")
    assert sessions_of(tmp_path, SCROLLCAST_PATHS=str(tmp_path / "more")) == (["Found", "More"], "")


def test_with_a_path_it_serves_only_that(tmp_path: Path, archive: Path, place: Path) -> None:
    """Unless the places are asked for too."""
    assert sessions_of(tmp_path, archive) == (["A session"], "")
    assert sessions_of(tmp_path, archive, "--discover") == (["A session", "Found"], "")


def test_what_it_keeps_it_serves_when_the_original_is_gone(tmp_path: Path, place: Path) -> None:
    """From the copy."""
    kept = tmp_path / ".local" / "share" / "scrollcast" / "kept"
    with Child(tmp_path, "serve", "--port", "0", "--keep") as child:
        child.address()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not list(kept.rglob("*.json")) and time.monotonic() < deadline:
            time.sleep(0.05)
        child.stop()
    shutil.rmtree(place)

    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert sessions_of(tmp_path) == (["Found"], "")


@pytest.mark.parametrize("variables", [{}, {"SCROLLCAST_KEEP": "1"}], ids=str)
def test_a_kept_folder_that_cannot_be_written_is_said(archive: Path, tmp_path: Path, variables: dict[str, str]) -> None:
    """With the variable that names another one."""
    (tmp_path / "file").write_text("")
    flags = [] if variables else ["--keep"]
    place = str(tmp_path / "file")

    said = refused(run_command(tmp_path, "serve", archive, *flags, SCROLLCAST_KEPT_DIR=place, **variables))

    assert place in said
    assert "SCROLLCAST_KEPT_DIR" in said


def test_a_taken_port_is_passed_over_and_said_so(archive: Path, tmp_path: Path, taken: int) -> None:
    """The next free one is used; the line on stdout has it."""
    with Child(tmp_path, "serve", archive, "--port", str(taken)) as child:
        address = child.address()
        health = get(address + "healthz")
        _, _, err, _ = child.stop()

    port = httpx.URL(address).port
    assert health.status_code == 200
    assert port is not None
    assert taken < port < taken + PORTS_TRIED
    assert err == f"scrollcast: port {taken} is taken; using {port}\n"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_the_ipv6_loopback_can_be_listened_on(archive: Path, tmp_path: Path) -> None:
    """Its address stands in brackets."""
    with Child(tmp_path, "serve", archive, "--port", "0", "--host", "::1") as child:
        address = child.address()
        health = get(address + "healthz")

    assert address.startswith("http://[::1]:")
    assert health.status_code == 200


def test_a_further_host_and_origin_can_be_allowed(archive: Path, tmp_path: Path) -> None:
    """Each flag may be repeated."""
    flags = ["--allow-host", "a.example", "--allow-host", "b.example", "--allow-origin", "https://c.example"]
    with Child(tmp_path, "serve", archive, "--port", "0", *flags) as child:
        address = child.address()
        answers = [
            httpx.get(address + "healthz", trust_env=False, headers=headers).status_code
            for headers in (
                {"host": "a.example"},
                {"host": "b.example:99"},
                {"origin": "https://c.example"},
                {"host": "d.example"},
            )
        ]

    assert answers == [200, 200, 200, 403]


def test_verbose_logs_on_stderr_only(archive: Path, tmp_path: Path) -> None:
    """What happens is told, on request; stdout stays clean."""
    with Child(tmp_path, "serve", archive, "--port", "0", "--verbose") as child:
        get(child.address() + "api/sessions")
        status, out, err, _ = child.stop()

    assert (status, out) == (0, "")
    assert "DEBUG" in err or "INFO" in err
    assert "Traceback" not in err


def test_the_cache_is_where_it_was_told(archive: Path, tmp_path: Path) -> None:
    """It is made where it is missing; nobody else may look into it."""
    place = tmp_path / "deep" / "cache"
    with Child(tmp_path, "serve", archive, "--port", "0", SCROLLCAST_CACHE_DIR=str(place)) as child:
        child.address()

    assert stat.S_IMODE(place.stat().st_mode) == 0o700


async def test_limits_can_be_set(archive: Path, tmp_path: Path) -> None:
    """A second stream, and a third connection, where there may be one and two."""
    with Child(tmp_path, "serve", archive, "--port", "0", "--max-streams", "1", "--max-connections", "2") as child:
        server = await asyncio.to_thread(child.serving)
        async with server.watch(paused="true") as one:
            await one.next()
            two = await server.replay()
            async with server.http() as http:
                health = await http.get("/healthz")  # keeps its connection
                with pytest.raises(InvalidStatus) as refused_with:
                    await server.replay()

    assert two.close_code == 4013
    assert health.status_code == 200
    assert refused_with.value.response.status_code == 503


def test_few_open_files_leave_fewer_connections(tmp_path: Path) -> None:
    """At least half of them, and no more than was asked for; the soft bound is raised where it may be."""
    code = """
import resource, sys
from scrollcast.cli.running import with_room_for_files
from scrollcast.settings import Settings
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
settings = with_room_for_files(Settings(max_connections=wanted, max_sessions=100))
print(settings.max_connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""

    def tried(*numbers: int) -> list[int]:
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, numbers)], capture_output=True, text=True, check=True,
            env=child_environment(tmp_path),
        )  # fmt: skip
        return [int(number) for number in done.stdout.split()]

    assert tried(256, 4096, 1000) == [1000, 4096]
    assert tried(256, 1024, 1000) == [668, 1024]
    assert tried(256, 300, 1000) == [150, 300]
    assert tried(2000, 4096, 100) == [100, 4096]


# --------------------------------------------------------------------------------------------------------- browser


def write_script(place: Path, *lines: str) -> Path:
    """A program of the shell."""
    place.write_text("\n".join(("#!/bin/sh", *lines, "")))
    place.chmod(0o755)
    return place


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    """A program that says something on both outputs, and writes down what it was called with."""
    new, called = tmp_path / "called.new", tmp_path / "called"
    return write_script(
        tmp_path / "browser", "echo noise", "echo noise >&2", f'echo "$@" >> {new}', f"mv {new} {called}"
    )


async def opened(tmp_path: Path) -> str:
    """What the browser was called with, once it was."""
    await until((tmp_path / "called").exists)
    return (tmp_path / "called").read_text().strip()


@pytest.mark.parametrize("flags", [["--open"], []])
async def test_the_browser_is_opened_at_the_address(
    archive: Path, tmp_path: Path, browser: Path, flags: list[str]
) -> None:
    """When asked, and where there is a screen; what it says is not ours to print."""
    screen = {} if flags else {"DISPLAY": ":9"}
    with Child(tmp_path, "serve", archive, "--port", "0", *flags, BROWSER=str(browser), **screen) as child:
        address = child.address()
        called = await opened(tmp_path)
        _, out, err, _ = child.stop()

    assert called == address
    assert (out, err) == ("", "")


@pytest.mark.parametrize(("flags", "display"), [(["--no-open"], ":9"), ([], "")])
async def test_the_browser_is_not_opened_unasked(
    archive: Path, tmp_path: Path, browser: Path, flags: list[str], display: str
) -> None:
    """Not with `--no-open`, nor where there is no screen."""
    environment = {"BROWSER": str(browser), "DISPLAY": display}
    with Child(tmp_path, "serve", archive, "--port", "0", *flags, **environment) as child:
        get(child.address() + "healthz")
        await asyncio.sleep(0.5)

    assert not (tmp_path / "called").exists()


async def test_a_browser_that_stays_holds_nothing_up(archive: Path, tmp_path: Path) -> None:
    """The server stops though the browser it opened is still there, and does not take it along."""
    new, called = tmp_path / "called.new", tmp_path / "called"
    script = write_script(tmp_path / "browser", f"echo $$ > {new}", f"mv {new} {called}", "exec sleep 20")
    with Child(tmp_path, "serve", archive, "--port", "0", "--open", BROWSER=str(script)) as child:
        child.address()
        pid = int(await opened(tmp_path))
        status, _out, _err, seconds = child.stop()
        os.kill(pid, signal.SIGTERM)  # an error where it is gone

    assert status == 0
    assert seconds < STOP_SECONDS


# --------------------------------------------------------------------------------------------- what cannot be served


def refused(completed: subprocess.CompletedProcess[str]) -> str:
    """The one sentence on stderr of a command that was refused."""
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr.startswith("scrollcast")
    assert completed.stderr.count("\n") == 1, completed.stderr
    assert "Traceback" not in completed.stderr
    return completed.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["nowhere"], "there is no file or folder nowhere"),
        (["x" * 5000], "cannot be looked at"),
        (["--port", "70000"], "--port 70000"),
        (["--port", "-1"], "--port -1"),
        (["--port", "many"], "--port"),
        (["--max-streams", "0"], "--max-streams 0"),
        (["--max-connections-of-address", "-3"], "--max-connections-of-address -3"),
        (["--max-commands", "many"], "--max-commands"),
        (["--compression", "gzip"], "--compression"),
        (["--host", "0.0.0.0"], "--host 0.0.0.0"),
        (["--host", "::"], "--host ::"),
        (["--host", "192.168.0.1"], "--host 192.168.0.1"),
        (["--host", "example.com"], "--host example.com"),
        (["--host", ""], "--host"),
        (["--allow-origin", "front.example"], "--allow-origin front.example"),
        (["--allow-origin", "https://front.example/path"], "--allow-origin"),
        (["--allow-origin", "http://[x"], "--allow-origin"),
        (["--allow-host", "https://front.example"], "--allow-host"),
        (["--unknown"], "--unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, flags: list[str], said: str) -> None:
    """On stderr, with exit status 2 and without a traceback."""
    assert said in refused(run_command(tmp_path, "serve", *flags))


@pytest.mark.parametrize("variable", ["SCROLLCAST_CACHE_DIR", "XDG_CACHE_HOME"])
def test_a_cache_that_cannot_be_written_is_said(archive: Path, tmp_path: Path, variable: str) -> None:
    """With the variable that names another one."""
    (tmp_path / "file").write_text("")
    said = refused(run_command(tmp_path, "serve", archive, **{variable: str(tmp_path / "file")}))

    assert str(tmp_path / "file") in said
    assert "SCROLLCAST_CACHE_DIR" in said


def test_nothing_is_served_where_no_port_is_free(monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    """After so many tries."""
    monkeypatch.setattr("scrollcast.cli.serve.PORTS_TRIED", 1)

    with pytest.raises(SettingsError, match=f"no port from {taken} to {taken} is free"):
        bind("127.0.0.1", taken)


def test_the_last_port_has_none_behind_it() -> None:
    """The search ends at 65535."""
    with contextlib.suppress(OSError), socket.socket() as listener:
        listener.bind(("127.0.0.1", 65_535))
        listener.listen()
        with pytest.raises(SettingsError, match="no port from 65535 to 65535"):
            bind("127.0.0.1", 65_535)


def test_the_server_is_set_up_as_the_protocol_has_it() -> None:
    """Messages in no more than the limit, our own WebSocket class, no compression of uvicorn's."""
    config = make_config(Starlette())

    assert config.ws is TextFrameProtocol
    assert config.ws_max_size == 65_536
    assert config.ws_per_message_deflate is False


def test_a_server_may_hold_as_many_connections_as_the_system_allows() -> None:
    """Not only those that a process is given unless it asks."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        allow_many_connections()
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert allowed == (MAX_CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, MAX_CONNECTIONS))
