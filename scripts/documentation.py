"""`python scripts/documentation.py`: the documentation as a site in `build/docs`, with every link looked at.

The pages are those that are read on GitHub: `docs/`, and what lies beside it at the top. They are gathered in
`build/docs-pages` with links that hold there, together with files that they link to and the page of the Python API,
which is made of the docstrings; then zensical makes the site of them, as `zensical.toml` says.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from posixpath import normpath
from typing import Final
from urllib.parse import unquote, urlsplit

ROOT: Final = Path(__file__).parents[1]
GATHERED: Final = ROOT / "build" / "docs-pages"
SITE: Final = ROOT / "build" / "docs"

BESIDE: Final = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "THIRD-PARTY-LICENSES.md": "third-party-licenses.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Pages that do not lie in `docs/`, and what they are called in the site."""

MODULES: Final = {
    "scrollcast.client": "Watch a session of a server: see [the Python client](client.md).",
    "scrollcast.client.sync": "The same for programs that do not await.",
    "scrollcast": "Replay sessions without a server, and [write them](writing.md).",
    "scrollcast.parts": "What a message that is written may be made of.",
}
"""The public modules in the order in which they are read, with a sentence on each."""

CODE: Final = re.compile(
    r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)`*~*$|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)", re.M | re.S
)
LINK: Final = re.compile(r"(?P<before>\]\()(?P<target>[^)\s]+)(?P<after>(?: \"[^\"]*\")?\))")


class Problems(Exception):
    """What is wrong with the documentation, a line each."""

    def __init__(self, found: list[str]) -> None:
        super().__init__("\n".join(found))
        self.found = found


# ---------------------------------------------------------------------------------------------------------- gathering


def pages() -> dict[str, str]:
    """Every page by its path in the checkout, and its name in the site."""
    return {**BESIDE, **{path.relative_to(ROOT).as_posix(): path.name for path in (ROOT / "docs").glob("*.md")}}


def relinked(text: str, change: Callable[[str], str]) -> str:
    """A page with the targets of its links changed, but for what is code."""
    found = []
    at = 0
    for code in CODE.finditer(text):
        found += [_relinked(text[at : code.start()], change), code[0]]
        at = code.end()
    return "".join([*found, _relinked(text[at:], change)])


def _relinked(text: str, change: Callable[[str], str]) -> str:
    return LINK.sub(lambda link: f"{link['before']}{change(link['target'])}{link['after']}", text)


def gather(folder: Path) -> None:
    """Put all pages, and what they link to, into an empty folder.

    Raises:
        Problems: a link leads nowhere.
    """
    known = pages()
    files: set[str] = set()
    wrong: list[str] = []
    for source, name in known.items():

        def change(target: str, source: str = source) -> str:
            parts = urlsplit(target)
            if parts.scheme or not parts.path:
                return target
            path = normpath(f"{Path(source).parent.as_posix()}/{unquote(parts.path)}")
            if path in known:
                return f"{known[path]}#{parts.fragment}" if parts.fragment else known[path]
            if not (ROOT / path).is_file():
                wrong.append(f"{source}: {target} leads to no file")
                return target
            files.add(path)
            return _place(path)

        (folder / name).write_text(relinked((ROOT / source).read_text(), change))
    for path in files:
        (folder / _place(path)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / _place(path))
    (folder / "api.md").write_text(api_page())
    if wrong:
        raise Problems(wrong)


def _place(path: str) -> str:
    """Where a file that a page links to lies in the site."""
    return path.removeprefix("docs/") if path.startswith("docs/") else f"files/{path}"


# ------------------------------------------------------------------------------------------------------ the Python API


def public_names() -> list[str]:
    """Every public name with its module, but the version: of each module functions first, and errors last."""
    return [f"{module}.{name}" for module in MODULES for name in sorted(_named(module), key=partial(_rank, module))]


def _named(module: str) -> list[str]:
    return [name for name in import_module(module).__all__ if name != "__version__"]


def _rank(module: str, name: str) -> tuple[int, str]:
    found = getattr(import_module(module), name)
    if not isinstance(found, type):
        return (0 if callable(found) else 1), name
    return (2 if issubclass(found, Exception) else 1), name


def api_page() -> str:
    """The page that has every public name; what stands in it for one is made into its docstring."""
    lines = [
        "# Python API",
        "",
        "Every public name. What is not on this page may change at any time. `scrollcast.__version__` is the version.",
    ]
    for module, words in MODULES.items():
        lines += ["", f"## {module}", "", words]
        for name in public_names():
            if name.rpartition(".")[0] == module:
                lines += ["", f"::: {name}"]
    return "\n".join([*lines, ""])


# ------------------------------------------------------------------------------------------------------ what came of it


class _Page(HTMLParser):
    """The anchors of a page, and where it leads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors = {""}
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element has."""
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon", "modulepreload", "preload"):
            self.loads.append(found["href"])
        elif "src" in found:
            self.loads.append(found["src"])


def check(site: Path) -> list[str]:
    """What is wrong with a site: links and anchors that lead nowhere, what is loaded from elsewhere, missing names."""
    found = {path: _Page(path.read_text()) for path in sorted(site.rglob("*.html"))}
    wrong = [
        problem
        for path, page in found.items()
        if path.name != "404.html"
        for problem in _wrong(site, path, page, found)
    ]
    api = found.get(site / "api.html")
    anchors = api.anchors if api else set()
    return wrong + [f"api.html: {name} is missing" for name in public_names() if name not in anchors]


def _wrong(site: Path, path: Path, page: _Page, found: dict[Path, _Page]) -> Iterator[str]:
    name = path.relative_to(site).as_posix()
    for target in page.loads:
        if urlsplit(target).netloc:
            yield f"{name}: {target} is loaded from elsewhere"
    for target in (*page.links, *page.loads):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        file = file / "index.html" if file.is_dir() else file
        if not file.is_file() or not file.is_relative_to(site):
            yield f"{name}: {target} leads to no file"
        elif file in found and unquote(parts.fragment) not in found[file].anchors:
            yield f"{name}: {target} leads to no such place"


def build() -> None:
    """Make the site anew.

    Raises:
        Problems: something is wrong with it; what came of it lies there all the same.
    """
    for folder in (GATHERED, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    GATHERED.mkdir(parents=True)
    gather(GATHERED)
    line = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    made = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    said = re.sub(r"\x1b\[[\d;]*m", "", made.stdout + made.stderr)
    if made.returncode:
        raise Problems([line for line in said.splitlines() if re.search(r"Warning:|Error|─\[", line)] or [said])
    wrong = check(SITE)
    if wrong:
        raise Problems(wrong)


def main() -> int:
    """Build it, and say what is wrong: the exit status."""
    try:
        build()
    except Problems as problems:
        print(*problems.found, sep="\n", file=sys.stderr)
        return 1
    print(f"{len(list(SITE.rglob('*.html')))} pages in {SITE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
