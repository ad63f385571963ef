"""`docs/configuration.md` has every flag, every variable and every limit, each as it holds, and nothing else."""

from __future__ import annotations

import argparse
import importlib
import re
from pathlib import Path

import pytest

from scrollcast import cli, settings
from scrollcast.archive import places

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "server" / "scrollcast"
PAGE = (ROOT / "docs" / "configuration.md").read_text()

OTHER_LIMITS = frozenset((
    "CACHE_LIMIT_BYTES", "CLOSE_GRACE", "DEAD_PEER_MS", "FIRST_LOOK_SECONDS", "HEARTBEAT_SECONDS", "KEPT_INDEXES",
    "LONG_READ_SECONDS", "QUEUE", "REQUEST_SECONDS", "RESERVE_BYTES", "SHUTDOWN_GRACE", "SHUTDOWN_SECONDS",
    "UNREAD_SECONDS", "WRITE_TIMEOUT",
))  # fmt: skip
"""Limits that are not called so."""

NO_LIMITS = frozenset(("archive.catalogue_tables._MAX_INTEGER", "archive.rows.MAX_INTEGER"))
"""What SQLite and 64 bits hold."""

UNITS = {"": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "s": 1.0, "ms": 0.001}

_CONSTANT = re.compile(r"^(_?[A-Z][A-Z0-9_]*)(?:: Final(?:\[[^\]]*\])?)? = ", re.MULTILINE)


def limits() -> dict[str, float]:
    """The limits of all modules, by their names."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for name in _CONSTANT.findall(path.read_text()):
            if name.lstrip("_").startswith("MAX_") or name in OTHER_LIMITS:
                value = getattr(importlib.import_module(f"scrollcast.{module}"), name)
                found[f"{module}.{name}"] = value / 1000 if name.endswith("_MS") else value
    return {name: value for name, value in found.items() if name not in NO_LIMITS}


def documented_limits() -> dict[str, float]:
    """The limits of the page, in bytes, seconds or pieces."""
    found = {}
    for name, value in re.findall(r"^\| `([\w.]+\.\w+)` \| ([^|]+) \|", PAGE.partition("## Limits")[2], re.MULTILINE):
        power = re.fullmatch(r"2\^(\d+)( - 1)?", value)
        number, _, unit = value.replace(",", "").partition(" ")
        found[name] = 2 ** int(power[1]) - bool(power[2]) if power else float(number) * UNITS[unit]
    return found


def test_every_limit_stands_there_with_its_value() -> None:
    """None is missing, none has gone, none says what does not hold."""
    assert documented_limits() == limits()


def actions() -> dict[str, dict[str, argparse.Action]]:
    """The flags of each verb."""
    (verbs,) = [action for action in cli._parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return {
        verb: {flag: action for action in parser._actions for flag in action.option_strings}
        for verb, parser in verbs.choices.items()
    }


FLAG = re.compile(r"(?<![\w-])(--?[a-z][\w-]*)")


def test_every_flag_stands_there() -> None:
    """Those of `serve` in its table, the others with their verbs; none that is not there."""
    _, serving, others = re.split(r"^### ", PAGE.partition("## Variables")[0], flags=re.MULTILINE)
    rows = re.findall(r"^\| (`-[^|]*) \| ([^|]*) \|", others, re.MULTILINE)
    told = {
        (verb, flag) for flags, verbs in rows for flag in FLAG.findall(flags) for verb in re.findall(r"`(\w+)`", verbs)
    }
    told |= {
        ("serve", flag) for row in re.findall(r"^\| (`-[^|]*) \|", serving, re.MULTILINE) for flag in FLAG.findall(row)
    }

    assert told == {(verb, flag) for verb, flags in actions().items() for flag in flags} - {
        (verb, flag) for verb in actions() for flag in ("-h", "--help")
    }


@pytest.mark.parametrize("flag", [flag for flag, action in actions()["serve"].items() if type(action.default) is int])
def test_the_number_that_a_flag_has_by_default_stands_there(flag: str) -> None:
    """As people write it."""
    default = actions()["serve"][flag].default
    shown = str(default) if flag == "--port" else f"{default:,}"

    assert re.search(rf"^\| `{flag} N` \| {shown} \|", PAGE, re.MULTILINE)


def test_every_variable_stands_there() -> None:
    """And no other."""
    rows = re.findall(
        r"^\| (`[A-Z][^|]*) \|", PAGE.partition("## Variables")[2].partition("## Limits")[0], re.MULTILINE
    )
    told = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}

    assert told == {*places.VARIABLES, *settings.VARIABLES, "SCROLLCAST_KEPT_DIR", "NO_COLOR"}
