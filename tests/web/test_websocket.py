from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from archives import SCROLL_ID, write_session
from scrollcast.errors import SlowClient
from scrollcast.stream import wire
from scrollcast.web import websocket as web_socket
from scrollcast.web.text_frames import WRITE_TIMEOUT
from serving import Client, Serving, ids, serving, talk

EVENTS = 60
BROKEN_ID = UUID("0b5e55ed-0000-4000-8000-00000000bad0")
UNREADABLE_ID = UUID("0b5e55ed-0000-4000-8000-00000000bad1")
NOBODY_ID = UUID("0b5e55ed-0000-4000-8000-000000000404")


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of a session that plays and of two that do not."""
    write_session(root, talk(EVENTS))
    (write_session(root, [], scroll_id=BROKEN_ID) / "session.json").write_text("{broken")
    (write_session(root, [], scroll_id=UNREADABLE_ID) / "messages.jsonl").unlink()
    async with serving(root, cache=cache) as server:
        yield server


def failing(error: Exception) -> Any:
    """A function that raises this, whatever it is called with."""

    def fail(*_given: object, **_named: object) -> None:
        raise error

    return fail


async def refused(client: Client) -> dict[str, Any]:
    """The `error` of a connection that got no `hello`."""
    log = await client.rest()
    assert [message["type"] for message in log.messages] == ["error"]
    return log.messages[0]


# ----------------------------------------------------------------------------------------------------- close codes


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("mode", "slow"),
        ("mode", ""),
        ("speed", "0.09"),
        ("speed", "101"),
        ("speed", "nan"),
        ("speed", "fast"),
        ("idle", "0"),
        ("idle", "-1"),
        ("idle", "inf"),
        ("start_ms", "-1"),
        ("start_ms", "1.5"),
        ("start_ms", "9" * 17),
        ("start_seq", "x"),
        ("start_seq", "٣"),
        ("paused", "yes"),
        ("meta", "2"),
        ("follow", "TRUE"),
        ("hold", ""),
        ("batch", "-1"),
        ("batch", "1048577"),
        ("window", "0"),
        ("preview", "1023"),
    ],
)
async def test_a_bad_parameter_is_named_and_closes_with_4501(server: Serving, parameter: str, value: str) -> None:
    """An `error` in place of `hello`, then the final code."""
    async with server.watch(**{parameter: value}) as client:
        error = await refused(client)

    assert (error["code"], error["parameter"], error["retryable"]) == ("bad_request", parameter, False)
    assert parameter in error["message"]
    assert client.close_code == 4501


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"start_ms": 1, "start_seq": 1}, "bad_request"),
        ({"start_seq": EVENTS + 1}, "position_out_of_range"),
        ({"start_seq": 2**53 - 1}, "position_out_of_range"),
    ],
)
async def test_a_start_that_cannot_be_closes_with_4501(server: Serving, query: dict[str, Any], code: str) -> None:
    """Two starts, and one beyond the end."""
    async with server.watch(**query) as client:
        error = await refused(client)

    assert (error["code"], error["retryable"]) == (code, False)
    assert client.close_code == 4501


async def test_a_position_beyond_the_end_with_the_same_epoch_is_4501(server: Serving) -> None:
    """A resume is no way around."""
    epoch = (await server.replay()).hello["epoch"]
    async with server.watch(start_seq=EVENTS + 1, epoch=epoch) as client:
        error = await refused(client)

    assert error["code"] == "position_out_of_range"
    assert client.close_code == 4501


@pytest.mark.parametrize("scroll_id", [NOBODY_ID, "nobody", "..%00", "x" * 3000])
async def test_an_unknown_session_closes_with_4504(server: Serving, scroll_id: UUID | str) -> None:
    """One that is no UUID too; what is said of it is short."""
    async with server.watch(scroll_id) as client:
        error = await refused(client)

    assert (error["code"], error["retryable"]) == ("session_not_found", False)
    assert len(error["message"]) < 200
    assert client.close_code == 4504


@pytest.mark.parametrize("scroll_id", [BROKEN_ID, UNREADABLE_ID])
async def test_a_broken_session_closes_with_4505(server: Serving, root: Path, scroll_id: UUID) -> None:
    """What is said names no path of the server."""
    async with server.watch(scroll_id) as client:
        error = await refused(client)

    assert (error["code"], error["retryable"]) == ("archive_error", False)
    assert str(root) not in error["message"]
    assert client.close_code == 4505


async def test_too_many_streams_close_with_4013(root: Path, cache: Path) -> None:
    """With the time after which to come back; a place that is free again is taken."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache, max_streams=2) as server:
        async with server.watch(paused="true") as one, server.watch(paused="true") as two:
            await one.next()
            await two.next()
            async with server.watch() as three:
                error = await refused(three)
        await server.until_streams(0)
        later = await server.replay()

    assert (error["code"], error["retryable"]) == ("too_many_streams", True)
    assert error["retry_after_ms"] > 0
    assert three.close_code == 4013
    assert later.close_code == 1000


