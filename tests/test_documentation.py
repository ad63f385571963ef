from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from scrollcast import cli, settings
from scrollcast.archive import places

ROOT = Path(__file__).parents[1]
PAGES = "\n".join(path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))


def verbs() -> dict[str, argparse.ArgumentParser]:
    """The parsers of all verbs."""
    actions = cli._parser()._actions
    (found,) = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found.choices)


def flags() -> list[str]:
    """Every flag of every verb but `--help`."""
    found = {flag for parser in verbs().values() for action in parser._actions for flag in action.option_strings}
    return sorted(found - {"-h", "--help"})


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_is_documented(verb: str) -> None:
    """With a line that shows how it is called."""
    assert re.search(rf"^(?:\$ )?scrollcast {verb}\b", PAGES, re.MULTILINE)


@pytest.mark.parametrize("flag", flags())
def test_every_flag_is_documented(flag: str) -> None:
    """In the README or a page of `docs/`."""
    assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", PAGES)


@pytest.mark.parametrize("variable", [*places.VARIABLES, *settings.VARIABLES, "NO_COLOR"])
def test_every_variable_is_documented(variable: str) -> None:
    """In the README or a page of `docs/`."""
    assert f"`{variable}`" in PAGES or f"${variable}" in PAGES


@pytest.mark.parametrize("variable", [*places.VARIABLES, *settings.VARIABLES])
def test_every_variable_that_is_documented_is_read(variable: str) -> None:
    """By the modules that say so."""
    code = (ROOT / "server" / "scrollcast" / "settings.py").read_text() + Path(places.__file__).read_text()

    assert code.count(f'"{variable}"') > 1 or f'= "{variable}"' in code


@pytest.mark.parametrize("place", places.default_places({}, Path("/~"), "linux"), ids=lambda place: str(place.path))
def test_every_place_is_documented(place: places.Place) -> None:
    """As a person would write it."""
    shown = f"~{str(place.path).removeprefix('/~')}"

    assert shown in PAGES or shown.replace("opencode.db", "opencode*.db") in PAGES or shown.endswith("opencode/storage")


def test_the_tests_that_cover_the_threats_are_there() -> None:
    """Each row of the threat model names one, and all of them exist."""
    page = (ROOT / "docs" / "threat-model.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| threat", "| ---"))]
    named = [re.findall(r"`(tests/[\w/]+\.py)`", row) for row in rows]

    assert len(rows) > 20
    assert all(named)
    assert [path for paths in named for path in paths if not (ROOT / path).is_file()] == []


def test_every_metric_and_every_reason_of_readiness_is_documented() -> None:
    """And none that is not there."""
    page = (ROOT / "docs" / "operating.md").read_text()
    web = ROOT / "server" / "scrollcast" / "web"
    metrics = set(re.findall(r'"(scrollcast_\w+)"', (web / "metrics.py").read_text()))
    reasons = set(re.findall(r'return "(\w+)", f?"', (web / "readiness.py").read_text()))
    told = {name.removesuffix("_total") for name in re.findall(r"`(scrollcast_\w+)", page)}

    assert told == metrics
    assert set(re.findall(r"^\| `(\w+)` \|", page.partition("## Metrics")[0], re.MULTILINE)) == reasons
    assert len(reasons) == 7
