import json
import re
from base64 import b64decode, b64encode
from gzip import decompress
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from archives import SCROLL_ID, Line, message
from export.conftest import Exporter
from export.stories import SECRETS, call, everything, meta, result, text
from export.test_excerpt import CHILD, GRANDCHILD, OTHER, write_family
from scrollcast.export.excerpt import LEAVABLE
from scrollcast.export.html import ENTRY
from scrollcast.export.page_files import gather_modules, gather_styles
from scrollcast.settings import static_folder


class Page(HTMLParser):
    """What a browser finds in a file: its elements, and what stands in those that are not shown."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: dict[str, Any] = {}
        self.texts: dict[str, list[str]] = {"script": [], "style": [], "title": []}
        self._packed: dict[str, str] = {}
        self.feed(document.decode())
        self.close()
        for name, packed in self._packed.items():
            self.blocks[name] = decompress(b64decode(packed, validate=True)).decode(errors="surrogateescape")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Text stands in the element that began last: none of those that are looked at holds another."""
        tag, attrs = self.elements[-1] if self.elements else ("", {})
        if tag == "script" and attrs.get("data-block"):
            name = str(attrs["data-block"])
            self._packed[name] = self._packed.get(name, "") + data.strip()
        elif tag in self.texts and data.strip():
            self.texts[tag].append(data)

    @property
    def sessions(self) -> list[Any]:
        """What is told of each session, the one that was exported first."""
        return [entry["session"] for entry in json.loads(self.blocks["sessions"])]

    @property
    def contents(self) -> Any:
        """What is to be known of all events."""
        return json.loads(self.blocks["0-contents"])

    def events(self, number: int = 0) -> list[Any]:
        """The events of one session, in the order of their blocks."""
        names = [name for name in self.blocks if name.startswith(f"{number}-events-")]
        return [json.loads(line) for name in names for line in self.blocks[name].split("\n")]


async def test_file_holds_the_events_and_what_is_to_be_known_of_them(exporter: Exporter) -> None:
    """With meta events among them; times are steps."""
    page = Page(await exporter.write(everything(), meta()).document("html"))
    contents = page.contents

    assert [event["seq"] for event in page.events()] == list(range(8))
    assert contents["times"] == [0, 1000, 1000, 1250, 1750, 1000, 3000, 51_000]
    assert contents["meta"] == [2]
    assert page.sessions[0]["count"] == 7
    assert [(each["seq"], each["kind"]) for each in contents["markers"]] == [
        (1, "turn"), (3, "tool"), (4, "error"), (6, "plan"), (7, "turn"),
    ]  # fmt: skip


async def test_file_says_what_each_turn_took(exporter: Exporter) -> None:
    """Of the events that it holds; what comes before the first turn belongs to none."""
    told = {"usage": {"input": 10, "output": 1}, "cost": 0.5}
    roles = ("assistant", "user", "assistant", "assistant", "user", "assistant")
    lines: list[Line] = [message(f"m{place}", place, role, metadata=told) for place, role in enumerate(roles)]
    whole = Page(await exporter.write(lines).document("html")).contents
    part = Page(await exporter.document("html", to_ms=2_000)).contents

    assert whole["spent"] == [
        {"tokens": {"read": 30, "written": 3}, "cost": 1.5, "whole": True},
        {"tokens": {"read": 20, "written": 2}, "cost": 1.0, "whole": True},
    ]
    assert part["spent"] == [{"tokens": {"read": 20, "written": 2}, "cost": 1.0, "whole": True}]


async def test_file_says_of_each_turn_that_nothing_was_counted(exporter: Exporter) -> None:
    """Meta events between them belong to none."""
    contents = Page(await exporter.write(everything(), meta()).document("html")).contents

    assert contents["spent"] == [{"tokens": None, "cost": None, "whole": True}] * 2


