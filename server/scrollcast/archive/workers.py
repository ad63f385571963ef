"""Helper processes for what would hold up the viewers: `Workers.run` does jobs in them, several at a time."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from scrollcast.archive.worker import Job, run_job

__all__ = ["MAX_WORKERS", "Workers", "WorkersEnded"]

MAX_WORKERS: Final = 2
"""More would only wait for each other's disk, and take the cores that viewers are served by."""

END_SECONDS: Final = 5.0
"""How long a helper that was told to end is waited for."""

COMMAND: Final = (sys.executable, "-P", "-m", "scrollcast.archive.worker")

log = logging.getLogger(__name__)


class WorkersEnded(Exception):
    """The helpers were ended while they worked."""


class Workers:
    """Up to `count` helper processes, each started by its first job. A context manager, which ends them.

    A helper that dies is replaced once. The job that it died of, and every job after a second death, is done in this
    process.
    """

    def __init__(self, count: int | None = None) -> None:
        self._helpers = [_Helper() for _ in range(count or min(MAX_WORKERS, os.cpu_count() or 1))]

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, dict[str, Any]]]:
        """Each job with its reply, as they are done; jobs are taken as helpers become free. Blocks.

        Raises:
            WorkersEnded: `close` was called meanwhile.
            Exception: whatever a job raised that was done in this process.
        """
        remaining = iter(jobs)
        running: dict[Future[dict[str, Any]], tuple[_Helper, Job]] = {}
        with ThreadPoolExecutor(len(self._helpers), thread_name_prefix="scrollcast-helper") as threads:

            def feed(helper: _Helper) -> None:
                if (job := next(remaining, None)) is not None:
                    running[threads.submit(helper.do, job)] = (helper, job)

            try:
                for helper in self._helpers:
                    feed(helper)
                while running:
                    done = [(future, *running.pop(future)) for future in wait(running, None, FIRST_COMPLETED).done]
                    for _, helper, _ in done:
                        feed(helper)  # it works on while its reply is used
                    for future, _, job in done:
                        yield job, future.result()
            finally:
                if running:
                    self.close()

    def close(self) -> None:
        """End the processes; what they were doing is lost."""
        for helper in self._helpers:
            helper.close()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class _Helper:
    """One helper process, used by one thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._starts_left = 2
        self._lock = threading.Lock()
        self._closed = False

    def do(self, job: Job) -> dict[str, Any]:
        process = self._started()
        if process is not None:
            try:
                return _exchange(process, job)
            except (OSError, ValueError) as problem:
                log.info("a helper process ended: %r", problem)
                self._end(process)
        if self._closed:
            raise WorkersEnded
        return run_job(job)

    def _started(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._process is None and self._starts_left and not self._closed:
                self._starts_left -= 1
                with suppress(OSError):  # then there is none, which is no more than slow
                    self._process = _start()
            return self._process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._process = None
        _end(process)

    def close(self) -> None:
        with self._lock:
            process, self._process, self._closed = self._process, None, True
        if process is not None:
            _end(process)


def _start() -> subprocess.Popen[bytes]:
    # It has to find this very package, whether installed or not.
    package = str(Path(__file__).parents[2])
    places = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    return subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )


def _exchange(process: subprocess.Popen[bytes], job: Job) -> dict[str, Any]:
    """Raises `OSError` or `ValueError` where the process cannot reply any more."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(orjson.dumps(job) + b"\n")
    process.stdin.flush()
    reply = orjson.loads(process.stdout.readline())  # nothing at all is no JSON
    if not isinstance(reply, dict):
        raise ValueError("no reply")
    return reply


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it: it holds nothing that could be lost."""
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was written and not read
                pipe.close()
