"""`python -m scrollcast.conformance`: holds a server to the vectors, in real time."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from websockets.exceptions import InvalidHandshake

from scrollcast.conformance.sockets import SocketServer
from scrollcast.conformance.vectors import Vector, load_vectors, vectors_folder, write_session
from scrollcast.conformance.walking import Divergence, Tolerance, walk

__all__ = ["main"]

TOLERANCE_MS: Final = 250.0
"""Less than lies between most steps, and more than a machine that is at work needs."""

AT_ONCE: Final = 8

TOKEN_VARIABLE: Final = "SCROLLCAST_CLIENT_TOKEN"
"""Holds what the server asks for, if it does: everybody on the machine can read a command line."""

EXAMPLES: Final = """\
examples:
  python -m scrollcast.conformance --write /tmp/vectors     # the sessions, as a native archive
  scrollcast serve /tmp/vectors --port 8421 &
  python -m scrollcast.conformance ws://127.0.0.1:8421 --archive /tmp/vectors

exit status: 0 the server keeps to all vectors that were run, 1 it does not, 2 nothing could be run
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scrollcast.conformance",
        description="Holds a server of scrollcast.v1 to the conformance vectors, in real time.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", nargs="?", help="the server, such as ws://127.0.0.1:8420")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write the sessions of the vectors, and do no more")
    parser.add_argument("--archive", type=Path, metavar="DIR", help="where --write put them: for vectors that write")
    parser.add_argument("--vectors", type=Path, metavar="DIR", default=vectors_folder(), help="other vectors than ours")
    parser.add_argument("--only", action="append", metavar="NAME", help="this vector; may be repeated")
    parser.add_argument("--with", action="append", default=[], dest="has", metavar="NEED", help="what the server has")
    parser.add_argument("--longest", type=float, default=60, metavar="SECONDS", help="leave longer vectors out")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE_MS, metavar="MS", help="too early or too late")
    parser.add_argument(
        "--tries", type=int, default=1, metavar="N",
        help="run what was not kept again by itself, so often in all: for machines that are busy (default: 1)",
    )  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and give its exit status."""
    arguments = _parser().parse_args(argv)
    vectors = [vector for vector in load_vectors(arguments.vectors) if vector.is_for_servers]
    if arguments.only:
        vectors = [vector for vector in vectors if vector.name in arguments.only]
    if not vectors:
        print(f"there is no such vector in {arguments.vectors}", file=sys.stderr)
        return 2
    if arguments.write is not None:
        for vector in vectors:
            write_session(vector, arguments.write)
        return 0
    if arguments.url is None:
        print("give the address of a server, or --write; --help has examples", file=sys.stderr)
        return 2
    return asyncio.run(_run(vectors, arguments))


async def _run(vectors: Sequence[Vector], arguments: argparse.Namespace) -> int:
    server = SocketServer(arguments.url, arguments.archive, os.environ.get(TOKEN_VARIABLE))
    tolerance = Tolerance(arguments.tolerance, arguments.tolerance)
    places = asyncio.Semaphore(AT_ONCE)

    async def run(vector: Vector) -> str | None:
        async with places:
            if vector.writes:
                await asyncio.to_thread(write_session, vector, arguments.archive)
            return await _told(vector, server, tolerance)

    left_out = [(vector, reason) for vector in vectors if (reason := _reason_against(vector, arguments))]
    skipped = {vector.name for vector, _ in left_out}
    chosen = [vector for vector in vectors if vector.name not in skipped]
    wrong = await asyncio.gather(*map(run, chosen))
    for _ in range(arguments.tries - 1):
        wrong = [problem and await run(vector) for vector, problem in zip(chosen, wrong, strict=True)]
    for vector, problem in zip(chosen, wrong, strict=True):
        print(f"{'ok  ' if problem is None else 'FAIL'} {vector.name}{'' if problem is None else f': {problem}'}")
    for vector, reason in left_out:
        print(f"skip {vector.name}: {reason}")
    failed = sum(problem is not None for problem in wrong)
    print(f"{len(chosen) - failed} kept, {failed} not, {len(left_out)} left out")
    return 2 if not chosen else 1 if failed else 0


def _reason_against(vector: Vector, arguments: argparse.Namespace) -> str | None:
    missing = vector.needs - set(arguments.has)
    if missing:
        return f"needs a server --with {' '.join(sorted(missing))}"
    if vector.writes and arguments.archive is None:
        return "writes to the archive: say where it is with --archive"
    return "takes too long" if vector.seconds > arguments.longest else None


async def _told(vector: Vector, server: SocketServer, tolerance: Tolerance) -> str | None:
    """What went wrong, in words."""
    try:
        await walk(vector, server, tolerance)
    except Divergence as problem:
        return str(problem)
    except (OSError, InvalidHandshake, TimeoutError) as problem:
        return f"there is no connection: {problem}"
    return None


if __name__ == "__main__":
    sys.exit(main())
