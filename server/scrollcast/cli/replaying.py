"""A session as a replay, of this machine or of a server: what the verbs share that read one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from scrollcast.archive.redacted_archive import AnyArchive
from scrollcast.cli.choosing import say
from scrollcast.cli.naming import is_address
from scrollcast.client import End, Item, Notice
from scrollcast.errors import SettingsError

if TYPE_CHECKING:
    from scrollcast.terminal.source import Source

__all__ = ["Opened", "open_source", "tell"]

Opened: TypeAlias = AbstractContextManager[tuple[AnyArchive, UUID]]
"""A session of this machine, and the archive that shows it."""


@contextmanager
def open_source(named: str, opened: Opened) -> Iterator[Source]:
    """Where the session that was named comes from. `opened` is entered where that is this machine.

    Raises:
        SettingsError: there is no such session.
    """
    if is_address(named):
        from scrollcast.terminal.source import RemoteSource

        try:
            yield RemoteSource(named)
        except ValueError as problem:
            raise SettingsError(str(problem)) from None
        return
    from scrollcast.terminal.local import LocalSource

    with opened as (archive, scroll_id):
        yield LocalSource(archive, scroll_id, named)


def tell(item: Item) -> None:
    """Say what a replay brings that is worth knowing and is no event."""
    match item:
        case Notice(level="warning") | Notice(code="redacted"):
            say(item.message)
        case End(reason="truncated"):
            say("the session stops in a half-written record")
        case _:
            pass
