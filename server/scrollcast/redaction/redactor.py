"""Takes the secrets out of texts and events; a placeholder stands in place of each, the same for the same secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from itertools import accumulate, pairwise
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from scrollcast.model import Session
from scrollcast.redaction.finder import PLACEHOLDER, Finder
from scrollcast.redaction.layers import Edit, apply_edits, pieces
from scrollcast.redaction.rules import USER_NAME, compile_bytes

__all__ = ["Redactor"]

MAX_DEPTH: Final = 3
"""So many encodings inside each other are looked through: base64 in JSON in a string."""

MAX_PASSES: Final = 4
"""A replaced text is looked at again: what stands beside a placeholder may be known only then."""

SEAM_BYTES: Final = 4 << 10
"""So much before and after a boundary of two parts is looked at for what lies across it; long keys have 3 KiB."""

SEAM_EDGE_BYTES: Final = 256

KEPT_TEXTS: Final = 256
MAX_REMEMBERED: Final = 64
"""Texts of so many characters are redacted once, not each time that they come."""

_LEAST_CHARACTERS: Final = 4
"""No secret is shorter."""

_SECRET_NAME: Final = compile_bytes(
    r"(?i)pass|secret|token|key|cred|auth|pwd|cookie|signature|session|bearer|private|dsn|\bsig\b|webhook"
)
"""The name of a field that may say of its value what it is."""

_FLAG_OR_NAME: Final = compile_bytes(
    r"(?i)^-{0,2}[\w.-]{0,60}(?:pass|secret|token|key|auth|cred|pwd)[\w.-]{0,60}[:=]?$"
)

_NAMING: Final = ("name", "key", "header", "variable", "id")
_VALUE: Final = "value"
"""Fields of a pair, as in `{"name": "API_KEY", "value": "…"}`."""

_KEPT: Final = frozenset(("type", "role", "status", "created_at"))
"""Fields of an event and its parts that only hold words of the protocol, and times."""

_EVENT_FIELDS: Final = frozenset(
    (
        *_KEPT, "event", "message", "meta_event", "connector_id", "id", "session_id", "content", "metadata", "kind",
        "payload", "text", "language", "call_id", "name", "title", "input", "output", "is_error", "mime_type", "data",
        "uri", "blob", "entries", "priority", "raw", "archived_role", "seq", "t_ms",
    )
)  # fmt: skip
"""Names of fields that stay as they are, whatever a user's pattern says."""

_CUT: Final = "…"
_HALF: Final = re.compile(r"[0-9=:+/]|.{12}")
"""What the beginning of a secret has, and that of most words has not."""

_T = TypeVar("_T", str, "str | None")


class _Slot(NamedTuple):
    """A text in a JSON value: where it is, and what the value says of it before it comes to it."""

    holder: Any
    key: Any
    before: str


