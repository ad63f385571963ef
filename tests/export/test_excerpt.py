import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from archives import SCROLL_ID, message
from export.conftest import Exporter
from export.stories import (
    SECRET_INPUT,
    SECRET_META,
    SECRET_OUTPUT,
    SECRET_PICTURE,
    SECRET_SUBAGENT,
    SECRET_SYSTEM,
    SECRET_THOUGHT,
    SECRETS,
    call,
    everything,
    meta,
    result,
)
from scrollcast.errors import BadRequest
from scrollcast.export.documents import FORMATS, file_name, format_of_suffix, parse_time
from scrollcast.export.excerpt import LEAVABLE, Excerpt, parse_leave_out

TOLD_WITH = {
    "thinking": {SECRET_THOUGHT},
    "tools": {SECRET_INPUT, SECRET_OUTPUT, SECRET_SUBAGENT},
    "outputs": {SECRET_OUTPUT, SECRET_SUBAGENT},
    "subagents": {SECRET_SUBAGENT},
    "images": {SECRET_PICTURE},
    "system": {SECRET_SYSTEM},
    "meta": {SECRET_META},
}


async def test_everything_is_told_unless_something_is_left_out(exporter: Exporter) -> None:
    """As it was archived."""
    excerpt = await exporter.write(everything(), meta()).excerpt()

    assert [timed.record.id for timed in excerpt.records()] == ["m0", "m1", "e0", "m2", "m3", "s0", "m4", "m5"]
    told = repr(list(excerpt.records()))
    assert all(secret in told for secret in SECRETS)


@pytest.mark.parametrize("kind", LEAVABLE)
async def test_what_is_left_out_is_told_nowhere(exporter: Exporter, kind: str) -> None:
    """Not in another field of the same message either; the rest stays."""
    excerpt = await exporter.write(everything(), meta()).excerpt(leave_out=frozenset({kind}))

    told = repr(list(excerpt.records()))
    gone = TOLD_WITH[kind] | ({SECRET_PICTURE} if kind in ("tools", "outputs") else set())
    assert not any(secret in told for secret in TOLD_WITH[kind])
    assert all(secret in told for secret in SECRETS if secret not in gone)


@pytest.mark.parametrize("format_name", FORMATS)
async def test_no_document_holds_what_is_left_out(exporter: Exporter, format_name: str) -> None:
    """Whatever the format; a page is looked into in its own test."""
    document = await exporter.write(everything(), meta()).document(format_name, leave_out=frozenset(LEAVABLE))

    assert b"Thanks." in document or format_name == "html"
    assert not any(secret.encode() in document for secret in SECRETS)


async def test_message_of_which_nothing_is_left_is_gone(exporter: Exporter) -> None:
    """And so is its number."""
    excerpt = await exporter.write(everything()).excerpt(leave_out=frozenset({"tools"}))

    assert [timed.record.id for timed in excerpt.records()] == ["m0", "m1", "m2", "m4", "m5"]


async def test_output_that_is_left_out_leaves_the_result(exporter: Exporter) -> None:
    """So that a call does not look as if nothing had come back, nor a failure as a success."""
    excerpt = await exporter.write(everything()).excerpt(leave_out=frozenset({"outputs"}))

    (found,) = [timed.record for timed in excerpt.records() if timed.record.id == "m3"]
    assert found.content == [{"type": "tool_result", "call_id": "c1", "is_error": True, "output": []}]


async def test_range_holds_both_its_ends_and_begins_at_zero(exporter: Exporter) -> None:
    """Recorded time is counted from the first event of the range."""
    excerpt = await exporter.write(everything()).excerpt(from_ms=1000, to_ms=5000)

    assert [(timed.record.id, timed.t_ms) for timed in excerpt.records()] == [("m1", 0), ("m2", 2250), ("m3", 4000)]


async def test_range_without_events_is_an_empty_document(exporter: Exporter) -> None:
    """In every format."""
    exporter.write(everything())

    assert list((await exporter.excerpt(from_ms=70_000)).records()) == []
    for format_name in FORMATS:
        assert await exporter.document(format_name, from_ms=70_000)


async def test_range_that_ends_before_it_begins_is_refused(exporter: Exporter) -> None:
    """Rather than written as an empty document."""
    exporter.write(everything())

    with pytest.raises(BadRequest, match="ends before it begins"):
        await exporter.excerpt(from_ms=2, to_ms=1)


async def test_excerpt_has_an_id_of_its_own(exporter: Exporter) -> None:
    """The same each time; the whole session keeps its id, with another title too."""
    exporter.write(everything())
    whole, renamed = await exporter.excerpt(), await exporter.excerpt(title="Mine")
    part, again, other = [await exporter.excerpt(from_ms=start) for start in (1000, 1000, 2000)]

    assert whole.session.scroll_id == renamed.session.scroll_id
    assert renamed.session.title == "Mine"
    assert part.session.scroll_id == again.session.scroll_id
    assert len({each.session.scroll_id for each in (whole, part, other)}) == 3


# ----------------------------------------------------------------------------------------------------- subagents

CHILD, GRANDCHILD, OTHER = (UUID(f"0b5e55ed-0000-4000-8000-00000000000{number}") for number in (2, 3, 4))


def write_family(exporter: Exporter) -> Exporter:
    """A session of a hundred seconds whose two calls start others, the first of which starts one itself."""
    exporter.write(
        [
            message("m0", 0),
            message("m1", 10, "assistant", content_parts=[call("c1"), call("c2")]),
            message("m2", 90, "tool", content_parts=[result(call_id="c1"), result(call_id="c2")]),
            message("m3", 100),
        ]
    )
    deeper = [message("a0", 20), message("a1", 30, "assistant", content_parts=[call("d1")]), message("a2", 60)]
    exporter.write_child(CHILD, "c1", [*deeper])
    exporter.write_child(GRANDCHILD, "d1", [message("b0", 40), message("b1", 50)], parent=CHILD)
    return exporter.write_child(OTHER, "c2", [message("o0", 70), message("o1", 80)])


