"""The page's files, under addresses that name their content, so that a browser keeps them for good.

All of them stand below one digest of them all, `/assets/<digest>/…`. So the modules import each other by the names that
they have in `static/`, nothing is built, and no page ever mixes files of two versions.
"""

from __future__ import annotations

import gzip
import html
import mimetypes
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

__all__ = ["ASSET_HEADERS", "Asset", "Assets"]

ASSET_HEADERS: Final = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
"""A year, the longest that a cache honours (RFC 9111, 5.2.2.1); and never asked for again (RFC 8246)."""

DIGEST_CHARACTERS: Final = 16
"""64 bits: enough to tell versions apart; nobody gains by finding two that are alike."""

_IMPORT: Final = re.compile(r"""^(?:import|export)\b[^'"`;]*?\bfrom\s+['"](\.[^'"]+)['"]""", re.MULTILINE)
"""A static import of one of our modules. Those in comments of types do not begin a line."""

_SCRIPT: Final = re.compile(r'<script\b[^>]*\bsrc="\{assets\}([^"]+)"')

STARTS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "list": (("views/catalogue.js",), ()),
    "player": (
        ("player-page.js",),
        ("views/transcript.js", "views/plan-now.js", "vendor/lowlight/lowlight.js", "views/catalogue.js"),
    ),
}
"""What a page imports as soon as it knows what it shows, and what it wants next: of a player, the modules that it
imports while it is drawn, and the list, to which the way back leads even when the server is gone."""

_SHELL: Final = "shell.html"

OFFLINE: Final = "offline"
"""The folder of what stands in exported files only: a server never gives it to a browser."""

_TEXT_TYPES: Final = ("text/", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its bytes, the same packed by gzip where that makes it smaller, and what it is."""

    data: bytes
    packed: bytes | None
    media_type: str

    @classmethod
    def of(cls, name: str, data: bytes) -> Asset:
        """A file of that name."""
        media_type = mimetypes.guess_type(name)[0] or "text/plain"
        packed = gzip.compress(data, mtime=0) if media_type.startswith(_TEXT_TYPES) else None
        return cls(data, packed if packed is not None and len(packed) < len(data) else None, media_type)


class Assets:
    """The files of a folder, read once. `digest` names all of their content."""

    def __init__(self, folder: Path) -> None:
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(_files(folder))}
        self.digest = _digest(files)
        self._assets = {name: Asset.of(name, data) for name, data in files.items() if not name.endswith(".html")}
        self._pages = {name: data.decode() for name, data in files.items() if name.endswith(".html")}
        self._begins = {name: _beginning(page, files) for name, page in self._pages.items()}
        starts = {module for now, later in STARTS.values() for module in (*now, *later)} & files.keys()
        self._graphs = {module: (module, *_imported(module, files)) for module in starts}

    def get(self, name: str) -> Asset | None:
        """The file of that name, as it is below the digest."""
        return self._assets.get(name)

    def page(self, root_path: str, name: str = "index.html", *, shows: str = "list") -> bytes:
        """An HTML document, told where everything is to be had behind a path prefix (`""` for none).

        It is named in its text: `{base}` is where the server's root is, `{assets}` where the files are, both with a
        slash at the end; `{preloads}` stands for links to every module that the page begins with when it shows one of
        `STARTS`, which the browser would otherwise find one import at a time. Those that it wants next stand in a
        template: even at the lowest priority they would take part in what comes before the first paint. `{shell}` is
        what of a player is there to be painted before any module has come.
        """
        base = html.escape(f"{root_path}/")
        assets = f"{base}assets/{self.digest}/"
        page = self._pages[name]
        now, later = STARTS[shows]
        urgent = dict.fromkeys((*self._begins[name], *self._graph(now)))
        next_ones = [module for module in self._graph(later) if module not in urgent]
        preloads = _links(assets, urgent)
        if next_ones:
            preloads += f'\n  <template id="next">{_links(assets, next_ones)}</template>'
        shell = self._pages[_SHELL].strip() if shows == "player" else ""
        for place, text in (("{shell}", shell), ("{base}", base), ("{assets}", assets), ("{preloads}", preloads)):
            page = page.replace(place, text)
        return page.encode()

    def _graph(self, starts: Iterable[str]) -> dict[str, None]:
        return dict.fromkeys(module for start in starts for module in self._graphs.get(start, ()))


def _links(assets: str, modules: Iterable[str]) -> str:
    return "\n  ".join(f'<link rel="modulepreload" href="{assets}{module}">' for module in modules)


def _beginning(page: str, files: Mapping[str, bytes]) -> list[str]:
    """What the scripts of a document import."""
    return [module for script in _SCRIPT.findall(page) for module in _imported(script, files)]


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        is_ours = path.relative_to(folder).parts[0] != OFFLINE and not path.name.endswith((".d.ts", ".md"))
        if path.is_file() and is_ours:
            yield path


def _digest(files: Mapping[str, bytes]) -> str:
    whole = sha256()
    for name, data in files.items():
        whole.update(f"{name}\0{len(data)}\0".encode())
        whole.update(data)
    return whole.hexdigest()[:DIGEST_CHARACTERS]


def _imported(module: str, files: Mapping[str, bytes]) -> list[str]:
    """The modules that one leads to by static imports, each once, in the order in which a browser would meet them."""
    found: dict[str, None] = {}
    ahead = [module]
    while ahead:
        name = ahead.pop(0)
        for imported in _IMPORT.findall(files[name].decode()):
            other = posixpath.normpath(posixpath.join(posixpath.dirname(name), imported))
            if other in files and other not in found and other != module:
                found[other] = None
                ahead.append(other)
    return list(found)
