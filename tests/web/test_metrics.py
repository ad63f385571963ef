from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from archives import write_session
from scrollcast._version import __version__
from scrollcast.web.siblings import Siblings
from serving import PATIENCE_SECONDS, Child, Serving, serving, talk, until

EVENTS = 60


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of one session."""
    write_session(root, talk(EVENTS))
    async with serving(root, cache=cache) as server:
        yield server


class Scraped:
    """What a scrape said. Raises where it is no exposition."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The one sample of this name that has these labels."""
        (found,) = [
            sample.value for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return found

    def workers(self) -> set[str]:
        """The workers that samples are of."""
        return {sample.labels["worker"] for sample in self.samples}


async def scrape(server: Serving) -> Scraped:
    """What `/metrics` says."""
    async with server.http() as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Scraped(answer.text)


async def test_a_replay_is_counted_while_it_plays_and_for_good(server: Serving) -> None:
    """Its state, its events and bytes, and what it was told that it could not do."""
    async with server.watch(paused="true") as client:
        await client.next()
        await client.send("{bad")
        await client.until("error")
        paused = await scrape(server)
        await client.control(seek={"seq": 10}, play=True)
        await client.until("end")
        size = sum(len(str(message)) for message in client.log.messages)
        await client.rest()
    await server.until_streams(0)
    ended = await scrape(server)

    assert paused.value("scrollcast_streams", state="paused") == 1
    assert paused.value("scrollcast_sessions_played") == 1
    assert paused.value("scrollcast_connections") == 2
    assert ended.value("scrollcast_streams", state="paused") == 0
    assert ended.value("scrollcast_streams_begun_total") == 1
    assert ended.value("scrollcast_events_sent_total") == EVENTS - 10
    assert ended.value("scrollcast_seeks_total") == 1
    assert ended.value("scrollcast_errors_total", code="bad_command") == 1
    assert size * 0.5 < ended.value("scrollcast_bytes_sent_total") < size * 1.5
    assert ended.value("scrollcast_connections_refused_total") == 0


async def test_errors_are_counted_by_their_code(server: Serving) -> None:
    """Those of a replay and those of a route."""
    await server.replay("nobody")
    await server.replay(speed="fast")
    async with server.http() as http:
        await http.get("/api/sessions/nobody")
    scraped = await scrape(server)

    assert scraped.value("scrollcast_errors_total", code="session_not_found") == 2
    assert scraped.value("scrollcast_errors_total", code="bad_request") == 1


async def test_lateness_is_a_histogram_of_what_was_served_in_ticks(server: Serving) -> None:
    """Events in realtime are counted by how late they were, whatever they were late by."""
    await server.replay(mode="realtime", speed=2)
    scraped = await scrape(server)

    count = scraped.value("scrollcast_lateness_seconds_count")
    assert EVENTS / 2 <= count <= EVENTS  # several may be due in one tick
    assert scraped.value("scrollcast_lateness_seconds_bucket", le="+Inf") == count
    assert 0 < scraped.value("scrollcast_lateness_seconds_sum") < count
    buckets = [sample.value for sample in scraped.samples if sample.name == "scrollcast_lateness_seconds_bucket"]
    assert buckets == sorted(buckets)


async def test_the_catalogue_the_watcher_and_the_process_are_told(server: Serving) -> None:
    """With the version."""
    await until(server.app.state.ready.is_set)
    scraped = await scrape(server)

    assert scraped.value("scrollcast_catalogue_complete") == 1
    assert scraped.value("scrollcast_catalogue_sessions") == 1
    assert scraped.value("scrollcast_upkeep_running") == 1
    assert 0 <= scraped.value("scrollcast_watcher_lag_seconds") < PATIENCE_SECONDS
    assert scraped.value("scrollcast_build_info", version=__version__) == 1
    assert scraped.value("process_open_fds") > 0
    assert scraped.workers() == {"0"}


async def test_nothing_of_a_session_is_told(server: Serving, root: Path) -> None:
    """No title, no id, no path."""
    await server.replay()
    async with server.http() as http:
        text = (await http.get("/metrics")).text

    assert not [word for word in ("message", "A session", str(root), "5ca1") if word in text]


# -------------------------------------------------------------------------------------------------------- workers


async def of_workers(address: str, wanted: set[str]) -> Scraped:
    """A scrape, as soon as it is of these workers."""
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    async with httpx.AsyncClient(trust_env=False) as http:
        while True:
            scraped = Scraped((await http.get(f"{address}metrics", headers={"connection": "close"})).text)
            if scraped.workers() == wanted or time.monotonic() > deadline:
                return scraped
            await asyncio.sleep(0.1)


async def test_any_worker_answers_for_all(root: Path, tmp_path: Path) -> None:
    """Each with a number of its own, which one that takes the place of one that died takes over."""
    write_session(root, talk(EVENTS))
    with Child(tmp_path, "serve", root, "--port", "0", "--workers", "2") as child:
        address = await asyncio.to_thread(child.address)
        port = httpx.URL(address).port
        assert port is not None
        server = Serving(None, None, port)  # type: ignore[arg-type]
        await asyncio.gather(*(server.replay() for _ in range(8)))
        both = await of_workers(address, {"0", "1"})
        counts = [sample for sample in both.samples if sample.name == "scrollcast_events_sent_total"]
        worker = next(p for p in psutil.Process(child.process.pid).children() if p.net_connections())
        worker.kill()
        one = await of_workers(address, {"0"} if len(counts) == 1 else both.workers())
        again = await of_workers(address, {"0", "1"})
        status, out, _err, _ = await asyncio.to_thread(child.stop)

    assert both.workers() == again.workers() == {"0", "1"}
    assert sum(sample.value for sample in counts) == 8 * EVENTS
    assert both.value("scrollcast_build_info", worker="1") == 1
    assert one.value("scrollcast_build_info", worker=sorted(one.workers())[0]) == 1
    assert (status, out) == (0, "")


async def test_a_worker_that_does_not_answer_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs, one that is gone without a word, and one that says nothing."""
    monkeypatch.setattr("scrollcast.web.siblings.ASK_SECONDS", 0.1)
    asked, others = Siblings(tmp_path), [Siblings(tmp_path) for _ in range(2)]

    async def say(number: str) -> str:
        return f"I am {number}"

    async def hang(_number: str) -> str:
        await asyncio.sleep(0.5)
        return "late"

    (tmp_path / "9.sock").touch()
    async with asked.telling(say), others[0].telling(say), others[1].telling(hang):
        numbers = [asked.number, others[0].number, others[1].number]
        answers = await asked.ask()
        await asyncio.sleep(0.5)

    assert numbers == ["0", "1", "2"]
    assert answers == ["I am 1"]
    async with Siblings(tmp_path).telling(say):
        assert (await Siblings(tmp_path).ask()) == []  # nobody but the first, which this one takes for itself
