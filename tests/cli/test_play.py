"""`scrollcast play` where the output goes to no terminal."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from archives import SCROLL_ID, message, write_session
from serving import run_command, serving_in_thread

Run = Callable[..., tuple[int, str, str]]

CALL = {
    "type": "tool_call",
    "call_id": "c",
    "name": "Bash",
    "kind": "execute",
    "title": None,
    "input": {"command": "make"},
}
RESULT = {
    "type": "tool_result",
    "call_id": "c",
    "output": [{"type": "text", "text": "\x1b[31mred\x1b[0m"}],
    "is_error": True,
}

TALK = [
    message("m0", 0.0, "user", content_md="the \x1b]52;c;ZXZpbA==\x07question"),
    message("m1", 60.0, "assistant", content_parts=[CALL]),
    message("m2", 64.0, "user", content_parts=[RESULT]),
    message("m3", 7200.0, "assistant", content_md="the **answer**"),
]


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A session of a question, a call that failed, and an answer."""
    return write_session(tmp_path / "sessions", TALK, title="A title", agent="Some Agent")


def test_it_prints_the_conversation_plainly(session: Path, scrollcast: Run) -> None:
    """All of it at once, in order, without anything that a terminal obeys."""
    status, out, err = scrollcast("play", session)

    assert (status, err) == (0, "")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", out)
    lines = [line.strip() for line in out.split("\n") if line.strip()]
    assert lines[0] == "A title"
    assert lines[1].startswith("❯ User")
    assert lines[2] == "▌ the question"
    assert lines[3].startswith("● Some Agent")
    assert lines[4] == "▸ Bash"
    assert lines[5] == "│ $ make"
    assert re.fullmatch(r"↳ Bash +✘ failed 4 s", lines[6])
    assert lines[7] == "┃ red"
    assert lines[8:] == ["the answer"]


def test_it_begins_where_it_is_told_to(session: Path, scrollcast: Run) -> None:
    """By recorded time; nothing is waited for unless that was asked for."""
    assert "the question" not in scrollcast("play", session, "--from", "1:00")[1]
    status, out, _ = scrollcast("play", str(SCROLL_ID)[:8], "--from", "1:00:00")
    assert (status, out) == (2, "")


def test_paced_it_tells_silences_that_were_cut(session: Path, scrollcast: Run) -> None:
    """As the player does."""
    out = scrollcast("play", session, "--speed", "100", "--idle", "0.1")[1]

    assert "⋯ 1 min of silence" in out
    assert "⋯ 1 h 58 min of silence" in out


def test_it_plays_from_a_server_too(session: Path, tmp_path: Path, scrollcast: Run) -> None:
    """And prints the same."""
    with serving_in_thread(session.parent, cache=tmp_path / "served") as server:
        status, out, err = scrollcast("play", f"{server.url}/sessions/{SCROLL_ID}#t=5")
        gone = scrollcast("play", f"{server.url}/sessions/{str(SCROLL_ID)[:-1]}0")

    assert (status, err) == (0, "")
    assert out == scrollcast("play", session)[1]
    assert gone[0] == 1
    assert "session_not_found" in gone[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--speed", "0"], "--speed must be a number from 0.1 to 100"),
        (["--speed", "nan"], "--speed must be a number from 0.1 to 100"),
        (["--idle", "0"], "--idle must be a number of seconds above 0"),
        (["--idle", "soon"], "--idle must be a number of seconds, or off"),
        (["--from", "tea"], "--from tea must be seconds, m:ss or h:mm:ss"),
        (["--max", "--reading"], "not allowed with argument"),
    ],
)
def test_what_makes_no_sense_is_refused(session: Path, scrollcast: Run, arguments: list[str], words: str) -> None:
    """With the flag's name."""
    status, out, err = scrollcast("play", session, *arguments)

    assert (status, out) == (2, "")
    assert words in err


@pytest.mark.parametrize("named", ["no-such-session", "/no/such/file", "http://127.0.0.1:1/elsewhere"])
def test_what_is_not_there_is_said(scrollcast: Run, named: str) -> None:
    """In one sentence."""
    status, out, err = scrollcast("play", named)

    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_server_that_is_not_there_is_said(scrollcast: Run) -> None:
    """At once."""
    status, _, err = scrollcast("play", f"http://127.0.0.1:1/sessions/{SCROLL_ID}")

    assert status == 1
    assert err.startswith("scrollcast: there is no connection to the server")
    assert err.count("\n") == 1


def test_other_verbs_do_not_load_what_draws_it(tmp_path: Path) -> None:
    """A server starts as fast as ever, and holds no more."""
    done = run_command(tmp_path, "list", PYTHONPROFILEIMPORTTIME="1")

    assert "scrollcast.cli.play" in done.stderr
    assert not re.search(r"\| +(rich|textual|markdown_it|pygments|scrollcast\.terminal)\b", done.stderr)
