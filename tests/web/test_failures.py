from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from archives import write_session
from scrollcast import errors
from scrollcast.errors import (
    ArchiveError,
    BadRequest,
    CommandTooLarge,
    NotAllowed,
    PositionOutOfRange,
    ScrollcastError,
    SessionNotFound,
    SlowClient,
    TooManyBadCommands,
    TooManyCommands,
    TooManyOfLink,
    TooManySessions,
    TooManyStreams,
    TooManyTries,
    Unauthenticated,
)
from scrollcast.web import routes
from scrollcast.web.failures import UnknownErrors, error_message, problem, to_failure
from scrollcast.web.security import SECURITY_HEADERS
from serving import serving, talk

TOLD = [
    (SessionNotFound(UUID(int=0)), "session_not_found", 404, 4504),
    (ArchiveError("it is torn", "/home/me/secret"), "archive_error", 500, 4505),
    (BadRequest("speed", "must be a number"), "bad_request", 400, 4501),
    (PositionOutOfRange("start_seq", "is beyond the end"), "position_out_of_range", 400, 4501),
    (TooManyStreams(9, 5000), "too_many_streams", 503, 4013),
    (TooManyOfLink(9, 5000), "too_many_streams", 503, 4013),
    (TooManySessions(9, 5000), "too_many_sessions", 503, 4013),
    (TooManyCommands(200), "too_many_commands", 429, 1008),
    (SlowClient(30), "slow_client", 503, 4008),
    (CommandTooLarge("too long"), "command_too_large", 413, 1009),
    (TooManyBadCommands("a hundred"), "too_many_bad_commands", 400, 1008),
    (Unauthenticated("no token"), "unauthenticated", 401, 4500),
    (NotAllowed("not for you"), "not_allowed", 403, 4500),
    (TooManyTries(30), "too_many_tries", 429, 4500),
    (RuntimeError("/home/me/secret"), "internal_error", 500, 1011),
]


@pytest.mark.parametrize(("error", "code", "status", "close_code"), TOLD, ids=[row[1] for row in TOLD])
def test_each_error_has_its_code_status_and_close_code(
    error: Exception, code: str, status: int, close_code: int
) -> None:
    """One that may pass by itself is retryable: the codes below 4500, and an error of the server's own."""
    failure, sentence, _facts = to_failure(error)

    assert (failure.code, failure.status, failure.close_code) == (code, status, close_code)
    assert failure.retryable is (4000 <= close_code < 4500 or close_code == 1011)
    assert "secret" not in sentence


def test_every_error_that_reaches_the_web_layer_is_told_by_name() -> None:
    """What is not is settled before (a bad command, settings, what is to be written), or is for a client to raise."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ScrollcastError)]
    raised = {kind for kind in kinds if not issubclass(kind, errors.ReplayError)}
    settled = {ScrollcastError, errors.BadCommand, errors.StreamClosed, errors.SettingsError, errors.InvalidRecord}

    assert {type(error) for error, *_ in TOLD if isinstance(error, ScrollcastError)} == raised - settled


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (BadRequest("speed", "no"), {"parameter": "speed"}),
        (TooManyStreams(9, 5000), {"retry_after_ms": 5000}),
        (SlowClient(30), {}),
    ],
)
def test_facts_stand_beside_the_words(error: Exception, facts: dict[str, Any]) -> None:
    """For programs."""
    message, _failure = error_message(error)
    told = orjson.loads(message)

    assert {
        name: value for name, value in told.items() if name not in ("type", "code", "message", "retryable")
    } == facts


def test_the_detail_of_an_archive_error_is_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """With the words that the viewer saw."""
    to_failure(ArchiveError("it is torn", "/home/me/secret"))

    assert "it is torn: /home/me/secret" in caplog.text


def test_an_unknown_error_is_logged_under_its_id_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """In one line that says where; the whole of it only where details are asked for."""
    try:
        raise KeyError("lost")
    except KeyError as error:
        with caplog.at_level(logging.DEBUG):
            _failure, sentence, _facts = to_failure(error)

    line, whole = caplog.records
    assert sentence.split()[-1] in line.message
    assert line.levelno == logging.ERROR
    assert line.exc_info is None
    assert "KeyError: 'lost'" in line.message
    assert "test_failures.py" in line.message
    assert whole.levelno == logging.DEBUG


def test_a_problem_is_of_its_media_type() -> None:
    """RFC 9457, with the code and the facts as further members."""
    response = problem(400, "bad_request", "Bad request", "no", parameter="speed")

    assert response.media_type == "application/problem+json"
    assert orjson.loads(bytes(response.body)) == {
        "type": "about:blank",
        "title": "Bad request",
        "status": 400,
        "detail": "no",
        "code": "bad_request",
        "parameter": "speed",
    }


async def test_an_unforeseen_error_of_a_route_is_a_problem_with_an_id_only(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It has the security headers too, and no traceback is logged."""

    def fail(*_given: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(routes, "session_json", fail)
    write_session(root, talk(1))
    async with serving(root, cache=cache) as server, server.http() as http:
        answer = await http.get("/api/sessions")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "internal_error"
    assert "secret" not in answer.text
    assert SECURITY_HEADERS.items() <= answer.headers.items()
    assert answer.json()["detail"].split()[-1] in caplog.text
    assert not any(record.exc_info for record in caplog.records)


async def test_an_error_in_the_middle_of_an_answer_is_passed_on() -> None:
    """It is too late for another one; the server cuts this one off. What is no request is left alone."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await PlainTextResponse("begun")(scope, receive, send)
        raise RuntimeError("broken")

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message["type"])

    for kind, seen in ("http", ["http.response.start", "http.response.body"]), ("lifespan", []):
        sent: list[str] = []
        with pytest.raises(RuntimeError, match="broken"):
            await UnknownErrors(app)({"type": kind, "method": "GET", "headers": []}, receive, send)
        assert sent == seen
