"""A session as one page that plays by itself: the player's own modules, and the events packed into it.

The file asks for nothing: its Content-Security-Policy forbids every connection, and allows no script but its first one
and the modules that this one unpacks. What a session holds stands in it only as base64, so none of it is ever read as
markup or script. `static/offline/` is the other end.
"""

from __future__ import annotations

import secrets
from array import array
from base64 import b64encode
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, Final
from zlib import compressobj

import orjson

from scrollcast.archive.encoding import EncodedEvent, EventEncoder
from scrollcast.archive.spent import Purse
from scrollcast.export.excerpt import Excerpt
from scrollcast.export.page_files import gather_modules, gather_styles
from scrollcast.export.text import one_line
from scrollcast.model import Record, Session
from scrollcast.stream.preview import cut_event, find_body, part_hrefs, part_path
from scrollcast.stream.wire import session_json

__all__ = ["document"]

ENTRY: Final = "offline/main.js"
BOOT: Final = "offline/boot.js"

BLOCK_BYTES: Final = 512 << 10
"""So many bytes of events are packed together: what a browser unpacks at once to show any of them."""

BLOCK_EVENTS: Final = 500

PREVIEW_BYTES: Final = 64 << 10
"""A longer part stands apart, and is unpacked when somebody asks for all of it: as the page does it on a server."""

_GZIP: Final = 31
"""The window bits by which zlib writes gzip (RFC 1952)."""


def document(excerpt: Excerpt, static: Path) -> Iterator[bytes]:
    """The file, a block at a time. Blocks; holds one block of events, and some numbers of each of one session."""
    boot = (static / BOOT).read_text(encoding="utf-8")
    styles = gather_styles(static)
    nonce = secrets.token_urlsafe(18)
    yield _head(excerpt.session, boot, styles, nonce).encode()
    yield from _block("modules", orjson.dumps(gather_modules(static, ENTRY)))
    told: list[dict[str, Any]] = []
    yield from _session(excerpt, told)
    yield from _block("sessions", orjson.dumps(told))
    yield f'<script nonce="{nonce}">{boot}</script>\n</body>\n</html>\n'.encode()


# --------------------------------------------------------------------------------------------------------- frame


def _head(session: Session, boot: str, styles: str, nonce: str) -> str:
    for inlined in (boot, styles):
        assert "</s" not in inlined.lower(), "what is inlined must not end its element"
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}' blob:",  # only a script of this page can make a blob
            f"style-src 'sha256-{_digest(styles)}'",
            "img-src data: blob:",
            "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    title = escape(one_line(session.title) or "A session without a title")
    return f"""<!doctype html>
<html lang="en" data-sessions="?session=">
<head>
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Scrollcast">
<title>{title} · Scrollcast</title>
<style>{styles}</style>
</head>
<body>
<div id="app"></div>
<noscript><p class="noscript">This file plays a session with JavaScript, which is switched off here.</p></noscript>
"""


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


# -------------------------------------------------------------------------------------------------------- blocks


def _block(name: str, data: bytes) -> Iterator[bytes]:
    """A block of data, packed; the page finds it by its name."""
    packer = compressobj(6, wbits=_GZIP)
    packed = packer.compress(data) + packer.flush()
    yield f'<script type="application/gzip" data-block="{name}">'.encode()
    yield b64encode(packed)
    yield b"</script>\n"


def _session(excerpt: Excerpt, told: list[dict[str, Any]]) -> Iterator[bytes]:
    """A session and those that it started; what is to be known of each before it is opened goes to `told`."""
    started = excerpt.started()
    contents = _Contents(excerpt.session, f"{len(told)}-", started.keys())
    yield from _events(excerpt, contents)
    yield from _block(f"{contents.prefix}contents", orjson.dumps(contents.told()))
    session = contents.told_session()
    if not told:
        session |= {"parent_scroll_id": None, "parent_call_id": None}  # which is not here to go to
    told.append({"blocks": contents.prefix, "session": session})
    wanted = [scroll_id for call_id, scroll_id in started.items() if call_id in contents.calls]
    del contents  # before others are made
    for child in excerpt.children(wanted):
        yield from _session(child, told)


