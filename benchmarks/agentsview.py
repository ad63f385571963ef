"""The reference for a catalogue: `agentsview` of PyPI, which reads the same sessions into a database of its own.

It is installed on demand, into an environment of its own beside the corpora, unless `AGENTSVIEW` names one. It gets an
empty home, so that it finds nothing but the corpus, and says nothing to anybody.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.many_sessions import ManySessions
from benchmarks.report import KEPT_FOLDER

__all__ = ["NoReference", "Sync", "prepare", "sync"]

VERSION: Final = "0.46.1"

INSTALL_SECONDS: Final = 120.0
SYNC_SECONDS: Final = 900.0


class NoReference(Exception):
    """There is nothing to compare with; a sentence says why."""


@dataclass(frozen=True, slots=True)
class Sync:
    """One `agentsview sync --full`: how long it took, its processor time, and the sessions that it found."""

    seconds: float
    cpu_seconds: float
    count: int


def prepare(claude: Path, codex: Path, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command that reads these sessions into a new database in a folder, and the environment that it needs.

    Raises:
        NoReference: it cannot be installed.
    """
    home, data = folder / "home", folder / "data"
    home.mkdir(parents=True)
    data.mkdir()
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(home),
        "AGENTSVIEW_DATA_DIR": str(data),
        "AGENTSVIEW_NO_DAEMON": "1",
        "AGENTSVIEW_TELEMETRY_ENABLED": "0",
        "CLAUDE_PROJECTS_DIR": str(claude),
        "CODEX_SESSIONS_DIR": str(codex),
    }
    return [_command(), "sync", "--full"], environment


def sync(corpus: ManySessions, folder: Path) -> Sync:
    """Read everything into a new database.

    Raises:
        NoReference: it cannot be installed, or does not do it.
    """
    command, environment = prepare(corpus.claude, corpus.codex, folder)
    began, spent = time.monotonic(), _children_cpu()
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SYNC_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise NoReference(f"agentsview did not run: {problem}") from problem
    seconds = time.monotonic() - began
    found = re.search(r"Sync complete: (\d+) sessions", done.stdout)
    if done.returncode or not found:
        raise NoReference(f"agentsview did not sync: {(done.stderr or done.stdout)[-300:]}")
    return Sync(seconds, _children_cpu() - spent, int(found[1]))


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _command() -> str:
    if given := os.environ.get("AGENTSVIEW"):
        return given
    place = Path(tempfile.gettempdir()) / KEPT_FOLDER / f"agentsview-{VERSION}"
    command = place / "bin" / "agentsview"
    if not command.exists():
        _install(place)
    return str(command)


def _install(place: Path) -> None:
    print(f"installing agentsview {VERSION} in {place} ...", file=sys.stderr)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        venv.create(place, with_pip=True, clear=True)
        subprocess.run(
            [*pip, f"agentsview=={VERSION}"], check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
    except subprocess.CalledProcessError as problem:
        why = (problem.stderr or "").strip().splitlines()[-1:]
        raise NoReference(f"agentsview could not be installed: {' '.join(why)}") from problem
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise NoReference(f"agentsview could not be installed: {problem}") from problem
