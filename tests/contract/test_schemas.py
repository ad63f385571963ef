from __future__ import annotations

from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import check
from scrollcast.contract.schemas import CLIENT_MESSAGES, SCHEMAS, SERVER_MESSAGES
from scrollcast.errors import BadCommand
from scrollcast.stream.wire import decode_command

ONLY_HTTP = {
    "Access", "Health", "OEmbed", "Problem", "SharePage", "ShareWish", "Token", "Unrecognised",
}  # fmt: skip
"""What stands alone in an answer of HTTP."""

VALIDATOR = jsonschema_rs.Draft202012Validator({"$ref": "#/$defs/ClientMessage", "$defs": dict(SCHEMAS)})


@pytest.mark.parametrize("name", SCHEMAS)
def test_is_a_schema(name: str) -> None:
    """Of draft 2020-12, with nothing in it that leads nowhere."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": f"#/$defs/{name}",
        "$defs": dict(SCHEMAS),
    }
    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.Draft202012Validator(schema)


def references(value: Any) -> set[str]:
    """The names of the schemas that one refers to."""
    if isinstance(value, dict):
        found = {value["$ref"].removeprefix("#/$defs/")} if "$ref" in value else set()
        return found.union(*map(references, value.values())) if value else found
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_none_is_left_over() -> None:
    """Every schema is a message, an answer of a route, or part of one."""
    roots = {"ServerMessage", "ClientMessage", "SessionPage", "HitPage", "EventPage", "Timeline", "TurnPage", "Facets"}
    assert set(SCHEMAS) == references(dict(SCHEMAS)) | roots | ONLY_HTTP


@pytest.mark.parametrize(("kind", "name"), [*SERVER_MESSAGES.items(), *CLIENT_MESSAGES.items()])
def test_a_message_is_named_by_its_type(kind: str, name: str) -> None:
    """And says what it is for."""
    assert SCHEMAS[name]["properties"]["type"] == {"const": kind}
    assert SCHEMAS[name]["description"]


WHOLE = st.integers(-2, 2**53)
SEEK = st.dictionaries(st.sampled_from(("t_ms", "seq", "event_id", "more")), WHOLE | st.text(max_size=3) | st.none())
STEP = st.dictionaries(st.sampled_from(("by", "unit")), WHOLE | st.sampled_from(("event", "turn", "error", "turns")))
NUMBER = st.integers(-1, 200) | st.floats(0, 200).filter(lambda number: not number.is_integer())
CONTROL = st.fixed_dictionaries(
    {"type": st.sampled_from(("control", "control", "control", "ack", "order"))},
    optional={
        "request_id": st.text(max_size=3) | st.none() | WHOLE,
        "play": st.booleans() | st.none() | WHOLE,
        "seek": SEEK | st.none() | WHOLE,
        "step": STEP | st.none() | WHOLE,
        "mode": st.sampled_from(("fast", "realtime", "reading", "slow", None, 1)),
        "speed": NUMBER | st.none() | st.booleans(),
        "idle": NUMBER | st.none() | st.booleans(),
        "seq": WHOLE | st.none(),
        "more": st.text(max_size=3),
    },
)


@given(message=CONTROL)
def test_the_server_takes_what_the_schema_takes(message: dict[str, Any]) -> None:
    """And nothing else."""
    if VALIDATOR.is_valid(message):
        decode_command(orjson.dumps(message).decode())
    else:
        with pytest.raises(BadCommand):
            decode_command(orjson.dumps(message).decode())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("CaughtUpMessage", {"type": "caught_up", "seq": -1}),
        ("CaughtUpMessage", {"type": "caught_up", "seq": 1, "more": 2}),
        ("Part", {"type": "text"}),
        ("Uuid", "not one"),
        ("EventsMessage", {"type": "events"}),
    ],
)
def test_the_check_of_these_tests_finds_what_it_is_for(name: str, wrong: Any) -> None:
    """It fails for what the server must not send."""
    with pytest.raises(AssertionError):
        check(name, wrong)
