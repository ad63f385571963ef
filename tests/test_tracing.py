from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from archives import SCROLL_ID, write_session
from scrollcast import tracing
from scrollcast.errors import ArchiveError
from serving import serving, talk


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Has what is told of spans in memory."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    provider.shutdown()


def spans(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """The spans that ended, by their names."""
    return {span.name: span for span in exporter.get_finished_spans()}


def facts(span: ReadableSpan) -> dict[str, object]:
    """What a span says."""
    return {name.removeprefix("scrollcast."): value for name, value in (span.attributes or {}).items()}


async def test_a_replay_is_a_span_with_what_it_waited_for_inside(
    root: Path, cache: Path, exporter: InMemorySpanExporter
) -> None:
    """By the ids that the log has too; no word of the session is in it."""
    write_session(root, talk(20))
    async with serving(root, cache=cache) as server:
        async with server.watch(paused="true") as client:
            await client.next()
            await client.control(seek={"seq": 5}, play=True)
            await client.rest()
        await server.until_streams(0)

    found = spans(exporter)
    assert set(found) == {"scrollcast.replay", "scrollcast.open", "scrollcast.seek"}
    replay = found["scrollcast.replay"]
    assert replay.context is not None
    for inner in ("scrollcast.open", "scrollcast.seek"):
        parent = found[inner].parent
        assert parent is not None
        assert parent.span_id == replay.context.span_id
    told = facts(replay)
    assert told["scroll_id"] == str(SCROLL_ID)
    assert told["replay_id"] == client.hello["replay_id"]
    assert (told["events"], told["seeks"]) == (15, 1)
    assert replay.status.status_code is StatusCode.UNSET
    assert "message" not in "".join(span.to_json() for span in found.values()).replace("status_message", "")


def test_an_error_is_told_by_its_class_alone(exporter: InMemorySpanExporter) -> None:
    """What it says may hold a path."""
    with pytest.raises(ArchiveError), tracing.span("open"):
        raise ArchiveError("it is torn", "/home/me/secret")

    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert facts(span) == {"error.type": "ArchiveError"}
    assert span.events == ()
    assert "secret" not in span.to_json()


def test_without_the_library_nothing_is_told(monkeypatch: pytest.MonkeyPatch, exporter: InMemorySpanExporter) -> None:
    """And nothing is missing."""
    monkeypatch.setattr(tracing, "trace", None)
    with tracing.span("open", seq=1) as note:
        note(events=3)

    assert exporter.get_finished_spans() == ()
