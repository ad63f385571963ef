"""Corpora of many sessions: the same bytes on every machine, made once and kept for the next run.

    python -m benchmarks.many_sessions [--short]

makes them beforehand, in the folder `scrollcast-benchmarks` where temporary files go (2.5 GB, some minutes).
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Final, Protocol
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson

from benchmarks.client import Broken
from benchmarks.corpus import ODDITIES, START, ClaudeCode, Codex, Native, Pool, Speech, fill
from benchmarks.report import KEPT_FOLDER, Options

__all__ = ["ManySessions", "Words", "many_sessions", "tiny_sessions"]

CORPUS_VERSION: Final = 1
"""Grows with every change of what is written here, or of the writers in `corpus.py`."""

SESSIONS: Final = 10_000
SESSIONS_SHORT: Final = 300
MEAN_SESSION_BYTES: Final = 200_000
SESSION_SIGMA: Final = 1.2
"""The spread of the lognormal: half of the sessions are below 100 KB, one in a hundred is over 1.6 MB."""

TINY_SESSIONS: Final = 100_000
TINY_SESSIONS_SHORT: Final = 1_000

PROJECTS: Final = 60
MODELS: Final = ("claude-benchmark-large", "claude-benchmark-small", "claude-benchmark-old")
CODEX_MODELS: Final = ("gpt-benchmark", "gpt-benchmark-mini")

SPAN_MS: Final = 400 * 24 * 3600 * 1000
RECENT_MS: Final = 7 * 24 * 3600 * 1000
"""The sessions began between 400 days and one week before the beginning of time in `corpus.py`: none is of today."""

VOCABULARY: Final = 60_000
POOL_WORDS: Final = 5_000_000
"""30 MB of words by Zipf's law: the most common is one in twelve, the rarest is there a few times, and since a session
is a hundredth of the pool or so, in a few sessions in a hundred."""

ONLY_EVERY: Final = 20
"""One session in so many says a word that no other says."""


@dataclass(frozen=True, slots=True)
class Words:
    """What can be searched for. `only` are words of exactly one session each; `by_rank` goes from common to rare;
    `phrases` are two or three words that stand in a row somewhere.
    """

    only: Sequence[str]
    by_rank: Sequence[str]
    phrases: Sequence[str]


@dataclass(frozen=True, slots=True)
class ManySessions:
    """A corpus on disk: folders as the tools have them, how many sessions and bytes lie there."""

    folder: Path
    count: int
    bytes: int
    native_count: int
    words: Words

    @property
    def claude(self) -> Path:
        """What `CLAUDE_PROJECTS_DIR` is."""
        return self.folder / "claude" / "projects"

    @property
    def codex(self) -> Path:
        """Codex's sessions, by year, month and day."""
        return self.folder / "codex" / "sessions"

    @property
    def paths(self) -> list[Path]:
        """What to serve."""
        return [path for path in (self.claude, self.codex, self.folder / "native") if path.is_dir()]


def many_sessions(options: Options) -> ManySessions:
    """10,000 sessions in 2 GB; mostly of Claude Code, some of Codex, a few native. Made unless it is there.

    Raises:
        Broken: there is no room.
    """
    count = options.pick(SESSIONS, SESSIONS_SHORT)
    return _kept(f"sessions-{count}", lambda folder: _make_many(folder, count), count * MEAN_SESSION_BYTES)


def tiny_sessions(options: Options) -> ManySessions:
    """100,000 sessions of Claude Code, of a few lines each. Made unless it is there. Raises as `many_sessions`."""
    count = options.pick(TINY_SESSIONS, TINY_SESSIONS_SHORT)
    return _kept(f"tiny-{count}", lambda folder: _make_tiny(folder, count), count * 8_192)


# ------------------------------------------------------------------------------------------------------- keeping


