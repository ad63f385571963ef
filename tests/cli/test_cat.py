"""`scrollcast cat`: events as lines of JSON."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from archives import SCROLL_ID, JsonObject, at, join_lines, message, meta_event, write_session
from scrollcast.archive.archive import Archive
from serving import PATIENCE_SECONDS, Child, run_command, serving_in_thread, talk

Run = Callable[..., tuple[int, str, str]]

IGNORING = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from scrollcast.__main__ import run; run()"
"""What a shell without job control does to what it starts in the background."""

TOKEN = "ghp_" + "n4Vb9cXz2LkJ7hGf5DsA1qWe3rTy6uIoP0pM"


@pytest.fixture
def session(root: Path) -> Path:
    """Four messages, and an event beside them."""
    messages = [message(f"m{number}", 30 * number, content_md=f"≤ {number}") for number in range(4)]
    return write_session(root, messages, [meta_event("e0", 31)])


def lines(out: str) -> list[JsonObject]:
    """What was printed."""
    assert out.endswith("\n")
    return [orjson.loads(line) for line in out.splitlines()]


def ids(out: str) -> list[str]:
    """The ids of the events that were printed."""
    return [(line["event"].get("message") or line["event"]["meta_event"])["id"] for line in lines(out)]


@pytest.mark.parametrize("meta", [False, True])
def test_a_line_is_an_event_as_it_goes_over_the_wire(session: Path, scrollcast: Run, meta: bool) -> None:
    """Byte for byte."""

    async def events() -> list[str]:
        with Archive.open(session) as archive:
            index = await archive.open_index(SCROLL_ID, meta=meta)
            await index.finish()
            block = await index.read(0, index.count)
            return [bytes(block.event(seq)).decode() for seq in range(index.count)]

    status, out, err = scrollcast("cat", session, *(["--meta"] if meta else []))

    assert (status, err) == (0, "")
    assert out.splitlines() == asyncio.run(events())
    assert len(out.splitlines()) == 4 + meta


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--from", "0:30"), ["m1", "m2", "m3"]),
        (("--from", "0:30", "--to", "60"), ["m1", "m2"]),
        (("--from", "0:30", "--to", "60", "--meta"), ["m1", "e0", "m2"]),
        (("--to", "29.999"), ["m0"]),
        (("--to", "1:00:00"), ["m0", "m1", "m2", "m3"]),
    ],
)
def test_only_a_range(session: Path, scrollcast: Run, flags: tuple[str, ...], expected: list[str]) -> None:
    """Both ends included; numbers stay those of the session."""
    status, out, _ = scrollcast("cat", session, *flags)

    assert status == 0
    assert ids(out) == expected
    if "--meta" not in flags:
        assert [line["seq"] for line in lines(out)] == [int(name[1]) for name in expected]


def test_a_range_behind_the_end_is_empty(session: Path, scrollcast: Run) -> None:
    """And no mistake."""
    assert scrollcast("cat", session, "--from", "1:00:00") == (0, "", "")


def test_of_a_server_it_is_the_same(session: Path, tmp_path: Path, scrollcast: Run) -> None:
    """Whatever the way."""
    with serving_in_thread(session.parent, cache=tmp_path / "served") as server:
        there = scrollcast("cat", f"{server.url}/sessions/{SCROLL_ID}", "--meta", "--from", "1")
        gone = scrollcast("cat", f"{server.url}/sessions/{str(SCROLL_ID)[:-1]}0")

    assert there == scrollcast("cat", session, "--meta", "--from", "1")
    assert gone[:2] == (1, "")
    assert "session_not_found" in gone[2]


def test_secrets_are_taken_out_unless_told_otherwise(tmp_path: Path, root: Path, scrollcast: Run) -> None:
    """And it says that they were."""
    session = write_session(root, [message("m0", content_md=f"{TOKEN} of PRJ-1234")])

    _, out, err = scrollcast("cat", session, "--redact-pattern", "PRJ-[0-9]+")
    assert TOKEN not in out
    assert "PRJ-1234" not in out
    assert out.count("[redacted:") == 2
    assert "2 secrets" in err
    assert err.count("\n") == 1

    _, out, err = scrollcast("cat", session, "--no-redact")
    assert (TOKEN in out, err) == (True, "")


@pytest.mark.parametrize("start", [("-m", "scrollcast"), ("-c", IGNORING)])
def test_it_follows(tmp_path: Path, session: Path, start: tuple[str, ...]) -> None:
    """Each event is printed when it was written, and Ctrl+C ends it well, also where a shell had it ignored."""
    with Child(tmp_path, "cat", session, "--follow", start=start) as following:
        first = [following.line() for _ in range(4)]
        with (session / "messages.jsonl").open("ab") as file:
            file.write(join_lines([message("m4", 200)]))
        fifth = following.line()
        status, rest, err, _ = following.stop()

    assert ids("".join([*first, fifth])) == ["m0", "m1", "m2", "m3", "m4"]
    assert (status, rest, err) == (0, "", "")


def test_what_is_nested_deeply_is_printed(root: Path, scrollcast: Run) -> None:
    """More deeply than most encoders go."""
    nested: object = 1
    for _ in range(300):
        nested = [nested]
    session = write_session(root, [message("m0", metadata={"deep": nested})])

    status, out, err = scrollcast("cat", session)

    assert (status, err) == (0, "")
    assert json.loads(out)["event"]["message"]["metadata"] == {"deep": nested}


END_SECONDS = 5.0
"""Less than half of what it takes to take the secrets out of the session of the test."""


@pytest.mark.parametrize("verb", ["cat", "play"])
def test_ctrl_c_ends_it_though_nobody_reads(tmp_path: Path, root: Path, verb: str) -> None:
    """What was not taken by then is dropped."""
    session = write_session(root, talk(500, pad=2000))
    with Child(tmp_path, verb, session, "--follow") as following:
        assert following.line()
        time.sleep(0.5)  # until no more fits into the pipe
        following.process.send_signal(signal.SIGINT)
        status = following.process.wait(PATIENCE_SECONDS)
        _, err = following.process.communicate()

    assert (status, err) == (0, "")


def test_ctrl_c_ends_it_while_secrets_are_still_taken_out(tmp_path: Path, root: Path) -> None:
    """Which takes a long session minutes; nobody waits for the rest of it."""
    session = write_session(root, talk(60_000, 1000))
    with Child(tmp_path, "cat", session, "--follow") as following:
        assert following.line()
        status, out, err, took = following.stop()

    assert (status, err) == (0, "")
    assert out.count("\n") < 60_000 - 1
    assert took < END_SECONDS


def test_whoever_has_seen_enough_ends_it_quietly(tmp_path: Path, root: Path) -> None:
    """A pipe that is closed before all went through it."""
    session = write_session(root, [message(f"m{number}", number, content_md="x" * 10_000) for number in range(200)])
    with Child(tmp_path, "cat", session) as reader:
        first = reader.line()
        status, err = reader.hang_up()

    assert orjson.loads(first)["seq"] == 0
    assert (status, err) == (0, "")


@pytest.mark.parametrize("verb", ["cat", "play"])
@pytest.mark.parametrize("start", [("-m", "scrollcast"), ("-c", IGNORING)])
def test_whoever_has_seen_enough_ends_it_though_nothing_comes(
    tmp_path: Path, session: Path, verb: str, start: tuple[str, ...]
) -> None:
    """Whom it follows may say nothing for hours; `… | head -1` is done at once."""
    with Child(tmp_path, verb, session, "--follow", start=start) as following:
        assert following.line()
        time.sleep(1.0)  # so that all of it is out, and it waits
        status, err = following.hang_up()

    assert (status, err) == (0, "")


def test_it_tells_what_could_not_be_read(tmp_path: Path, root: Path) -> None:
    """On stderr, so that the output stays what it is."""
    session = write_session(root, [message("m0"), b"{broken", message("m1", 1)])
    with (session / "messages.jsonl").open("ab") as file:
        file.write(b'{"message_id":"m2","ts":"' + at(2).encode())

    done = run_command(tmp_path, "cat", session)

    assert done.returncode == 0
    assert ids(done.stdout) == ["m0", "m1"]
    assert "1 records could not be read" in done.stderr
    assert "half-written" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no-such-session"], "there is no session no-such-session"),
        (["{session}", "--from", "tea"], "--from tea must be seconds, m:ss or h:mm:ss"),
        (["{session}", "--from", "60", "--to", "30"], "--to: the range ends before it begins"),
        (["{session}", "--redact-pattern", "a("], "a("),
        (["http://127.0.0.1:1/sessions/x", "--redact"], "for the server to say"),
        (["http://127.0.0.1:1/sessions/x", "--no-redact"], "for the server to say"),
        (["http://127.0.0.1:1/sessions/x", "--redact-names"], "for the server to say"),
        (["http://127.0.0.1:1/elsewhere"], "is no address of a session"),
    ],
)
def test_what_makes_no_sense_is_refused(session: Path, scrollcast: Run, arguments: list[str], words: str) -> None:
    """In one sentence."""
    status, out, err = scrollcast("cat", *(argument.format(session=session) for argument in arguments))

    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_a_server_that_is_not_there_is_said(scrollcast: Run) -> None:
    """At once."""
    status, out, err = scrollcast("cat", f"http://127.0.0.1:1/sessions/{SCROLL_ID}")

    assert (status, out) == (1, "")
    assert err.startswith("scrollcast: there is no connection to the server")
