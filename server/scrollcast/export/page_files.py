"""The page's modules and styles, gathered so that they fit into one file.

A browser finds a module that stands in no file of its own by a name that an import map gives it, so each relative
specifier becomes such a name. Nothing else of a module is changed.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Final

__all__ = ["PREFIX", "gather_modules", "gather_styles"]

PREFIX: Final = "scrollcast/"
"""What a module's path is named by begins with."""

_SPECIFIER: Final = re.compile(
    r"""(?P<before>^[ \t]*(?:import|export)\b[^'"`;]*?\bfrom\s*|^[ \t]*import\s*|\bimport\(\s*)"""
    r"""(?P<quote>['"])(?P<path>\.{1,2}/[^'"\n]+)(?P=quote)""",
    re.MULTILINE,
)
"""A relative specifier in `import … from`, `export … from`, `import '…'` or `import('…')`."""

_STYLESHEET: Final = re.compile(r"""<link\b[^>]*\brel="stylesheet"[^>]*\bhref="[^"]*?([\w-]+\.css)\"""")


def gather_modules(static: Path, entry: str) -> dict[str, str]:
    """The source of a module and of every module that it leads to, by their names."""
    found: dict[str, str] = {}
    pending = [entry]
    while pending:
        path = pending.pop()
        if PREFIX + path not in found:
            source, needed = _with_names((static / path).read_text(encoding="utf-8"), path)
            found[PREFIX + path] = source
            pending += (each for each in needed if (static / each).is_file())
    return found


def _with_names(source: str, path: str) -> tuple[str, list[str]]:
    """A module's source with names in place of relative specifiers, and the paths that these lead to."""
    needed: list[str] = []

    def named(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), found["path"]))
        needed.append(target)
        return f"{found['before']}{found['quote']}{PREFIX}{target}{found['quote']}"

    return _SPECIFIER.sub(named, source), needed


def gather_styles(static: Path) -> str:
    """The page's styles, in the order in which the page asks for them."""
    page = (static / "index.html").read_text(encoding="utf-8")
    return "\n".join((static / name).read_text(encoding="utf-8") for name in _STYLESHEET.findall(page))
