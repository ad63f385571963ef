"""Which lines of the conversation are on the screen. Only what is seen is drawn, however much is held."""

from __future__ import annotations

from collections.abc import Callable

from scrollcast.terminal.blocks import Line
from scrollcast.terminal.conversation import Conversation, Entry

__all__ = ["Viewport"]


class Viewport:
    """Keeps to the end as long as nobody scrolls up; then to a place, whatever comes after or before it."""

    def __init__(self, conversation: Conversation, render: Callable[[Entry], list[Line]]) -> None:
        self._conversation = conversation
        self._render = render
        self._top: tuple[int, int] | None = (
            None  # an event's number, and which of its lines is the first; None: the end
        )
        self._seen = 0

    @property
    def at_end(self) -> bool:
        """Whether it shows what comes."""
        return self._top is None

    @property
    def unseen(self) -> int:
        """How many events have come since it was left standing."""
        return 0 if self._top is None else self._conversation.count - self._seen

    def to_end(self) -> None:
        """Show what comes."""
        self._top = None

    def to_start(self) -> None:
        """Show the beginning of what is held."""
        if self._conversation.entries:
            self._stand(self._conversation.entries[0].seq, 0)

    def lines(self, height: int) -> list[Line]:
        """The lines to show in so many rows; fewer where there are no more."""
        if self._top is None:
            return self._last(height)
        shown = self._from_top(height)
        if len(shown) < height:  # nothing is below: that is the end
            self._top = None
            return self._last(height)
        return shown

    def scroll(self, by: int, height: int) -> bool:
        """Go down by so many lines, or up where it is negative; whether the beginning of what is held is reached."""
        entries = list(self._conversation.entries)
        if not entries:
            return True
        place, line = self._place(entries, height)
        line += by
        while line < 0 and place > 0:
            place -= 1
            line += len(self._render(entries[place]))
        while place < len(entries) - 1 and line >= len(self._render(entries[place])):
            line -= len(self._render(entries[place]))
            place += 1
        self._stand(entries[place].seq, max(0, line))
        if by > 0:
            self.lines(height)  # finds out whether that is the end
        return line <= 0 and place == 0

    def _stand(self, seq: int, line: int) -> None:
        if self._top is None:
            self._seen = self._conversation.count
        self._top = (seq, line)

    def _place(self, entries: list[Entry], height: int) -> tuple[int, int]:
        """Where the first line that is shown stands: the place of its event, and which of its lines it is."""
        if self._top is not None:
            seq, line = self._top
            place = next((place for place, entry in enumerate(entries) if entry.seq >= seq), len(entries) - 1)
            return place, line if entries[place].seq == seq else 0
        left = height
        for place in range(len(entries) - 1, -1, -1):
            left -= len(self._render(entries[place]))
            if left <= 0:
                return place, -left
        return 0, 0

    def _from_top(self, height: int) -> list[Line]:
        entries = list(self._conversation.entries)
        if not entries:
            return []
        place, line = self._place(entries, height)
        shown: list[Line] = []
        for entry in entries[place:]:
            if len(shown) >= height + line:
                break
            shown += self._render(entry)
        return shown[line : line + height]

    def _last(self, height: int) -> list[Line]:
        shown: list[list[Line]] = []
        count = 0
        for entry in reversed(self._conversation.entries):
            if count >= height:
                break
            shown.append(self._render(entry))
            count += len(shown[-1])
        return [line for lines in reversed(shown) for line in lines][-height:] if height else []
