from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollcast.model import Part, parse_parts
from scrollcast.stream.preview import IMAGE_TYPES, Body, cut_event, find_body, part_path

LIMIT: Final = 1024
PLAIN: Final = "text/plain; charset=utf-8"
BINARY: Final = "application/octet-stream"


# ------------------------------------------------------------------------------------------------------- helpers


def event_of(*parts: Part) -> bytes:
    """A message's own bytes, with these parts as its content."""
    assert parse_parts(list(parts)) is not None
    message = {"id": "m1", "role": "assistant", "content": parts, "metadata": None}
    return orjson.dumps({"seq": 7, "t_ms": 5, "event": {"type": "message_completed", "message": message}})


def href(path: tuple[int, ...]) -> str:
    """The address of a part, as short as can be."""
    return f"/parts/{part_path(path)}"


def parts_of(event: bytes) -> list[Part]:
    """The parts of a message."""
    parts: list[Part] = orjson.loads(event)["event"]["message"]["content"]
    return parts


def cut(*parts: Part, limit: int = LIMIT) -> list[Part]:
    """The parts of a message as a preview shows them."""
    return parts_of(cut_event(event_of(*parts), limit, href))


def result_of(*output: Part) -> Part:
    """A tool result with this output."""
    return {"type": "tool_result", "call_id": "c1", "output": list(output), "is_error": False}


def text_of(text: str) -> Part:
    """A text part."""
    return {"type": "text", "text": text}


def image_of(data: bytes, mime_type: str = "image/png") -> Part:
    """An image part."""
    return {"type": "image", "mime_type": mime_type, "data": b64encode(data).decode()}


def call_of(value: object) -> Part:
    """A tool call with this input."""
    return {"type": "tool_call", "call_id": "c1", "name": "Bash", "kind": "execute", "title": "t", "input": value}


def leaves(parts: Sequence[Part], above: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Part]]:
    """All parts that hold something themselves, each with its place."""
    for place, part in enumerate(parts):
        if part["type"] == "tool_result":
            yield from leaves(part["output"], (*above, place))
        else:
            yield (*above, place), part


def whole_of(part: Part) -> bytes:
    """A part's whole content, by the words of the protocol."""
    match part["type"]:
        case "text" | "thinking" | "code" | "resource":
            return str(part.get("text") or "").encode()
        case "image":
            return b64decode(part.get("data") or "")
        case "tool_call":
            return orjson.dumps(part.get("input"))
        case "plan":
            return orjson.dumps(part["entries"])
        case _:
            return orjson.dumps(part["raw"])


# --------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "x" * 3000},
        {"type": "thinking", "text": "x" * 3000, "signature": "s"},
        {"type": "code", "language": "python", "text": "x" * 3000},
        {"type": "resource", "uri": "file:///a", "mime_type": "text/html", "text": "x" * 3000},
    ],
    ids=lambda part: part["type"],
)
def test_a_long_text_is_cut(part: Part) -> None:
    """It keeps its beginning and its other fields, and is marked with its whole length and its address."""
    assert cut(part) == [{**part, "text": "x" * LIMIT, "truncated": {"bytes": 3000, "href": "/parts/0"}}]