async def test_page_asks_for_nothing_and_runs_nothing_else(exporter: Exporter) -> None:
    """Its policy says so: no connection, one script, one style sheet, and blobs that only that script makes."""
    page = Page(await exporter.write(everything()).document("html"))
    (policy,) = [
        attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv") == "content-security-policy"
    ]
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    scripts = [attrs for tag, attrs in page.elements if tag == "script"]
    (run,) = [attrs for attrs in scripts if attrs.get("type") != "application/gzip"]

    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'none'"
    assert rules["script-src"] == f"'nonce-{run['nonce']}' blob:"
    assert rules["style-src"] == f"'sha256-{b64encode(sha256(page.texts['style'][0].encode()).digest()).decode()}'"
    assert not any(name in attrs for _, attrs in page.elements for name in ("src", "href", "onclick", "onload"))
    assert not re.search(r"url\((?!['\"]?(?:data:|#))", page.texts["style"][0])


async def test_two_files_have_nonces_of_their_own(exporter: Exporter) -> None:
    """Whoever wrote the session cannot know them."""
    exporter.write(everything())
    one, other = [Page(await exporter.document("html")) for _ in range(2)]

    assert one.elements[-1][1]["nonce"] != other.elements[-1][1]["nonce"]
    assert one.blocks == other.blocks


async def test_nothing_of_a_session_is_markup(exporter: Exporter) -> None:
    """Title and text alike; the elements are ours."""
    bad = "</title></script><script>alert(1)</script><!--<script>"
    hostile: list[Line] = [message("m0", 0, content_parts=[text(bad), result(text(bad))])]
    plain = Page(await exporter.write(hostile, title=bad, agent=bad).document("html"))

    assert [tag for tag, _ in plain.elements if tag == "script"] == ["script"] * 5
    assert plain.texts["title"] == [f"{bad} · Scrollcast"]
    assert plain.events()[0]["event"]["message"]["content"][0]["text"] == bad


async def test_long_parts_stand_apart_and_pictures_do_not(exporter: Exporter) -> None:
    """Cut as a server cuts them, with an address under which the file has the whole."""
    long, picture = "ä" * 700_000, "A" * 400_000
    parts: list[Any] = [
        result(text(long)),
        {"type": "image", "mime_type": "image/png", "data": picture},
        {"type": "tool_call", "call_id": "c", "name": "Write", "input": {"content": long}},
    ]
    page = Page(await exporter.write([message("m0", 0, content_parts=parts)]).document("html"))
    (event,) = page.events()
    output, image, call = event["event"]["message"]["content"]
    whole = page.contents["parts"]

    assert output["output"][0]["truncated"]["bytes"] == 1_400_000
    assert image["data"] == picture
    assert "".join(page.blocks[f"0-{name}"] for name in whole[output["output"][0]["truncated"]["href"]]) == long
    assert json.loads("".join(page.blocks[f"0-{name}"] for name in whole[call["truncated"]["href"]])) == {
        "content": long
    }


async def test_events_stand_in_blocks_of_a_bounded_size(exporter: Exporter) -> None:
    """So that none of them is one large text."""
    many: list[Line] = [message(f"m{number}", number, content_md="x" * 2_000) for number in range(1_200)]
    page = Page(await exporter.write(many).document("html"))
    sizes = [len(block) for name, block in page.blocks.items() if name.startswith("0-events-")]

    assert len(sizes) == len(page.contents["starts"]) > 4
    assert max(sizes) < 600_000
    assert [event["seq"] for event in page.events()] == list(range(1_200))


async def test_file_holds_nothing_that_was_left_out(exporter: Exporter) -> None:
    """In none of its blocks."""
    page = Page(await exporter.write(everything(), meta()).document("html", leave_out=frozenset(LEAVABLE)))

    assert not any(secret in block for block in page.blocks.values() for secret in SECRETS)
    assert "Thanks." in page.blocks["0-events-0"]