async def test_a_hundred_bad_commands_in_a_row_close_with_1008(server: Serving) -> None:
    """Each of them is answered; a good one between starts the count anew."""
    async with server.watch(paused="true") as client:
        for _ in range(99):
            await client.send("bad")
        await client.control()
        for _ in range(100):
            await client.send("bad")
        await client.rest()

    assert len(client.log.of("error")) == 199
    assert client.close_code == 1008


@pytest.mark.parametrize("size", [65_537, 200_000])
async def test_a_message_over_the_limit_closes_with_1009(server: Serving, size: int) -> None:
    """`hello` says what the limit is."""
    async with server.watch(paused="true") as client:
        hello = await client.next()
        await client.send("x" * size)
        await client.rest()

    assert hello["limits"]["max_command_bytes"] == 65_536
    assert client.close_code == 1009


async def test_a_message_at_the_limit_is_taken(server: Serving) -> None:
    """A command padded to just so many bytes is obeyed."""
    text = '{"type":"control","request_id":"r"}'
    async with server.watch(paused="true") as client:
        await client.send(text + " " * (65_536 - len(text)))
        state = await client.until("state")

    assert state["request_id"] == "r"


async def test_an_unforeseen_error_closes_with_1011_and_shows_an_id_only(
    server: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The id is in the log, with the rest; the viewer sees no detail."""
    monkeypatch.setattr(wire, "encode_hello", failing(RuntimeError("secret at /home/me")))
    async with server.watch() as client:
        error = await refused(client)

    assert (error["code"], error["retryable"]) == ("internal_error", True)
    assert "secret" not in error["message"]
    error_id = error["message"].split()[-1]
    assert any(error_id in record.message and "secret" in record.message for record in caplog.records)
    assert client.close_code == 1011


async def test_an_error_in_the_middle_of_a_replay_is_told_too(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """The viewer may come back and resume."""
    async with server.watch(paused="true") as client:
        await client.next()
        monkeypatch.setattr(wire, "encode_state", failing(RuntimeError("broken")))
        await client.send({"type": "control"})
        error = await client.until("error")
        await client.rest()

    assert error["code"] == "internal_error"
    assert client.close_code == 1011


async def test_shutting_down_closes_every_stream_with_1001_or_1012(root: Path, cache: Path) -> None:
    """Whatever it is doing: clients come back and resume."""
    write_session(root, talk(EVENTS, 1000))
    queries: list[dict[str, Any]] = [{"paused": "true"}, {"mode": "realtime"}, {"hold": "true"}, {"window": 1}]
    async with AsyncExitStack() as stack:
        async with serving(root, cache=cache) as server:
            clients = [await stack.enter_async_context(server.watch(**query)) for query in queries]
            for client in clients:
                await client.next()
        async with asyncio.timeout(2):
            for client in clients:
                await client.rest()

    assert {client.close_code for client in clients} <= {1001, 1012}


@pytest.mark.parametrize("code", [1000, 1001, 3000])
async def test_a_client_that_closes_is_answered_in_kind(server: Serving, code: int) -> None:
    """Its close ends the stream, in the middle of anything."""
    async with server.watch(mode="realtime") as client:
        await client.next()
        await client.socket.close(code)
        await server.until_streams(0)

    assert client.close_code == code


# ------------------------------------------------------------------------------------------------------- handshake


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(None, None), (["scrollcast.v1"], "scrollcast.v1"), (["other", "scrollcast.v1", "more"], "scrollcast.v1")],
)
async def test_the_subprotocol_is_chosen_when_offered(
    server: Serving, offered: list[Subprotocol] | None, chosen: str | None
) -> None:
    """And a client that offers none is served too."""
    async with connect(server.replay_url(), subprotocols=offered, proxy=None) as socket:
        client = Client(socket)
        await client.rest()

    assert socket.subprotocol == chosen
    assert client.log.ids() == ids(EVENTS)


async def test_a_client_that_offers_only_other_subprotocols_is_refused_in_words(server: Serving) -> None:
    """HTTP 400, naming the one that is spoken."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(server.replay_url(), subprotocols=[Subprotocol("scrollcast.v9")], proxy=None)

    assert caught.value.response.status_code == 400
    assert b"scrollcast.v1" in bytes(caught.value.response.body or b"")


async def test_another_address_is_not_found(server: Serving) -> None:
    """It is a 404, not the 403 of a refusal."""
    with pytest.raises(InvalidStatus) as caught:
        await connect(server.replay_url().replace("/sessions/", "/nothing/"), proxy=None)

    assert caught.value.response.status_code == 404


async def test_the_last_of_a_repeated_parameter_counts_and_unknown_ones_do_not(server: Serving) -> None:
    """Also where the first would have been bad."""
    address = server.replay_url() + "start_seq=x&start_seq=50&nonsense=1&paused=&paused=0"
    async with connect(address, proxy=None) as socket:
        client = Client(socket)
        await client.rest()

    assert client.log.seqs() == list(range(50, EVENTS))


@pytest.mark.parametrize("written", ["upper", "braces", "urn"])
async def test_an_id_may_be_written_in_any_form_of_a_uuid(server: Serving, written: str) -> None:
    """It is looked up, not compared as text."""
    forms = {"upper": str(SCROLL_ID).upper(), "braces": f"{{{SCROLL_ID}}}", "urn": SCROLL_ID.urn}
    client = await server.replay(forms[written])

    assert client.hello["session"]["scroll_id"] == str(SCROLL_ID)
    assert client.log.ids() == ids(EVENTS)


# ------------------------------------------------------------------------------------------------------ plain ASGI


@pytest.fixture
async def plain_server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """The application behind uvicorn's own WebSocket class, as another ASGI server would run it."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache, ws=WebSocketsSansIOProtocol) as server:
        yield server


async def test_the_application_works_with_any_asgi_server(plain_server: Serving) -> None:
    """Without our extension of the scope: plays, obeys, refuses, survives a hang-up."""
    plain = await plain_server.replay(batch=2000)
    async with plain_server.watch(paused="true") as client:
        state = await client.control(seek={"seq": 40}, play=True)
        await client.rest()
    refused = await plain_server.replay(speed=0)
    async with plain_server.watch(mode="realtime") as gone:
        await gone.next()
        gone.abort()
    await plain_server.until_streams(0)

    assert plain.log.ids() == ids(EVENTS)
    assert state["seq"] == 40
    assert (plain.close_code, client.close_code, refused.close_code) == (1000, 1000, 4501)


def files_that_wait() -> set[str]:
    """Where the coroutines are that wait for replays, from the server to what the innermost of them waits for."""
    files = set()
    for task in asyncio.all_tasks():
        waiting: Any = task.get_coro()
        if waiting.__name__ == "run_asgi":
            while hasattr(waiting, "cr_code"):
                files.add(waiting.cr_code.co_filename)
                waiting = waiting.cr_await
    return files


async def test_the_layers_of_the_application_return_once_a_viewer_is_let_in(server: Serving) -> None:
    """Each of them would hold a coroutine for as long as the replay lasts."""
    async with server.watch(mode="realtime", paused="true"):
        files = files_that_wait()
    assert any(file.endswith("scrollcast/stream/session_stream.py") for file in files)
    assert not any("starlette" in file for file in files)


async def test_on_another_asgi_server_they_wait(plain_server: Serving) -> None:
    """It knows of no other way to go on."""
    async with plain_server.watch(mode="realtime", paused="true"):
        files = files_that_wait()
    assert any(file.endswith("scrollcast/stream/session_stream.py") for file in files)
    assert any("starlette" in file for file in files)


async def test_a_slow_client_of_another_asgi_server_is_let_go_too(
    plain_server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server's own `send` waits for longer than the limit."""
    monkeypatch.setattr(web_socket, "WRITE_TIMEOUT", 0.1)
    sent = WebSocket.send_text

    async def stuck(socket: WebSocket, data: str) -> None:
        if '"seq":20,' in data:
            await asyncio.sleep(30)
        await sent(socket, data)

    monkeypatch.setattr(WebSocket, "send_text", stuck)
    client = await plain_server.replay()

    assert client.log.ids() == ids(20)
    assert client.close_code == 4008


def test_the_write_timeout_is_the_protocols() -> None:
    """Thirty seconds, and the error says so."""
    assert WRITE_TIMEOUT == 30
    assert "30 s" in str(SlowClient(WRITE_TIMEOUT))


async def test_nothing_is_logged_of_ordinary_replays(server: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a clean run, nor a client that hangs up, nor one that is refused is worth a warning."""
    with caplog.at_level(logging.WARNING):
        with pytest.raises(InvalidStatus):
            await connect(server.replay_url(), subprotocols=[Subprotocol("other")], proxy=None)
        await server.replay()
        async with server.watch(mode="realtime") as client:
            await client.next()
            client.abort()
        await server.until_streams(0)
        await server.replay(NOBODY_ID)

    assert caplog.records == []
