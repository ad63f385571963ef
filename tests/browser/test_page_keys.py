"""Every key of the help does what it says, whatever has focus, and nothing where one types."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from playwright.async_api import WebSocket, expect

from browser.sessions import DEMO
from browser.viewing import PATIENCE_MS, Viewer

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

WORD: Final = "clock"
"""What is looked for in the demo; it stands before the middle and after it."""

NEAR_MS: Final = 5_000
FAR_MS: Final = 10_000


@dataclass
class Ear:
    """Hears what the page asks of the server."""

    heard: list[dict[str, Any]] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    def attach(self, socket: WebSocket) -> None:
        """Listen to one connection."""
        self.opened.append(socket.url)
        socket.on("framesent", lambda frame: self._hear(json.loads(frame)))

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "control":
            self.heard.append(message)

    async def until(self, wanted: dict[str, Any]) -> None:
        """Wait for a command that has these fields.

        Raises:
            AssertionError: it does not come; with what came instead.
        """
        for _ in range(PATIENCE_MS // 20):
            if any(wanted.items() <= each.items() for each in self.heard):
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{wanted} was not asked for, but {self.heard}")


@dataclass(frozen=True)
class Middle:
    """The middle of the demo, where each key is pressed, and what lies around it."""

    t_ms: int
    duration_ms: int
    before: dict[str, int]
    after: dict[str, int]

    @classmethod
    async def of(cls, url: str) -> Middle:
        """As the server tells it, once it can be searched."""
        timeline = _fetch(f"{url}/api/sessions/{DEMO}/timeline")
        hits = []
        for _ in range(PATIENCE_MS // 100):
            if hits := _fetch(f"{url}/api/sessions/{DEMO}/search?q={WORD}")["hits"]:
                break
            await asyncio.sleep(0.1)
        t_ms = (timeline["duration_ms"] + 1) // 2  # a half is rounded up in a browser
        marks = [(each["kind"], each["t_ms"], each["seq"]) for each in timeline["markers"]]
        marks += [("hit", each["t_ms"], each["seq"]) for each in hits]
        marks.sort(key=lambda mark: mark[2])
        before = {kind: seq for kind, at, seq in marks if at < t_ms}
        after = {kind: seq for kind, at, seq in reversed(marks) if at >= t_ms}
        return cls(t_ms, timeline["duration_ms"], before, after)


def _fetch(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


Wanted = Callable[[Middle], dict[str, Any]]


def _time(of: Callable[[Middle], int]) -> Wanted:
    return lambda middle: {"seek": {"t_ms": of(middle)}}


def _tenths(tenths: int) -> Wanted:
    return _time(lambda middle: (middle.duration_ms * tenths + 5) // 10)


def _before(kind: str) -> Wanted:
    return lambda middle: {"seek": {"seq": middle.before[kind]}}


def _after(kind: str) -> Wanted:
    return lambda middle: {"seek": {"seq": middle.after[kind]}}


def _always(**fields: Any) -> Wanted:
    return lambda _middle: fields


_THE_END: Final = _time(lambda middle: middle.duration_ms + 1)

COMMANDS: Final[list[tuple[str, Wanted]]] = [
    ("Space", _always(play=True)),
    ("k", _always(play=False)),
    ("<", _always(mode="realtime", speed=0.5)),
    ("=", _always(mode="realtime", speed=1)),
    (">", _always(mode="realtime", speed=1.5)),
    ("=", _always(mode="realtime", speed=1)),
    ("\\", _always(mode="fast")),
    ("\\", _always(mode="realtime", speed=1)),
    ("i", _always(mode="realtime", idle=2)),
    ("ArrowLeft", _time(lambda middle: middle.t_ms - NEAR_MS)),
    ("ArrowRight", _time(lambda middle: middle.t_ms + NEAR_MS)),
    ("j", _time(lambda middle: middle.t_ms - FAR_MS)),
    ("l", _time(lambda middle: middle.t_ms + FAR_MS)),
    (",", _always(step={"by": -1, "unit": "event"})),
    (".", _always(step={"by": 1, "unit": "event"})),
    *((str(digit), _tenths(digit)) for digit in range(10)),
    ("Home", _time(lambda _middle: 0)),
    ("End", _THE_END),
    ("g", _THE_END),
    ("[", _before("turn")),
    ("]", _after("turn")),
    ("Shift+ArrowLeft", _before("turn")),
    ("Shift+ArrowRight", _after("turn")),
    ("t", _after("tool")),
    ("Shift+T", _before("tool")),
    ("e", _after("error")),
    ("Shift+E", _before("error")),
    ("n", _after("hit")),
    ("Shift+N", _before("hit")),
]
"""Keys that ask the server for something, and for what, once playback stands in the middle of the demo."""

PAGE_KEYS: Final = ("/", "h", "m", "y", "f", "?")
"""Keys that do something in the page."""

PLACES: Final = {
    "the page": "document.activeElement.blur()",
    "a button": "document.querySelector('.top-actions button').focus()",
    "the seek bar": "document.querySelector('.seek').focus()",
    "the conversation": "document.querySelector('.scroller').focus()",
    "a time in it": "document.querySelector('.messages button.msg-time').focus()",
    "a fold in it": "document.querySelector('.messages summary').focus()",
    "a turn of the list": "document.querySelector('.turn').focus()",
}
"""Places for the focus where a key of the table means what it means anywhere."""


async def _listen(viewer: Viewer, moment: str) -> tuple[Ear, Middle]:
    ear, middle = Ear(), await Middle.of(viewer.url)
    viewer.page.on("websocket", ear.attach)
    await viewer.watch(DEMO, moment)
    await viewer.stop()
    await viewer.settled()
    return ear, middle


async def _to_the_middle(viewer: Viewer, ear: Ear, middle: Middle) -> None:
    await viewer.page.keyboard.press("5")
    await ear.until({"seek": {"t_ms": middle.t_ms}})
    await expect(viewer.page.get_by_role("slider")).to_have_attribute("aria-valuenow", str(middle.t_ms // 1000))
    await viewer.settled()
    ear.heard.clear()


@pytest.mark.parametrize("place", PLACES)
async def test_a_key_asks_for_what_the_help_says(viewer: Viewer, place: str) -> None:
    """Each of them, pressed with the focus there."""
    ear, middle = await _listen(viewer, f"#t=60&q={WORD}&speed=1&idle=5")
    await expect(viewer.page.locator(".find-strip")).to_contain_text("place")

    for key, wanted in COMMANDS:
        if key not in ("k", "=", "\\"):  # these end what the key before them began
            await _to_the_middle(viewer, ear, middle)
        await viewer.page.evaluate(PLACES[place])
        await viewer.page.keyboard.press(key)
        await ear.until(wanted(middle))
        if wanted(middle).get("mode") == "fast":  # the next key is to end that, once it has begun
            await expect(viewer.page.get_by_label("Speed")).to_have_value("max")
        ear.heard.clear()


@pytest.mark.parametrize("place", PLACES)
async def test_a_key_of_the_page_works_wherever_the_focus_is(viewer: Viewer, place: str) -> None:
    """Finding, thinking, system events, the link, full screen, the help."""
    page = viewer.page
    ear, middle = await _listen(viewer, "#t=60")
    shown: dict[str, Callable[[], Awaitable[None]]] = {
        "/": lambda: expect(page.get_by_role("searchbox", name="Find in this session")).to_be_focused(),
        "h": lambda: expect(page.get_by_text("All thinking is shown")).to_be_visible(),
        "m": lambda: expect(page.get_by_text("With the events beside the messages")).to_be_visible(),
        "y": lambda: expect(page.get_by_text("Link to")).to_be_visible(),
        "f": lambda: _is_full_screen(viewer),
        "?": lambda: expect(page.get_by_role("dialog", name="Keys and marks")).to_be_visible(),
    }
    assert tuple(shown) == PAGE_KEYS

    for key, seen in shown.items():
        await _to_the_middle(viewer, ear, middle)
        await page.evaluate(PLACES[place])
        await page.keyboard.press(key)
        await seen()
        await page.keyboard.press("Escape")
    assert "meta=true" in ear.opened[-1]


async def _is_full_screen(viewer: Viewer) -> None:
    await viewer.page.wait_for_function("() => document.fullscreenElement !== null")
    await viewer.page.evaluate("() => document.exitFullscreen()")


async def test_the_bar_has_keys_of_its_own(viewer: Viewer) -> None:
    """Those of a slider, which go the same way as the page's."""
    ear, middle = await _listen(viewer, "#t=60")
    for key, by_ms in (("ArrowUp", NEAR_MS), ("ArrowDown", -NEAR_MS), ("PageUp", 60_000), ("PageDown", -60_000)):
        await _to_the_middle(viewer, ear, middle)
        await viewer.page.evaluate(PLACES["the seek bar"])
        await viewer.page.keyboard.press(key)
        await ear.until({"seek": {"t_ms": middle.t_ms + by_ms}})