@dataclass
class _Contents:
    """What the page has to know of all events of a session before it asks for any of them."""

    session: Session
    prefix: str  # of the names of its blocks
    started: Collection[str]  # the calls that started other sessions
    calls: set[str] = field(default_factory=set)  # those of them that were met
    count: int = 0
    duration_ms: int = 0
    steps: array[int] = field(default_factory=lambda: array("q"))  # of time, from the event before to each
    reading: array[int] = field(default_factory=lambda: array("q"))
    meta: array[int] = field(default_factory=lambda: array("q"))
    starts: list[int] = field(default_factory=list)
    markers: bytearray = field(default_factory=bytearray)  # as JSON, a comma behind each
    purses: list[Purse] = field(default_factory=list)  # of the turns
    parts: dict[str, list[str]] = field(default_factory=dict)

    def note(self, event: EncodedEvent, record: Record) -> None:
        """Take one more event."""
        number = self.count
        self.count += 1
        self.steps.append(event.t_ms - self.duration_ms)
        self.duration_ms = event.t_ms
        self.reading.append(event.reading_ms)
        if record.is_meta:
            self.meta.append(number)
        called = (part["call_id"] for part in record.content if part["type"] == "tool_call")
        self.calls.update(call_id for call_id in called if call_id in self.started)
        if event.is_turn:
            self.purses.append(Purse())
        if self.purses and not record.is_meta:
            self.purses[-1].take(record.metadata)
        for kind, label in event.markers:
            self.markers += orjson.dumps({"seq": number, "t_ms": event.t_ms, "kind": kind, "label": label}) + b","

    def told_session(self) -> dict[str, Any]:
        """What is told of the session, as JSON."""
        count = self.count - len(self.meta)
        return {**session_json(self.session), "count": count, "duration_ms": self.duration_ms}

    def told(self) -> dict[str, Any]:
        """The rest, to be JSON: times as the distance from the event before, `starts` the first event of each block."""
        return {
            "times": _numbers(self.steps),
            "reading": _numbers(self.reading),
            "meta": _numbers(self.meta),
            "starts": self.starts,
            "markers": orjson.Fragment(b"[" + self.markers[:-1] + b"]"),
            "spent": [purse.spent() for purse in self.purses],
            "parts": self.parts,
        }


def _numbers(numbers: array[int]) -> orjson.Fragment:
    """As JSON: one row of them at a time is held as objects."""
    return orjson.Fragment(orjson.dumps(numbers.tolist()))


def _events(excerpt: Excerpt, contents: _Contents) -> Iterator[bytes]:
    encoder = EventEncoder(excerpt.session)
    held: list[bytes] = []
    size = 0
    for timed in excerpt.records():
        number = contents.count
        event = encoder.encode(number, timed)
        contents.note(event, timed.record)
        own = event.data
        if len(own) > PREVIEW_BYTES:
            own, cut = _cut(own, excerpt.session, number)
            yield from _parts(event.data, cut, contents)
        held.append(own)
        size += len(own)
        if size >= BLOCK_BYTES or len(held) >= BLOCK_EVENTS:
            yield from _event_block(held, contents)
            held, size = [], 0
    if held:
        yield from _event_block(held, contents)


def _event_block(events: Sequence[bytes], contents: _Contents) -> Iterator[bytes]:
    """The last events that were noted, a line each."""
    name = f"{contents.prefix}events-{len(contents.starts)}"
    contents.starts.append(contents.count - len(events))
    yield from _block(name, b"\n".join(events))


def _cut(event: bytes, session: Session, number: int) -> tuple[bytes, dict[str, str]]:
    """An event with its long parts cut, and where these lie in it by the addresses that stand there now."""
    hrefs = part_hrefs(session.scroll_id, number, meta=True)
    cut: dict[str, str] = {}

    def href(path: tuple[int, ...]) -> str:
        cut[hrefs(path)] = part_path(path)
        return hrefs(path)

    try:
        return cut_event(event, PREVIEW_BYTES, href, pictures=False), cut
    except orjson.JSONEncodeError:  # nested more deeply than it goes
        return event, {}


def _parts(event: bytes, cut: dict[str, str], contents: _Contents) -> Iterator[bytes]:
    """The long parts of an event, each in blocks of its own."""
    for href, path in cut.items():
        body = find_body(event, path)
        data = body.data if body else b""
        names = contents.parts.setdefault(href, [])
        for start in range(0, max(1, len(data)), BLOCK_BYTES):
            names.append(f"part-{len(contents.parts)}-{len(names)}")
            yield from _block(contents.prefix + names[-1], data[start : start + BLOCK_BYTES])
