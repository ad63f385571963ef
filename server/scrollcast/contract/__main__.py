"""`python -m scrollcast.contract FOLDER`: write the documents as files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from scrollcast.contract.asyncapi import asyncapi_document
from scrollcast.contract.openapi import openapi_document

DOCUMENTS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "openapi.json": openapi_document,
    "asyncapi.json": asyncapi_document,
}
"""How each is made, for a server at its usual address."""


def text_of(document: Mapping[str, Any]) -> bytes:
    """A document as it stands in its file."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    for name, make in DOCUMENTS.items():
        (Path(sys.argv[1]) / name).write_bytes(text_of(make()))
