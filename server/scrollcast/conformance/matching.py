"""What came, held to what has to come (`docs/conformance.md`, Values)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

__all__ = ["Matcher", "sample"]

_OPERATORS: Final = ("$is", "$same", "$about", "$absent")


def _parses(read: Callable[[str], object]) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        try:
            return isinstance(value, str) and bool(read(value))
        except ValueError:
            return False

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "any": lambda _value: True,
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "number": _is_number,
    "text": lambda value: isinstance(value, str),
    "time": _parses(datetime.fromisoformat),
    "uuid": _parses(UUID),
}


class Matcher:
    """Compares the messages of one vector. `about` is by how much a number that comes of the clock may differ."""

    def __init__(self, about: float) -> None:
        self._about = about
        self._names: dict[str, str] = {}

    def known(self, value: Any) -> Any:
        """A value of a step with what the server chose put in where it is named; raises `KeyError` for what it did not
        choose yet."""
        return self._names[value["$same"]] if isinstance(value, Mapping) else value

    def differences(self, expected: Mapping[str, Any], actual: Mapping[str, Any]) -> list[str]:
        """Where a message is not as it has to be, each as a sentence; none where it is.

        Names are bound by a message only when all of it matches. Fields that are not expected are not looked at.
        """
        names = dict(self._names)
        about = self._about * max(1.0, expected.get("speed", 1.0))
        found = [*_compare(expected, actual, "", names, about)]
        if not found:
            self._names = names
        return found


def _compare(expected: Any, actual: Any, place: str, names: dict[str, str], about: float) -> Iterator[str]:
    if isinstance(expected, Mapping):
        operator = next((name for name in _OPERATORS if name in expected), None)
        if operator:
            yield from _operate(operator, expected, actual, place, names, about)
        elif not isinstance(actual, Mapping):
            yield _told(place, expected, actual)
        else:
            yield from _fields(expected, actual, place, names, about)
    elif isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            yield _told(place, expected, actual)
        else:
            for number, pair in enumerate(zip(expected, actual, strict=True)):
                yield from _compare(*pair, f"{place}[{number}]", names, about)
    elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
        yield _told(place, expected, actual)


def _fields(
    expected: Mapping[str, Any], actual: Mapping[str, Any], place: str, names: dict[str, str], about: float
) -> Iterator[str]:
    for name, value in expected.items():
        inner = f"{place}.{name}" if place else name
        if isinstance(value, Mapping) and "$absent" in value:
            if name in actual:
                yield f"{inner} is there, and must not be"
        elif name not in actual:
            yield f"{inner} is missing"
        else:
            yield from _compare(value, actual[name], inner, names, about)


def _operate(
    operator: str, expected: Mapping[str, Any], actual: Any, place: str, names: dict[str, str], about: float
) -> Iterator[str]:
    if operator == "$about":
        if not _is_number(actual) or abs(actual - expected["$about"]) > about:
            yield f"{place} is {actual!r}, which is not about {expected['$about']}"
    elif operator == "$is":
        if not _KINDS[expected["$is"]](actual):
            yield f"{place} is {actual!r}, which is no {expected['$is']}"
        elif expected.get("without", ...) is not ... and expected["without"] in actual:
            yield f"{place} holds what it must not"
    else:
        name = expected["$same"]
        if not isinstance(actual, str) or names.get(name, actual) != actual:
            yield f"{place} is {actual!r}, and {name!r} was {names.get(name)!r}"
        elif any(value == actual and other != name for other, value in names.items()):
            yield f"{place} is {actual!r}, which is that of another name than {name!r}"
        names.setdefault(name, str(actual))


def _told(place: str, expected: Any, actual: Any) -> str:
    return f"{place or 'the message'} is {actual!r}, and not {expected!r}"


def sample(expected: Any) -> Any:
    """A message as a server might send it that matches: for a client that is spoken to."""
    if isinstance(expected, list):
        return [sample(each) for each in expected]
    if not isinstance(expected, Mapping):
        return expected
    if "$about" in expected:
        return expected["$about"]
    if "like" in expected and ("$is" in expected or "$same" in expected):
        return expected["like"]
    return {name: sample(value) for name, value in expected.items() if not _is_absent(value)}


def _is_absent(value: Any) -> bool:
    return isinstance(value, Mapping) and "$absent" in value
