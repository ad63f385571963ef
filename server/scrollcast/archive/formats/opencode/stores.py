"""Where OpenCode keeps sessions as JSON: the document that `opencode export` prints, and the tree of small files that
it wrote before it had a database.
"""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.json_values import JsonObject, mapping, text_of
from scrollcast.archive.formats.opencode.messages import Turn, turns_of
from scrollcast.archive.formats.opencode.parts import time_of
from scrollcast.archive.storage import confine, decode_json, read_whole, stamp
from scrollcast.archive.timestamps import parse_instant
from scrollcast.errors import ArchiveError

__all__ = ["Export", "Store", "Tree", "begins_export", "export_info", "tree_of", "tree_sessions"]


class Store(ABC):
    """One session, wherever it is kept; asked only while it is open."""

    def open(self) -> AbstractContextManager[None]:
        """Hold what is needed to read it.

        Raises:
            ArchiveError: it cannot be opened, or, while it is read, turns out to be damaged.
        """
        return nullcontext()

    @abstractmethod
    def info(self) -> JsonObject:
        """What is known of the session as a whole, under the names of OpenCode 1.x.

        Raises:
            ArchiveError: it cannot be read.
        """

    @abstractmethod
    def turns(self) -> Iterator[Turn | None]:
        """Its messages in order, `None` for each that cannot be read.

        Raises:
            ArchiveError: none of it can be read.
        """

    @abstractmethod
    def count(self) -> int:
        """How many messages there are, about."""

    def latest(self) -> object:
        """When something last happened, as it is stored, where that can be told without reading everything."""
        return time_of(self.info().get("time"), "updated")

    def parent_call_id(self, parent_id: str) -> str | None:
        """The call of the parent session that began this one, where that is at hand."""
        return None


# ---------------------------------------------------------------------------------------------------------- exports

_EXPORT_START: Final = re.compile(rb'\{\s*(?:"data"\s*:\s*\{\s*)?"info"\s*:\s*(?=\{)')
_MESSAGES: Final = re.compile(r'\s*,\s*"messages"\s*:\s*\[')
_NEXT_MESSAGE: Final = re.compile(r'\{\s*"info"\s*:\s*\{')
_BETWEEN: Final = re.compile(r"[\s,]*")

_MAX_DAMAGES: Final = 16
"""After so many damaged messages the rest of an export is given up: each costs a search through all that follows."""

_LEADING_BYTES: Final = 4 << 10
"""How much other text is looked through for the first brace: a line or two of the program's own."""


def _start_of(data: bytes) -> int:
    return max(0, data[:_LEADING_BYTES].find(b"{"))


def begins_export(head: bytes) -> bool:
    """Whether a file that is known to be OpenCode's is an export, whole or damaged, and no stream."""
    return _EXPORT_START.match(head, _start_of(head)) is not None


def export_info(head: bytes, *, whole: bool) -> JsonObject | None:
    """The session's info at the beginning of an export; `None` where it is none.

    Told from the beginning, because the whole is often large: first `info`, perhaps in a `data`, then `messages`. Only
    where the head is the whole file may they stand anywhere in it.
    """
    if whole and b'"info"' in head and b'"messages"' in head:
        with suppress(ValueError):
            return _whole_info(mapping(decode_json(head[_start_of(head) :])))
    found = _EXPORT_START.match(head, _start_of(head))
    if found is None:
        return None
    text = head[found.end() :].decode("utf-8", "replace")
    info, end = _decode_one(text, 0)
    if end < 0:  # longer than what is seen of it: then its id has to do
        named = re.search(r'"id"\s*:\s*"(ses_[\w-]+)"', text)
        return {"id": named[1]} if named else None
    if not isinstance(info, dict) or not _MESSAGES.match(text, end):
        return None
    return info if _is_session(info) else None


def _whole_info(document: JsonObject) -> JsonObject | None:
    document = mapping(document.get("data")) or document
    info, messages = document.get("info"), document.get("messages")
    fits = isinstance(info, dict) and isinstance(messages, list) and _is_session(info)
    return info if fits and (not messages or any(map(_is_message, messages))) else None


def _is_message(message: Any) -> bool:
    match message:
        case {"info": dict(), "parts": list()} | {"type": str(), "time": dict()}:
            return True
        case _:
            return False


def _is_session(info: JsonObject) -> bool:
    own_id = info.get("id")
    named = isinstance(own_id, str) and bool(own_id)
    return named and (str(own_id).startswith("ses_") or not {"directory", "location", "projectID"}.isdisjoint(info))


