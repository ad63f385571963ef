"""Whether a secret can still be had from something that was sent, in any form in which it may have been planted."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from html import unescape
from typing import Any, Final
from urllib.parse import unquote
from zlib import decompress

import orjson

__all__ = ["forms_of", "holds", "unpacked_page"]

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}")
_DEPTH: Final = 4


def holds(data: bytes, secret: str) -> bool:
    """Whether the secret is in what was sent."""
    return any(secret in text for text in forms_of(data.decode(errors="replace")))


def forms_of(text: str, depth: int = 0) -> Iterator[str]:
    """A text, and whatever can be decoded of it, joined texts of neighbouring parts included."""
    yield text
    if depth == _DEPTH:
        return
    for plain in (unquote(text), unescape(text), re.sub(r'\\(["\\/])', r"\1", text).replace("\\n", "\n")):
        if plain != text:
            yield from forms_of(plain, depth + 1)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    else:
        strings = list(_strings(value))
        yield "".join(_texts(value))
        for inner in strings:
            if len(inner) > 15 and inner != text:
                yield from forms_of(inner, depth + 1)
    for run in _BASE64.findall(text):
        plain_run = re.sub(r"[\r\n=]", "", run).replace("-", "+").replace("_", "/")
        for skip in range(4):
            try:
                yield b64decode(plain_run[skip:] + "=" * (-len(plain_run[skip:]) % 4)).decode("latin-1")
            except Error:
                continue


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for inner in value:
                yield from _strings(inner)
        case dict():
            for name, inner in value.items():
                yield name
                yield from _strings(inner)


def _texts(value: Any) -> Iterator[str]:
    """What the parts in a JSON value say, one after the other."""
    match value:
        case {"text": str(text)}:
            yield text
        case list():
            for inner in value:
                yield from _texts(inner)
        case dict():
            for inner in value.values():
                yield from _texts(inner)


def unpacked_page(page: bytes) -> bytes:
    """A page as `scrollcast export` writes it, with what is packed in it unpacked."""
    blocks = re.findall(rb'data-block="([^"]+)">([^<]*)<', page)
    return page + b"\n".join(decompress(b64decode(data), 31) for name, data in blocks if name != b"modules")
