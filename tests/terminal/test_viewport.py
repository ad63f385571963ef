from __future__ import annotations

from rich.segment import Segment

from scrollcast.terminal.blocks import Line
from scrollcast.terminal.conversation import HELD_EVENTS, Conversation, Entry
from scrollcast.terminal.viewport import Viewport
from terminal.speaking import plain, said, text

HEIGHT = 5


def three_lines(entry: Entry) -> list[Line]:
    """Every event has three."""
    return [[Segment(f"{entry.seq}.{n}")] for n in range(3)]


def looking_at(count: int) -> tuple[Conversation, Viewport]:
    """So many events."""
    held = Conversation()
    for seq in range(count):
        held.put(seq, seq, said("assistant", text("x")))
    return held, Viewport(held, three_lines)


def seen(viewport: Viewport) -> list[str]:
    """What is on the screen."""
    return [plain(line) for line in viewport.lines(HEIGHT)]


def test_it_keeps_to_the_end() -> None:
    """Whatever comes."""
    held, viewport = looking_at(4)
    assert seen(viewport) == ["2.1", "2.2", "3.0", "3.1", "3.2"]

    held.put(4, 4, said("assistant", text("x")))
    assert seen(viewport)[-1] == "4.2"


def test_scrolled_up_it_stands_and_counts_what_comes() -> None:
    """Until it is scrolled down to the end."""
    held, viewport = looking_at(4)
    viewport.scroll(-2, HEIGHT)
    assert seen(viewport) == ["1.2", "2.0", "2.1", "2.2", "3.0"]

    held.put(4, 4, said("assistant", text("x")))
    assert seen(viewport)[0] == "1.2"
    assert viewport.unseen == 1

    viewport.scroll(10, HEIGHT)
    assert viewport.at_end
    assert viewport.unseen == 0
    assert seen(viewport)[-1] == "4.2"


def test_it_says_when_the_beginning_is_reached_and_stands_when_more_is_put_before() -> None:
    """So that history can be fetched."""
    held = Conversation()
    for seq in range(10, 14):
        held.put(seq, seq, said("assistant", text("x")))
    viewport = Viewport(held, three_lines)

    assert not viewport.scroll(-3, HEIGHT)
    assert viewport.scroll(-30, HEIGHT)
    assert seen(viewport)[0] == "10.0"
    assert held.put_before([(seq, seq, said("assistant", text("x"))) for seq in range(5, 10)]) == 5
    assert seen(viewport)[0] == "10.0"
    viewport.scroll(-1, HEIGHT)
    assert seen(viewport)[0] == "9.2"


def test_what_is_held_has_a_bound_both_ways() -> None:
    """However long a session is."""
    held, _ = looking_at(3 * HELD_EVENTS)
    assert len(held.entries) == HELD_EVENTS

    first = held.entries[0].seq
    held.put_before([(seq, seq, said("assistant", text("x"))) for seq in range(first)])
    assert len(held.entries) == 2 * HELD_EVENTS
    assert held.entries[0].seq == first - HELD_EVENTS
    assert not held.has_room_before
