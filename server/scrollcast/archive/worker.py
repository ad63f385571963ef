"""A helper process: one job a line in, one reply a line out, until its input ends (`archive/workers.py`).

It works behind whoever watches, at a low priority, and ends with its server however that ends.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, Final, TypeAlias

import orjson

from scrollcast.archive.scanner import decode_candidate, encode_finding, look

__all__ = ["JOBS", "Job", "run_job"]

Job: TypeAlias = Mapping[str, Any]
"""A JSON object; its `job` is a name in `JOBS`. A reply is a JSON object too."""

NICE: Final = 10
"""Viewers come first: half way down from where everything else runs."""


def look_job(job: Job) -> dict[str, Any]:
    """Look into files: `{"files": […]} -> {"findings": […]}`, in the same order."""
    return {"findings": [encode_finding(look(decode_candidate(file))) for file in job["files"]]}


def _index_job(job: Job) -> dict[str, Any]:
    from scrollcast.archive.indexing import index_job  # what it needs takes long to load, and few helpers need it

    return index_job(job)


JOBS: Final[dict[str, Callable[[Job], dict[str, Any]]]] = {"look": look_job, "index": _index_job}
"""What can be asked for, by name."""


def run_job(job: Job) -> dict[str, Any]:
    """Do a job, in whichever process."""
    return JOBS[job["job"]](job)


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Do one job after the other until there are no more."""
    for line in requests:
        replies.write(orjson.dumps(run_job(orjson.loads(line))) + b"\n")
        replies.flush()


def main() -> None:
    """Serve standard input. Says nothing of its own end: whoever waits for a reply sees it."""
    logging.disable()  # standard error is the server's terminal
    with suppress(AttributeError, OSError):  # systems without it
        os.nice(NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the server, which ends us
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
