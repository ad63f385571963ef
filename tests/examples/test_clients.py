"""The clients in other languages, each against the real server; those that come back, over lines that are cut."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from playwright.async_api import async_playwright

from archives import SCROLL_ID, message, write_session
from browser.conftest import chromium
from cutting import Cutter
from scripted import UNATTENDED, playing
from serving import PATIENCE_SECONDS, Serving, ids, serving, talk

EXAMPLES = Path(__file__).parents[2] / "examples" / "clients"
COUNT = 300
PATH = f"/ws/sessions/{SCROLL_ID}"


@pytest.fixture
async def elsewhere() -> AsyncIterator[str]:
    """Another origin, with an empty page."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


@pytest.fixture
async def server(root: Path, cache: Path, elsewhere: str) -> AsyncIterator[Serving]:
    """A server of one session, which lets a page of the other origin in."""
    write_session(root, talk(COUNT))
    async with serving(root, cache=cache, allowed_origins=frozenset((elsewhere,))) as server:
        yield server


async def run(*words: str | Path, **environment: str) -> tuple[int | None, str, str]:
    """Run a program to its end: its exit status, stdout and stderr."""
    program = await asyncio.create_subprocess_exec(*words, stdout=PIPE, stderr=PIPE, env={**os.environ, **environment})
    async with asyncio.timeout(6 * PATIENCE_SECONDS):
        out, err = await program.communicate()
    return program.returncode, out.decode(), err.decode()


# ----------------------------------------------------------------------------------------------------------- Node

NODE = shutil.which("node") or str(Path(__file__).parents[2] / ".venv" / "bin" / "node")


async def test_node_prints_the_session(root: Path, server: Serving) -> None:
    """What was said and what was called, and how long nothing happened."""
    call = {"type": "tool_call", "call_id": "c", "name": "bash", "input": {"command": "ls"}}
    told = [message("one"), message("two", 70, "assistant", content_parts=[call]), message("three", 71, "assistant")]
    other = "0b5e55ed-0000-4000-8000-000000000009"
    write_session(root, told, scroll_id=UUID(other))
    status, out, err = await run(
        NODE, EXAMPLES / "play.mjs", f"ws://127.0.0.1:{server.port}/ws/sessions/{other}", "100"
    )
    assert (status, err) == (0, "")
    assert out == '00:00:00 user: one\n      … 70 s later\n00:01:10 bash {"command":"ls"}\n00:01:11 assistant: three\n'


async def test_node_comes_back(server: Serving) -> None:
    """Without a repeat or a hole."""
    cutter = Cutter(server.port, seed=1, longest=60_000)
    async with cutter.address() as address:
        status, out, _ = await run(NODE, EXAMPLES / "play.mjs", address, "100")
    said = [line.split(": message ")[1].strip() for line in out.splitlines() if ": message " in line]
    assert (status, said) == (0, [str(number) for number in range(COUNT) if number % 10 != 5])
    assert cutter.cuts > 0


async def test_node_says_why_it_stops(server: Serving) -> None:
    """Where there is no such session, and where nobody listens."""
    nobody = "0b5e55ed-0000-4000-8000-000000000404"
    status, _, err = await run(NODE, EXAMPLES / "play.mjs", f"ws://127.0.0.1:{server.port}/ws/sessions/{nobody}")
    assert (status, err) == (1, f"there is no session {nobody}\nclosed with 4504\n")
    status, _, err = await run(NODE, EXAMPLES / "play.mjs", "ws://127.0.0.1:9/ws/sessions/x")
    assert status == 1
    assert "ECONNREFUSED" in err


# -------------------------------------------------------------------------------------------------------------- C


@pytest.fixture(scope="module")
def cat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, where there is a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    program = tmp_path_factory.mktemp("c") / "cat"
    flags = ("-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror")
    assert os.spawnv(os.P_WAIT, compiler, [compiler, *flags, "-o", str(program), str(EXAMPLES / "cat.c")]) == 0
    return program


async def test_c_prints_every_message(server: Serving, cat: Path) -> None:
    """From the greeting to the end."""
    status, out, err = await run(cat, "127.0.0.1", str(server.port), str(SCROLL_ID))
    messages = [orjson.loads(line) for line in out.splitlines()]
    events = [event for each in messages for event in each.get("events", [each] if each["type"] == "event" else ())]
    assert (status, err) == (0, "")
    assert [event["event"]["message"]["id"] for event in events] == ids(COUNT)
    assert (messages[0]["type"], messages[-1]["type"]) == ("hello", "end")


async def test_c_says_why_it_stops(server: Serving, cat: Path) -> None:
    """By its exit status, and the server's own words."""
    status, out, _ = await run(cat, "127.0.0.1", str(server.port), "nobody")
    assert status == 1
    assert orjson.loads(out)["code"] == "session_not_found"
    assert (await run(cat, "127.0.0.1", "9", "nobody"))[2] == "nobody listens there\n"


# ------------------------------------------------------------------------------------------------------------- Go

GO_PACKAGES = Path("/usr/share/gocode")
"""Where Debian has the packages of Go."""