@pytest.mark.parametrize("filler", ["x", "é", "…", "🎬"])
def test_a_text_of_exactly_the_limit_is_left(filler: str) -> None:
    """The limit counts bytes: a text of that many is whole, one of one byte more is cut."""
    exact = filler * (LIMIT // len(filler.encode())) + "x" * (LIMIT % len(filler.encode()))

    assert cut(text_of(exact)) == [text_of(exact)]
    assert cut(text_of(exact + "x"))[0]["truncated"]["bytes"] == LIMIT + 1


@pytest.mark.parametrize("lead", range(4))
@pytest.mark.parametrize("filler", ["é", "…", "🎬", "👩‍👩‍👧"])
def test_no_character_is_cut_in_two(lead: int, filler: str) -> None:
    """Wherever the limit falls, what is left is a beginning of the text in whole characters, and as much as fits."""
    text = "x" * lead + filler * 1000
    shown = cut(text_of(text))[0]["text"]

    assert text.startswith(shown)
    assert LIMIT - 4 < len(shown.encode()) <= LIMIT


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": ""},
        {"type": "code", "text": "x"},
        {"type": "resource", "uri": "file:///" + "a" * 3000},
        {"type": "resource", "uri": "file:///a", "text": None},
        {"type": "image", "mime_type": "image/png", "uri": "https://example.org/" + "a" * 3000},
        {"type": "tool_call", "call_id": None, "name": "Bash"},
        {"type": "unknown", "raw": {"a": [1, None, "é"]}},
        {"type": "plan", "entries": []},
        {"type": "tool_result", "call_id": "c1", "output": [], "is_error": True},
    ],
    ids=repr,
)
def test_a_part_without_much_in_it_is_left(part: Part) -> None:
    """What has no content, or little, stays as it is."""
    assert cut(part) == [part]


def test_an_event_without_a_long_part_keeps_its_bytes() -> None:
    """An event's own bytes are the same in every replay of the session."""
    event = event_of(text_of("é"), call_of({"b": 1, "a": [1.5, None]}), result_of(text_of("x")))

    assert cut_event(event, LIMIT, href) == event
    assert cut_event(memoryview(event), LIMIT, href) == event


def test_a_meta_event_is_left() -> None:
    """A meta event has no parts."""
    event = orjson.dumps({"seq": 1, "t_ms": 0, "event": {"type": "meta_event", "meta_event": {"payload": "x" * 3000}}})

    assert cut_event(memoryview(event), LIMIT, href) == event


def test_the_rest_of_the_event_is_left() -> None:
    """Cutting a part changes nothing of its message."""
    event = event_of(text_of("x" * 3000))
    shown, whole = orjson.loads(cut_event(event, LIMIT, href)), orjson.loads(event)
    shown["event"]["message"].pop("content")
    whole["event"]["message"].pop("content")

    assert shown == whole


# --------------------------------------------------------------------------------------------------- tool results


def test_parts_inside_a_tool_result_are_cut_where_they_stand() -> None:
    """Each part of an output is cut by itself, with its own address, at any depth."""
    long, brief = text_of("y" * 3000), text_of("z")
    shown = cut(brief, result_of(brief, long, result_of(image_of(b"i" * 3000), long)))

    assert shown[0] == brief
    assert shown[1]["output"][0] == brief
    assert shown[1]["output"][1]["truncated"] == {"bytes": 3000, "href": "/parts/1/output/1"}
    deepest = shown[1]["output"][2]["output"]
    assert [part["truncated"]["href"] for part in deepest] == [
        "/parts/1/output/2/output/0",
        "/parts/1/output/2/output/1",
    ]


# -------------------------------------------------------------------------------------------------------- images


def test_a_cut_image_has_no_data() -> None:
    """A part of an image is of no use, so it is left out, and the mark gives its decoded size."""
    shown = cut(image_of(b"\x89PNG" * 1000))

    assert shown == [
        {"type": "image", "mime_type": "image/png", "truncated": {"bytes": 4000, "href": "/parts/0"}},
    ]


@pytest.mark.parametrize("size", [LIMIT, LIMIT - 1, LIMIT - 2])
def test_an_image_is_measured_decoded(size: int) -> None:
    """An image of the limit is whole, though it is longer as base64; one of a byte more is cut."""
    assert cut(image_of(b"i" * size)) == [image_of(b"i" * size)]
    assert cut(image_of(b"i" * (LIMIT + 1)))[0]["truncated"]["bytes"] == LIMIT + 1


@pytest.mark.parametrize("size", [3000, 3001, 3002])
def test_an_image_without_padding(size: int) -> None:
    """Writers that leave out the padding of base64 lose nothing."""
    part = image_of(b"i" * size)
    part["data"] = part["data"].rstrip("=")

    assert cut(part)[0]["truncated"]["bytes"] == size
    assert find_body(event_of(part), "0") == Body(b"i" * size, "image/png")


