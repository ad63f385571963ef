"""`python -m vectors FOLDER`: write the vectors anew, each as a file with a step a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from vectors.commands import commands
from vectors.connecting import connecting
from vectors.pacing import pacing
from vectors.refusals import refusals
from vectors.script import JsonObject, Script


def scripts() -> Iterator[Script]:
    """All of them."""
    yield from pacing()
    yield from commands()
    yield from connecting()
    yield from refusals()


def text_of(document: JsonObject) -> str:
    """A vector as it stands in its file."""
    fields = [f'  "{name}": {_value(name, value)}' for name, value in document.items()]
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _value(name: str, value: object) -> str:
    if name in ("rules", "steps") and isinstance(value, list):
        return _lines("[]", [_plain(each) for each in value], "  ")
    if name == "session" and isinstance(value, dict):
        return _lines("{}", [f'"{each}": {_records(records)}' for each, records in value.items()], "  ")
    return _plain(value)


def _records(value: object) -> str:
    return (
        _lines("[]", [_plain(each) for each in value], "    ") if isinstance(value, list) and value else _plain(value)
    )


def _lines(brackets: str, items: list[str], indent: str) -> str:
    inner = f",\n{indent}  ".join(items)
    return f"{brackets[0]}\n{indent}  {inner}\n{indent}{brackets[1]}"


def _plain(value: object) -> str:
    return orjson.dumps(value).decode()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    names = set()
    for script in scripts():
        names.add(f"{script.name}.json")
        (folder / f"{script.name}.json").write_text(text_of(script.document()))
    for path in folder.glob("*.json"):
        if path.name not in names:
            path.unlink()
