"""`GET /metrics`: what the server did and does, for Prometheus.

Nothing is counted by the library while sessions play: streams and the registry count in plain integers, and what they
come to is put together when somebody asks.

Of several workers the one that is asked answers for all, each series with the number of its worker: it asks the
others for theirs (`siblings.py`). The library's own way, a mapped file for each process, would have every event go
through its objects, and a gauge of a worker that died would stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from scrollcast._version import __version__
from scrollcast.archive.archive import Archive
from scrollcast.errors import ArchiveError
from scrollcast.stream.pacer import LATENESS_BOUNDS
from scrollcast.stream.registry import StreamRegistry
from scrollcast.web.doors import Doors
from scrollcast.web.siblings import Siblings

__all__ = ["exposition", "metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


async def metrics(request: Request) -> Response:
    """`GET /metrics`."""
    siblings: Siblings = request.app.state.siblings
    texts = [await exposition(request.app.state, siblings.number), *await siblings.ask()]
    return Response(await asyncio.to_thread(_merged, texts), headers={"content-type": CONTENT_TYPE})


async def exposition(state: Any, worker: str) -> str:
    """The numbers of this process, as text; `state` is the application's."""
    counted = _counted(state.registry, state.doors)  # on the loop, where nothing changes meanwhile
    return await asyncio.to_thread(_exposition, state.archive, counted, worker)


def _counted(registry: StreamRegistry, doors: Doors) -> dict[str, Any]:
    return {
        "totals": registry.totals(),
        "states": registry.states(),
        "sessions": registry.sessions,
        "errors": dict(registry.errors),
        "lateness": (list(registry.pacer.lateness), registry.pacer.lateness_sum),
        "open": doors.open,
        "refused": doors.refused,
        "tasks": len(asyncio.all_tasks()),
    }


def _exposition(archive: Archive, counted: Mapping[str, Any], worker: str) -> str:
    # The library takes a tenth of a second to import, which only those wait for who ask.
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.process_collector import ProcessCollector

    class Collector:
        def collect(self) -> Iterable[Any]:
            yield from _families(counted, worker)
            yield from _archive_families(archive, worker)
            for family in ProcessCollector(registry=None).collect():
                for sample in family.samples:
                    sample.labels["worker"] = worker
                yield family

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return generate_latest(registry).decode()


def _families(counted: Mapping[str, Any], worker: str) -> Iterable[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    totals = counted["totals"]
    states = GaugeMetricFamily("scrollcast_streams", "Replays that are open, by state.", labels=["state", "worker"])
    for state in ("opening", "playing", "paused", "live", "ended"):
        states.add_metric([state, worker], counted["states"].get(state, 0))
    yield states
    errors = CounterMetricFamily(
        "scrollcast_errors", "Errors that clients were told, by code.", labels=["code", "worker"]
    )
    for code, count in sorted({**counted["errors"], "bad_command": totals["refused"]}.items()):
        errors.add_metric([code, worker], count)
    yield errors
    for name, text, value in (
        ("scrollcast_streams_begun", "Replays that were begun.", totals["streams"]),
        ("scrollcast_events_sent", "Events that were sent.", totals["events"]),
        ("scrollcast_bytes_sent", "Bytes that were written to replays' clients.", totals["bytes"]),
        ("scrollcast_seeks", "Seeks, and steps back.", totals["seeks"]),
        ("scrollcast_connections_refused", "Connections beyond the limits.", counted["refused"]),
    ):
        counter = CounterMetricFamily(name, text, labels=["worker"])
        counter.add_metric([worker], value)
        yield counter
    for name, text, value in (
        ("scrollcast_sessions_played", "Different sessions that are played.", counted["sessions"]),
        ("scrollcast_connections", "Connections that are open.", counted["open"]),
        ("scrollcast_tasks", "Tasks of the event loop: some three for a replay.", counted["tasks"]),
    ):
        gauge = GaugeMetricFamily(name, text, labels=["worker"])
        gauge.add_metric([worker], value)
        yield gauge
    histogram = HistogramMetricFamily(
        "scrollcast_lateness_seconds",
        "How long after their tick streams that had something due were served.",
        labels=["worker"],
    )
    counts, total = counted["lateness"]
    bounds = [*map(str, LATENESS_BOUNDS), "+Inf"]
    reached = 0
    buckets = []
    for bound, count in zip(bounds, counts, strict=True):
        reached += count
        buckets.append((bound, reached))
    histogram.add_metric([worker], buckets, total)
    yield histogram


def _archive_families(archive: Archive, worker: str) -> Iterable[Any]:
    from prometheus_client.core import GaugeMetricFamily

    info = GaugeMetricFamily("scrollcast_build_info", "The version that runs.", labels=["version", "worker"])
    info.add_metric([__version__, worker], 1)
    yield info
    numbers = [
        ("scrollcast_watcher_lag_seconds", "How long changed files wait, or last waited, to be dealt with.",
         archive.watcher_lag),
        ("scrollcast_upkeep_running", "Whether sessions are looked for.", archive.is_kept_up),
    ]  # fmt: skip
    with suppress(ArchiveError):
        progress = archive.catalogue.progress
        numbers += [
            ("scrollcast_catalogue_complete", "Whether everything was looked through.", progress.complete),
            ("scrollcast_catalogue_files", "Files that are looked at, as far as they were counted.", progress.total),
            ("scrollcast_catalogue_files_looked_at", "Files that were looked at.", progress.looked_at),
            ("scrollcast_catalogue_sessions", "Sessions that are known.", archive.catalogue.count),
        ]
    for name, text, value in numbers:
        gauge = GaugeMetricFamily(name, text, labels=["worker"])
        gauge.add_metric([worker], value)
        yield gauge


def _merged(texts: list[str]) -> str:
    """Several expositions as one: each family once, with the samples of all."""
    if len(texts) == 1:
        return texts[0]
    heads: dict[str, str] = {}
    types: dict[str, str] = {}
    samples: dict[str, list[str]] = {}
    for text in texts:
        name = ""
        for line in text.splitlines():
            if line.startswith("# HELP "):
                name = line.split(" ", 3)[2]
                heads.setdefault(name, line)
            elif line.startswith("# TYPE "):
                types.setdefault(name, line)
            else:
                samples.setdefault(name, []).append(line)
    return "".join(f"{line}\n" for name in heads for line in (heads[name], types[name], *samples[name]))
