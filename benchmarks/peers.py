"""One large Claude Code session, beside what other tools take to make it readable.

The others are run on the very same file: `claude-replay` (npm), `claude-code-transcripts`, `claude-code-log` and
`agentsview` (PyPI), installed on demand beside the corpora. Three of them write a page, of which nothing can be read
before the command is done; agentsview fills its database. Ours is a server: the first message is there as soon as a
client has it. The jobs differ, so that it is the waiting and the memory that are compared, and nothing else.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from benchmarks import agentsview
from benchmarks.agentsview import NoReference
from benchmarks.client import Broken, Drain, connected, drain, target
from benchmarks.corpus import Corpus, claude_code_session
from benchmarks.report import KEPT_FOLDER, Options, Row, main, median
from benchmarks.server import Child, scrollcast

__all__ = ["measure"]

SOONER: Final = 5.0
DELIVERED: Final = 10.0
MEMORY: Final = 0.3
"""What is to be reached: against the fastest of the others, and against the one with the least memory."""

BATCH: Final = 65_536
SAMPLE_SECONDS: Final = 0.02
INSTALL_SECONDS: Final = 300.0
PIP_TOOLS: Final = ("claude-code-log==1.7.0", "claude-code-transcripts==0.6")
CLAUDE_REPLAY: Final = "claude-replay@0.9.0"


@dataclass(frozen=True, slots=True)
class _Cost:
    """What one run took: wall-clock seconds, and the highest resident megabytes (10^6 bytes) of its process."""

    seconds: float
    megabytes: float


async def measure(options: Options, folder: Path) -> list[Row]:
    """Each of the others once, the slow ones side by side; then the fastest of them and ours in turn, as the machine is
    not always as busy."""
    megabytes = options.pick(100, 10)
    session = claude_code_session(folder / "claude", megabytes)
    name = f"{megabytes} MB Claude Code"
    tried: dict[str, _Cost | str] = {}
    for tools in _TOGETHER:
        runs = (asyncio.to_thread(_tried, _PEERS[tool], session, folder / tool) for tool in tools)
        tried |= dict(zip(tools, await asyncio.gather(*runs), strict=True))
    costs = {tool: cost for tool, cost in tried.items() if isinstance(cost, _Cost)}
    missing = "; ".join(f"{tool}: {cost}" for tool, cost in tried.items() if isinstance(cost, str))
    if not costs:
        return [Row(f"{name}: beside other tools", 0.0, "", skipped=f"there is nothing to compare with: {missing}")]
    fastest = min(costs, key=lambda tool: costs[tool].seconds)
    rounds = [await _round(session, fastest, folder / f"round-{n}", options) for n in range(options.pick(3, 2))]
    detail: dict[str, float | int | str] = {"missing": missing} if missing else {}
    for tool, cost in costs.items():
        detail |= {f"{tool} s": cost.seconds, f"{tool} MB": cost.megabytes}
    first, delivered = (median([getattr(each, name) for each in rounds]) for name in ("first", "delivered"))
    memory = median([each.megabytes for each in rounds])
    return [
        Row(f"{name}: from the command to the first message, times sooner than {fastest}",
            median([each.peer / each.first for each in rounds]), "×", SOONER, "at least",
            detail={**detail, "ours s": first}),
        Row(f"{name}: all events delivered by a running server, no index, times sooner than {fastest}",
            median([each.peer / each.delivered for each in rounds]), "×", DELIVERED, "at least",
            detail={"ours s": delivered, "events/s": session.count / delivered}),
        Row(f"{name}: highest memory meanwhile, × the leanest other tool's",
            memory / min(cost.megabytes for cost in costs.values()), "×", MEMORY, detail={"ours MB": memory}),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Round:
    """Seconds that the fastest of the others took, ours to the first message and for all; our highest megabytes."""

    peer: float
    first: float
    delivered: float
    megabytes: float


async def _round(session: Corpus, fastest: str, folder: Path, options: Options) -> _Round:
    peer = await asyncio.to_thread(_tried, _PEERS[fastest], session, folder / "peer")
    if not isinstance(peer, _Cost):
        raise Broken(f"{fastest} did it once, and then: {peer}")
    first = await _first_message(session, folder / "first", options)
    delivered, megabytes = await _all_delivered(session, folder / "all", options)
    return _Round(peer.seconds, first, delivered, megabytes)


# ----------------------------------------------------------------------------------------------------------- ours


async def _first_message(session: Corpus, cache: Path, options: Options) -> float:
    """Seconds from the start of `scrollcast serve FILE` to the first event at a client."""
    with scrollcast([session.file], cache, options.package) as server:
        where = target(session.scroll_id, batch=BATCH, window=64)
        async with connected(server.port, lambda: Drain("127.0.0.1", server.port, where)) as client:
            while not client.first_event:
                await asyncio.sleep(0.0005)
                if client.closed.done():
                    raise Broken(f"no event came: {client.said}")
            return client.first_event - server.spawned


async def _all_delivered(session: Corpus, cache: Path, options: Options) -> tuple[float, float]:
    """Seconds for a whole replay that begins without an index, and the server's highest memory."""
    with scrollcast([session.file], cache, options.package) as server:
        samples = [server.memory().resident]
        sampling = asyncio.create_task(_sample(server, samples))
        client = await drain(server.port, target(session.scroll_id, batch=BATCH), count=session.count)
        sampling.cancel()
        return client.seconds, max(samples)


