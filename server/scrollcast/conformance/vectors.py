"""The files of the vectors, and the sessions in them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

__all__ = [
    "JsonObject",
    "Vector",
    "append_records",
    "load_vectors",
    "rewrite_records",
    "vectors_folder",
    "write_session",
]

JsonObject: TypeAlias = dict[str, Any]

MESSAGES: Final = "messages.jsonl"


@dataclass(frozen=True, slots=True)
class Vector:
    """One vector (`docs/conformance.md`, The file). `steps` are as they stand in it."""

    name: str
    session: Mapping[str, Any]
    steps: Sequence[Mapping[str, Any]]
    needs: frozenset[str]
    is_for_servers: bool
    outcome: Mapping[str, Any] | None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Vector:
        """From what a file holds."""
        return cls(
            fields["name"],
            fields["session"],
            fields["steps"],
            frozenset(fields.get("needs", ())),
            fields.get("for") != "clients",
            fields.get("outcome"),
        )

    @property
    def scroll_id(self) -> str:
        """The session's id."""
        return str(self.session["metadata"]["scroll_id"])

    @property
    def seconds(self) -> float:
        """How long it takes in real time, at least."""
        return float(max(step["at_ms"] for step in self.steps)) / 1000

    @property
    def writes(self) -> bool:
        """Whether the archive is written to while it runs."""
        return any("append" in step or "rewrite" in step for step in self.steps)


def vectors_folder() -> Path:
    """Where the vectors are: in the package as it is installed, or in the checkout."""
    package = Path(__file__).parent
    inside = package / "vectors"
    return inside if inside.is_dir() else package.parents[2] / "docs" / "contract" / "vectors"


def load_vectors(folder: Path) -> list[Vector]:
    """The vectors of a folder, by name."""
    return [Vector.of(orjson.loads(path.read_bytes())) for path in sorted(folder.glob("*.json"))]


# ------------------------------------------------------------------------------------------------------ the sessions


def write_session(vector: Vector, archive: Path) -> None:
    """Write a vector's session as a folder of a native archive, in place of what may be there of an earlier run."""
    folder = archive / vector.scroll_id
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    session = vector.session
    (folder / "session.json").write_bytes(orjson.dumps(session["metadata"]))
    if session["messages"] is not None:
        lines = _lines(session["messages"], vector.scroll_id) + session.get("rest", "").encode()
        (folder / MESSAGES).write_bytes(lines)
    if "meta_events" in session:
        (folder / "meta_events.jsonl").write_bytes(_lines(session["meta_events"], vector.scroll_id))


def append_records(vector: Vector, archive: Path, records: Iterable[Any]) -> None:
    """Write further messages behind those that a session has."""
    with (archive / vector.scroll_id / MESSAGES).open("ab") as file:
        file.write(_lines(records, vector.scroll_id))


def rewrite_records(vector: Vector, archive: Path, records: Iterable[Any]) -> None:
    """Put other messages in the place of those that a session has, all at once."""
    path = archive / vector.scroll_id / MESSAGES
    written = path.with_suffix(".new")
    written.write_bytes(_lines(records, vector.scroll_id))
    written.replace(path)


def _lines(records: Iterable[Any], scroll_id: str) -> bytes:
    return b"".join(_line(record, scroll_id) + b"\n" for record in records)


def _line(record: Any, scroll_id: str) -> bytes:
    return record.encode() if isinstance(record, str) else orjson.dumps({**record, "session": scroll_id})
