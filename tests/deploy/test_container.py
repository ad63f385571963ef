"""The Dockerfile, the compose file and what is left out of the build, held to the program; no image is built here."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest
import yaml

from archives import write_session
from scrollcast import cli
from scrollcast.archive import places
from scrollcast.settings import DEFAULT_PORT, VARIABLES
from serving import Child, talk

ROOT = Path(__file__).parents[2]
STATE = "/var/lib/scrollcast"


@dataclass(frozen=True)
class Instruction:
    """One line of the Dockerfile, however many it was written on."""

    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """What follows, of the form that is run without a shell."""
        found = orjson.loads(self.rest)
        assert isinstance(found, list)
        return found


def stages() -> list[list[Instruction]]:
    """The instructions of each stage; what is before the first is the first of these."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: list[list[Instruction]] = [[]]
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line:
            word, _, rest = line.partition(" ")
            if word == "FROM":
                found.append([])
            found[-1].append(Instruction(word, rest))
    return found


BEFORE, BUILD, IMAGE = stages()


def of(stage: list[Instruction], word: str) -> list[Instruction]:
    """All instructions of a kind."""
    return [instruction for instruction in stage if instruction.word == word]


def the(word: str, stage: list[Instruction] = IMAGE) -> Instruction:
    """The one instruction of a kind."""
    (found,) = of(stage, word)
    return found


def variables() -> dict[str, str]:
    """What the image sets."""
    return dict(pair.split("=", 1) for pair in the("ENV").rest.split())


def service() -> dict[str, Any]:
    """The one service of the compose file, with the defaults of its variables put in."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "compose.yaml").read_text())
    assert "$" not in text
    found: dict[str, Any] = yaml.safe_load(text)["services"]["scrollcast"]
    return found


def copied() -> set[str]:
    """What the build is given of the checkout."""
    return {path for copy in of(BUILD, "COPY") for path in copy.rest.split()[:-1]}


# ------------------------------------------------------------------------------------------------------- the image


def test_the_base_is_pinned_and_of_the_python_that_is_tested() -> None:
    """Both stages are of the same."""
    tested = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["python_version"]

    assert re.fullmatch(rf"PYTHON=python:{re.escape(tested)}\.\d+-slim-\w+", the("ARG", BEFORE).rest)
    assert the("FROM", BUILD).rest == "${PYTHON} AS build"
    assert the("FROM").rest == "${PYTHON}"


def test_dependencies_are_those_of_the_lock() -> None:
    """With their hashes, and nothing that pip would add by itself."""
    runs = " && ".join(run.rest for run in of(BUILD, "RUN"))
    installs = re.findall(r"pip install ([^&]+)", runs)

    assert [install.strip() for install in installs] == [
        "--require-hashes -r requirements.lock",
        "--no-deps wheels/scrollcast-*.whl",
    ]
    assert "pip wheel --no-deps" in runs
    assert not [run for run in of(IMAGE, "RUN") if "pip" in run.rest]


def test_the_build_is_given_all_that_the_wheel_is_made_of() -> None:
    """By what `pyproject.toml` names, and every file that is copied exists."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", project["project"]["readme"], project["tool"]["hatch"]["version"]["path"]}
    needed |= {*wheel["packages"], *wheel["force-include"], *wheel["shared-data"]}
    needed |= {path for path in project["project"]["license-files"] if "*" not in path}

    assert [path for path in needed if not any(f"{path}/".startswith(f"{given}/") for given in copied())] == []
    assert [path for path in copied() if not (ROOT / path).exists()] == []


def test_nothing_else_is_sent_to_the_build() -> None:
    """What is ignored is everything but what is copied, and what Python leaves behind."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied()
    assert [line for line in lines[1:] if not line.startswith(("!", "**/__pycache__", "**/*.py[cod]"))] == []
    assert fnmatch("module.pyc", "*.py[cod]")


def test_it_runs_as_nobody_in_particular() -> None:
    """The user is no root, and nothing is done as root afterwards."""
    arguments = dict(argument.rest.split("=") for argument in of(IMAGE, "ARG"))
    words = [instruction.word for instruction in IMAGE]

    assert the("USER").rest == "${USER_ID}:${GROUP_ID}"
    assert all(int(number) >= 1000 for number in arguments.values())
    assert "RUN" not in words[words.index("USER") :]
    assert "COPY" not in words[words.index("USER") :]


def test_signals_reach_the_server() -> None:
    """Nothing is started by a shell, and the signal is one that it stops at."""
    assert the("ENTRYPOINT").words == ["scrollcast"]
    assert the("CMD").words[0] == "serve"
    assert the("STOPSIGNAL").rest == "SIGTERM"


def test_all_that_is_written_lies_in_the_volume() -> None:
    """By variables that are read; the volume is the user's home too."""
    ours = {name: value for name, value in variables().items() if name.startswith(("SCROLLCAST_", "XDG_"))}
    named = ours.pop("SCROLLCAST_PATHS")
    runs = " ".join(run.rest for run in of(IMAGE, "RUN"))

    assert the("VOLUME").rest == STATE
    assert set(ours) == {"SCROLLCAST_CACHE_DIR", "XDG_DATA_HOME"}
    assert {*ours, "SCROLLCAST_PATHS"} <= {*VARIABLES, *places.VARIABLES}
    assert all(value.startswith(f"{STATE}/") for value in ours.values())
    assert f"install --directory {named}" in runs
    assert f"--home-dir {STATE}" in runs
    assert f"--mode=0700 {STATE}" in runs


