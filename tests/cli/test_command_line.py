from __future__ import annotations

from pathlib import Path

import pytest

from scrollcast import __version__
from scrollcast.cli import listing, main, run, serve
from scrollcast.errors import ArchiveError, SettingsError
from serving import run_command


def status_of(*arguments: str) -> int:
    """The exit status of the command, run in this process."""
    try:
        return main(arguments)
    except SystemExit as finished:
        return int(finished.code or 0)


def test_the_module_can_be_run(tmp_path: Path) -> None:
    """`python -m scrollcast` is the same command, and says its own name."""
    completed = run_command(tmp_path, "--version")

    assert (completed.returncode, completed.stdout, completed.stderr) == (0, f"scrollcast {__version__}\n", "")


VERBS = ("serve", "list", "keep", "doctor")


@pytest.mark.parametrize("arguments", [["--help"], *([verb, "--help"] for verb in VERBS)], ids=str)
def test_help_documents_the_exit_status(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """For the command and for its verbs, on stdout."""
    status = status_of(*arguments)
    out, err = capsys.readouterr()

    assert (status, err) == (0, "")
    assert "exit status:\n  0 " in out
    for number in ("1", "2"):
        assert f"\n  {number}  " in out


@pytest.mark.parametrize(
    ("verb", "flags"),
    [
        ("serve", "PATH --discover --keep --no-keep --host --port --open --no-open --allow-host --allow-origin"),
        ("list", "PATH --discover --agent --project --model --after --before --errors --live -q --sort --limit --json"),
        ("keep", "SESSION --all"),
        ("doctor", "--json"),
    ],
)
def test_help_names_every_flag(verb: str, flags: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As the protocol and the refusals name them."""
    status_of(verb, "--help")
    out = capsys.readouterr().out

    assert all(flag in out for flag in flags.split())


@pytest.mark.parametrize("arguments", [[], ["dance"], ["--unknown"], ["serve", "--port"], ["serve", "--port", "1.5"]])
def test_a_command_line_that_cannot_be_read_is_told_in_one_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2; stdout stays empty."""
    status = status_of(*arguments)
    out, err = capsys.readouterr()

    assert (status, out) == (2, "")
    assert err.startswith("scrollcast")
    assert err.count("\n") == 1


def test_bad_settings_are_exit_status_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With the sentence of the error."""

    def refuse(*_given: object, **_named: object) -> None:
        raise SettingsError("that is wrong")

    monkeypatch.setattr(serve, "Settings", refuse)
    monkeypatch.setattr(serve, "usable_cache", Path)
    status = main(["serve"])

    assert status == 2
    assert capsys.readouterr().err == "scrollcast: that is wrong\n"


def test_ctrl_c_before_the_server_runs_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a traceback."""

    def interrupt() -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(serve, "usable_cache", interrupt)

    assert main(["serve"]) == 0


def test_a_session_that_cannot_be_read_is_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what the system said: whoever is at the terminal may see it."""

    def refuse() -> Path:
        raise ArchiveError("it is broken", "/some/file: I/O error")

    monkeypatch.setattr(listing, "usable_cache", refuse)

    assert main(["list"]) == 1
    assert capsys.readouterr().err == "scrollcast: it is broken /some/file: I/O error\n"


def test_the_console_script_exits_with_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """That `main` gives."""
    monkeypatch.setattr("sys.argv", ["scrollcast", "serve", "nowhere"])

    with pytest.raises(SystemExit) as caught:
        run()

    assert caught.value.code == 2
