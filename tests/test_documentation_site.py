"""What `make docs` makes a site of, and how it looks at what came of it; the site itself is made by `make docs`."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import documentation
from documentation import Problems, api_page, check, gather, pages, public_names, relinked
from serving import Child, child_environment

ROOT = Path(__file__).parents[1]


def named(nav: Any) -> list[str]:
    """The pages of a navigation, in order."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [name for part in parts for name in named(part)]


def slugs(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    without_code = re.sub(r"^(```+).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+)$", without_code, re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        count = sum(bool(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", known)) for known in found)
        found.add(f"{slug}-{count}" if count else slug)
    return found


def test_every_page_has_its_place_in_the_order_of_reading() -> None:
    """Once, and the navigation names no other."""
    project = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]

    assert sorted(named(project["nav"])) == sorted([*pages().values(), "api.md"])
    assert named(project["nav"])[:3] == ["index.md", "quick-start.md", "watching.md"]
    assert ROOT / project["docs_dir"] == documentation.GATHERED
    assert ROOT / project["site_dir"] == documentation.SITE


def test_every_link_leads_to_a_file(tmp_path: Path) -> None:
    """The pages are gathered without a problem, with what they link to, and every file is where the links say."""
    gather(tmp_path)

    text = (tmp_path / "quick-start.md").read_text()
    assert "](files/examples/clients/cat.c)" in text
    assert (tmp_path / "files" / "examples" / "clients" / "cat.c").is_file()
    assert "](quick-start.md)" in (tmp_path / "index.md").read_text()
    assert (tmp_path / "images" / "player.png").is_file()
    assert "](index.md#watch)" in (tmp_path / "terminal.md").read_text()


@pytest.mark.parametrize("source", pages())
def test_anchors_are_those_that_github_makes(source: str) -> None:
    """Of this page and of others."""
    wrong = []

    def look(target: str) -> str:
        path, _, anchor = target.partition("#")
        file = (ROOT / source).parent / path if path else ROOT / source
        if anchor and "://" not in target and anchor not in slugs(file.read_text()):
            wrong.append(target)
        return target

    relinked((ROOT / source).read_text(), look)

    assert wrong == []


def test_the_site_is_built_beside_the_libraries_that_are_tested() -> None:
    """Its lock has what the program needs in the same versions, and what it needs itself."""
    program, site = (
        set(re.findall(r"^(\S+==\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-docs.lock")
    )
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["docs"]

    assert program < site
    assert {re.split(r"[>=<]", name)[0] for name in wanted} <= {pin.partition("==")[0] for pin in site - program}


def test_links_in_code_are_left_alone() -> None:
    """In lines and in blocks, of whatever length the fence is."""
    text = "[a](x) `[b](x)` ``[c](x) ` ``\n\n````text\n```\n[d](x)\n````\n[e](x 'no') ![f](x \"title\")\n"

    assert relinked(text, lambda target: target.upper()) == text.replace("[a](x)", "[a](X)").replace(
        '![f](x "', '![f](X "'
    )


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the page that it is on."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(
        "[one](b.md) [two](../docs/a.md#x) [three](https://c.example/) [four](#here)"
    )
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(documentation, "ROOT", tmp_path)
    monkeypatch.setattr(documentation, "BESIDE", {})

    with pytest.raises(Problems) as raised:
        gather(tmp_path / "out")

    assert raised.value.found == ["docs/a.md: b.md leads to no file"]
    assert "[two](a.md#x) [three](https://c.example/) [four](#here)" in (tmp_path / "out" / "a.md").read_text()


def test_what_is_wrong_with_a_site_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and places that are not there, what is loaded from elsewhere, public names without an entry."""
    monkeypatch.setattr(documentation, "public_names", lambda: ["package.there", "package.missing"])
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "index.html").write_text('<h1 id="top">.</h1><a href="../index.html#known">.</a>')
    (tmp_path / "api.html").write_text('<h2 id="package.there">.</h2>')
    (tmp_path / "index.html").write_text(
        '<h1 id="known">.</h1><a href="more/">.</a><a href="more/#top">.</a><a href="#known">.</a><a href="#">.</a>'
        '<a href="https://elsewhere.example/">.</a><a href="lost.html">.</a><a href="more/#lost">.</a>'
        '<a href="../outside.html">.</a><img src="lost.png"><script src="https://elsewhere.example/x.js"></script>'
    )
    (tmp_path.parent / "outside.html").write_text("")

    assert check(tmp_path) == [
        "index.html: https://elsewhere.example/x.js is loaded from elsewhere",
        "index.html: lost.html leads to no file",
        "index.html: more/#lost leads to no such place",
        "index.html: ../outside.html leads to no file",
        "index.html: lost.png leads to no file",
        "api.html: package.missing is missing",
    ]


@pytest.mark.parametrize("name", public_names())
def test_every_public_name_has_a_docstring(name: str) -> None:
    """Which the page of the API is made of; a type that is only another's name says in the module what it is."""
    module, _, short = name.rpartition(".")
    found = getattr(import_module(module), short)

    assert f"\n::: {name}\n" in api_page()
    assert getattr(found, "__module__", "").startswith("scrollcast") or short == "Item"
    if short != "Item":
        assert inspect.getdoc(found)


def test_the_keys_are_those_of_the_page() -> None:
    """In the same words, and none is left out."""
    code = (ROOT / "static" / "shortcuts.js").read_text()
    page = (ROOT / "docs" / "watching.md").read_text().partition("## Keys")[2].partition("\n## ")[0]
    table = re.findall(r"^\| (`.+`) \| (.+) \|$", page, re.MULTILINE)
    shortcuts = re.findall(r"shown: \[(.+?)\], words: '([^']+)'", code)

    assert len(shortcuts) == code.count("{ action: '")
    assert [(re.findall(r"`([^`]+)`", keys), words) for keys, words in table] == [
        ([key.replace("\\\\", "\\") for key in re.findall(r"'([^']+)'", keys) if key != "…"], words)
        for keys, words in shortcuts
    ]


def test_the_programs_of_the_quick_start_run(tmp_path: Path) -> None:
    """The client sees the demo, and what the writer left is served."""
    reading, writing = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "quick-start.md").read_text(), re.M | re.S)
    with Child(tmp_path, "serve", ROOT / "archive_fixtures" / "demo", "--port", "0") as child:
        program = reading.replace("http://127.0.0.1:8420/", child.address()).replace(
            "speed=20, idle=1", "speed=100, idle=0.01"
        )
        read = _run(tmp_path, program)
    written = _run(tmp_path, writing)

    assert len(re.findall(r"^\d+ (?:user|assistant) ", read.stdout, re.MULTILINE)) == 87
    assert written.stdout == ""
    listed = subprocess.run(
        [sys.executable, "-m", "scrollcast", "list", "sessions"],
        env=child_environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "Fix the build" in listed.stdout


def _run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", program]
    return subprocess.run(line, env=child_environment(folder), cwd=folder, capture_output=True, text=True, check=True)