async def _sample(server: Child, samples: list[float]) -> None:
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        samples.append(server.memory().resident)


# --------------------------------------------------------------------------------------------------------- theirs


def _tried(run: Callable[[Corpus, Path], _Cost], session: Corpus, folder: Path) -> _Cost | str:
    folder.mkdir(parents=True)
    try:
        return run(session, folder)
    except NoReference as problem:
        return str(problem)


def _claude_replay(session: Corpus, folder: Path) -> _Cost:
    place = _kept("claude-replay-0.9.0")
    command = place / "node_modules" / ".bin" / "claude-replay"
    if not command.exists():
        npm = ["npm", "install", "--prefix", str(place), "--no-fund", "--no-audit", "--loglevel=error"]
        _install([*npm, CLAUDE_REPLAY])
    page = folder / "page.html"
    return _costs([str(command), str(session.file), "-o", str(page)], folder, page)


def _claude_code_transcripts(session: Corpus, folder: Path) -> _Cost:
    command = [_pip_command("claude-code-transcripts"), "json", str(session.file), "-o", str(folder / "pages")]
    return _costs(command, folder, folder / "pages" / "index.html")


def _claude_code_log(session: Corpus, folder: Path) -> _Cost:
    page = folder / "page.html"
    return _costs([_pip_command("claude-code-log"), str(session.file), "-o", str(page)], folder, page)


def _agentsview(session: Corpus, folder: Path) -> _Cost:
    command, environment = agentsview.prepare(session.file.parents[1], folder / "none", folder)
    return _costs(command, folder, folder / "data", environment)


_PEERS: Final[dict[str, Callable[[Corpus, Path], _Cost]]] = {
    "claude-replay": _claude_replay,
    "claude-code-transcripts": _claude_code_transcripts,
    "claude-code-log": _claude_code_log,
    "agentsview": _agentsview,
}


_TOGETHER: Final = (("claude-replay",), ("agentsview",), ("claude-code-transcripts", "claude-code-log"))
"""Those that are run at the same time: two that take so much longer than the others that it makes no difference."""

_MEASURED: Final = """
import json, os, subprocess, sys, time
began = time.monotonic()
process = subprocess.Popen(sys.argv[2:])
_, status, used = os.wait4(process.pid, 0)
told = [time.monotonic() - began, used.ru_maxrss * 1024 / 1e6, os.waitstatus_to_exitcode(status)]
with open(sys.argv[1], "w") as report:
    json.dump(told, report)
"""
"""Runs a command from a small process: what the system tells of the most memory of a child is at least what whoever
started it had then, and a benchmark may hold a gigabyte."""


def _costs(command: Sequence[str], folder: Path, made: Path, environment: dict[str, str] | None = None) -> _Cost:
    """Run a command that makes a file or folder, in an empty home.

    Raises:
        NoReference: it does not.
    """
    home = folder / "empty-home"
    home.mkdir()
    environment = environment or {"PATH": os.environ.get("PATH", ""), "HOME": str(home)}
    report = folder / "report.json"
    with (folder / "said").open("wb") as said:
        measured = [sys.executable, "-c", _MEASURED, str(report), *command]
        subprocess.run(measured, env=environment, cwd=folder, stdout=said, stderr=said, check=False)
    seconds, megabytes, status = orjson.loads(report.read_bytes()) if report.exists() else (0.0, 0.0, 1)
    if status or not made.exists():
        last = (folder / "said").read_text(errors="replace").strip().splitlines()[-1:]
        raise NoReference(f"{Path(command[0]).name} did not do it: {' '.join(last)[:200]}")
    return _Cost(seconds, megabytes)


def _pip_command(name: str) -> str:
    place = _kept("transcript-tools")
    if not (place / "bin" / name).exists():
        venv.create(place, with_pip=True, clear=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _install([*pip, *PIP_TOOLS])
    return str(place / "bin" / name)


def _kept(name: str) -> Path:
    return Path(tempfile.gettempdir()) / KEPT_FOLDER / name


def _install(command: Sequence[str]) -> None:
    print(f"installing: {' '.join(command[-2:])} ...", file=sys.stderr)
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError) as problem:
        raise NoReference(f"it could not be installed: {problem}") from problem


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
