from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from archives import SCROLL_ID, JsonObject, Line, at, message
from export.conftest import Exporter
from export.stories import everything, meta
from scrollcast.archive.archive import Archive
from scrollcast.export.excerpt import Selection, open_excerpt
from scrollcast.export.jsonl import document

FIXTURES = Path(__file__).parents[2] / "archive_fixtures"


async def events_of(archive: Archive, scroll_id: UUID, *, meta: bool) -> list[JsonObject]:
    """The events of a session, as they go over the wire."""
    index = await archive.open_index(scroll_id, meta=meta)
    await index.finish()
    block = await index.read(0, index.count)
    return [orjson.loads(block.event(seq)) for seq in range(index.count)]


def all_sessions() -> list[tuple[str, UUID]]:
    """Every session of the fixtures that can be played."""
    with Archive.open(FIXTURES) as archive:
        return [(str(each.agent), each.scroll_id) for each in archive.sessions() if each.error is None]


@pytest.mark.parametrize(("agent", "scroll_id"), all_sessions())
async def test_export_plays_as_the_session_does(tmp_path: Path, agent: str, scroll_id: UUID) -> None:
    """Event for event, with meta events and without, whatever its format was; and so does its own export."""
    path = tmp_path / "a.jsonl"
    with Archive.open(FIXTURES) as archive:
        path.write_bytes(b"".join(document(await open_excerpt(archive, scroll_id, Selection()))))
        before = [await events_of(archive, scroll_id, meta=meta) for meta in (False, True)]
        told = archive.session(scroll_id)

    with Archive.open(path) as archive:
        after = [await events_of(archive, scroll_id, meta=meta) for meta in (False, True)]
        again = archive.session(scroll_id)
        twice = b"".join(document(await open_excerpt(archive, scroll_id, Selection())))

    for events, others in zip(after, before, strict=True):
        assert [{**event, "t_ms": 0} for event in events] == [{**event, "t_ms": 0} for event in others]
        # A time that was recorded finer than a millisecond, and without a zone, is written to the millisecond.
        assert all(abs(event["t_ms"] - other["t_ms"]) <= 1 for event, other in zip(events, others, strict=True))
    assert (again.title, again.agent, again.timing) == (told.title, told.agent, told.timing)
    assert twice.splitlines()[1:] == path.read_bytes().splitlines()[1:]


@pytest.mark.parametrize(
    "times",
    [[None, None, 5.0, 6.0], [0.0, None, 2.0], [None, 0.0, 3.0], [None, None], [4.0, 1.0, 6.0], [0.0, 0.0, 9.0]],
)
async def test_times_stay_as_they_are(exporter: Exporter, tmp_path: Path, times: list[float | None]) -> None:
    """Records without a time included, before the first that has one too, and those that go backwards."""
    messages: list[Line] = [message(f"m{number}", seconds) for number, seconds in enumerate(times)]
    exporter.write(messages, created_at=at(-100))
    excerpt = await exporter.excerpt()
    path = tmp_path / "again.jsonl"
    path.write_bytes(b"".join(document(excerpt)))

    with Archive.open(path) as archive:
        after = await events_of(archive, SCROLL_ID, meta=False)

    assert [event["t_ms"] for event in after] == [timed.t_ms for timed in excerpt.records()]


async def test_lines_are_native_records(exporter: Exporter) -> None:
    """Behind a first line that tells of the session."""
    first, *lines = (await exporter.write(everything(), meta()).document("jsonl")).splitlines()
    head = orjson.loads(first)
    records: list[dict[str, Any]] = [orjson.loads(line) for line in lines]

    assert head["scrollcast"] == 1
    assert head["metadata"]["title"] == "A session"
    assert [record.get("message_id") or record["event_id"] for record in records] == [
        "m0",
        "m1",
        "e0",
        "m2",
        "m3",
        "s0",
        "m4",
        "m5",
    ]
    assert records[0]["role"] == "system"
    assert records[3]["ts"] == at(3.25)
    assert records[3]["content_md"] == "Looking."


async def test_excerpt_plays_by_itself(exporter: Exporter, tmp_path: Path) -> None:
    """From its own beginning."""
    path = tmp_path / "part.jsonl"
    path.write_bytes(
        await exporter.write(everything()).document("jsonl", from_ms=1000, leave_out=frozenset({"outputs"}))
    )

    with Archive.open(path) as archive:
        (session,) = archive.sessions()
        events = await events_of(archive, session.scroll_id, meta=True)

    assert session.scroll_id != SCROLL_ID
    assert [(event["seq"], event["t_ms"]) for event in events] == [(0, 0), (1, 2250), (2, 4000), (3, 8000), (4, 59_000)]
