import inspect
from collections.abc import Iterator
from uuid import UUID

import pytest

from scrollcast import errors
from scrollcast.errors import (
    ArchiveError,
    BadCommand,
    BadRequest,
    CommandRefused,
    CommandTooLarge,
    InvalidRecord,
    NotAllowed,
    PositionOutOfRange,
    ProtocolViolation,
    ReplayError,
    ReplayLost,
    ReplayRefused,
    ScrollcastError,
    SessionNotFound,
    SessionRewritten,
    SettingsError,
    SlowClient,
    StreamClosed,
    TooManyBadCommands,
    TooManyCommands,
    TooManyOfLink,
    TooManySessions,
    TooManyStreams,
    TooManyTries,
    Unauthenticated,
)

SCROLL_ID = "3f2b0c1e-0000-4000-8000-000000000001"

ALL = (
    SessionNotFound(SCROLL_ID),
    ArchiveError("the session could not be read", "/secret/place: permission denied"),
    Unauthenticated("there is no token"),
    NotAllowed("a link shows its session only"),
    TooManyTries(30),
    InvalidRecord("ts", "'yesterday' is no time such as 2026-03-02T09:00:00Z"),
    BadRequest("speed", "must be a number"),
    PositionOutOfRange("start_seq", "900 is beyond the end, which is 812"),
    BadCommand("mode must be fast or realtime", "r1"),
    CommandTooLarge("a message may have at most 65536 bytes"),
    TooManyBadCommands("100 bad commands in a row"),
    TooManyStreams(10_000, 5_000),
    TooManySessions(1_000, 5_000),
    TooManyOfLink(2_000, 5_000),
    TooManyCommands(200),
    SlowClient(30.0),
    StreamClosed(),
    SettingsError("--port must be a number"),
    ReplayRefused("session_not_found", "there is no such session"),
    ReplayLost("it was cut", 60.0),
    SessionRewritten("e2"),
    CommandRefused("bad_command", "there is no message 'x'"),
    ProtocolViolation("event 7 came where 5 was next"),
)


def tree(root: type[Exception], depth: int = 0) -> Iterator[tuple[int, str]]:
    """Every error below a root, each with its depth."""
    yield depth, root.__name__
    for child in root.__subclasses__():
        yield from tree(child, depth + 1)


def test_the_module_draws_the_tree_that_there_is() -> None:
    """Each error stands in the module's docstring, under its base."""
    drawn = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        if "── " in line or line.strip() == "ScrollcastError":
            branch, _, rest = line.strip().rpartition("── ")
            drawn.append(((len(branch) + 3) // 4 if branch else 0, rest.split()[0]))

    assert sorted(drawn) == sorted(tree(ScrollcastError))


def test_every_error_is_exported() -> None:
    """What may be raised may be caught by name."""
    assert sorted(errors.__all__) == sorted(name for _, name in tree(ScrollcastError))


def test_every_error_is_tried_here() -> None:
    """No error but the roots, which are never raised, goes without a sentence."""
    roots = {ScrollcastError.__name__, ReplayError.__name__}
    assert {type(error).__name__ for error in ALL} == {name for _, name in tree(ScrollcastError)} - roots


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (SessionNotFound(SCROLL_ID), f"there is no session {SCROLL_ID}"),
        (SessionNotFound(UUID(SCROLL_ID)), f"there is no session {SCROLL_ID}"),
        (ArchiveError("the session could not be read", "/secret"), "the session could not be read"),
        (BadRequest("speed", "must be a number"), "speed: must be a number"),
        (PositionOutOfRange("start_seq", "too far"), "start_seq: too far"),
        (BadCommand("no", "r1"), "no"),
        (CommandTooLarge("too long"), "too long"),
        (TooManyBadCommands("so many"), "so many"),
        (TooManyStreams(10_000, 5_000), "the server already plays 10000 streams; try again in 5 s"),
        (TooManyStreams(1, 2_500), "the server already plays 1 streams; try again in 2.5 s"),
        (TooManySessions(1_000, 5_000), "the server already plays 1000 sessions; try again in 5 s"),
        (TooManyOfLink(2_000, 5_000), "this link is already used 2000 times at once; try again in 5 s"),
        (TooManyCommands(200), "more than 200 commands came within a second"),
        (SlowClient(30.0), "nothing could be written for 30 s; come back and resume"),
        (StreamClosed(), "the stream is closed"),
        (SettingsError("no such file"), "no such file"),
        (ReplayRefused("too_old", "this server is too old"), "this server is too old (too_old)"),
        (ReplayLost("refused", 0), "there is no connection to the server: refused"),
        (ReplayLost("it was cut", 60.0), "the connection is gone and did not come back within 60 s: it was cut"),
        (CommandRefused("bad_command", "no such message"), "no such message"),
        (ProtocolViolation("no type"), "the server does not keep to the protocol: no type"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_the_sentence(error: ScrollcastError, sentence: str) -> None:
    """The facts are attributes, and the sentence is made of them."""
    assert str(error) == sentence


def test_a_sentence_does_not_repeat_all_that_was_sent() -> None:
    """An id out of somebody's address bar may be of any length."""
    error = SessionNotFound("x" * 100_000)

    assert len(str(error)) < 200
    assert error.scroll_id == "x" * 100_000


def test_the_insides_are_for_the_log() -> None:
    """What an archive error says to everyone has nothing of its detail."""
    error = ArchiveError("the session could not be read", "/secret/place: permission denied")

    assert "secret" not in str(error)
    assert error.detail == "/secret/place: permission denied"


@pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)
def test_an_error_is_raised_and_caught_as_ours(error: ScrollcastError) -> None:
    """Each can be raised from another and caught by the root, with its facts still there."""
    with pytest.raises(ScrollcastError) as caught:
        raise error from OSError("disk")
    assert caught.value is error
    assert isinstance(error.__cause__, OSError)
    assert str(error)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        (PositionOutOfRange, BadRequest),
        (CommandTooLarge, BadCommand),
        (TooManyBadCommands, BadCommand),
    ],
)
def test_what_is_a_kind_of_what(kind: type[Exception], base: type[Exception]) -> None:
    """Who handles the general case handles the special one."""
    assert issubclass(kind, base)


def test_a_missing_session_is_no_archive_error() -> None:
    """That a session is not there is told apart from one that cannot be read."""
    assert not issubclass(SessionNotFound, ArchiveError)
    assert not issubclass(ArchiveError, SessionNotFound)


def test_a_bad_command_may_have_had_no_id() -> None:
    """The id is there where it could be read."""
    assert BadCommand("no").request_id is None
    assert BadCommand("no", "r1").request_id == "r1"
