from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from archives import message, write_document
from scrollcast.archive import worker, workers
from scrollcast.archive.scanner import decode_finding, encode_candidate, look
from scrollcast.archive.walk import Candidate, walk
from scrollcast.archive.workers import Workers, WorkersEnded


@pytest.fixture
def candidates(root: Path) -> list[Candidate]:
    """Eight files."""
    for number in range(8):
        (root / f"{number}.json").write_text('{"type": "alpha"}')
    return list(walk(root, root))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The processes that were started."""
    processes: list[Any] = []
    start = workers._start

    def starting() -> Any:
        processes.append(start())
        return processes[-1]

    monkeypatch.setattr(workers, "_start", starting)
    return processes


@pytest.fixture
def done_here(monkeypatch: pytest.MonkeyPatch) -> list[worker.Job]:
    """The jobs that were done in this process."""
    jobs: list[worker.Job] = []

    def doing(job: worker.Job) -> dict[str, Any]:
        jobs.append(job)
        return worker.run_job(job)

    monkeypatch.setattr(workers, "run_job", doing)
    return jobs


def job_of(*candidates: Candidate) -> worker.Job:
    """The job to look into these files."""
    return {"job": "look", "files": [encode_candidate(candidate) for candidate in candidates]}


def test_jobs_are_done_by_other_processes(
    candidates: list[Candidate], started: list[Any], done_here: list[worker.Job]
) -> None:
    """Each once, with its own reply; they end when they are no longer needed."""
    jobs = [job_of(candidate) for candidate in candidates]
    with Workers(2) as helpers:
        replies = list(helpers.run(jobs))
        again = list(helpers.run(jobs[:1]))

    assert sorted(orjson.dumps(job) for job, _ in replies) == [orjson.dumps(job) for job in jobs]
    for job, reply in [*replies, *again]:
        (candidate,) = [found for found in candidates if encode_candidate(found) == job["files"][0]]
        assert decode_finding(reply["findings"][0], candidate) == look(candidate)
    assert len(started) == 2
    assert done_here == []
    assert all(process.poll() is not None for process in started)


def test_nothing_to_do_starts_nothing(started: list[Any]) -> None:
    """A process costs more than it is worth."""
    with Workers() as helpers:
        assert list(helpers.run([])) == []
    assert started == []


def test_jobs_are_taken_as_helpers_become_free(candidates: list[Candidate]) -> None:
    """So that what comes first is done first, and the rest need not be made yet."""
    taken: list[int] = []

    def jobs() -> Iterator[worker.Job]:
        for number, candidate in enumerate(candidates):
            taken.append(number)
            yield job_of(candidate)

    with Workers(2) as helpers:
        replies = helpers.run(jobs())
        next(replies)
        early = len(taken)
        rest = list(replies)

    assert early <= 4
    assert len(rest) == 7


def test_a_helper_that_dies_is_replaced_once(
    candidates: list[Candidate], started: list[Any], done_here: list[worker.Job]
) -> None:
    """The job that it died of is done here, and after a second death every job."""
    jobs = [job_of(candidate) for candidate in candidates]
    with Workers(1) as helpers:
        first = list(helpers.run(jobs[:1]))
        _kill(started[0])
        second = list(helpers.run(jobs[1:3]))
        _kill(started[1])
        third = list(helpers.run(jobs[3:5]))

    assert [job for job, _ in (*first, *second, *third)] == jobs[:5]
    assert len(started) == 2
    assert done_here == [jobs[1], jobs[3], jobs[4]]


def _kill(process: Any) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)


@pytest.mark.parametrize("command", [("/nowhere/at/all",), ("true",), ("echo", "no JSON"), ("echo", "7")])
def test_helpers_that_do_not_work_are_done_without(
    candidates: list[Candidate],
    done_here: list[worker.Job],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    """It is slower, and no more than that."""
    monkeypatch.setattr(workers, "COMMAND", command)
    jobs = [job_of(candidate) for candidate in candidates]
    with Workers(2) as helpers:
        replies = list(helpers.run(jobs))

    assert len(replies) == len(done_here) == len(jobs)
    assert all(reply["findings"] for _, reply in replies)


def test_jobs_that_nobody_waits_for_are_left(candidates: list[Candidate], started: list[Any]) -> None:
    """Their processes end at once."""
    helpers = Workers(2)
    replies = helpers.run(job_of(candidate) for candidate in candidates * 50)
    next(replies)
    replies.close()  # type: ignore[attr-defined]

    assert all(process.poll() is not None for process in started)


def test_helpers_that_were_ended_do_nothing_more(candidates: list[Candidate]) -> None:
    """Not in this process either."""
    with Workers(1) as helpers:
        replies = helpers.run(job_of(candidate) for candidate in candidates * 50)
        next(replies)
        helpers.close()
        with pytest.raises(WorkersEnded):
            list(replies)


def test_a_helper_lets_others_go_first(candidates: list[Candidate], started: list[Any]) -> None:
    """It runs at a lower priority, and an interrupt of the terminal is not for it."""
    with Workers(1) as helpers:
        list(helpers.run([job_of(candidates[0])]))
        process = psutil.Process(started[0].pid)
        started[0].send_signal(signal.SIGINT)
        after = list(helpers.run([job_of(candidates[1])]))

        assert process.nice() >= min(19, os.nice(0) + worker.NICE)
        assert len(after) == 1
        assert len(started) == 1


def test_a_helper_ends_with_its_input(root: Path) -> None:
    """One reply a line until then."""
    document = write_document(root, [message("m0")])
    (candidate,) = walk(document, root)
    replies = io.BytesIO()
    worker.serve(io.BytesIO((orjson.dumps(job_of(candidate)) + b"\n") * 2), replies)
    lines = replies.getvalue().splitlines()

    assert lines[0] == lines[1]
    assert decode_finding(orjson.loads(lines[0])["findings"][0], candidate) == look(candidate)


def test_a_job_of_another_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be more than one kind."""
    jobs: dict[str, Callable[[worker.Job], dict[str, Any]]] = {"add": lambda job: {"sum": sum(job["numbers"])}}
    monkeypatch.setattr(worker, "JOBS", jobs)

    assert worker.run_job({"job": "add", "numbers": [1, 2]}) == {"sum": 3}
