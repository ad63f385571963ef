"""The player on a terminal: the conversation, two lines below it, and the keys.

Textual reads the keyboard and the mouse, notices when the window changes, and leaves the terminal as it was. What is on
the screen is drawn line by line from what `watch.py` holds; nothing of a session is ever a widget or markup.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar, Final

from rich.segment import Segment
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from scrollcast.terminal.blocks import LEAST_WIDTH, Line, Rows, View, draw
from scrollcast.terminal.conversation import Entry
from scrollcast.terminal.keys import GROUPS, key_name, shortcut_for
from scrollcast.terminal.rendering import entry_lines
from scrollcast.terminal.source import Source
from scrollcast.terminal.status import Facts, bar, facts_line, position_at
from scrollcast.terminal.text import first_words
from scrollcast.terminal.viewport import Viewport
from scrollcast.terminal.watch import Watch, Wish

__all__ = ["PlayerApp", "help_lines", "play"]

TICK_SECONDS: Final = 0.05
"""What came is drawn so often at most: a fast replay brings thousands of events a second."""

CLOCK_TICKS: Final = 5
"""The clock and the bar move every so many ticks."""

SAID_SECONDS: Final = 4.0
"""How long a word about what a key did is shown."""

MOST_WIDTH: Final = 120
"""Longer lines are hard to read."""

WHEEL_LINES: Final = 3


class _Lines(Widget):
    """A widget that is nothing but lines."""

    ALLOW_SELECT = False

    def lines(self, size: Size) -> list[Line]:
        """What is to be seen."""
        raise NotImplementedError

    def render_lines(self, crop: Any) -> list[Strip]:
        """The lines, each over the whole width."""
        self._shown = self.lines(self.size)
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One of them."""
        line = self._shown[y] if y < len(self._shown) else []
        return Strip(line).adjust_cell_length(self.size.width, self.rich_style)


