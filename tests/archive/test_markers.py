"""Fewer markers of tools, the others untouched."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest

from archives import JsonObject
from scrollcast.archive.markers import thin_tools

TRICKY = '{"seq":1,"t_ms":1,"kind":"tool","label":"x"},] \\" \\\\ \n'
"""A label that looks as if it were a marker."""


def marker(seq: int, kind: str) -> JsonObject:
    """One as `event_writer` makes it."""
    return {"seq": seq, "t_ms": seq * 10, "kind": kind, "label": f"{TRICKY}{seq}"}


@pytest.mark.parametrize(("tools", "most"), [(1, 1), (10, 10), (10, 3), (1000, 7), (999, 998)])
def test_so_many_tools_are_kept_and_everything_else(tools: int, most: int) -> None:
    """Whatever stands in the labels; the order stays."""
    kinds = ["turn", *["tool", "error"] * tools]
    markers = [marker(seq, kind) for seq, kind in enumerate(kinds)]

    kept = orjson.loads(thin_tools(orjson.dumps(markers), tools, most))

    assert [each for each in kept if each["kind"] != "tool"] == [each for each in markers if each["kind"] != "tool"]
    assert [each["seq"] for each in kept] == sorted(each["seq"] for each in kept)
    found = [each["seq"] for each in kept if each["kind"] == "tool"]
    assert len(found) == most
    gaps = [after - before for before, after in pairwise(found)]
    assert not gaps or max(gaps) - min(gaps) <= 2


def test_an_array_that_ends_with_a_tool_or_holds_nothing_else_stays_an_array() -> None:
    """No comma is left over."""
    turn, tool = marker(0, "turn"), marker(1, "tool")

    assert orjson.loads(thin_tools(orjson.dumps([turn, tool, tool]), 2, 1)) == [turn, tool]
    assert orjson.loads(thin_tools(orjson.dumps([turn, tool]), 1, 0)) == [turn]
    assert thin_tools(orjson.dumps([tool]), 1, 0) == b"[]"
    assert thin_tools(b"[]", 1, 1) == b"[]"
