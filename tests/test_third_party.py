"""What is taken from others is listed with its licence: `THIRD-PARTY-LICENSES.md` against the files themselves."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VENDOR = ROOT / "static" / "vendor"
RULES = ROOT / "server" / "scrollcast" / "redaction" / "rules"
ENTRY = re.compile(
    r"^## (?P<name>\S+)\n\nVersion (?P<version>\S+), from (?P<source>npm|its repository), under (?P<licence>\S+), "
    r"in (?P<files>[^\n]+)\.\n\n(?P<fence>`{3,})text\n(?P<text>.*?)\n(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
IDENTIFIERS = {
    "MIT": "Permission is hereby granted, free of charge",
    "BSD-3-Clause": "Redistribution and use in source and binary forms",
}
"""Words that the whole text of a licence cannot be without."""


@dataclass(frozen=True)
class Entry:
    """What the page says of one thing."""

    version: str
    source: str
    licence: str
    files: tuple[str, ...]
    text: str


def entries() -> dict[str, Entry]:
    """Every entry of the page by the name that it is under."""
    page = (ROOT / "THIRD-PARTY-LICENSES.md").read_text()
    return {
        found["name"]: Entry(
            found["version"],
            found["source"],
            found["licence"],
            tuple(re.findall(r"`([^`]+)`", found["files"])),
            found["text"],
        )
        for found in ENTRY.finditer(page)
    }


def vendored() -> dict[str, set[tuple[str, str, str]]]:
    """Of every bundle, what its first line says is in it: names, versions, licences."""
    bundles = {}
    for path in sorted(VENDOR.rglob("*.js")):
        if path.name.startswith("LICENSE"):  # of highlight.js
            continue
        packages = re.findall(r"(\S+) (\d\S*) \(([^)]+)\)", path.read_text().split("\n", 1)[0])
        bundles[path.relative_to(ROOT).as_posix()] = set(packages)
    return bundles


def foreign_rules() -> dict[str, tuple[str, str, str, str]]:
    """Of every file of rules that is not ours, its name, version, licence and where that is."""
    rows = re.findall(r"^\| `(\S+)` \|.*\| (\S.*?) \| (\S.*?) \|$", (RULES / "README.md").read_text(), re.MULTILINE)
    assert {row[0] for row in rows} == {path.name for path in RULES.glob("*.toml")}
    found = {}
    for name, version, licence in rows:
        if licence != "as Scrollcast":
            identifier, text_file = licence.split(", ")
            found[f"server/scrollcast/redaction/rules/{name}"] = (
                Path(name).stem,
                version,
                identifier,
                text_file.strip("`"),
            )
    return found


@pytest.mark.parametrize(("file", "packages"), vendored().items())
def test_every_bundle_has_entries_for_all_that_is_in_it(file: str, packages: set[tuple[str, str, str]]) -> None:
    """Of the same versions and under the same licences, each with the text that lies beside the bundle."""
    listed = entries()
    folder = (ROOT / file).parent
    assert packages

    for name, version, licence in packages:
        entry = listed[name]
        text = folder / (f"LICENSE.{name.replace('/', '__')}" if len(packages) > 1 else "LICENSE")

        assert (entry.version, entry.licence, entry.source) == (version, licence, "npm")
        assert file in entry.files
        assert entry.text == text.read_text().strip().replace("\r", "")


def test_versions_are_those_of_the_lock() -> None:
    """And so are the licences."""
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    listed = {name: entry for name, entry in entries().items() if entry.source == "npm"}
    locked = {name: packages[f"node_modules/{name}"] for name in listed}

    assert listed
    assert {name: (entry.version, entry.licence) for name, entry in listed.items()} == {
        name: (package["version"], package["license"]) for name, package in locked.items()
    }


@pytest.mark.parametrize(("file", "facts"), foreign_rules().items())
def test_rules_of_others_have_entries(file: str, facts: tuple[str, str, str, str]) -> None:
    """With what the table beside them says."""
    name, version, licence, text_file = facts
    entry = entries()[name]

    assert (entry.version, entry.licence, entry.files) == (version, licence, (file,))
    assert entry.text == (RULES / text_file).read_text().strip()


def test_every_entry_is_of_something_that_is_there() -> None:
    """And has a licence that can be told to be whole."""
    named = {name for packages in vendored().values() for name, _, _ in packages}
    named |= {name for name, *_ in foreign_rules().values()}
    listed = entries()
    page = (ROOT / "THIRD-PARTY-LICENSES.md").read_text()

    assert set(listed) == named
    for name, entry in listed.items():
        assert IDENTIFIERS[entry.licence] in entry.text
        assert "Copyright" in entry.text
        assert all((ROOT / file).is_file() for file in entry.files)
        assert f"| {name} | {entry.version} | {entry.licence} |" in page


def test_nothing_else_lies_among_what_is_vendored() -> None:
    """A file that is no bundle, and so has no first line that says what it is, would be listed by nobody."""
    others = {path.relative_to(ROOT).as_posix() for path in VENDOR.rglob("*") if path.is_file()} - set(vendored())

    assert [path for path in others if not re.search(r"/(?:README\.md|LICENSE[^/]*|[^/]+\.d\.ts)$", path)] == []


def test_the_wheel_brings_every_licence() -> None:
    """By the patterns of `license-files`, which the source archive goes by too."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license-files"]
    taken = {path for pattern in patterns for path in ROOT.glob(pattern)}

    assert {ROOT / "LICENSE", ROOT / "THIRD-PARTY-LICENSES.md", *RULES.glob("*.LICENSE")} <= taken
    assert set(VENDOR.rglob("LICENSE*")) <= taken
