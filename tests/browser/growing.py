"""A session that is written while somebody watches."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from archives import JsonObject, join_lines, message, write_session

GROWING: Final = UUID("0b5e55ed-0000-4000-8000-0000000000b1")

FIRST_COUNT: Final = 60
"""Messages that are there to begin with: more than a window shows."""


def said(number: int, text: str | None = None) -> JsonObject:
    """The message of that number, two seconds after the one before; every tenth is a turn."""
    role = "user" if number % 10 == 0 else "assistant"
    return message(f"m{number}", number * 2, role, content_md=text or f"word {number}")


@dataclass
class Growing:
    """The session's file, and how far it has come."""

    file: Path
    count: int

    @classmethod
    def begin(cls, root: Path) -> Growing:
        """Write the beginning of it under `root`."""
        folder = write_session(
            root, [said(number) for number in range(FIRST_COUNT)], scroll_id=GROWING, title="Growing"
        )
        return cls(folder / "messages.jsonl", FIRST_COUNT)

    def say(self, *texts: str) -> None:
        """Append messages, in one write."""
        lines = [said(self.count + index, text) for index, text in enumerate(texts)]
        self.count += len(lines)
        with self.file.open("ab") as file:
            file.write(join_lines(lines))

    def become(self, messages: Sequence[JsonObject]) -> None:
        """Put another content in its place."""
        self.file.write_bytes(join_lines(messages))
        self.count = len(messages)

    def rest(self) -> None:
        """Let its last word be an hour old."""
        at = time.time() - 3600
        for path in self.file.parent.iterdir():
            os.utime(path, (at, at))