def _decode_one(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends; an end of -1 where it does not parse."""
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
        return decode_json(text[start:end].encode("utf-8", "replace")), end
    except (ValueError, RecursionError):
        return None, -1


class Export(Store):
    """An export of either generation, whole or cut off."""

    def __init__(self, source: SessionSource) -> None:
        data = read_whole(source.path, source.root)
        data = data[_start_of(data) :]
        try:
            document = mapping(decode_json(data))
        except ValueError:
            self._info, self._messages = _salvage(data)
        else:
            document = mapping(document.get("data")) or document
            self._info = mapping(document.get("info"))
            messages = document.get("messages")
            self._messages = messages if isinstance(messages, list) else []

    def info(self) -> JsonObject:
        """As it stands at the beginning of the export."""
        location = self._info.get("location")
        if "directory" in self._info or location is None:
            return self._info
        where = location if isinstance(location, str) else mapping(location).get("directory")
        return {**self._info, "directory": where}

    def turns(self) -> Iterator[Turn | None]:
        """The messages as they stand there."""
        for message in self._messages:
            yield from turns_of(message)

    def count(self) -> int:
        """All that are there."""
        return len(self._messages)

    def latest(self) -> object:
        """When the last message was begun or completed."""
        last = mapping(self._messages[-1]) if self._messages else {}
        return time_of((mapping(last.get("info")) or last).get("time"), "completed", "created")


def _salvage(data: bytes) -> tuple[JsonObject, list[Any]]:
    """The messages of an export that is damaged, mostly cut off; `None` among them wherever something is missing.

    Raises:
        ArchiveError: not even the first of it is there.
    """
    found = _EXPORT_START.match(data)
    text = data[found.end() :].decode("utf-8", "replace") if found else ""
    info, end = _decode_one(text, 0)
    opening = _MESSAGES.match(text, end) if end >= 0 else None
    if opening is None or not isinstance(info, dict):
        raise ArchiveError("the export was cut off or damaged before its first message; export it again, to a file")
    return info, list(_salvage_messages(text, opening.end()))


def _salvage_messages(text: str, position: int) -> Iterator[Any]:
    damages = 0
    while damages < _MAX_DAMAGES:
        position = _skip(text, position)
        if text.startswith("]", position):
            return
        message, end = _decode_one(text, position)
        yield message if end >= 0 else None
        if end < 0:
            damages += 1
            found = _NEXT_MESSAGE.search(text, position + 1)
            end = found.start() if found else len(text)
        position = end
        if position >= len(text):
            if damages == 0:  # cut off between two messages
                yield None
            return


def _skip(text: str, position: int) -> int:
    found = _BETWEEN.match(text, position)
    return found.end() if found else position


# -------------------------------------------------------------------------------------------------------------- tree

_NAME: Final = re.compile(r"[\w-][\w.-]*", re.ASCII)
"""An id that may be a name in a path."""

_MAX_FLAT_PARTS: Final = 100_000
_MAX_SEARCHED_PARTS: Final = 256
"""So many files of a parent's parts are looked through for the call that began a child."""


def tree_of(path: Path) -> Path | None:
    """The storage folder that a session's file belongs to by its place, `None` where it has no such place."""
    above = (path.parent, path.parent.parent)
    return next((one.parent for one in above if one.name == "session" and (one.parent / "message").is_dir()), None)


def tree_sessions(folder: Path) -> list[Path]:
    """The session files of a storage folder, in a steady order. Linked folders are not entered."""
    found: list[Path] = []
    for place in (folder / "session", *_subfolders(folder / "session")):
        found.extend(place / name for name in _names(place))
    return found


def _subfolders(folder: Path) -> list[Path]:
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False))
    return []


def _names(folder: Path) -> list[str]:
    """The JSON files in a folder that may be missing."""
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.name.endswith(".json"))
    return []