@pytest.mark.parametrize("data", ["!" * 5000, "é" * 5000, "A" * 4997, "QUJD" + "\n" * 5000], ids=lambda data: data[:5])
def test_an_image_that_is_none(data: str) -> None:
    """What is no base64 is no reason to fail, nor to be sent whole."""
    part = {"type": "image", "mime_type": "image/png", "data": data}
    shown = cut(part)[0]
    body = find_body(event_of(part), "0")

    assert "data" not in shown
    assert body is not None
    assert shown["truncated"]["bytes"] == len(body.data)


def test_a_resource_of_bytes_is_cut_like_an_image() -> None:
    """A resource's base64 is of no use in parts either, and is fetched as bytes to be saved."""
    data = b"PK\x03\x04" * 1000
    part = {"type": "resource", "uri": "file:///a.zip", "mime_type": "image/png", "blob": b64encode(data).decode()}

    assert cut(part) == [
        {
            "type": "resource",
            "uri": "file:///a.zip",
            "mime_type": "image/png",
            "truncated": {"bytes": 4000, "href": "/parts/0"},
        }
    ]
    assert find_body(event_of(part), "0") == Body(data, BINARY)


@pytest.mark.parametrize("blob", ["", None, ["x"], {"x": 1}, 5])
def test_a_resource_whose_bytes_are_none_is_its_text(blob: object) -> None:
    """A field that the protocol does not have may hold anything, and the text beside it is cut as ever."""
    part = {"type": "resource", "uri": "file:///a", "text": "x" * 3000, "blob": blob}

    assert cut(part) == [{**part, "text": "x" * LIMIT, "truncated": {"bytes": 3000, "href": "/parts/0"}}]
    assert find_body(event_of(part), "0") == Body(b"x" * 3000, PLAIN)


# --------------------------------------------------------------------------------------------------- JSON values


