from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from archives import SCROLL_ID, message, write_session
from serving import Child, run_command

TOKEN = "ghp_" + "n4Vb9cXz2LkJ7hGf5DsA1qWe3rTy6uIoP0pM"
TEXT = f"{TOKEN} of PRJ-1234 in /home/marguerite/app"


@pytest.fixture
def session(root: Path) -> Path:
    """A session with a secret, a number that is one for its owner only, and a name."""
    return write_session(root, [message("m0", 0, content_md=TEXT)])


@pytest.mark.parametrize(
    ("flags", "left", "count"),
    [
        ((), "* of PRJ-1234 in /home/marguerite/app", 1),
        (("--redact",), "* of PRJ-1234 in /home/marguerite/app", 1),
        (("--redact-pattern", "PRJ-[0-9]+"), "* of * in /home/marguerite/app", 2),
        (("--redact-pattern", "PRJ-([0-9]+)", "--redact-names"), "* of PRJ-* in /home/*/app", 3),
        (("--no-redact", "--redact-names"), TEXT, 0),
    ],
)
def test_export_takes_out_what_is_asked_for(
    tmp_path: Path, session: Path, flags: tuple[str, ...], left: str, count: int
) -> None:
    """Secrets unless it is not; and says how many there were."""
    done = run_command(tmp_path, "export", session, "-o", tmp_path / "a.md", *flags)

    assert done.returncode == 0, done.stderr
    assert left in re.sub(r"\[redacted:[a-z-]+#[0-9a-f]{6}\]", "*", (tmp_path / "a.md").read_text())
    said = "1 secret in the session is" if count == 1 else f"{count} secrets in the session are"
    assert (f"{said} replaced by placeholders (--no-redact keeps them)" in done.stderr) is (count > 0)


def test_patterns_are_read_from_a_file_too(tmp_path: Path, session: Path) -> None:
    """One a line, and comments."""
    patterns = tmp_path / "patterns"
    patterns.write_text("# our projects\n\nPRJ-[0-9]+\n")
    done = run_command(
        tmp_path, "export", session, "-o", "-", "--format", "markdown", SCROLLCAST_REDACT_PATTERNS=str(patterns)
    )

    assert (done.returncode, "PRJ-1234" in done.stdout) == (0, False)
    assert "[redacted:own-pattern#" in done.stdout


@pytest.mark.parametrize("verb", ["serve", "export"])
@pytest.mark.parametrize(("pattern", "reason"), [("a(", "missing )"), ("x*", "matches where there is nothing")])
def test_pattern_that_cannot_be_used_is_named(
    tmp_path: Path, session: Path, verb: str, pattern: str, reason: str
) -> None:
    """In one sentence, before anything is done."""
    more = ("-o", tmp_path / "a.md") if verb == "export" else ("--no-open",)
    done = run_command(tmp_path, verb, session, *more, "--redact-pattern", pattern)

    assert (done.returncode, done.stdout) == (2, "")
    assert pattern in done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "a.md").exists()


def test_file_of_patterns_that_cannot_be_read_is_named(tmp_path: Path, session: Path) -> None:
    """As a pattern is."""
    done = run_command(tmp_path, "export", session, "-o", "-", SCROLLCAST_REDACT_PATTERNS="/nowhere/patterns")

    assert done.returncode == 2
    assert "SCROLLCAST_REDACT_PATTERNS: /nowhere/patterns cannot be read: No such file or directory" in done.stderr


@pytest.mark.parametrize(
    ("flags", "shown", "exported"),
    [((), True, False), (("--redact",), False, False), (("--no-redact",), True, True)],
)
def test_serve_shows_what_is_asked_for(
    tmp_path: Path, session: Path, flags: tuple[str, ...], shown: bool, exported: bool
) -> None:
    """On this machine, and in a document that is made there."""
    with Child(tmp_path, "serve", session, "--port", "0", "--no-open", *flags) as child:
        address = child.address().rstrip("/")
        api = f"{address}/api/sessions/{SCROLL_ID}"
        assert (TOKEN in httpx.get(f"{api}/events").text) is shown
        assert (TOKEN in httpx.get(f"{api}/export", params={"format": "markdown"}).text) is exported
