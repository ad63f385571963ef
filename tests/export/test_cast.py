import re
from typing import Any

import orjson

from archives import Line, message
from export.conftest import Exporter
from export.stories import everything, meta, result, text

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


async def cast_of(exporter: Exporter, **asked: Any) -> tuple[dict[str, Any], list[list[Any]]]:
    """The header and the events of a recording, held to what asciicast v3 asks of them."""
    header, *events = [orjson.loads(line) for line in (await exporter.document("cast", **asked)).splitlines()]
    assert header["version"] == 3
    assert isinstance(header["term"]["cols"], int)
    assert isinstance(header["term"]["rows"], int)
    assert isinstance(header.get("timestamp", 0), int)
    for interval, code, data in events:
        assert interval >= 0
        assert code in ("o", "m")
        assert isinstance(data, str)
        assert not re.search(r"(?<!\r)\n", data), "a terminal's lines end with both"
    return header, events


async def test_conversation_comes_at_its_recorded_time(exporter: Exporter) -> None:
    """Intervals add up to the times of the messages, to the millisecond."""
    header, events = await cast_of(exporter.write(everything(), meta()))
    at, times = 0.0, []
    for interval, code, _ in events:
        at += interval
        times += [round(at, 3)] if code == "o" else []

    assert times == [0, 1, 3.25, 5, 6, 9, 60]
    assert header["title"] == "A session"
    assert header["timestamp"] == 1_772_442_000


async def test_marker_stands_before_each_turn(exporter: Exporter) -> None:
    """With the first words of it; what it says follows at once."""
    _, events = await cast_of(exporter.write(everything()))
    markers = [number for number, event in enumerate(events) if event[1] == "m"]

    assert [events[number][2] for number in markers] == ["Please look.", "Thanks."]
    assert all(events[number + 1][0] == 0 for number in markers)


async def test_terminal_obeys_nothing_of_a_session_but_colours(exporter: Exporter) -> None:
    """Titles, links, the clipboard, the cursor and the screen are left alone."""
    hostile = (
        "\x1b]0;owned\x07\x1b]52;c;cm0gLXJm\x07\x1b[2J\x1b[H\x1b[?1049h\x1bc\x9b31m\x1bP+q544e\x1b\\\x1b_x\x1b\\"
        "\x1b]8;;http://127.0.0.1:9/\x1b\\link\x1b]8;;\x1b\\ \x07\x08\x00\u202e \x1b[31mred\x1b[0m 50%\r100%\nend\x1b"
    )
    parts: list[Any] = [text(hostile), result(text(hostile)), {"type": "thinking", "text": hostile}]
    parts += [{"type": "tool_call", "call_id": "c", "name": hostile, "input": {"command": hostile}}]
    parts += [
        {"type": "plan", "entries": [{"content": hostile}]},
        {"type": "resource", "uri": hostile, "text": hostile},
    ]
    lines: list[Line] = [message("m0", 0, hostile, content_parts=parts), message("m1", 1, "user", content_md=hostile)]
    header, events = await cast_of(exporter.write(lines, title=hostile))

    for data in [header["title"], *(event[2] for event in events)]:
        rest = COLOUR.sub("", data).replace("\r\n", "\n")
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", rest)
    shown = "".join(event[2] for event in events)
    assert "\x1b[31mred\x1b[0m 100%\x1b[0m\r\n" not in shown.partition("link")[0]
    assert "red" in shown


async def test_long_output_is_cut_and_says_so(exporter: Exporter) -> None:
    """What is said is not."""
    lines = "\n".join(f"line {number}" for number in range(100))
    _, events = await cast_of(
        exporter.write(
            [message("m0", 0, "tool", content_parts=[result(text(lines))]), message("m1", 1, content_md=lines)]
        )
    )

    assert "70 more lines" in events[0][2]
    assert "line 30\r\n" not in events[0][2]
    assert "line 99" in events[2][2]