async def test_keys_are_typed_where_one_types(viewer: Viewer) -> None:
    """In the box for what is looked for, no key but Escape and Enter is the player's."""
    ear, _ = await _listen(viewer, "#t=60")
    await viewer.page.keyboard.press("/")
    box = viewer.page.get_by_role("searchbox", name="Find in this session")
    await expect(box).to_be_focused()
    ear.heard.clear()
    typed = [key for key, _ in COMMANDS if len(key) == 1 or key == "Space"] + [key for key in PAGE_KEYS if key != "/"]
    for key in (*typed, "/", "Home", "End", "ArrowLeft"):
        await viewer.page.keyboard.press(key)

    await expect(box).to_have_value("".join(" " if key == "Space" else key for key in typed) + "/")
    assert ear.heard == []
    await expect(viewer.page.get_by_role("dialog")).to_be_hidden()


async def test_the_search_gives_focus_back(viewer: Viewer) -> None:
    """To what had it, or to the page: what is pressed next is the player's."""
    ear, middle = await _listen(viewer, "#t=60")
    for place in ("the page", "a button", "a turn of the list"):
        await viewer.page.evaluate(PLACES[place])
        await viewer.page.evaluate("() => { window.before = document.activeElement; }")
        await viewer.page.keyboard.press("/")
        await viewer.page.keyboard.press("Escape")
        await _to_the_middle(viewer, ear, middle)
        assert await viewer.page.evaluate("() => document.activeElement === window.before")
        await expect(viewer.page.locator(".find-words")).to_have_value("")


