"""The systemd unit, held to the program, and to systemd where that is on the machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from scrollcast import cli
from scrollcast.archive.places import data_folder, default_places
from scrollcast.cli.running import MAX_CONNECTIONS, SHUTDOWN_SECONDS
from scrollcast.settings import cache_folder

UNIT = Path(__file__).parents[2] / "deploy" / "scrollcast@.service"
HOME = Path("/home/%i")

WORST_EXPOSURE = "15"
"""Tenths, of what systemd thinks of a service that needs the network and files of a user: 1.2 at present."""


def settings(name: str) -> list[str]:
    """Every value of a setting, in the order of the file."""
    lines = UNIT.read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]


def test_it_starts_a_server_that_asks_for_a_token() -> None:
    """Without a shell, and with whatever else somebody's own file says."""
    (line,) = settings("ExecStart")
    program, *words, options = line.split()

    assert program.endswith("/bin/scrollcast")
    assert options == "$OPTIONS"
    assert cli._parser().parse_args(words).auth


def test_the_options_that_its_comment_gives_are_understood() -> None:
    """As systemd splits them."""
    (line,) = [line for line in UNIT.read_text().splitlines() if "OPTIONS=" in line]

    assert cli._parser().parse_args(["serve", *line.partition("OPTIONS=")[2].split()]).public_url


def test_it_sees_every_place_where_agents_put_sessions() -> None:
    """And no more of the home folder, but for OpenCode's, whose keys are hidden."""
    bound = [path.removeprefix("-") for value in settings("BindReadOnlyPaths") for path in value.split()]
    own = data_folder({"HOME": str(HOME)})
    opencode = HOME / ".local" / "share" / "opencode"
    places = [place.path for place in default_places({}, HOME, "linux") if not place.path.is_relative_to(own)]

    assert {*bound} == {str(opencode if place.is_relative_to(opencode) else place) for place in places}
    assert settings("InaccessiblePaths") == [f"-{opencode}/auth.json"]
    assert settings("ProtectHome") == ["tmpfs"]


def test_it_writes_to_scrollcasts_own_folders_alone() -> None:
    """They are made as its comment says."""
    (bound,) = settings("BindPaths")
    home = {"HOME": str(HOME)}

    assert bound.split() == [str(cache_folder(home)), str(data_folder(home))]
    assert settings("ProtectSystem") == ["strict"]
    assert settings("ReadWritePaths") == []


def test_it_may_open_as_many_files_as_the_program_asks_for() -> None:
    """And has longer to stop than it takes."""
    assert settings("LimitNOFILE") == [str(MAX_CONNECTIONS)]
    assert int(settings("TimeoutStopSec")[0]) > 2 * SHUTDOWN_SECONDS


@pytest.fixture
def analyze() -> str:
    """The program that judges units."""
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not on this machine")
    return found


def test_systemd_understands_it(tmp_path: Path, analyze: str) -> None:
    """With a program that is there in place of ours; unknown settings are warned of."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/scrollcast/bin/scrollcast", "/bin/true"))
    answer = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True)

    assert (answer.returncode, answer.stderr) == (0, "")


def test_systemd_thinks_it_well_confined(analyze: str) -> None:
    """By its own measure."""
    version = subprocess.run([analyze, "--version"], capture_output=True, text=True).stdout.split()[1]
    if int(version) < 250:
        pytest.skip(f"systemd-analyze {version} judges only services that run")
    line = [analyze, "security", "--offline=true", f"--threshold={WORST_EXPOSURE}", "--no-pager", str(UNIT)]
    answer = subprocess.run(line, capture_output=True, text=True)

    assert answer.returncode == 0, answer.stdout
