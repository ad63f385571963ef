"""Fewer markers of a kind, the others untouched; and what a single one says."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest

from archives import JsonObject
from scrollcast.archive.markers import count_kind, find_labels, thin

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

    kept = orjson.loads(thin(orjson.dumps(markers), {"tool": tools}, most))

    assert [each for each in kept if each["kind"] != "tool"] == [each for each in markers if each["kind"] != "tool"]
    assert [each["seq"] for each in kept] == sorted(each["seq"] for each in kept)
    found = [each["seq"] for each in kept if each["kind"] == "tool"]
    assert len(found) == most
    gaps = [after - before for before, after in pairwise(found)]
    assert not gaps or max(gaps) - min(gaps) <= 2


def test_each_kind_is_thinned_by_itself() -> None:
    """To as many as are wished for, or as there are."""
    kinds = ["turn", "tool", "tool", "plan", "tool", "error"] * 50
    listed = orjson.dumps([marker(seq, kind) for seq, kind in enumerate(kinds)])
    totals = {kind: count_kind(listed, kind) for kind in ("turn", "tool", "plan", "error", "subagent")}
    assert totals == {"turn": 50, "tool": 150, "plan": 50, "error": 50, "subagent": 0}

    kept = [each["kind"] for each in orjson.loads(thin(listed, {**totals, "error": 50}, 49))]

    assert {kind: kept.count(kind) for kind in totals} == {
        "turn": 49,
        "tool": 49,
        "plan": 49,
        "error": 49,
        "subagent": 0,
    }


def test_markers_are_counted_across_the_steps_in_which_they_are_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, wherever a step ends."""
    listed = orjson.dumps([marker(seq, "tool") for seq in range(20)])
    for step in range(1, 60):
        monkeypatch.setattr("scrollcast.archive.markers.STEP_BYTES", step)
        assert count_kind(listed, "tool") == 20


def test_an_array_that_ends_with_a_tool_or_holds_nothing_else_stays_an_array() -> None:
    """No comma is left over."""
    turn, tool = marker(0, "turn"), marker(1, "tool")

    assert orjson.loads(thin(orjson.dumps([turn, tool, tool]), {"tool": 2}, 1)) == [turn, tool]
    assert orjson.loads(thin(orjson.dumps([turn, tool]), {"tool": 1}, 0)) == [turn]
    assert thin(orjson.dumps([tool]), {"tool": 1}, 0) == b"[]"
    assert thin(b"[]", {"tool": 0}, 1) == b"[]"


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_the_label_of_any_turn_is_found(make: type) -> None:
    """Among markers of other kinds, beside others of the same event, with the longest labels there are."""
    markers = []
    for seq in range(0, 3000, 3):
        kinds = ["turn", "tool", "error"] if seq % 2 == 0 else ["tool", "plan"]
        markers += [{**marker(seq, kind), "label": f"{kind} {seq} " + '\x00\u2028é"' * (seq % 30)} for kind in kinds]
    listed = make(orjson.dumps(markers)[1:-1])

    labels = {each["seq"]: each["label"] for each in markers if each["kind"] == "turn"}
    assert list(find_labels(listed, "turn", labels)) == list(labels.values())
    assert list(find_labels(listed, "turn", [1, 3, 99_999])) == ["", "", ""]
    assert list(find_labels(make(b""), "turn", [0])) == [""]