class Tree(Store):
    """A session whose messages and parts are a small file each: joined by the ids inside, not by the files' names."""

    def __init__(self, source: SessionSource) -> None:
        self._root = source.root
        self._path = source.path
        storage = tree_of(source.path)
        if storage is None or not _is_within(storage, source.root):
            raise ArchiveError("the messages of this session lie beside it: open the folder with `session` in it")
        self._storage = storage

    def info(self) -> JsonObject:
        """The session's own file."""
        info = self._read(self._path)
        if not isinstance(info, dict):
            raise ArchiveError("the session's file is not valid JSON, or no object")
        return info

    def count(self) -> int:
        """One message a file."""
        return len(_names(self.messages_folder()))

    def messages_folder(self) -> Path:
        """The folder of the session's messages, by its id."""
        own_id = text_of(self.info().get("id"))
        folder = self._storage / "message" / (own_id if _NAME.fullmatch(own_id) else self._path.stem)
        return folder if folder.is_dir() else self._storage / "message" / self._path.stem

    def latest_files(self, limit: int) -> list[Path]:
        """The folders in which messages and parts come, and the files of the last `limit` messages."""
        folder = self._storage / "message" / self._path.stem
        folder = folder if folder.is_dir() else self.messages_folder()
        found = [folder, self._storage / "part"]
        for name in _names(folder)[-limit:]:
            found.append(folder / name)
            parts = self._storage / "part" / name.removesuffix(".json")
            found.extend((parts, *(parts / part for part in _names(parts)[-limit:])))
        return found

    def files(self) -> Iterator[Path]:
        """Every file of its messages and parts. A message is read only where its parts do not lie by its name."""
        folder = self.messages_folder()
        for name in _names(folder):
            yield folder / name
            parts = self._part_paths(name.removesuffix(".json"))
            yield from parts or self._part_paths(_id_in(self._read(folder / name), name))

    def turns(self) -> Iterator[Turn | None]:
        """Each message with its parts, by time and id."""
        own_id = text_of(self.info().get("id"))
        folder = self.messages_folder()
        order: list[tuple[int, str, str]] = []
        for name in _names(folder):
            message = self._read(folder / name)
            if not isinstance(message, dict):
                yield None
            elif message.get("sessionID") in (None, own_id):
                moment = parse_instant(time_of(message.get("time"), "created")) or 0
                order.append((moment, text_of(message.get("id")), name))
        for _, _, name in sorted(order):
            message = mapping(self._read(folder / name))
            yield Turn(message, self._parts(text_of(message.get("id")), name), message)

    def _parts(self, message_id: str, name: str) -> list[Any]:
        """The parts of a message: by their ids where these ascend, else by time and the files' names."""
        paths = self._part_paths(message_id if _NAME.fullmatch(message_id) else name.removesuffix(".json"))
        parts = [(path.name, self._read(path)) for path in paths]
        # A part that names another message lies in the wrong folder.
        parts = [(at, part) for at, part in parts if mapping(part).get("messageID") in (None, message_id)]
        if all(text_of(mapping(part).get("id")).startswith("prt_") for _, part in parts):
            return [part for _, part in sorted(parts, key=lambda found: str(found[1]["id"]))]
        return [part for _, part in sorted(parts, key=lambda found: (_start_time(found[1]), found[0]))]

    def _part_paths(self, message_id: str) -> list[Path]:
        folder = self._storage / "part" / message_id
        if folder.is_dir():
            return [folder / name for name in _names(folder)]
        flat = self._storage / "part"
        found = stamp(flat)
        changed = found.mtime_ns if found else 0
        return [flat / name for name in _flat_parts(flat, self._root, changed).get(message_id, ())]

    def parent_call_id(self, parent_id: str) -> str | None:
        """Looks for this session's id in the parent's parts."""
        own_id = text_of(self.info().get("id"))
        if not _NAME.fullmatch(parent_id) or not own_id:
            return None
        messages = self._storage / "message" / parent_id
        paths = (
            path for name in _names(messages) for path in self._part_paths(_id_in(self._read(messages / name), name))
        )
        for path, _ in zip(paths, range(_MAX_SEARCHED_PARTS), strict=False):
            part = mapping(self._read(path))
            if mapping(mapping(part.get("state")).get("metadata")).get("sessionId") == own_id:
                return text_of(part.get("callID")) or None
        return None

    def _read(self, path: Path) -> Any:
        """The value in a small file, `None` where there is none."""
        try:
            return decode_json(read_whole(path, self._root))
        except (ArchiveError, ValueError):
            return None


def _is_within(folder: Path, root: Path) -> bool:
    try:
        return bool(confine(folder, root))
    except ArchiveError:
        return False


def _id_in(message: Any, name: str) -> str:
    own_id = text_of(mapping(message).get("id"))
    return own_id if _NAME.fullmatch(own_id) else name.removesuffix(".json")


def _start_time(part: Any) -> int:
    times = mapping(mapping(part).get("state")).get("time") or mapping(part).get("time")
    return parse_instant(time_of(times, "start", "created")) or 0


@lru_cache(maxsize=4)
def _flat_parts(folder: Path, root: Path, changed: int) -> Mapping[str, tuple[str, ...]]:
    """The names of the part files that lie side by side in one folder, by the message they are of.

    `changed` is when the folder last did: with another it is looked through again.
    """
    found: dict[str, list[str]] = {}
    for name in _names(folder)[:_MAX_FLAT_PARTS]:
        with suppress(ArchiveError, ValueError):
            part = mapping(decode_json(read_whole(folder / name, root)))
            found.setdefault(text_of(part.get("messageID")), []).append(name)
    return {message_id: tuple(names) for message_id, names in found.items()}