def _kept(name: str, make: Callable[[Path], ManySessions], needed_bytes: float) -> ManySessions:
    home = Path(tempfile.gettempdir()) / KEPT_FOLDER
    place = home / f"{name}-v{CORPUS_VERSION}"
    facts = place / "facts.json"
    if not facts.exists():
        home.mkdir(parents=True, exist_ok=True)
        _remove_older(home, name)
        if (free := shutil.disk_usage(home).free) < needed_bytes * 1.3:
            raise Broken(f"{needed_bytes / 1e6:,.0f} MB are needed in {home}, {free / 1e6:,.0f} MB are free")
        _make(place, make)
    known = orjson.loads(facts.read_bytes())
    return ManySessions(**{**known, "folder": place, "words": Words(**known["words"])})


def _make(place: Path, make: Callable[[Path], ManySessions]) -> None:
    """Make a corpus aside, and put it in its place when it is whole."""
    began = time.monotonic()
    print(f"making {place}, which is kept for the next time ...", end=" ", file=sys.stderr, flush=True)
    making = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
    try:
        made = make(making)
        (making / "facts.json").write_bytes(orjson.dumps({**asdict(made), "folder": None}))
        shutil.rmtree(place, ignore_errors=True)
        making.rename(place)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)


def _remove_older(home: Path, name: str) -> None:
    for place in home.glob(f"{name}-v*"):
        shutil.rmtree(place, ignore_errors=True)


# -------------------------------------------------------------------------------------------------------- making