async def test_keys_do_nothing_behind_a_dialog(viewer: Viewer) -> None:
    """What one cannot see does not move."""
    ear, _ = await _listen(viewer, "#t=60")
    for opener in ("Help: keys and marks", "Take this session away"):
        await viewer.page.get_by_role("button", name=opener).click()
        dialog = viewer.page.locator("dialog[open]")
        await expect(dialog).to_be_visible()
        await dialog.evaluate("(node) => { node.tabIndex = -1; node.focus(); }")
        ear.heard.clear()
        for key, _wanted in COMMANDS:
            await viewer.page.keyboard.press(key)
        await viewer.page.keyboard.press("h")
        await expect(dialog).to_be_visible()
        assert ear.heard == []
        await expect(viewer.page.locator(".toast")).to_have_count(0)
        await viewer.page.keyboard.press("Escape")
        await expect(viewer.page.locator("dialog[open]")).to_have_count(0)


async def test_every_key_of_the_help_is_tried(viewer: Viewer) -> None:
    """A key that is added to the help has to be added here."""
    await viewer.watch(DEMO)
    await viewer.page.keyboard.press("?")
    rows = viewer.page.get_by_role("dialog").locator(".help-row:has(kbd)")
    shown = [await row.locator("kbd").all_text_contents() for row in await rows.all()]
    arrows = {"←": "ArrowLeft", "→": "ArrowRight", "Shift ←": "Shift+ArrowLeft", "Shift →": "Shift+ArrowRight"}
    tried = {key for key, _ in COMMANDS} | set(PAGE_KEYS)
    for key in (key for keys in shown for key in keys if key != "…"):
        name = f"Shift+{key[-1].upper()}" if key.startswith("Shift ") and key[-1].isalpha() else key
        assert arrows.get(name, name) in tried, key
