from __future__ import annotations

import re
from pathlib import Path

import pytest

from scrollcast.terminal.blocks import View
from scrollcast.terminal.rendering import TAGS
from scrollcast.terminal.text import span
from scrollcast.terminal.tools import TOOL_NAMES
from terminal.speaking import call, conversation, drawn, result, said, style_of, text

STATIC = Path(__file__).parents[2] / "static"


def test_a_turn_stands_under_who_said_it_and_when() -> None:
    """What people look for; lines end where the person ended them."""
    lines = drawn(conversation((65_000, said("user", text("one\ntwo"))))).split("\n")

    assert lines[1].startswith("❯ User")
    assert lines[1].endswith("1:05")
    assert lines[2:] == ["▌ one", "▌ two"]


def test_an_answer_is_drawn_as_markdown() -> None:
    """Marks become looks, and tags stay text."""
    held = conversation((0, said("assistant", text("# Head\n\nsome **bold** `<div>` words and <b>tags</b>"))))

    assert "● Agent" in drawn(held)
    assert "some bold <div> words and <b>tags</b>" in drawn(held)
    assert style_of(held, "bold") == "bold"
    assert "cyan" in style_of(held, "<div>")


def test_who_goes_on_speaking_is_not_named_again() -> None:
    """Results of tools in between do not count."""
    held = conversation(
        (0, said("assistant", text("one"), call("Bash", command="ls"))),
        (10, said("user", result("out"))),
        (20, said("assistant", text("two"))),
    )

    assert drawn(held).count("● Agent") == 1


def test_a_thought_is_one_line_until_it_is_asked_for() -> None:
    """With how long it is."""
    held = conversation((0, said("assistant", {"type": "thinking", "text": "First this.\n\nThen that."})))

    assert "∴ First this. Then that." in drawn(held)
    assert "4 words" in drawn(held)
    assert "│ Then that." in drawn(held, View(thinking=True))


def test_a_result_stands_with_its_call_and_tells_how_long_it_took() -> None:
    """The event of the result shows nothing by itself."""
    held = conversation(
        (1_000, said("assistant", call("Bash", command="make test"))), (4_200, said("user", result("2 passed")))
    )
    shown = drawn(held)

    assert re.search(r"▸ Bash +✔ 3\.2 s$", shown, re.MULTILINE)
    assert "│ $ make test\n  │ 2 passed" in shown
    assert shown.endswith("2 passed")


def test_a_call_runs_until_its_result_comes_or_the_next_turn() -> None:
    """What nobody answered says so."""
    held = conversation((0, said("assistant", call("Bash", command="sleep 9"))))
    assert "… running" in drawn(held)

    held.put(1, 10, said("user", text("stop that")))
    assert "no result" in drawn(held)


def test_a_result_that_comes_late_stands_where_it_came() -> None:
    """Far above nobody would see it."""
    between = [(20 + n, said("assistant", text(f"word {n}"))) for n in range(60)]
    held = conversation(
        (0, said("assistant", call("Bash", command="ls"))), *between, (90_000, said("user", result("late")))
    )
    last = drawn(held).split("\n")[-2:]

    assert "↳ Bash  called at 0:00" in last[0]
    assert last[0].endswith("✔ 1 min 30 s")
    assert last[1] == "  │ late"


def test_a_failed_call_is_evident() -> None:
    """By a word, a sign and a colour; its own colours stay."""
    held = conversation(
        (0, said("assistant", call("Bash", command="false"))),
        (100, said("user", result("Exit code 3\n\x1b[32mgreen\x1b[0m", is_error=True))),
    )

    assert "✘ failed" in drawn(held)
    assert "exit 3" in drawn(held)
    assert style_of(held, "failed") == "bold red"
    assert style_of(held, "green") == "color(2)"  # the second of the terminal's own


def test_an_edit_is_a_coloured_difference() -> None:
    """With how much came and went, and a little around it."""
    before = "\n".join(f"line {n}" for n in range(20))
    held = conversation(
        (
            0,
            said(
                "assistant",
                call("Edit", file_path="a.py", old_string=before, new_string=before.replace("line 9", "new")),
            ),
        )
    )
    shown = drawn(held)

    assert "▸ Edit  a.py  +1  −1" in shown
    assert "-line 9" in shown
    assert "+new" in shown
    assert " line 6" in shown
    assert "line 5" not in shown
    assert style_of(held, "-line 9") == "red"
    assert style_of(held, "+new") == "green"