class _Vocabulary:
    """Words by Zipf's law, and a pool of text made of them."""

    def __init__(self, random: Random) -> None:
        letters = "etaoinshrdlucmfwypvbgk"
        words: dict[str, None] = {}
        while len(words) < VOCABULARY:
            words["".join(random.choices(letters, k=random.randint(3, 11)))] = None
        self.words: Final = list(words)
        self._random = random

    def pool(self) -> Pool:
        """Text in which the n-th word is met in proportion to 1 / (n + 2), strewn with what is no plain word."""
        weights = list(accumulate(1 / (rank + 2) for rank in range(1, VOCABULARY + 1)))
        encoded = [word.encode() for word in self.words]
        pieces = self._random.choices(encoded, cum_weights=weights, k=POOL_WORDS)
        odd = [each.encode() for each in ODDITIES]
        for place in range(0, POOL_WORDS, 9):
            pieces[place] = self._random.choice(odd)
        self._pieces = pieces
        return Pool(pieces)

    def known(self, only: list[str]) -> Words:
        """What of it to search for."""
        plain = set(self.words)
        phrases: list[str] = []
        while len(phrases) < 200:
            first = self._random.randrange(POOL_WORDS // 2)
            run = [piece.decode() for piece in self._pieces[first : first + self._random.choice((2, 2, 3))]]
            if plain.issuperset(run):
                phrases.append(" ".join(run))
        return Words(only, self.words, phrases)


class _Writer(Protocol):
    """As in `corpus.py`."""

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Lines, and the time of each."""
        ...

    def said(self, text: bytes, at_ms: int) -> bytes:
        """One line that says this."""
        ...


@dataclass(slots=True)
class _Plan:
    """One session that is to be written: `only` is the word that it alone says, if any."""

    native_id: UUID
    start_ms: int
    size: float
    project: str
    only: str
    random: Random
    speech: Speech

    def write(self, file: Path, writer: _Writer) -> int:
        """Write the session, as old as its last line. The bytes."""
        file.parent.mkdir(parents=True, exist_ok=True)
        _number, last_ms = fill(file, writer.lines(), lambda _lines, size: size >= self.size)
        if self.only:
            with file.open("ab") as out:
                out.write(writer.said(f"here {self.only} is said".encode(), last_ms))
        moment = (START + timedelta(milliseconds=last_ms)).timestamp()
        os.utime(file, (moment, moment))
        return file.stat().st_size


def _make_many(folder: Path, count: int) -> ManySessions:
    random = Random("many sessions")
    vocabulary = _Vocabulary(random)
    pool = vocabulary.pool()
    kinds = random.choices([write for write, _ in _SHARES], [share for _, share in _SHARES], k=count)
    only, written = [], 0
    for plan, write in zip(_plans(count, pool, random), kinds, strict=True):
        written += write(folder, plan)
        only += [plan.only] if plan.only else []
    return ManySessions(folder, count, written, kinds.count(_write_native), vocabulary.known(only))


def _plans(count: int, pool: Pool, random: Random) -> Iterator[_Plan]:
    mu = math.log(MEAN_SESSION_BYTES) - SESSION_SIGMA**2 / 2
    for number in range(count):
        own = Random(f"session {number}")
        yield _Plan(
            uuid5(NAMESPACE_URL, f"benchmark:session:{number}"),
            random.randrange(-SPAN_MS, -RECENT_MS),
            own.lognormvariate(mu, SESSION_SIGMA),
            f"project-{int(PROJECTS * own.random() ** 2):02d}",
            f"only{number:06d}" if number % ONLY_EVERY == 0 else "",
            own,
            Speech(own, pool),
        )


def _write_claude(folder: Path, plan: _Plan) -> int:
    cwd, model = f"/home/someone/{plan.project}", plan.random.choice(MODELS)
    writer = ClaudeCode(plan.native_id, plan.speech, plan.random, start_ms=plan.start_ms, cwd=cwd, model=model)
    return plan.write(folder / "claude/projects" / cwd.replace("/", "-") / f"{plan.native_id}.jsonl", writer)


def _write_codex(folder: Path, plan: _Plan) -> int:
    cwd, model = f"/home/someone/{plan.project}", plan.random.choice(CODEX_MODELS)
    writer = Codex(plan.native_id, plan.speech, plan.random, start_ms=plan.start_ms, cwd=cwd, model=model)
    day = START + timedelta(milliseconds=plan.start_ms)
    name = f"rollout-{day:%Y-%m-%dT%H-%M-%S}-{plan.native_id}.jsonl"
    return plan.write(folder / "codex/sessions" / f"{day:%Y/%m/%d}" / name, writer)


def _write_native(folder: Path, plan: _Plan) -> int:
    writer = Native(plan.native_id, plan.speech, plan.random, start_ms=plan.start_ms)
    title = plan.speech.text(40).decode()
    file = writer.begin(folder / "native", "Recorded", native_session_id=title[:8], project=plan.project)
    return plan.write(file, writer)


_SHARES: Final = ((_write_claude, 0.80), (_write_codex, 0.17), (_write_native, 0.03))


def _make_tiny(folder: Path, count: int) -> ManySessions:
    """Sessions of a prompt and an answer or two, a tenth of them with an error, in folders of a hundred or so."""
    random = Random("tiny sessions")
    speech = Speech(random, Pool.small(random))
    written = 0
    for number in range(count):
        native_id = uuid5(NAMESPACE_URL, f"benchmark:tiny:{number}")
        project = f"project-{number % max(1, count // 100):03d}"
        start_ms = random.randrange(-SPAN_MS, -RECENT_MS)
        cwd, model = f"/home/someone/{project}", random.choice(MODELS)
        writer = ClaudeCode(native_id, speech, random, start_ms=start_ms, cwd=cwd, model=model)
        rows = [writer.asked(speech.text(80), start_ms)]
        rows += [writer.said(speech.text(120), start_ms + 1_000 * step) for step in range(1, random.randrange(2, 5))]
        if number % 10 == 0:
            rows.append(writer.failed(speech.text(60), start_ms + 9_000))
        file = folder / "claude/projects" / cwd.replace("/", "-") / f"{native_id}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        written += file.write_bytes(b"".join(rows))
        moment = (START + timedelta(milliseconds=start_ms + 9_000)).timestamp()
        os.utime(file, (moment, moment))
    return ManySessions(folder, count, written, 0, Words((), (), ()))


def main() -> int:
    """Make both corpora."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="the small ones")
    options = Options(parser.parse_args().short)
    for corpus in (many_sessions(options), tiny_sessions(options)):
        print(f"{corpus.folder}: {corpus.count:,} sessions, {corpus.bytes / 1e6:,.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