@pytest.fixture(scope="module")
def tail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, where there is Go and the package for WebSockets."""
    go = shutil.which("go")
    if go is None or not (GO_PACKAGES / "src/github.com/gorilla/websocket").is_dir():
        pytest.skip("there is no Go here, or not its package gorilla/websocket; see scripts/find-go.sh")
    folder = tmp_path_factory.mktemp("go")
    where = {"GO111MODULE": "off", "GOPATH": str(GO_PACKAGES), "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
    words = [go, "build", "-o", str(folder / "tail"), str(EXAMPLES / "tail.go")]
    subprocess.run(words, env={**os.environ, **where}, check=True)
    return folder / "tail"


async def test_go_prints_what_is_there_and_what_is_added(root: Path, server: Serving, tail: Path) -> None:
    """Until it is stopped; and a line that is cut again and again costs it nothing."""
    cutter = Cutter(server.port, seed=3, longest=60_000)
    async with cutter.address() as address:
        program = await asyncio.create_subprocess_exec(tail, address, stdout=PIPE)
        assert program.stdout is not None
        try:
            lines = [await read_line(program.stdout) for _ in range(COUNT - COUNT // 10)]
            with (root / str(SCROLL_ID) / "messages.jsonl").open("ab") as file:
                file.write(orjson.dumps(message("late", 100, content_md="one more")) + b"\n")
            lines.append(await read_line(program.stdout))
        finally:
            program.kill()
            await program.wait()

    said = [line.split(" ", 3) for line in lines[:-1]]
    assert [int(words[3].split()[0]) for words in said] == [each for each in range(COUNT) if each % 10 != 5]
    assert said[1] == ["00:00:00", "assistant:", "message", "1 "]
    assert lines[-1] == "00:01:40 user: one more"
    assert cutter.cuts > 0


async def read_line(stream: asyncio.StreamReader) -> str:
    """The next line of a program, without its end."""
    async with asyncio.timeout(6 * PATIENCE_SECONDS):
        return (await stream.readline()).decode().rstrip("\n")


async def test_go_says_why_it_stops(server: Serving, tail: Path) -> None:
    """Where there is no such session, and where nobody listens."""
    nobody = "0b5e55ed-0000-4000-8000-000000000404"
    status, _, err = await run(tail, f"ws://127.0.0.1:{server.port}/ws/sessions/{nobody}")
    assert (status, err) == (1, f"there is no session {nobody}\nthe server has closed for good\n")
    status, _, err = await run(tail, "ws://127.0.0.1:9/ws/sessions/x")
    assert status == 1
    assert "connection refused" in err


# -------------------------------------------------------------------------------------------------------- browser

COLLECT = """async ([source, url, parameters]) => {
  const { replay } = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
  const seen = [];
  try {
    for await (const event of replay(url, parameters)) seen.push(event.event.message.id);
  } catch (problem) {
    seen.push(problem.message);
  }
  return seen;
}"""


async def in_a_page(origin: str, url: str, **parameters: Any) -> list[str]:
    """What the module gives a page of another origin."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = await browser.new_page()
        await page.goto(origin)
        seen: list[str] = await page.evaluate(COLLECT, [(EXAMPLES / "replay.js").read_text(), url, parameters])
        await browser.close()
        return seen


PLAY_ALL = """
import WebSocket from 'ws';
import { replay } from './examples/clients/replay.js';
globalThis.WebSocket = WebSocket;
const play = async ({ url, parameters }) => {
  const found = { seen: [], problem: null };
  try {
    for await (const { seq } of replay(url, parameters)) found.seen.push(seq);
  } catch (problem) {
    found.problem = problem.message;
  }
  return found;
};
console.log(JSON.stringify(await Promise.all(JSON.parse(process.argv[1]).map(play))));
"""


async def test_the_module_makes_of_the_vectors_what_it_should() -> None:
    """Those in which nothing is commanded: the events, how it ends, and where it goes on after a lost connection."""
    vectors = [vector for vector in UNATTENDED if vector.outcome and vector.outcome["end"] != "broken"]
    async with AsyncExitStack() as stack:
        addresses = [(await stack.enter_async_context(playing(vector)))[1] for vector in vectors]
        asked = [
            {"url": url, "parameters": vector.steps[0]["connect"]["parameters"]}
            for url, vector in zip(addresses, vectors, strict=True)
        ]
        status, out, err = await run(NODE, "--input-type=module", "-e", PLAY_ALL, orjson.dumps(asked).decode())

    assert (status, err) == (0, "")
    outcomes = [vector.outcome for vector in vectors if vector.outcome]
    problems = {"completed": None, "rewritten": "the session was rewritten"}
    assert dict(zip([vector.name for vector in vectors], orjson.loads(out), strict=True)) == {
        vector.name: {
            "seen": outcome["events"],
            "problem": problems.get(outcome["end"], outcome.get("code", "").replace("_", " ")),
        }
        for vector, outcome in zip(vectors, outcomes, strict=True)
    }


@pytest.mark.browser
async def test_a_page_gets_every_event(elsewhere: str, server: Serving) -> None:
    """From where it asks for them."""
    assert await in_a_page(elsewhere, f"ws://127.0.0.1:{server.port}{PATH}") == ids(COUNT)
    assert await in_a_page(elsewhere, f"ws://127.0.0.1:{server.port}{PATH}", start_seq=290) == ids(10, 290)


@pytest.mark.browser
async def test_a_page_comes_back(elsewhere: str, server: Serving) -> None:
    """Without a repeat or a hole."""
    cutter = Cutter(server.port, seed=2, longest=60_000)
    async with cutter.address() as address:
        assert await in_a_page(elsewhere, address, start_ms=20, batch=4096) == ids(COUNT - 2, 2)
    assert cutter.cuts > 0


@pytest.mark.browser
async def test_a_page_is_told_why_it_stops(elsewhere: str, server: Serving) -> None:
    """As an error that can be caught."""
    assert await in_a_page(elsewhere, f"ws://127.0.0.1:{server.port}/ws/sessions/nobody") == [
        "there is no session nobody"
    ]


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_each_is_short(path: Path) -> None:
    """Under a hundred lines: it is there to be read."""
    assert len(path.read_text().splitlines()) < 100