async def test_file_holds_the_sessions_that_its_own_one_started(exporter: Exporter) -> None:
    """Each in blocks of its own, with the way from the call that did; the file's own one leads nowhere."""
    page = Page(await write_family(exporter).document("html"))

    told = [(each["scroll_id"], each["parent_scroll_id"], each["parent_call_id"]) for each in page.sessions]
    ids = [str(each) for each in (SCROLL_ID, CHILD, GRANDCHILD, OTHER)]
    assert told == list(zip(ids, [None, ids[0], ids[1], ids[0]], [None, "c1", "d1", "c2"], strict=True))
    said = [[each["event"]["message"]["id"] for each in page.events(number)] for number in range(4)]
    assert said == [["m0", "m1", "m2", "m3"], ["a0", "a1", "a2"], ["b0", "b1"], ["o0", "o1"]]
    assert [each["count"] for each in page.sessions] == [4, 3, 2, 2]


async def test_sessions_of_calls_that_are_not_in_the_file_are_not_either(exporter: Exporter) -> None:
    """Nothing leads to them, though they were at work at the time."""
    page = Page(await write_family(exporter).document("html", from_ms=15_000))

    assert len(page.sessions) == 1


async def test_sessions_of_an_excerpt_have_ids_of_their_own(exporter: Exporter) -> None:
    """And lead to each other by these."""
    page = Page(await write_family(exporter).document("html", leave_out=frozenset({"meta"})))
    ids = [each["scroll_id"] for each in page.sessions]

    assert len(set(ids)) == 4
    assert not {str(each) for each in (SCROLL_ID, CHILD, GRANDCHILD, OTHER)} & set(ids)
    assert [each["parent_scroll_id"] for each in page.sessions] == [None, ids[0], ids[1], ids[0]]


async def test_long_parts_of_subagents_are_in_the_file(exporter: Exporter) -> None:
    """Under an address of the session that they are in."""
    exporter.write([message("m0", 0, "assistant", content_parts=[call("c1")])])
    exporter.write_child(CHILD, "c1", [message("a0", 0, content_parts=[text("ä" * 70_000)])])
    page = Page(await exporter.document("html"))
    (event,) = page.events(1)
    href = event["event"]["message"]["content"][0]["truncated"]["href"]

    assert href.startswith(f"/api/sessions/{CHILD}/")
    (name,) = json.loads(page.blocks["1-contents"])["parts"][href]
    assert page.blocks[f"1-{name}"] == "ä" * 70_000


# ------------------------------------------------------------------------------------------------------- modules


def test_every_module_that_the_player_needs_is_there() -> None:
    """Under the name by which the others ask for it; each is a module still."""
    modules = gather_modules(static_folder(), ENTRY)

    asked = re.compile(r"""(?:\bfrom\s*|\bimport\(\s*|^import\s*)['"]([^'"\n]+)['"]""", re.MULTILINE)
    for name, source in modules.items():
        if "/vendor/" in name:  # bundles, which hold languages' words for it
            continue
        code = re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL)
        for specifier in asked.findall(code):
            assert specifier in modules, f"{name} asks for {specifier}"


def test_list_of_sessions_is_not_among_them() -> None:
    """A file has none."""
    assert "scrollcast/views/catalogue.js" not in gather_modules(static_folder(), ENTRY)
    assert "scrollcast/views/player.js" in gather_modules(static_folder(), ENTRY)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("import { a,\n  b } from './x.js';", "import { a,\n  b } from 'scrollcast/views/x.js';"),
        ("import '../y.js';", "import 'scrollcast/y.js';"),
        ('export * from "../vendor/z/z.js";', 'export * from "scrollcast/vendor/z/z.js";'),
        ("const m = await import('./x.js');", "const m = await import('scrollcast/views/x.js');"),
        ("const words = 'from ./x.js';", "const words = 'from ./x.js';"),
    ],
)
def test_relative_specifiers_become_names(tmp_path: Path, source: str, named: str) -> None:
    """In each of their forms, and nothing else is touched."""
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "main.js").write_text(source)

    assert gather_modules(tmp_path, "views/main.js") == {"scrollcast/views/main.js": named}


def test_styles_are_those_of_the_page() -> None:
    """In its order."""
    styles = gather_styles(static_folder())

    assert styles.index((static_folder() / "style.css").read_text()) < styles.index(
        (static_folder() / "conversation.css").read_text()
    )
