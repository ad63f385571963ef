"""The command on a pseudo-terminal, as a person has it: what it draws, and how it leaves the terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

from archives import message, write_session
from serving import child_environment, command

PATIENCE_SECONDS = 30.0

EVIL = "\x1b]52;c;ZXZpbA==\x07\x1b]0;owned\x07\x1b[2J\x9b31m&#27;[6n"

TURNS = [
    message("m0", 0.0, "user", content_md=f"first question {EVIL}"),
    message("m1", 1.0, "assistant", content_md="first answer"),
    message("m2", 100.0, "user", content_md="second question"),
    message("m3", 101.0, "assistant", content_md=f"second answer {EVIL}"),
]


class Screen:
    """A terminal of our own, and the program that runs on it."""

    def __init__(self, home: Path, *arguments: str | Path) -> None:
        self.own, theirs = pty.openpty()
        self.resize(80, 24, tell=False)
        self.before = termios.tcgetattr(self.own)
        self.raw = b""
        self._screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self._screen)
        environment = child_environment(home, TERM="xterm-256color", COLORTERM="truecolor")
        self.process = subprocess.Popen(
            command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=home, close_fds=True,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(theirs)

    def resize(self, columns: int, rows: int, *, tell: bool = True) -> None:
        """Make the window another size."""
        fcntl.ioctl(self.own, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            self._screen.resize(rows, columns)
            self.process.send_signal(signal.SIGWINCH)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.own, keys.encode())

    @property
    def text(self) -> str:
        """What is to be seen."""
        return "\n".join(self._screen.display)

    def until(self, condition: Callable[[], object]) -> None:
        """Read what it draws until that holds."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < end, self.text
            self._read()

    def _read(self) -> None:
        if select.select([self.own], [], [], 0.05)[0]:
            try:
                data = os.read(self.own, 65536)
            except OSError:  # nobody has the other end any more
                return
            self.raw += data
            # pyte does not know the private modes' queries, nor kitty's keyboard.
            self._stream.feed(re.sub(rb"\x1b\[[<>=][0-9;]*u|\x1b\[\?[0-9;]*\$p|\x1b\[>[0-9;]*[mq]", b"", data))

    def until_over(self) -> int:
        """Read to its end; the exit status."""
        self.until(lambda: self.process.poll() is not None)
        for _ in range(5):
            self._read()
        assert self.process.returncode is not None
        return self.process.returncode


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    """The player with a short session, slow enough that nothing is over by itself."""
    folder = write_session(tmp_path / "sessions", TURNS, title="A title")
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))  # nobody is writing it any more
    screen = Screen(tmp_path, "play", folder, "--idle", "off")
    yield screen
    if screen.process.poll() is None:
        screen.process.kill()
        screen.process.wait()
    os.close(screen.own)


def is_left_as_it_was(screen: Screen) -> None:
    """The terminal shows the shell again, a cursor, no mouse, and lines as they are typed."""
    for mode in (b"1049", b"1000", b"1003", b"1006", b"2004"):
        assert screen.raw.rfind(b"\x1b[?" + mode + b"l") > screen.raw.rfind(b"\x1b[?" + mode + b"h"), mode
    assert screen.raw.rfind(b"\x1b[?25h") > screen.raw.rfind(b"\x1b[?25l")
    assert termios.tcgetattr(screen.own)[3] == screen.before[3]


def test_it_plays_obeys_and_leaves_the_terminal_as_it_was(screen: Screen) -> None:
    """From the first line to the last."""
    screen.until(lambda: "first answer" in screen.text and "▶ Playing" in screen.text)
    assert "A title" in screen.text
    assert "1:41" in screen.text
    screen.press(" ")
    screen.until(lambda: "Paused" in screen.text)
    screen.press("]")
    screen.until(lambda: "second question" in screen.text and "Turn 2/2" in screen.text)
    screen.press("\x1b[F")
    screen.until(lambda: "second answer" in screen.text)
    screen.press("\x1b[H")
    screen.until(lambda: "second answer" not in screen.text and " 0:00" in screen.text)
    screen.press("?")
    screen.until(lambda: "Play or pause" in screen.text)
    screen.press("x")
    screen.resize(50, 12)
    screen.until(lambda: len(screen.text.split("\n")) == 12 and "Paused" in screen.text.split("\n")[-1])
    screen.press("q")

    assert screen.until_over() == 0
    is_left_as_it_was(screen)


@pytest.mark.parametrize("how", ["Ctrl+C", "SIGTERM", "SIGHUP"])
def test_however_it_is_stopped_the_terminal_is_as_it_was(screen: Screen, how: str) -> None:
    """By the keyboard, or from outside."""
    screen.until(lambda: "first answer" in screen.text)
    if how == "Ctrl+C":
        screen.press("\x03")
    else:
        screen.process.send_signal(getattr(signal, how))

    assert screen.until_over() == 0
    is_left_as_it_was(screen)


def test_the_session_sends_the_terminal_nothing(screen: Screen) -> None:
    """No clipboard, no title, no question, nothing cleared: all that is sent is the player's own."""
    screen.until(lambda: "first answer" in screen.text)
    screen.press(" \x1b[F")
    screen.until(lambda: "second answer" in screen.text)
    screen.press("q")
    screen.until_over()

    assert not re.search(rb"52;c|owned|\xc2\x9b|\x1b\[2J|\x1b\[6n", screen.raw)


def test_what_cannot_be_played_is_said_in_a_sentence(tmp_path: Path) -> None:
    """On the terminal as it was."""
    folder = write_session(tmp_path / "sessions", TURNS)
    (folder / "messages.jsonl").unlink()
    screen = Screen(tmp_path, "play", folder)
    try:
        assert screen.until_over() == 1
        assert b"scrollcast: " in screen.raw
        assert b"Traceback" not in screen.raw
    finally:
        os.close(screen.own)
