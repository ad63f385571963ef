"""The table of formats, and how a document is made and named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unicodedata import normalize

from scrollcast.errors import BadRequest
from scrollcast.export import cast, html, jsonl, markdown
from scrollcast.export.excerpt import Excerpt

__all__ = ["FORMATS", "Format", "file_name", "format_of_suffix", "make_document", "parse_format", "parse_time"]

_NAME_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of document: the ending of its name, and its media type."""

    suffix: str
    media_type: str


FORMATS: Final[Mapping[str, Format]] = {
    "html": Format(".html", "text/html; charset=utf-8"),
    "markdown": Format(".md", "text/markdown; charset=utf-8"),
    "jsonl": Format(".jsonl", "application/jsonl"),
    "cast": Format(".cast", "application/x-asciicast"),
}


_OTHER_SUFFIXES: Final[Mapping[str, str]] = {".htm": ".html", ".markdown": ".md", ".ndjson": ".jsonl"}


def parse_format(text: str) -> str:
    """The name of a format.

    Raises:
        BadRequest: there is no such format.
    """
    if text not in FORMATS:
        raise BadRequest("format", f"{text[:50]!r} is none of {', '.join(FORMATS)}")
    return text


def format_of_suffix(name: str) -> str | None:
    """The format that the ending of a file's name stands for."""
    suffix = Path(name).suffix.lower()
    suffix = _OTHER_SUFFIXES.get(suffix, suffix)
    return next((each for each, format_ in FORMATS.items() if format_.suffix == suffix), None)


def make_document(format_name: str, excerpt: Excerpt, static: Path) -> Iterator[bytes]:
    """A document, piece by piece. Blocks. `static` is the folder of the page's files."""
    match format_name:
        case "html":
            return html.document(excerpt, static)
        case "markdown":
            return markdown.document(excerpt)
        case "jsonl":
            return jsonl.document(excerpt)
        case "cast":
            return cast.document(excerpt)
        case _:
            raise AssertionError(f"{format_name} is no format")


def file_name(excerpt: Excerpt, format_name: str) -> str:
    """A name for the document's file: the session's title, or its id, in plain letters."""
    plain = normalize("NFKD", excerpt.session.title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain)[:_NAME_CHARACTERS].strip("-")
    return (words or str(excerpt.session.scroll_id)) + FORMATS[format_name].suffix


def parse_time(text: str) -> int:
    """Recorded time in milliseconds, of seconds (`90`, `90.5`) or a clock (`1:30`, `1:02:03`).

    Raises:
        ValueError: it is neither.
    """
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", text):
        return round(float(text) * 1000)
    found = re.fullmatch(r"(?:([0-9]{1,5}):)?([0-9]{1,4}):([0-5][0-9])", text)
    if found is None:
        raise ValueError("must be seconds, m:ss or h:mm:ss")
    hours, minutes, seconds = (int(digits or 0) for digits in found.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000