def test_a_patch_keeps_its_signs() -> None:
    """As `apply_patch` takes it."""
    patch = "*** Begin Patch\n*** Update File: a.py\n@@\n-old\n+new\n*** End Patch"
    shown = drawn(conversation((0, said("assistant", call("apply_patch", input=patch)))))

    assert "+1  −1" in shown
    assert "*** Update File: a.py" in shown


def test_long_output_is_cut_until_more_is_asked_for() -> None:
    """And says how much is left."""
    held = conversation(
        (0, said("assistant", call("Bash", command="seq 30"))),
        (10, said("user", result("\n".join(f"row {n}" for n in range(30))))),
    )

    assert "row 11" in drawn(held)
    assert "row 12" not in drawn(held)
    assert "… 18 more lines" in drawn(held)
    assert "row 29" in drawn(held, View(more=True))


def test_a_plan_says_what_became_of_each_step() -> None:
    """Whether it comes as a part or as what a tool was given."""
    entries = [
        {"content": "one", "status": "completed"},
        {"content": "two", "status": "in_progress"},
        {"content": "three"},
    ]
    as_part = drawn(conversation((0, said("assistant", {"type": "plan", "entries": entries}))))
    as_call = drawn(conversation((0, said("assistant", call("TodoWrite", todos=entries)))))

    for shown in (as_part, as_call):
        assert "✔ one" in shown
        assert "▶ two" in shown
        assert "○ three" in shown
    assert "1 of 3 done" in as_call


def test_what_agents_put_into_a_turn_stands_apart() -> None:
    """A reminder is folded, a command is shown."""
    words = "<command-name>/fix</command-name><system-reminder>be\nbrief</system-reminder>do it"
    shown = drawn(conversation((0, said("user", text(words)))))

    assert "▌ /fix" in shown
    assert "system-reminder: be brief" in shown
    assert "▌ do it" in shown


@pytest.mark.parametrize("width", [20, 37, 80, 200])
def test_no_line_is_longer_than_there_is_room(width: int) -> None:
    """In characters of two cells too."""
    held = conversation(
        (0, said("user", text("漢字" * 80 + " " + "x" * 300))),
        (1, said("assistant", text("| a | b |\n|-|-|\n| " + "y" * 99 + " | 漢 |"), call("Bash", command="z" * 500))),
        (2, said("user", result("漢" * 300))),
    )
    from rich.cells import cell_len

    for more in (False, True):
        assert max(cell_len(line) for line in drawn(held, View(width, more=more)).split("\n")) <= width


def test_a_part_of_another_shape_than_its_type_promises_is_shown_as_it_is() -> None:
    """Nothing that an agent wrote ends the player."""
    shown = drawn(conversation((0, said("assistant", {"type": "plan", "entries": [{"no": "content"}]}))))

    assert '"no": "content"' in shown


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "0 ms"), (999, "999 ms"), (4_200, "4.2 s"), (5_000, "5 s"), (41_000, "41 s"), (59_999, "1 min"),
     (200_000, "3 min 20 s"), (11_520_000, "3 h 12 min"), (90_000_000, "1 d 1 h")],
)  # fmt: skip
def test_lengths_of_time_are_written_as_in_the_page(ms: int, words: str) -> None:
    """In their two largest units."""
    assert span(ms) == words


def test_tools_are_known_by_the_names_that_the_page_knows() -> None:
    """The two tables cannot drift."""
    source = (STATIC / "renderers" / "tools.js").read_text()
    table = source[source.index("const NAMES") : source.index("const BY_NAME")]
    theirs = {look: set(names.split()) for look, names in re.findall(r"\[(\w+), '([^']+)'\]", table)}

    assert theirs == {look: set(names.split()) for look, names in TOOL_NAMES.items()}


def test_tags_are_those_that_the_page_knows() -> None:
    """In a person's turn."""
    source = (STATIC / "renderers" / "user-text.js").read_text()
    table = source[source.index("const TAGS") : source.index("];")]

    assert re.findall(r"'([^']+)'", table) == list(TAGS)