def test_the_server_is_asked_on_the_port_that_it_listens_on() -> None:
    """By whoever looks at its health, and by the page's address."""
    arguments = cli._parser().parse_args(the("CMD").words)
    health = the("HEALTHCHECK").rest

    assert arguments.port == DEFAULT_PORT
    assert arguments.auth
    assert arguments.host == "0.0.0.0"
    assert arguments.public_url == f"http://localhost:{DEFAULT_PORT}"
    assert arguments.paths == []
    assert variables()["SCROLLCAST_PATHS"] == "/sessions"  # which the other verbs find, too
    assert the("EXPOSE").rest == str(DEFAULT_PORT)
    assert f"http://127.0.0.1:{DEFAULT_PORT}/readyz" in health


# ------------------------------------------------------------------------------------------------------ the service


def test_the_service_runs_what_the_image_does() -> None:
    """With arguments of the build that there are, and the time that the server needs to stop."""
    found = service()

    assert found["command"] == the("CMD").words
    assert set(found["build"]["args"]) == {argument.rest.split("=")[0] for argument in of(IMAGE, "ARG")}
    assert found["build"]["context"] == "."
    assert found["init"] is True


def test_the_service_may_write_nothing_but_its_state() -> None:
    """And has no right that it could use."""
    found = service()
    sessions, state = found["volumes"]

    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert [mount.split(":")[0] for mount in found["tmpfs"]] == ["/tmp"]
    assert (sessions["type"], sessions["target"], sessions["read_only"]) == ("bind", "/sessions", True)
    assert (ROOT / sessions["source"]).is_dir()
    assert state == f"state:{STATE}"
    assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & set(found)


def test_the_service_is_to_be_had_from_this_machine_alone() -> None:
    """Docker would else publish it to the network, past the machine's own rules."""
    assert service()["ports"] == [f"127.0.0.1:{DEFAULT_PORT}:{DEFAULT_PORT}"]


# ------------------------------------------------------------------------------------------------- as it would run


@pytest.fixture
def archive(root: Path) -> Iterator[Path]:
    """An archive that nobody may write to."""
    write_session(root, talk(5))
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield root
    for folder in folders:
        folder.chmod(0o755)


def test_the_command_of_the_image_serves_and_its_health_is_seen(tmp_path: Path, archive: Path) -> None:
    """With the image's variables, and the whole of its command but for the folders and the port."""
    paths = {name: value.replace(STATE, str(tmp_path)) for name, value in variables().items() if STATE in value}
    paths["SCROLLCAST_PATHS"] = str(archive)
    words = the("CMD").words
    health = orjson.loads(the("HEALTHCHECK").rest.partition("CMD ")[2])
    assert health[:2] == ["python", "-c"]

    with Child(tmp_path, *words, "--port", "0", "--log-level", "info", **paths) as child:
        assert child.address().startswith(f"http://localhost:{DEFAULT_PORT}/#login=")
        port = _port_of(child.process.pid)
        check = [sys.executable, "-c", health[2].replace(f":{DEFAULT_PORT}", f":{port}")]

        assert subprocess.run(check, capture_output=True).returncode == 0
        address = f"http://127.0.0.1:{port}/api/sessions"
        token = (tmp_path / "data" / "scrollcast" / "token").read_text().strip()
        assert httpx.get(address, trust_env=False).status_code == 401
        answer = httpx.get(address, trust_env=False, headers={"Authorization": f"Bearer {token}"})
        assert len(answer.json()["sessions"]) == 1

        status, _, _, _ = child.stop(signal.SIGTERM)

    assert status == 0
    assert subprocess.run(check, capture_output=True).returncode != 0


def _port_of(pid: int) -> int:
    """The port that a process listens on, which its address does not say behind `--public-url`."""
    (port,) = {found.laddr.port for found in psutil.Process(pid).net_connections("inet") if found.status == "LISTEN"}
    return int(port)
