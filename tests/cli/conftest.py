from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scrollcast import settings
from scrollcast.archive import places
from scrollcast.cli import main

ELSEWHERE = ("APPDATA", "LOCALAPPDATA", "NO_COLOR", "COLUMNS", "TERM")
"""Variables of this machine's that would show in what is printed or looked at."""


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that the person who runs the tests has set is heeded."""
    for name in (*places.VARIABLES, *settings.VARIABLES, *ELSEWHERE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("TZ", "UTC")
    return folder


@pytest.fixture
def scrollcast(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process: its exit status, stdout and stderr."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as finished:
            status = int(finished.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run