@pytest.mark.parametrize(
    "value",
    [
        {"command": "x" * 5000},
        {"command": "🎬" * 5000},
        {"path": "/a/b", "old": "\n" * 3000, "new": '"' * 3000},
        {f"key {number}": number for number in range(500)},
        {f"key {number}": "x" * 100 for number in range(500)},
        {'"\\' * 2000: 1},
        {"\x00\x1f" * 2000: 1},
        {"🎬" * 2000: 1},
        list(range(2000)),
        [["x" * 100] * 10] * 100,
        "x" * 5000,
        "🎬" * 5000,
        "\x00" * 5000,
        [1e300] * 500,
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_long_input_stays_small_and_valid(value: object) -> None:
    """Whatever makes an input long, its preview is JSON within the limit, and says how much there is."""
    shown = cut(call_of(value))[0]

    assert len(orjson.dumps(shown["input"])) <= LIMIT
    assert shown["truncated"] == {"bytes": len(orjson.dumps(value)), "href": "/parts/0"}
    assert (shown["name"], shown["title"], shown["call_id"]) == ("Bash", "t", "c1")


def test_a_deep_input_stays_small_and_valid() -> None:
    """An input as deep as JSON goes here does not exhaust the stack."""
    value: object = "x" * 3000
    for _ in range(120):
        value = {"inside": [value]}
    shown = cut(call_of(value))[0]

    assert len(orjson.dumps(shown["input"])) <= LIMIT
    assert find_body(event_of(call_of(value)), "0") == Body(orjson.dumps(value), PLAIN)


def test_a_long_text_in_an_input_leaves_the_rest_of_it() -> None:
    """An input keeps its shape and its short fields, so that a viewer can still show what was called."""
    shown = cut(call_of({"path": "/a/b.py", "content": "x" * 9000, "flags": [1, True, None]}))[0]["input"]

    assert (shown["path"], shown["flags"]) == ("/a/b.py", [1, True, None])
    assert shown["content"].startswith("x" * 60)


def test_a_long_plan_is_still_a_plan() -> None:
    """Entries that are too many or too long are cut, and what is left are entries."""
    many = {"type": "plan", "entries": [{"content": f"step {number}", "status": "pending"} for number in range(500)]}
    wordy = {"type": "plan", "entries": [{"content": "x" * 3000, "status": "pending"}]}
    shown = cut(many, wordy)

    assert parse_parts(shown) == shown
    assert [part["truncated"]["bytes"] for part in shown] == [len(whole_of(many)), len(whole_of(wordy))]
    assert shown[1]["entries"][0]["status"] == "pending"


def test_a_long_unknown_part_is_cut() -> None:
    """The raw value of a part that nobody knows is cut like any other."""
    part: Part = {"type": "unknown", "raw": {"type": "video", "data": "x" * 9000}}
    shown = cut(part)[0]

    assert len(orjson.dumps(shown["raw"])) <= LIMIT
    assert shown["raw"]["type"] == "video"
    assert shown["truncated"] == {"bytes": len(whole_of(part)), "href": "/parts/0"}


# --------------------------------------------------------------------------------------------- finding them again

BOOK: Final = event_of(
    text_of("é" * 2000),
    result_of(text_of("inside"), image_of(b"pixels"), result_of({"type": "code", "text": "<b>"})),
    image_of(b"<svg onload=alert(1)>", "image/svg+xml"),
    call_of({"command": "ls"}),
    {"type": "resource", "uri": "file:///a.html", "mime_type": "text/html", "text": "<script>"},
    {"type": "image", "mime_type": "image/png", "uri": "https://example.org/a.png"},
    {"type": "plan", "entries": [{"content": "x", "status": None, "priority": None}]},
    {"type": "unknown", "raw": {"type": "video"}},
    {"type": "text", "text": "x", "output": ["loose", {"type": "text"}]},
)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("0", Body(("é" * 2000).encode(), PLAIN)),
        ("1/output/0", Body(b"inside", PLAIN)),
        ("1/output/1", Body(b"pixels", "image/png")),
        ("1/output/2/output/0", Body(b"<b>", PLAIN)),
        ("2", Body(b"<svg onload=alert(1)>", BINARY)),
        ("3", Body(b'{"command":"ls"}', PLAIN)),
        ("4", Body(b"<script>", PLAIN)),
        ("6", Body(b'[{"content":"x","status":null,"priority":null}]', PLAIN)),
        ("7", Body(b'{"type":"video"}', PLAIN)),
        ("8", Body(b"x", PLAIN)),
    ],
)
def test_a_part_s_whole_content(path: str, body: Body) -> None:
    """Each part is found at its place, as bytes of a type that a browser runs nothing of."""
    assert find_body(BOOK, path) == body
    assert find_body(memoryview(BOOK), path) == body


@pytest.mark.parametrize("path", ["1", "1/output/2", "5"])
def test_a_part_without_content_of_its_own_is_its_json(path: str) -> None:
    """A tool result, or an image that lies elsewhere, is given as the JSON that it is."""
    body = find_body(BOOK, path)
    part: Any = parts_of(BOOK)
    for place in path.split("/output/"):
        part = (part["output"] if isinstance(part, dict) else part)[int(place)]

    assert body == Body(orjson.dumps(part), PLAIN)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "9",
        "-1",
        "+1",
        " 1",
        "1 ",
        "a",
        "..",
        "../..",
        "0/..",
        "1/",
        "/1",
        "1/output",
        "1/output/",
        "1/output/99",
        "1/output/-1",
        "1/output/a",
        "1/output//0",
        "1/input/0",
        "1/output/0/output/0",
        "0/output/0",
        "3/output/0",
        "8/output/0",
        "8/output/1",
        "1.0",
        "1_0",
        "0x1",
        "١",
        "１",
        "²",
        "1\n",
        "1\x00",
        "9" * 10,
        "0000000001",
        "9" * 5000,
        "0/output/" * 3000 + "0",
    ],
    ids=lambda path: repr(path[:24]),
)
def test_no_such_part(path: str) -> None:
    """A place that is none is no part, and nothing else happens."""
    assert find_body(BOOK, path) is None


