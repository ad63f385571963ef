import json
import stat
from pathlib import Path

import pytest

from archives import SCROLL_ID, message, write_session
from serving import run_command

FIXTURES = Path(__file__).parents[2] / "archive_fixtures"


@pytest.fixture
def session(root: Path) -> Path:
    """A session of four messages."""
    return write_session(root, [message(f"m{number}", 30 * number) for number in range(4)])


@pytest.mark.parametrize(
    ("name", "flags", "begins"),
    [
        ("a.md", (), b"# A session"),
        ("a.MD", (), b"# A session"),
        ("a.cast", (), b'{"version":3'),
        ("a.jsonl", (), b'{"scrollcast":1'),
        ("a.html", (), b"<!doctype html>"),
        ("a", (), b"<!doctype html>"),
        ("a.html", ("--format", "markdown"), b"# A session"),
        ("a.md", ("--title", "Mine"), b"# Mine\n"),
    ],
)
def test_format_is_that_of_the_ending(
    tmp_path: Path, session: Path, name: str, flags: tuple[str, ...], begins: bytes
) -> None:
    """Unless a flag says otherwise; nothing goes to stdout."""
    done = run_command(tmp_path, "export", session, "-o", tmp_path / name, *flags)

    assert (done.returncode, done.stdout) == (0, "")
    assert f"to {tmp_path / name}" in done.stderr
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o600 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".a")) == []


def test_range_and_what_is_left_out(tmp_path: Path, session: Path) -> None:
    """As one asks for it."""
    done = run_command(
        tmp_path,
        "export",
        session,
        "-o",
        "-",
        "--format",
        "jsonl",
        "--from",
        "0:30",
        "--to",
        "60",
        "--leave-out",
        "meta",
    )

    assert done.returncode == 0
    assert [json.loads(line).get("message_id") for line in done.stdout.splitlines()] == [None, "m1", "m2"]


def test_session_is_named_in_any_way(tmp_path: Path) -> None:
    """By the file or folder that holds it, subagents included, or by the beginning of its id among the machine's."""
    files = sorted((FIXTURES / "claude_code").rglob("*.jsonl"))
    parents = [path for path in files if "subagents" not in path.parts]
    by_file = run_command(tmp_path, "export", parents[0], "-o", "-", "--format", "markdown")
    write_session(tmp_path / ".claude" / "projects", [message("m0")])
    by_id = run_command(tmp_path, "export", str(SCROLL_ID)[:6], "-o", "-", "--format", "markdown")

    assert by_file.stdout.startswith("# ")
    assert by_id.stdout.startswith("# A session")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--from", "x"), "--from x must be seconds, m:ss or h:mm:ss"),
        (("--from", "9", "--to", "1"), "the range ends before it begins"),
        (("--leave-out", "secrets"), "--leave-out: 'secrets' is none of thinking, tools, outputs"),
        (("--format", "pdf"), "argument --format: invalid choice: 'pdf'"),
        (("-o", "missing/a.md"), "missing/a.md cannot be written: No such file or directory"),
    ],
)
def test_bad_request_is_refused_in_a_sentence(
    tmp_path: Path, session: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    """With status 2, and without a file."""
    done = run_command(tmp_path, "export", session, "-o", "a.md", *arguments)

    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.md"))


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("deadbeef", "there is no session deadbeef"),
        ("./nowhere", "there is no file or folder"),
        (".", "no session is known in"),
    ],
)
def test_session_that_is_not_there(tmp_path: Path, named: str, sentence: str) -> None:
    """Says what to look at."""
    done = run_command(tmp_path, "export", named, "-o", "a.md")

    assert done.returncode == 2
    assert sentence in done.stderr


def test_folder_of_several_asks_for_one(tmp_path: Path) -> None:
    """Rather than taking any."""
    done = run_command(tmp_path, "export", FIXTURES / "demo", "-o", "a.md")

    assert done.returncode == 2
    assert "there are 2 sessions in" in done.stderr


def test_broken_session_is_an_error(tmp_path: Path, session: Path) -> None:
    """The file that was there stays as it was."""
    (session / "session.json").write_text("{oh")
    (tmp_path / "a.md").write_text("before")
    done = run_command(tmp_path, "export", session, "-o", "a.md")

    assert done.returncode == 1
    assert "not valid JSON" in done.stderr
    assert (tmp_path / "a.md").read_text() == "before"
