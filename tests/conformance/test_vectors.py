"""The files of the vectors, held to their schema, to the schemas of the messages, and to what they are written by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from contracts import check_message
from scrollcast.conformance.matching import Matcher, sample
from scrollcast.conformance.vectors import Vector, load_vectors, vectors_folder
from scrollcast.contract.asyncapi import CLOSE_CODES, PARAMETERS
from scrollcast.contract.schemas import SCHEMAS, SERVER_MESSAGES
from vectors.__main__ import scripts, text_of
from vectors.script import Script

DOCS = Path(__file__).parents[2] / "docs"
FILES = sorted(vectors_folder().glob("*.json"))
SCRIPTS = {script.name: script for script in scripts()}
VECTORS = load_vectors(vectors_folder())
SCHEMA = jsonschema_rs.Draft202012Validator(
    orjson.loads((DOCS / "contract" / "vector.schema.json").read_bytes()), validate_formats=True
)


def steps(kind: str, vectors: list[Vector] = VECTORS) -> Iterator[Any]:
    """What every step of a kind has."""
    return (step[kind] for vector in vectors for step in vector.steps if kind in step)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_as_its_schema_says(path: Path) -> None:
    """And is called as it says."""
    document = orjson.loads(path.read_bytes())
    assert [error.message for error in SCHEMA.iter_errors(document)] == []
    assert document["name"] == path.stem


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=lambda script: script.name)
def test_the_file_is_what_is_written(script: Script) -> None:
    """`make contract` writes it anew."""
    assert (vectors_folder() / f"{script.name}.json").read_text() == text_of(script.document())


def test_there_are_no_other_files() -> None:
    """Nor two of one name."""
    assert {path.stem for path in FILES} == set(SCRIPTS)
    assert len(SCRIPTS) == len([*scripts()])


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_every_message_is_one_of_the_protocol(vector: Vector) -> None:
    """Field for field, but where a later version is played; and it matches what it was made of."""
    matcher = Matcher(0)
    for expected in steps("expect", [vector]):
        message = sample(expected)
        assert matcher.differences(expected, message) == []
        if vector.name != "newer-server":
            check_message(message)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_time_does_not_go_back(vector: Vector) -> None:
    """The steps stand in the order in which they come."""
    times = [step["at_ms"] for step in vector.steps]
    assert times == sorted(times)


def test_every_parameter_is_shown() -> None:
    """Each with some value."""
    assert {name for to in steps("connect") for name in to["parameters"]} >= set(PARAMETERS)


def test_every_message_is_shown() -> None:
    """Of the server and of the client, with every field of a command, every unit and every way to seek."""
    assert {message["type"] for message in steps("expect")} >= set(SERVER_MESSAGES)
    sent = [*steps("send")]
    assert {message["type"] for message in sent} == {"control", "ack"}
    assert {name for message in sent for name in message} >= set(SCHEMAS["ControlMessage"]["properties"])
    stepped = [message["step"] for message in sent if message.get("step")]
    assert {(step["unit"], step["by"] > 0) for step in stepped if step.get("by")} >= {
        (unit, forward) for unit in ("event", "turn", "tool", "error") for forward in (True, False)
    }
    sought = [message["seek"] for message in sent if message.get("seek")]
    assert {name for seek in sought for name in seek} >= {"t_ms", "seq", "event_id"}


OWN_FAULTS = {"internal_error", "too_many_tries", "too_many_bad_commands"}
"""Of the server's own; of HTTP alone; and what is told by a close code alone."""


def test_every_error_and_close_is_shown() -> None:
    """That the contract knows, but a few."""
    words = (DOCS / "protocol.md").read_text()
    told = set(re.findall(r"`(\w+)`", words.partition("\n## Error codes\n")[2].partition("\n## ")[0]))
    assert {message["code"] for message in steps("expect") if message["type"] == "error"} == told - OWN_FAULTS
    assert {*steps("close")} == set(CLOSE_CODES) - {1001, 1011}


def test_the_page_about_them_names_what_a_vector_has() -> None:
    """Every kind of step and every operator of the schema."""
    page = (DOCS / "conformance.md").read_text()
    schema = orjson.loads((DOCS / "contract" / "vector.schema.json").read_bytes())
    names = {*schema["$defs"]["step"]["properties"], *schema["properties"], *schema["$defs"]["session"]["properties"]}
    assert [name for name in names | {"$is", "$same", "$about", "$absent"} if f"`{name}`" not in page] == []
