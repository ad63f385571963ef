from __future__ import annotations

import signal
import tomllib
from pathlib import Path

import pytest

from scrollcast import __version__
from scrollcast.__main__ import INTERRUPTED, run
from scrollcast.cli import listing, main, serve
from scrollcast.errors import ArchiveError, SettingsError
from serving import PATIENCE_SECONDS, Child, run_command

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def console_script() -> str:
    """What an installer writes for the command."""
    module, _, name = tomllib.loads(PROJECT.read_text())["project"]["scripts"]["scrollcast"].partition(":")
    return f"import sys; from {module} import {name}; sys.exit({name}())"


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


@pytest.mark.parametrize("start", [("-m", "scrollcast"), ("-c", console_script())], ids=["module", "script"])
@pytest.mark.parametrize("loaded", ["signal", "orjson", "uvicorn", "scrollcast.cli"])
def test_ctrl_c_while_it_loads_ends_it_without_a_word(tmp_path: Path, start: tuple[str, ...], loaded: str) -> None:
    """As it ends any program that does nothing about it, whatever was just `loaded`."""
    with Child(tmp_path, "doctor", start=("-X", "importtime", *start)) as child:
        assert child.process.stderr is not None
        for line in child.process.stderr:
            if line.rpartition("|")[2].strip() == loaded:
                break
        child.process.send_signal(signal.SIGINT)
        said = [line for line in child.process.stderr if not line.startswith("import time:")]
        status = child.process.wait(PATIENCE_SECONDS)

    assert said == []
    # Between the first imports and the rest Python itself has it, and behind the last the command has.
    assert status in (-signal.SIGINT, *{"signal": [INTERRUPTED], "scrollcast.cli": [INTERRUPTED, 0]}.get(loaded, ()))


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
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as caught:
            run()
    finally:
        signal.signal(signal.SIGINT, before)

    assert caught.value.code == 2