def test_a_meta_event_has_no_parts() -> None:
    """There is nothing to find in a meta event."""
    event = orjson.dumps({"seq": 1, "t_ms": 0, "event": {"type": "meta_event", "meta_event": {"payload": [1]}}})

    assert find_body(event, "0") is None


@pytest.mark.parametrize(
    ("mime_type", "served"),
    [
        *((mime_type, mime_type) for mime_type in sorted(IMAGE_TYPES)),
        ("IMAGE/PNG", "image/png"),
        ("image/jpeg; q=1", "image/jpeg"),
        (" image/gif ", "image/gif"),
        ("image/svg+xml", BINARY),
        ("IMAGE/SVG+XML; charset=utf-8", BINARY),
        ("text/html", BINARY),
        ("application/xhtml+xml", BINARY),
        ("image/png\r\nset-cookie: a=b", BINARY),
        ("image/png,text/html", BINARY),
        ("", BINARY),
    ],
)
def test_which_images_are_served_as_such(mime_type: str, served: str) -> None:
    """Only types that a browser merely draws; everything else, SVG above all, is bytes to be saved."""
    body = find_body(event_of(image_of(b"data", mime_type)), "0")

    assert body == Body(b"data", served)


def test_paths_are_written_as_they_are_read() -> None:
    """A place is its number, and inside an output its number there."""
    assert [part_path((3,)), part_path((3, 0)), part_path((3, 0, 12))] == ["3", "3/output/0", "3/output/0/output/12"]


# ------------------------------------------------------------------------------------------------------ all at once

long_texts = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=6), st.integers(0, 900))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | long_texts,
    lambda inner: st.builds(lambda item, times: [item] * times, inner, st.integers(0, 40))
    | st.lists(inner, max_size=4)
    | st.dictionaries(long_texts, inner, max_size=4),
    max_leaves=5,
)  # fmt: skip
plain_parts: st.SearchStrategy[Part] = st.one_of(
    long_texts.map(text_of),
    st.fixed_dictionaries({"type": st.sampled_from(("thinking", "code")), "text": long_texts}),
    st.fixed_dictionaries({"type": st.just("resource"), "uri": st.just("file:///a"), "text": st.none() | long_texts}),
    st.builds(lambda data, times: image_of(data * times), st.binary(min_size=1, max_size=9), st.integers(1, 300)),
    json_values.map(call_of),
    json_values.map(lambda value: {"type": "unknown", "raw": value}),
    st.lists(st.fixed_dictionaries({"content": long_texts, "status": st.none()}), max_size=4).map(
        lambda entries: {"type": "plan", "entries": entries}
    ),
)
any_parts = st.lists(
    st.recursive(
        plain_parts, lambda inner: st.lists(inner, max_size=3).map(lambda output: result_of(*output)), max_leaves=4
    ),
    max_size=3,
)


@given(parts=any_parts, limit=st.integers(LIMIT, 3000))
def test_every_part_cut_can_be_fetched_whole(parts: list[Part], limit: int) -> None:
    """Of any message: short parts stay, long ones get within the limit, and each mark's address gives the whole."""
    event = event_of(*parts)
    shown = dict(leaves(parts_of(cut_event(event, limit, href))))

    assert shown.keys() == dict(leaves(parts)).keys()
    for path, part in leaves(parts):
        whole = whole_of(part)
        if len(whole) <= limit:
            assert shown[path] == part
            continue
        body = find_body(event, part_path(path))
        assert shown[path]["truncated"] == {"bytes": len(whole), "href": href(path)}
        assert body is not None
        assert body.data == whole
        assert len(whole_of(shown[path])) <= limit


@given(path=st.text(max_size=12) | st.lists(st.integers(-1, 9), max_size=4).map(lambda p: "/output/".join(map(str, p))))
def test_any_path_is_a_part_or_none(path: str) -> None:
    """A path from an address bar finds a part, or nothing."""
    body = find_body(BOOK, path)

    assert body is None or body.media_type in {PLAIN, BINARY, *IMAGE_TYPES}
