"""What a caller may see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from scrollcast.errors import NotAllowed, SessionNotFound
from scrollcast.model import WHOLE, Session, Span

__all__ = ["EVERYTHING", "Access"]


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller may see: every session, or one.

    `scroll_id` is the one session, `None` for the owner's access to everything. `span` is what of it may be seen.
    `redact` says that secrets are to be taken out of whatever is sent. `until` is when it ends, in seconds since the
    epoch, `None` for never. `share` is the id of the share that allows it.
    """

    scroll_id: UUID | None = None
    span: Span = WHOLE
    redact: bool = False
    until: float | None = None
    share: str | None = None

    @property
    def is_owner(self) -> bool:
        """Whether it is to everything."""
        return self.scroll_id is None

    def check_owner(self) -> None:
        """Raise `NotAllowed` unless it is to everything."""
        if not self.is_owner:
            raise NotAllowed

    def check_session(self, scroll_id: str) -> None:
        """Raise `SessionNotFound` for a session that it is not to: as for one that there is not, so that whoever asks
        learns nothing of the others."""
        if self.scroll_id is None:
            return
        try:
            is_ours = UUID(scroll_id) == self.scroll_id
        except ValueError:
            is_ours = False
        if not is_ours:
            raise SessionNotFound(scroll_id)

    def told(self, session: Session) -> Session:
        """What may be told of a session beside its events: a share says nothing of where it lies, nor what it belongs
        to."""
        if self.is_owner:
            return session
        return replace(session, project=None, parent_scroll_id=None, parent_call_id=None, metadata={})


EVERYTHING: Final = Access()
"""Of whoever can reach a server that asks for nothing."""