class Redactor:
    """Redacts what belongs to one session.

    `key` makes the numbers of its placeholders, but for those of users' names, which `shared_key` makes, so that a
    project is the same one in every session. Nobody else is to know them.

    Safe to use from several threads. Its time is linear in the length of what it is given.
    """

    def __init__(self, finder: Finder, key: bytes, shared_key: bytes) -> None:
        self._finder = finder
        self._key = key
        self._shared_key = shared_key
        # Most short texts of a session stand in it again and again: ids, names of tools and models, fields' names.
        self._remembered = lru_cache(maxsize=KEPT_TEXTS)(self._redact)

    # ------------------------------------------------------------------------------------------------------- texts

    def text(self, text: str) -> tuple[str, int]:
        """A text without its secrets, and how many these were."""
        return self._text(text, "")

    def cut_text(self, text: str) -> tuple[str, int]:
        """The same of a text that may have been cut: then its last word goes where that may be half a secret."""
        redacted, count = self._text(text, "")
        if redacted.endswith(_CUT):
            words = redacted.removesuffix(_CUT)
            last = words.rpartition(" ")[2]
            if _HALF.search(last) and not last.endswith("]"):
                return words[: len(words) - len(last)] + _CUT, count + 1
        return redacted, count

    def session(self, session: Session) -> Session:
        """What is known of a session, without secrets."""
        metadata, _ = self.value(dict(session.metadata))
        return replace(
            session,
            title=self.cut_text(session.title)[0],
            agent=self._optional(session.agent),
            model=self._optional(session.model),
            project=self._optional(session.project),
            kind=self._optional(session.kind),
            native_session_id=self._optional(session.native_session_id),
            parent_call_id=self._optional(session.parent_call_id),
            error=self._optional(session.error),
            metadata=metadata,
        )

    def _optional(self, text: str | None) -> str | None:
        return None if text is None else self._text(text, "")[0]

    def _text(self, text: str, before: str) -> tuple[str, int]:
        """With `before`, what stands before the text says what it is; it stays as it is itself."""
        if len(text) < _LEAST_CHARACTERS:
            return text, 0
        return (self._remembered if len(text) <= MAX_REMEMBERED else self._redact)(text, before)

    def _redact(self, text: str, before: str) -> tuple[str, int]:
        data, lead = text.encode(errors="surrogatepass"), before.encode(errors="replace")
        redacted, count = self._bytes(data)
        if lead:
            redacted, more = self._bytes(redacted, lead)
            count += more
        return (redacted.decode(errors="surrogatepass"), count) if count else (text, 0)

    def _bytes(self, data: bytes, lead: bytes = b"") -> tuple[bytes, int]:
        total = 0
        for _ in range(MAX_PASSES):
            edits = self._edits_after(data, lead) if lead else self._edits(data, 0)
            if not edits:
                break
            data = apply_edits(data, edits)
            total += sum(edit.secrets for edit in edits)
        return data, total

    def _edits_after(self, data: bytes, lead: bytes) -> list[Edit]:
        start, whole = len(lead), lead + data + b'"'
        return [
            Edit(max(0, edit.start - start), min(edit.end - start, len(data)), edit.text, edit.secrets)
            for edit in self._edits(whole, 0)
            if edit.end > start and edit.start < start + len(data)
        ]

    def _edits(self, text: bytes, depth: int) -> list[Edit]:
        """What to replace in a text, in order."""
        edits = [
            Edit(start, end, self._placeholder(label, text[core[0] : core[1]]))
            for start, end, label, core in self._finder.find(text)
        ]
        if depth < MAX_DEPTH:
            for piece in pieces(text):
                inner = self._edits(piece.text, depth + 1)
                if inner:
                    edits += piece.edits_around(inner)
        return _merged(edits) if len(edits) > 1 else edits

    def _placeholder(self, label: str, secret: bytes) -> bytes:
        key = self._shared_key if label == USER_NAME else self._key
        number = blake2b(secret, digest_size=3, key=key).hexdigest()
        return f"[redacted:{label}#{number}]".encode()

    # ------------------------------------------------------------------------------------------------------ values

    def event(self, data: bytes) -> tuple[bytes, int]:
        """An event's own bytes without secrets, and how many these were: the same object where there are none."""
        if not self._may_hold_any(data):
            return data, 0
        value = _decode(data)
        inner = value["event"].get("message") or value["event"]["meta_event"]
        # The id of the session that it is of is none of a login, though some agents make it look like one.
        count = self._seams(value) + self._walk(value, _EVENT_FIELDS, inner["session_id"])
        return (_encode(value), count) if count else (data, 0)

    def value(self, value: _T | Any) -> tuple[Any, int]:
        """A JSON value without secrets, made of the given one, which may be changed."""
        holder = [value]
        count = self._walk(holder, frozenset())
        return holder[0], count

    def _may_hold_any(self, data: bytes) -> bool:
        """Whether an event needs to be looked at more closely: most have nothing that any rule begins with."""
        return data.count(b'"type":') > 2 or _ENCODED.search(data) is not None or self._finder.has_keyword(data)

    def _walk(self, value: Any, kept_names: frozenset[str], named: str = "") -> int:
        """Redact all texts in a value, in place, and the names of fields. Of a text that is `named`, the name of its
        field says nothing."""
        count = 0
        waiting: list[Any] = [value]
        while waiting:
            holder = waiting.pop()
            slots = _fields(holder) if isinstance(holder, dict) else _items(holder)
            for slot in slots:
                inner = holder[slot.key]
                if isinstance(inner, str):
                    if slot.key in _KEPT and kept_names:
                        continue
                    is_title = slot.key == "title"  # which readers cut
                    before = "" if inner == named else slot.before
                    redacted, secrets = self.cut_text(inner) if is_title else self._text(inner, before)
                    if secrets:
                        holder[slot.key] = redacted
                        count += secrets
                elif isinstance(inner, dict | list):
                    waiting.append(inner)
            if isinstance(holder, dict):
                count += self._names(holder, kept_names)
        return count

    def _names(self, holder: dict[str, Any], kept: frozenset[str]) -> int:
        names = {name: self._text(name, "") for name in holder if len(name) >= _LEAST_CHARACTERS and name not in kept}
        changed = {name: redacted for name, (redacted, count) in names.items() if count}
        if changed:
            fields = [(changed.get(name, name), inner) for name, inner in holder.items()]
            holder.clear()
            holder.update(fields)
        return sum(names[name][1] for name in changed)

    # ------------------------------------------------------------------------------------------------------- seams

    def _seams(self, value: Any) -> int:
        """Redact what lies across the boundaries of neighbouring parts of a message, in place."""
        message = value["event"].get("message")
        holders = list(_texts(message["content"])) if message else []
        if len(holders) < 2:
            return 0
        texts = [part["text"].encode(errors="surrogatepass") for part in holders]
        edits = self._across(texts)
        if not edits:
            return 0
        bounds = list(accumulate(map(len, texts), initial=0))
        for part, text, (first, last) in zip(holders, texts, pairwise(bounds), strict=True):
            own = [
                Edit(
                    max(edit.start, first) - first,
                    min(edit.end, last) - first,
                    edit.text if edit.start >= first else b"",  # it stands where the secret began
                )
                for edit in edits
                if edit.start < last and edit.end > first
            ]
            if own:
                part["text"] = apply_edits(text, own).decode(errors="replace")
        return sum(edit.secrets for edit in edits)

    def _across(self, texts: Sequence[bytes]) -> list[Edit]:
        joined = b"".join(texts)
        inner = list(accumulate(map(len, texts)))[:-1]
        edits: list[Edit] = []
        for start, stop in _stretches(inner, len(joined)):
            # What a stretch begins or ends in the middle of is found whole in its part.
            first = start + SEAM_EDGE_BYTES if start else 0
            last = stop - SEAM_EDGE_BYTES if stop < len(joined) else stop
            found = (
                edit._replace(start=edit.start + start, end=edit.end + start)
                for edit in self._edits(joined[start:stop], 0)
            )
            edits += (edit for edit in found if first <= edit.start and edit.end <= last)
        return edits


