"""The tree of a Claude Code session's rows: what a person undid, and whose the file is.

It is fed every row before the session is read, and goes on being fed while the session grows, so that it can tell
when a later row says something else of earlier ones.
"""

from __future__ import annotations

from typing import Final

from scrollcast.archive.formats.claude_code.rows import is_prompt, is_sidechain, message_of
from scrollcast.archive.formats.json_values import JsonObject

__all__ = ["MAX_TREE_BYTES", "Tree"]

MAX_TREE_BYTES: Final = 32 << 20
"""A larger file is not read beforehand, and nothing in it is called undone."""

_MAX_STEPS: Final = 2_000_000
"""So many turns are walked over in all to tell what going back undid, in half a second; after that nothing is told.
A person goes back some dozens of times, in a session of some hundreds of turns."""

_REPLACING_FIELDS: Final = ("supersedesUuids", "retractedMessageUuids")

_BEFORE_THE_FIRST: Final = 0
"""The turn of the rows that come before the first prompt."""


class Tree:
    """Each row's turn, which is the last prompt above it; a small integer a row is all that is kept.

    Going back ends with a new prompt. So the turns above the newest prompt are the session as it stands, and rows of
    all others were undone. A side branch without a prompt of its own, the result of a parallel call, belongs to the
    turn that it branched off in. Where there are several roots, or a parent that does not come before its child, the
    turns cannot be told and none counts as undone.
    """

    def __init__(self) -> None:
        self.is_known = True
        """Whether the tree follows the session; not any more once that is too large."""
        self.has_main = False
        """Whether any message is not a subagent's; a file without one is a subagent's own."""
        self._has_sidechain = False
        self._bytes = 0
        self._replaced: set[str] = set()
        self._is_sound = True
        self._turns: dict[int, int] = {}  # by the hashes of the rows' uuids
        self._above = [_BEFORE_THE_FIRST]
        self._newest = _BEFORE_THE_FIRST
        self._live = {_BEFORE_THE_FIRST}
        self._steps = 0

    def give_up(self) -> None:
        """Follow the session no further: every row of it is taken as it is."""
        self.is_known, self.has_main = False, True
        self._replaced.clear()
        self._break()

    def is_undone(self, uuid: object) -> bool:
        """Whether the row of this id was replaced, or stands on a branch that a person left by going back."""
        if not isinstance(uuid, str):
            return False
        return uuid in self._replaced or self._turns.get(hash(uuid), _BEFORE_THE_FIRST) not in self._live

    def add(self, row: JsonObject, size: int) -> bool:
        """Take the next row; whether it changes what was true of earlier ones."""
        if not self.is_known:
            return False
        self._bytes += size
        if self._bytes > MAX_TREE_BYTES:
            changed = bool(self._replaced) or self._has_undone() or (self._has_sidechain and not self.has_main)
            self.give_up()
            return changed
        changed = self._note_sidechain(row) | self._replace(row)
        if isinstance(uuid := row.get("uuid"), str) and self._is_sound and not is_sidechain(row):
            changed |= self._link(row, uuid)
        return changed

    def _note_sidechain(self, row: JsonObject) -> bool:
        if message_of(row) is None:
            return False
        if is_sidechain(row):
            self._has_sidechain = True
            return False
        is_first, self.has_main = not self.has_main, True
        return is_first and self._has_sidechain

    def _replace(self, row: JsonObject) -> bool:
        known = len(self._replaced)
        for name in _REPLACING_FIELDS:
            if isinstance(uuids := row.get(name), list):
                self._replaced.update(uuid for uuid in uuids if isinstance(uuid, str))
        return len(self._replaced) > known

    def _link(self, row: JsonObject, uuid: str) -> bool:
        if (key := hash(uuid)) in self._turns:  # written again after a compaction: the first place counts
            return False
        turn = self._turn_above(row)
        if turn is None:
            changed = self._has_undone()
            self._break()
            return changed
        changed = False
        if _starts_turn(row):
            changed = turn != self._newest
            self._steps += len(self._above) if changed else 0
            if self._steps > _MAX_STEPS:
                self._break()
                return True
            turn = self._open_turn(turn)
        self._turns[key] = turn
        return changed

    def _turn_above(self, row: JsonObject) -> int | None:
        """The turn that a row follows, `None` where it stands apart."""
        parent = row.get("parentUuid") or row.get("logicalParentUuid")
        if isinstance(parent, str):
            return self._turns.get(hash(parent))
        return None if self._turns else _BEFORE_THE_FIRST

    def _open_turn(self, above: int) -> int:
        turn, went_back = len(self._above), above != self._newest
        self._above.append(above)
        self._newest = turn
        self._live.add(turn)
        if went_back:
            self._live = {_BEFORE_THE_FIRST}
            while turn:
                self._live.add(turn)
                turn = self._above[turn]
        return self._newest

    @property
    def has_undone(self) -> bool:
        """Whether `is_undone` may say so of any row."""
        return bool(self._replaced) or self._has_undone()

    def _has_undone(self) -> bool:
        return len(self._live) < len(self._above)

    def _break(self) -> None:
        """Forget the turns: the chain of parents does not hold together."""
        self._is_sound = False
        self._turns.clear()
        self._above = [_BEFORE_THE_FIRST]
        self._live = {_BEFORE_THE_FIRST}


def _starts_turn(row: JsonObject) -> bool:
    if row.get("type") != "user" or "toolUseResult" in row:
        return False
    message = message_of(row)
    return message is not None and is_prompt(row, message["content"])