async def family(excerpt: Excerpt) -> dict[str, list[tuple[str, int]]]:
    """The records of an excerpt and of the sessions that it started, by session."""

    def told(one: Excerpt) -> Iterator[tuple[str, list[tuple[str, int]]]]:
        yield str(one.session.scroll_id), [(timed.record.id, timed.t_ms) for timed in one.records()]
        for child in one.children(one.started().values()):
            assert child.session.parent_scroll_id == one.session.scroll_id
            yield from told(child)

    return dict(await asyncio.to_thread(lambda: list(told(excerpt))))


async def test_sessions_that_a_session_started_are_excerpts_too(exporter: Exporter) -> None:
    """Each by its call, with those that it started in turn."""
    excerpt = await write_family(exporter).excerpt()

    assert excerpt.started() == {"c1": CHILD, "c2": OTHER}
    assert await family(excerpt) == {
        str(SCROLL_ID): [("m0", 0), ("m1", 10_000), ("m2", 90_000), ("m3", 100_000)],
        str(CHILD): [("a0", 0), ("a1", 10_000), ("a2", 40_000)],
        str(GRANDCHILD): [("b0", 0), ("b1", 10_000)],
        str(OTHER): [("o0", 0), ("o1", 10_000)],
    }


async def test_range_holds_for_the_sessions_that_a_session_started(exporter: Exporter) -> None:
    """By the clock: each began at a time of its own. One that was at work at another time is not there."""
    found = await family(await write_family(exporter).excerpt(from_ms=30_000, to_ms=45_000))

    assert list(found.values()) == [[], [("a1", 0)], [("b0", 0)]]


@pytest.mark.parametrize("kind", ["subagents", "tools", "outputs"])
async def test_subagents_go_with_what_their_calls_got_back(exporter: Exporter, kind: str) -> None:
    """What one said in the end is what its call got back."""
    assert (await write_family(exporter).excerpt(leave_out=frozenset({kind}))).started() == {}


async def test_what_is_left_out_is_left_out_of_subagents_too(exporter: Exporter) -> None:
    """Of which those with nothing else in them are gone."""
    exporter.write([message("m0", 0, "assistant", content_parts=[call("c1")])])
    exporter.write_child(CHILD, "c1", everything())
    excerpt = await exporter.excerpt(leave_out=frozenset({"thinking", "images"}))

    (child,) = await asyncio.to_thread(lambda: list(excerpt.children(excerpt.started().values())))
    told = repr(list(child.records()))
    assert SECRET_OUTPUT in told
    assert SECRET_THOUGHT not in told
    assert SECRET_PICTURE not in told


async def test_subagent_that_cannot_be_read_is_not_told(exporter: Exporter, tmp_path: Path) -> None:
    """And ends nothing."""
    excerpt = await write_family(exporter).excerpt()
    (tmp_path / "archive" / f"{CHILD}.jsonl").unlink()

    assert [key for key in await family(excerpt) if key != str(SCROLL_ID)] == [str(OTHER)]


async def test_sessions_that_started_each_other_are_told_once(exporter: Exporter) -> None:
    """Which only a broken archive says."""
    exporter.write([message("m0", 0, "assistant", content_parts=[call("c1")])], parent_scroll_id=str(CHILD))
    exporter.write_child(CHILD, "c1", [message("a0", 1, "assistant", content_parts=[call("c1")])])

    assert list(await family(await exporter.excerpt())) == [str(SCROLL_ID), str(CHILD)]


# --------------------------------------------------------------------------------------------------------- asking


@pytest.mark.parametrize(
    ("text", "t_ms"),
    [("0", 0), ("90", 90_000), ("1.5", 1500), ("1:30", 90_000), ("75:00", 4_500_000), ("1:02:03", 3_723_000)],
)
def test_times_are_read(text: str, t_ms: int) -> None:
    """Seconds, or a clock."""
    assert parse_time(text) == t_ms


@pytest.mark.parametrize("text", ["", "-1", "1:2", "1:60", "1:2:3", "٣", "1e3", "nan", "1:30 ", "9" * 30])
def test_what_is_no_time_is_refused(text: str) -> None:
    """With a sentence that says what is one."""
    with pytest.raises(ValueError, match="must be seconds"):
        parse_time(text)


def test_kinds_are_read() -> None:
    """With commas between them; an unknown one is named."""
    assert parse_leave_out(" thinking, meta,") == {"thinking", "meta"}
    with pytest.raises(BadRequest, match="'secrets' is none of thinking, tools"):
        parse_leave_out("thinking,secrets")


async def test_files_are_named_by_titles(exporter: Exporter) -> None:
    """In plain letters; by the id where the title has none."""
    exporter.write(everything())

    assert file_name(await exporter.excerpt(title="../Ein schönes: «Licht»\n"), "cast") == "ein-schones-licht.cast"
    assert file_name(await exporter.excerpt(title="灯台"), "jsonl") == "0b5e55ed-0000-4000-8000-000000000001.jsonl"
    assert [format_of_suffix(name) for name in ("a.MD", "b.html", "c", "d.txt")] == ["markdown", "html", None, None]
    assert [format_of_suffix(name) for name in ("a.markdown", "b.htm", "c.ndjson")] == ["markdown", "html", "jsonl"]
