"""Texts inside texts: what a string holds that is escaped, percent-encoded or base64, and the way back.

Each `Piece` is such a text decoded. What is found in it is replaced in the text around it, in the form that it has
there.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

from scrollcast.redaction.rules import compile_bytes

__all__ = ["Edit", "Piece", "apply_edits", "pieces"]


class Edit(NamedTuple):
    """Put `text` in place of what stands from `start` to `end`. `secrets` is the number of secrets in that."""

    start: int
    end: int
    text: bytes
    secrets: int = 1


def apply_edits(text: bytes, edits: Sequence[Edit]) -> bytes:
    """The text after edits, which are in order and do not overlap."""
    parts: list[bytes] = []
    place = 0
    for edit in edits:
        parts += (text[place : edit.start], edit.text)
        place = edit.end
    return b"".join((*parts, text[place:]))


@dataclass(frozen=True, slots=True)
class Piece:
    """A decoded text, and what edits of it are in the text around it."""

    text: bytes
    edits_around: Callable[[Sequence[Edit]], list[Edit]]


def pieces(text: bytes) -> Iterator[Piece]:
    """What is in a text that can be decoded, one level of it."""
    if b"\\" in text:
        yield from _substituted(text, _ESCAPE, _unescape, lambda placeholder: placeholder)
    if b"%" in text:
        yield from _substituted(text, _PERCENT, lambda code: bytes((int(code[1:], 16),)), _percent_encode)
    if b"&" in text:
        yield from _substituted(text, _ENTITY, lambda code: _ENTITIES[code], lambda placeholder: placeholder)
    for match in _BASE64.finditer(text):
        yield from _base64(text, *match.span())


# ----------------------------------------------------------------------------------------- codes for one character

_ESCAPE: Final = re.compile(rb'\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|["\'\\/bfnrt])')
_ESCAPES: Final = {ord("b"): b"\b", ord("f"): b"\f", ord("n"): b"\n", ord("r"): b"\r", ord("t"): b"\t"}

_PERCENT: Final = re.compile(rb"%[0-9a-fA-F]{2}")
_ENTITIES: Final = {b"&quot;": b'"', b"&amp;": b"&", b"&lt;": b"<", b"&gt;": b">", b"&#39;": b"'", b"&#x27;": b"'"}
_ENTITY: Final = re.compile(b"|".join(map(re.escape, _ENTITIES)))


def _unescape(code: bytes) -> bytes:
    if code[1] in b"ux" and len(code) > 2:
        return chr(int(code[2:], 16)).encode(errors="replace")
    return _ESCAPES.get(code[1], code[1:])


def _percent_encode(placeholder: bytes) -> bytes:
    return b"".join(
        bytes((sign,)) if chr(sign).isalnum() or sign in b"-._~" else b"%%%02X" % sign for sign in placeholder
    )


def _substituted(
    text: bytes, code: re.Pattern[bytes], decode: Callable[[bytes], bytes], encode: Callable[[bytes], bytes]
) -> Iterator[Piece]:
    decoded = code.sub(lambda match: decode(match[0]), text)
    if decoded == text:
        return

    def edits_around(edits: Sequence[Edit]) -> list[Edit]:
        codes = [(*match.span(), len(decode(match[0]))) for match in code.finditer(text)]
        # Where each code ends, in the decoded text and around it; what follows is as far behind in both.
        shrunk = list(accumulate((end - start - size for start, end, size in codes), initial=0))
        inner = [start - before for (start, _, _), before in zip(codes, shrunk, strict=False)]

        def outer(place: int) -> int:
            passed = bisect_right(inner, place - 1)
            if not passed:
                return place
            _, end, size = codes[passed - 1]
            behind = place - inner[passed - 1] - size
            return end + max(0, behind)

        def outer_start(place: int) -> int:
            passed = bisect_right(inner, place)
            if passed and place < inner[passed - 1] + max(1, codes[passed - 1][2]):
                return codes[passed - 1][0]  # in the middle of a character
            return outer(place)

        return [Edit(outer_start(edit.start), outer(edit.end), encode(edit.text), edit.secrets) for edit in edits]

    yield Piece(decoded, edits_around)


# --------------------------------------------------------------------------------------------------------- base64

_BASE64: Final = compile_bytes(r"[A-Za-z0-9+/_-]{20,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,2}")
"""A run of either alphabet (RFC 4648, 4 and 5), also in lines."""

_BINARY_BYTES: Final = 1024
"""In a shorter run only text is looked for: by chance, most words are base64 of something."""

_PRINTABLE: Final = bytes((*range(0x20, 0x7F), *b"\t\n\r", *range(0x80, 0x100)))
_MOST_UNPRINTABLE: Final = 0.02


def _base64(text: bytes, start: int, end: int) -> Iterator[Piece]:
    run = text[start:end]
    if len(run) < 100 and run.isalpha() and (run.islower() or run.isupper()):
        return
    plain = run.translate(_TO_STANDARD, b"\r\n=")
    for skip in range(4):
        # A word may stand right before it, so that it begins anywhere.
        usable = (len(plain) - skip) // 4 * 4 + (0, 0, 2, 3)[(len(plain) - skip) % 4]
        decoded = b64decode(plain[skip : skip + usable] + b"=" * (-usable % 4))
        is_wide = len(decoded) > 8 and not any(decoded[1:64:2])  # UTF-16, as PowerShell takes its commands
        shown = decoded.decode("utf-16-le", errors="replace").encode(errors="replace") if is_wide else decoded
        if _is_text(shown):
            yield _base64_piece(run, start, skip, shown, is_wide=is_wide)
            return
        if skip == 0 and len(run) >= _BINARY_BYTES:
            yield _base64_piece(run, start, 0, decoded, is_wide=False)
            return


_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_TO_ADDRESSES: Final = bytes.maketrans(b"+/", b"-_")


def _is_text(decoded: bytes) -> bool:
    if len(decoded.translate(None, _PRINTABLE)) > _MOST_UNPRINTABLE * len(decoded):
        return False
    try:
        decoded.decode()
    except UnicodeDecodeError as problem:
        return problem.start >= len(decoded) - 4  # it may end in the middle of a character
    return True


def _base64_piece(run: bytes, start: int, skip: int, decoded: bytes, *, is_wide: bool) -> Piece:
    """Edited, it is encoded again, in the same alphabet and lines."""

    def edits_around(edits: Sequence[Edit]) -> list[Edit]:
        inner = apply_edits(decoded, edits)
        encoded = b64encode(inner.decode(errors="replace").encode("utf-16-le") if is_wide else inner)
        if not run.endswith(b"="):
            encoded = encoded.rstrip(b"=")
        if b"-" in run or b"_" in run:
            encoded = encoded.translate(_TO_ADDRESSES)
        lead = run[:skip]
        if b"\n" in run:
            width = run.index(b"\n") - run[: run.index(b"\n")].count(b"\r")
            encoded = b"\n".join(encoded[place : place + width] for place in range(0, len(encoded), width))
        secrets = sum(edit.secrets for edit in edits)
        return [Edit(start, start + len(run), lead + encoded, secrets)]

    return Piece(decoded, edits_around)