class _Conversation(_Lines):
    """The conversation, in the middle where the window is wide."""

    DEFAULT_CSS = "_Conversation { height: 1fr; }"

    def lines(self, size: Size) -> list[Line]:
        """The part that is looked at."""
        player = self.player
        lines = player.viewport.lines(size.height)
        if not lines:
            said = player.watching.failure or "Opening …"
            return draw(Rows([Text(f" {said}", "dim")], wrap=True), max(LEAST_WIDTH, size.width - 1))
        side = [Segment(" " * max(0, (size.width - MOST_WIDTH) // 2))]
        return [[*side, *line] for line in lines]

    @property
    def player(self) -> PlayerApp:
        """The program that it is in."""
        assert isinstance(self.app, PlayerApp)
        return self.app

    def on_mouse_scroll_up(self) -> None:
        """Read back."""
        self.player.scroll_lines(-WHEEL_LINES)

    def on_mouse_scroll_down(self) -> None:
        """Read on."""
        self.player.scroll_lines(WHEEL_LINES)


class _Status(_Lines):
    """The bar and the facts."""

    DEFAULT_CSS = "_Status { height: 2; }"

    def lines(self, size: Size) -> list[Line]:
        """As things are now."""
        assert isinstance(self.app, PlayerApp)
        facts = self.app.facts
        both = (bar(facts, size.width), facts_line(facts, size.width))
        return [draw(Rows([text]), size.width)[0] for text in both]

    def on_click(self, event: events.Click) -> None:
        """A place on the bar leads there."""
        assert isinstance(self.app, PlayerApp)
        t_ms = position_at(self.app.facts, self.size.width, event.x) if event.y == 0 else None
        if t_ms is not None:
            self.app.watching.seek(t_ms)


class _Title(_Lines):
    """What is played."""

    DEFAULT_CSS = "_Title { height: 1; }"

    def lines(self, size: Size) -> list[Line]:
        """The title, and who it is of."""
        assert isinstance(self.app, PlayerApp)
        session = self.app.watching.session
        title = Text(f" {first_words(str(session.get('title') or ''), 200) or 'Scrollcast'} ", "bold reverse")
        facts = "  ".join(first_words(str(session[name]), 60) for name in ("agent", "project") if session.get(name))
        title.truncate(max(1, size.width - len(facts) - 2), overflow="ellipsis")
        space = " " * max(1, size.width - title.cell_len - len(facts) - 1)
        return [draw(Rows([Text.assemble(title, space, (facts, "dim"))]), size.width)[0]]


class _Help(ModalScreen[None]):
    """The list of keys."""

    CSS = """
    _Help { align: center middle; }
    _HelpLines { width: 100; max-width: 100%; height: auto; max-height: 100%; border: round ansi_cyan; padding: 0 1; }
    """

    def compose(self) -> ComposeResult:
        """One table."""
        yield _HelpLines()

    def on_key(self, event: events.Key) -> None:
        """Any key leads back."""
        event.stop()
        self.dismiss()

    def on_click(self) -> None:
        """So does the mouse."""
        self.dismiss()


class _HelpLines(_Lines):
    def lines(self, size: Size) -> list[Line]:
        """The table, in two columns where there is room."""
        return help_lines(size.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as the table has."""
        return len(help_lines(width))


def help_lines(width: int) -> list[Line]:
    """All keys and what they do, under the title of their group."""
    groups = []
    for group in GROUPS:
        rows = [Text(group.title, "bold cyan")]
        rows += [Text.assemble((f"{' '.join(each.shown):>11}", "bold"), f"  {each.words}") for each in group.shortcuts]
        groups.append(rows)
    if width < 90:
        return draw(Rows([row for rows in groups for row in (*rows, Text())][:-1]), width)
    half = width // 2
    left, right = [*groups[0], Text(), *groups[1]], [*groups[2], Text(), *groups[3]]
    both = []
    for number in range(max(len(left), len(right))):
        one = left[number].copy() if number < len(left) else Text()
        one.truncate(half - 1, overflow="ellipsis", pad=True)
        both.append(Text.assemble(one, " ", right[number] if number < len(right) else ""))
    return draw(Rows(both), width)


class _Find(Input):
    """Where words are typed to be looked for."""

    DEFAULT_CSS = "_Find { display: none; height: 1; border: none; padding: 0 1; } _Find:focus { border: none; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave")]

    def action_leave(self) -> None:
        """Look for nothing."""
        assert isinstance(self.app, PlayerApp)
        self.app.leave_find()


class PlayerApp(App[None]):
    """The program. `failure` says, after it ran, why nothing could be played; it is empty where all was well."""

    TITLE = "scrollcast"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    CSS = "Screen { background: ansi_default; color: ansi_default; }"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "Leave", priority=True, show=False)]

    def __init__(self, source: Source, wish: Wish) -> None:
        super().__init__(ansi_color=True)
        self.watching = Watch(source, wish, self._note_change, time.monotonic)
        self.viewport = Viewport(self.watching.conversation, self._lines_of)
        self.failure = ""
        self._view = View()
        self._is_changed = True
        self._ticks = 0
        self._said: tuple[str, float] = ("", 0.0)
        self._playing: asyncio.Task[None] | None = None

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield _Title()
        yield _Conversation()
        yield _Find(placeholder="Find in this session", compact=True, select_on_focus=False)
        yield _Status()

    def on_mount(self) -> None:
        """Begin to play."""
        self.set_focus(None)
        self._measure(self.size)
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGHUP):
            with suppress(NotImplementedError, RuntimeError, ValueError):  # not every system or thread has them
                loop.add_signal_handler(sign, self.exit)
        self.set_interval(TICK_SECONDS, self._tick)
        self._playing = asyncio.create_task(self._play())

    async def _play(self) -> None:
        await self.watching.run()
        self._note_change()
        if self.watching.failure and not self.watching.conversation.entries:
            self.failure = self.watching.failure
            self.exit()

    async def on_unmount(self) -> None:
        """Leave the session."""
        await self.watching.close()
        if self._playing is not None:
            self._playing.cancel()
            with suppress(asyncio.CancelledError):
                await self._playing

    # ----------------------------------------------------------------------------------------------------- drawing

    def _note_change(self) -> None:
        self._is_changed = True

    def _tick(self) -> None:
        if not self.query(_Conversation):
            return  # it is not there yet, or no more
        self._ticks += 1
        if self._is_changed:
            self.query_one(_Conversation).refresh()
            self.query_one(_Title).refresh()
        if self._is_changed or self._ticks % CLOCK_TICKS == 0:
            self.query_one(_Status).refresh()
        self._is_changed = False

    @property
    def facts(self) -> Facts:
        """What the status lines tell."""
        facts = replace(self.watching.facts, unseen=self.viewport.unseen)
        if facts.said and not self.watching.failure:
            words, since = self._said
            if words != facts.said:
                self._said = (facts.said, time.monotonic())
            elif time.monotonic() - since > SAID_SECONDS:
                self.watching.said, self._said = "", ("", 0.0)
        return facts

    def _lines_of(self, entry: Entry) -> list[Line]:
        return entry_lines(entry, self._view, self._agent)

    @property
    def _agent(self) -> str | None:
        agent = self.watching.session.get("agent")
        return agent if isinstance(agent, str) else None

    def _measure(self, size: Size) -> None:
        self._view = replace(self._view, width=max(LEAST_WIDTH, min(MOST_WIDTH, size.width)))

    def on_resize(self, event: events.Resize) -> None:
        """Lay everything out anew."""
        self._measure(event.size)
        self._note_change()

    # ------------------------------------------------------------------------------------------------------- keys

    async def on_key(self, event: events.Key) -> None:
        """Do what a key does, unless something is being typed."""
        if isinstance(self.focused, _Find):
            return
        shortcut = shortcut_for(key_name(event.key, event.character))
        if shortcut is None:
            return
        event.stop()
        event.prevent_default()
        self.perform(shortcut.action, event.character or "")

    def perform(self, action: str, key: str = "") -> None:
        """Do what a key of this action does."""
        if not self.query(_Conversation):
            return
        height = self.query_one(_Conversation).size.height
        match action:
            case "quit":
                self.exit()
            case "help":
                self.push_screen(_Help())
            case "find":
                self._open_find()
            case "up" | "down":
                self.scroll_lines(-1 if action == "up" else 1)
            case "page-up" | "page-down":
                self.scroll_lines((1 - height) if action == "page-up" else height - 1)
            case "thinking" | "outputs":
                self._change_view(action)
            case _:
                if action not in ("copy-link", "pace", "slower", "faster", "normal-speed", "max-speed", "toggle"):
                    self.viewport.to_end()
                self.watching.perform(action, key)
        self._note_change()

    def scroll_lines(self, by: int) -> None:
        """Read on or back by so many lines."""
        if self.viewport.scroll(by, self.query_one(_Conversation).size.height):
            self.watching.want_before()
        self._note_change()

    def _change_view(self, what: str) -> None:
        if what == "thinking":
            self._view = replace(self._view, thinking=not self._view.thinking)
            self.watching.said = "All thinking is shown" if self._view.thinking else "All thinking is folded"
        else:
            self._view = replace(self._view, more=not self._view.more)
            self.watching.said = "More of inputs and outputs" if self._view.more else "Inputs and outputs are short"

    def _open_find(self) -> None:
        find = self.query_one(_Find)
        find.display = True
        find.value = ""
        find.focus()

    def leave_find(self) -> None:
        """Go on as before."""
        self.query_one(_Find).display = False
        self.set_focus(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look for what was typed."""
        self.leave_find()
        self.viewport.to_end()
        self.watching.find(event.value)


def play(source: Source, wish: Wish) -> str:
    """Play on this terminal until it is left; gives why nothing could be played, if so."""
    vars(sys)["__stderr__"] = sys.__stdout__  # where Textual draws; what somebody sends elsewhere is not the picture
    app = PlayerApp(source, wish)
    app.run()
    return app.failure
