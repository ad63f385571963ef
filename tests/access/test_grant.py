from __future__ import annotations

from uuid import UUID

import pytest

from scrollcast.access.grant import EVERYTHING, Access
from scrollcast.errors import NotAllowed, SessionNotFound
from scrollcast.model import Session, Span

SESSION = UUID(int=1)


def test_the_owners_access_is_to_everything() -> None:
    """And says of a session what is known of it."""
    session = Session(SESSION, project="/home/me", metadata={"cwd": "/home/me"})

    EVERYTHING.check_owner()
    EVERYTHING.check_session("anything")
    assert EVERYTHING.told(session) is session


@pytest.mark.parametrize("other", ["", "nobody", str(UUID(int=2)), "../" + str(SESSION)])
def test_a_share_knows_of_no_other_session(other: str) -> None:
    """The same error as for one that there is not."""
    access = Access(SESSION)

    with pytest.raises(SessionNotFound):
        access.check_session(other)
    with pytest.raises(NotAllowed):
        access.check_owner()
    access.check_session(str(SESSION))
    access.check_session(SESSION.hex.upper())


def test_a_share_says_nothing_of_what_is_around_its_session() -> None:
    """Where it lies, what started it, what its format keeps beside it."""
    session = Session(
        SESSION, title="t", agent="a", project="/home/me", parent_scroll_id=UUID(int=2), parent_call_id="c",
        metadata={"cwd": "/home/me"},
    )  # fmt: skip
    told = Access(SESSION, Span(1, 2)).told(session)

    assert (told.title, told.agent) == ("t", "a")
    assert (told.project, told.parent_scroll_id, told.parent_call_id, told.metadata) == (None, None, None, {})
