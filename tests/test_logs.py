from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from archives import SCROLL_ID, write_session
from scrollcast.logs import Logging, _facts, add_facts
from serving import Child, child_environment, talk

WORD = "wisteria"
"""Stands in the session, in a command, and in the query of a request."""

TEXT_LINE = re.compile(r'(?:[a-z_]+=(?:[A-Za-z0-9_.:/+-]+|"(?:[^"\\]|\\.)*")(?: |$))+')

CODE = """
import logging, sys
from scrollcast.logs import Logging, add_facts, log_to_stderr
log_to_stderr(Logging(logging.INFO, sys.argv[1]))
add_facts(scroll_id="5ca1")
log = logging.getLogger("a.module")
log.info("two\\nlines of %s", '"words"', extra={"events": 3, "path": "/a b/\\x1b[31m\\u202e\\u00e4\\udc80"})
log.debug("not told")
logging.getLogger("uvicorn.error").info("a query")
try:
    raise KeyError("x")
except KeyError:
    log.exception("failed")
"""


def logged(tmp_path: Path, how: str) -> list[str]:
    """The lines that a process of its own logs."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, how], capture_output=True, check=True, env=child_environment(tmp_path)
    )
    return done.stderr.decode().splitlines()


def test_an_event_is_one_line_of_keys_and_values(tmp_path: Path) -> None:
    """Whatever stands in it: nothing makes a line, ends a value, moves a cursor or turns what follows around."""
    first, second = logged(tmp_path, "text")

    assert TEXT_LINE.fullmatch(first)
    assert 'level=INFO logger=a.module message="two\\nlines of \\"words\\"" scroll_id=5ca1 events=3' in first
    assert first.endswith('path="/a b/\\u001b[31m\\u202e\u00e4?"')
    assert TEXT_LINE.fullmatch(second)
    assert "KeyError: 'x'" in second


def test_an_event_is_one_object_as_json(tmp_path: Path) -> None:
    """With numbers as numbers."""
    first, second = map(json.loads, logged(tmp_path, "json"))

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "INFO", "logger": "a.module", "message": 'two\nlines of "words"', "scroll_id": "5ca1", "events": 3,
        "path": "/a b/\x1b[31m\u202e\u00e4?",
    }  # fmt: skip
    assert "KeyError" in second["exception"]


async def test_facts_are_those_of_a_task() -> None:
    """Of what it starts too, and of no other."""

    async def one(number: int) -> tuple[Any, Any]:
        add_facts(number=number)
        await asyncio.sleep(0)
        return _facts.get()["number"], await asyncio.to_thread(lambda: _facts.get()["number"])

    assert list(await asyncio.gather(one(1), one(2))) == [(1, 1), (2, 2)]
    assert "number" not in _facts.get()


def test_nothing_is_logged_unless_it_is_asked_for() -> None:
    """But warnings."""
    assert Logging() == Logging(logging.WARNING, "text")


async def talked_with(child: Child) -> Any:
    """A replay with commands of every kind, and requests that hold what must not be told."""
    server = await asyncio.to_thread(child.serving)
    async with server.watch(paused="true", epoch=WORD, token=WORD) as client:
        hello = await client.next()
        await client.send({"type": "control", "seek": {"event_id": WORD}})
        await client.send(WORD)
        await client.control(play=True)
        await client.rest()
    await server.replay("nobody", token=WORD)
    async with server.http() as http:
        headers = {"authorization": f"Bearer {WORD}", "cookie": f"token={WORD}"}
        for path in (f"/api/sessions?q={WORD}", f"/api/sessions/{SCROLL_ID}/events", f"/{WORD}", f"/?token={WORD}"):
            await http.get(path, headers=headers)
        for broken in (b"\x00\x01 " + WORD.encode(), b"GET / HTTP/1.1\r\nX: " + WORD.encode() * 4000):
            reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(broken + b"\r\n\r\n")
            with suppress(ConnectionError):  # it was cut off before it had sent all
                await reader.read()
            writer.close()
    return hello


@pytest.mark.parametrize("how", ["text", "json"])
async def test_a_server_logs_replays_by_their_ids_and_no_word_of_them(root: Path, tmp_path: Path, how: str) -> None:
    """With every detail on: neither what was said, nor asked, nor a header, nor a query."""
    write_session(root, [*talk(4), {**talk(1, first=4)[0], "content_md": WORD}])
    with Child(tmp_path, "serve", root, "--port", "0", "--log-level", "debug", "--log-format", how) as child:
        hello = await talked_with(child)
        status, out, err, _ = await asyncio.to_thread(child.stop)

    lines = err.splitlines()
    assert (status, out) == (0, "")
    assert WORD not in err
    if how == "json":
        told = [json.loads(line) for line in lines]
        end, _nobodys = [line for line in told if line["message"] == "a replay ends"]
        assert (end["replay_id"], end["scroll_id"], end["events"]) == (hello["replay_id"], str(SCROLL_ID), 5)
        assert {line.get("code") for line in told} == {None, "session_not_found"}
    else:
        assert all(TEXT_LINE.fullmatch(line) for line in lines), lines
        assert f"replay_id={hello['replay_id']}" in err


async def test_what_a_viewer_is_told_of_an_unknown_error_is_found_in_the_log(root: Path, tmp_path: Path) -> None:
    """By its id; where it happened stands there and not with the viewer."""
    (write_session(root, talk(5)) / "session.json").chmod(0o644)
    code = (
        "import scrollcast.web.routes as routes\n"
        "def fail(_): raise RuntimeError('/a/secret')\n"
        "routes.session_json = fail\n"
        "import sys; from scrollcast.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    with Child(tmp_path, "serve", root, "--port", "0", "--log-format", "json", start=("-c", code)) as child:
        address = await asyncio.to_thread(child.address)
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{address}api/sessions/{SCROLL_ID}")
        _, _, err, _ = await asyncio.to_thread(child.stop)

    (line,) = map(json.loads, err.splitlines())
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["detail"].split()[-1] == line["error_id"]
    assert "/a/secret" in line["message"]