_ENCODED: Final = compile_bytes(r"[A-Za-z0-9+/]{24}|[A-Za-z0-9_-]{40}|%[0-9A-Fa-f]{2}|\\\\|\\u|&[a-z#]")
"""What may be a text inside a text, as it stands in an event's bytes."""


def _stretches(bounds: Iterable[int], size: int) -> Iterator[tuple[int, int]]:
    """What lies around these places, as few stretches as do not overlap."""
    start = stop = 0
    for bound in bounds:
        if bound - SEAM_BYTES > stop or not stop:
            if stop:
                yield start, stop
            start = max(0, bound - SEAM_BYTES)
        stop = min(size, bound + SEAM_BYTES)
    if stop:
        yield start, stop


def _texts(parts: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """The parts that hold text, also inside results, in order."""
    for part in parts:
        if part["type"] == "tool_result":
            yield from _texts(part["output"])
        elif isinstance(part.get("text"), str):
            yield part


def _fields(holder: dict[str, Any]) -> Iterator[_Slot]:
    names = [holder[name] for name in _NAMING if isinstance(holder.get(name), str)] if _VALUE in holder else []
    for name in list(holder):
        said = f'"{name}": "' if _says(name) else ""
        if name == _VALUE and names and _says(names[0]):
            said = f'"{names[0]}": "'
        yield _Slot(holder, name, said)


def _items(holder: list[Any]) -> Iterator[_Slot]:
    before: Any = None
    for place, item in enumerate(holder):
        is_said = (
            isinstance(before, str) and len(before) < 130 and _FLAG_OR_NAME.search(before.encode(errors="replace"))
        )
        yield _Slot(holder, place, f' {before}="' if is_said else "")
        before = item


@lru_cache(maxsize=4096)
def _says(name: str) -> bool:
    said = PLACEHOLDER.sub(b"", name.encode(errors="replace"))  # which speaks of secrets itself
    return len(name) < 200 and _SECRET_NAME.search(said) is not None


def _merged(edits: Iterable[Edit]) -> list[Edit]:
    """In order, with those that overlap as one."""
    result: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.start, -edit.end)):
        if result and edit.start < result[-1].end:
            last = result[-1]
            result[-1] = Edit(last.start, max(last.end, edit.end), last.text, max(last.secrets, edit.secrets))
        else:
            result.append(edit)
    return result


def _decode(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:  # nested more deeply than it goes
        return json.loads(data)


def _encode(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
