"""What is logged: one event a line, with the replay that it is of, for people and for programs.

A line has no text of a session, no token and no query: what is logged are ids, codes, numbers, and, for whoever runs
the server, paths. What stands in a value cannot make a line of its own, nor move a terminal's cursor.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

import orjson

from scrollcast.access.secrets import HideSecrets
from scrollcast.access.token import OwnerToken

__all__ = ["FORMATS", "LEVELS", "LogFormat", "Logging", "add_facts", "log_to_stderr"]

LogFormat: TypeAlias = Literal["text", "json"]

FORMATS: Final[tuple[LogFormat, ...]] = ("text", "json")
LEVELS: Final = ("error", "warning", "info", "debug")

_OTHERS: Final = ("asyncio", "uvicorn", "uvicorn.error", "watchfiles", "websockets")
"""Loggers of libraries that tell headers, addresses with their queries and messages, where they are let."""

_STANDARD: Final = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"))
"""The attributes of a record that are no facts."""

_BARE: Final = re.compile(r"[A-Za-z0-9_.:/+-]+")
"""A value that needs no quotes."""

_facts: ContextVar[Mapping[str, Any]] = ContextVar("facts", default={})  # noqa: B039


@dataclass(frozen=True, slots=True)
class Logging:
    """What is to be logged, and how."""

    level: int = logging.WARNING
    format: LogFormat = "text"


def add_facts(**facts: Any) -> None:
    """Have every line that is logged from here on in this task, and in what it starts, say so."""
    _facts.set({**_facts.get(), **facts})


def log_to_stderr(how: Logging, token: OwnerToken | None = None) -> None:
    """Write what happens, and is at least of the level, on stderr; of the owner's token and the like nothing."""
    handler = logging.StreamHandler(sys.stderr)
    lines = _JsonLines() if how.format == "json" else _TextLines()
    handler.setFormatter(HideSecrets(lines, () if token is None else (token.reveal(),)))
    logging.basicConfig(level=how.level, handlers=[handler])
    for name in _OTHERS:
        logging.getLogger(name).setLevel(max(how.level, logging.WARNING))
    logging.getLogger("uvicorn.error").addFilter(_is_of_use)


def _is_of_use(record: logging.LogRecord) -> bool:
    """All but what uvicorn says of requests that it breaks off when the server stops: how many, and of each, as if it
    were a mistake of the application, a traceback."""
    is_broken_off = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not is_broken_off and not str(record.msg).startswith("Cancel %s running task(s)")


class _TextLines(logging.Formatter):
    """`key=value`, with a value in quotes, as JSON has it, where it is not plain."""

    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={_quoted(value)}" for name, value in _fields(record, self))


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return orjson.dumps(dict(_fields(record, self)), default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _fields(record: logging.LogRecord, formatter: logging.Formatter) -> Iterator[tuple[str, Any]]:
    yield "time", datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    yield "level", record.levelname
    yield "logger", record.name
    yield "message", _plain(record.getMessage())
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    for name, value in {**_facts.get(), **given}.items():
        yield name, value if isinstance(value, int | float) or value is None else _plain(str(value))
    if record.exc_info:
        yield "exception", _plain(formatter.formatException(record.exc_info))


def _plain(text: str) -> str:
    """Without half a character, which no encoding has."""
    return text.encode(errors="replace").decode()


def _quoted(value: Any) -> str:
    text = str(value)
    if _BARE.fullmatch(text):
        return text
    quoted = orjson.dumps(text).decode()
    return "".join(sign if " " <= sign <= "~" else _escaped(sign) for sign in quoted)


def _escaped(sign: str) -> str:
    """Letters of any script stay; what is not to be seen, or changes the direction of what is, does not."""
    return sign if sign.isprintable() else sign.encode("unicode-escape").decode()
