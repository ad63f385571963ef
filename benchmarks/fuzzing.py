"""A search for inputs that some code does not take as it should: what `fuzz_readers` and `fuzz_commands` share.

With atheris (on Linux it comes with the `dev` extra) the search follows what the code does with an input; without it,
or with `--random`, inputs are drawn blindly from a seed. The first failure ends the search: its input is kept, and
named on the command line it is tried again by itself.
"""

from __future__ import annotations

import argparse
import importlib
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Protocol

try:
    atheris: Any = importlib.import_module("atheris")
except ImportError:
    atheris = None

from benchmarks.mutations import Mutator, dictionary

__all__ = ["Subject", "TooSlow", "main", "time_limit", "watched"]

WATCHED_FACTOR: Final = 4
"""So many times slower the code may be under the eyes of atheris."""

MEMORY_BYTES: Final = 1 << 30
"""How much memory may be had beyond what there is at the start."""


class Subject(Protocol):
    """What inputs are made for. An input is a header, which no change touches, and a content."""

    unit: str
    """What the inputs are called, for people."""
    header_bytes: int
    large_bytes: int
    """How large a content becomes when a piece of it is repeated."""
    seeds: Sequence[bytes]
    """The inputs to begin with, all of which have to pass."""

    def name_of(self, data: bytes) -> str:
        """What an input is, for people."""
        ...

    def check(self, data: bytes) -> None:
        """Whether everything holds with an input; raises whatever does not."""
        ...


def watched(*packages: str) -> AbstractContextManager[Any]:
    """What is to be watched has to be imported under its eyes, inside this."""
    return nullcontext() if atheris is None else atheris.instrument_imports(include=list(packages))


class TooSlow(BaseException):
    """One input took longer than its size allows. No `Exception`: nothing is to catch it on the way."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` after so much time of this process's own, however busy the machine is; under the eyes of atheris
    it is `WATCHED_FACTOR` times as much."""
    seconds *= 1 if atheris is None else WATCHED_FACTOR

    def stop(*_: object) -> None:
        raise TooSlow(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class Search:
    """A subject, and what is done with an input. `module` is what tries one again; failures are kept in `kept`."""

    def __init__(self, subject: Subject, module: str, kept: Path, seed: int) -> None:
        self.tried = 0
        self._subject = subject
        self._module = module
        self._kept = kept
        self._dice = random.Random(seed)
        self._contents = [data[subject.header_bytes :] for data in subject.seeds]
        self._mutator = Mutator(self._dice, self._contents, subject.large_bytes)

    def try_input(self, data: bytes) -> None:
        """One input; a failure is told and kept."""
        if len(data) < self._subject.header_bytes:
            return
        self.tried += 1
        try:
            self._subject.check(data)
        except BaseException as problem:
            if not isinstance(problem, KeyboardInterrupt):
                self._tell(data)
            raise

    def _tell(self, data: bytes) -> None:
        path = self._kept / f"fuzz-{blake2b(data, digest_size=6).hexdigest()}"
        path.write_bytes(data)
        name = self._subject.name_of(data)
        print(f"failed: {name}\nagain:  python -m {self._module} {path}", file=sys.stderr, flush=True)

    def _mutate(self, data: bytes) -> bytes:
        header = self._subject.header_bytes
        return data[:header] + self._mutator.mutate(data[header:])

    def run_randomly(self, seconds: float) -> None:
        """Inputs drawn blindly, every seed as it is first."""
        deadline = time.monotonic() + seconds
        for data in self._subject.seeds:
            self.try_input(data)
        while time.monotonic() < deadline:
            self.try_input(self._mutate(self._dice.choice(self._subject.seeds)))
        print(f"{self.tried} {self._subject.unit} of {len(self._subject.seeds)} kinds, none of them too much")

    def run_guided(self, seconds: float, corpus: Path, words: Path) -> None:
        """Inputs that lead to code not seen before are kept and changed further. Ends the process."""
        corpus.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(self._subject.seeds):
            (corpus / f"seed-{number}").write_bytes(data)
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in dictionary(self._contents)))
        options = [
            f"-max_total_time={round(seconds)}", f"-dict={words}", "-timeout=300",
            f"-max_len={2 * self._subject.large_bytes}",
            f"-rss_limit_mb={MEMORY_BYTES >> 19}", f"-artifact_prefix={self._kept}/", "-print_final_stats=1",
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], str(corpus), *options], self.try_input, custom_mutator=self._mutate_guided)
        atheris.Fuzz()

    def _mutate_guided(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Half of the changes know what a content looks like, the others are libFuzzer's own."""
        self._dice.seed(seed)
        if self._dice.random() < 0.5 or len(data) < self._subject.header_bytes:
            return bytes(atheris.Mutate(data, max_size))
        return self._mutate(data)[:max_size]


def _escaped(word: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word)


def limit_memory() -> None:
    """So that what takes more fails with a `MemoryError`; where the system cannot, nothing is limited."""
    with suppress(OSError, ValueError, IndexError):
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_BYTES, resource.RLIM_INFINITY))


def main(module: str, about: str | None, make: Callable[[Path], Subject], arguments: Sequence[str]) -> int:
    """Search, or try the inputs that are named; 1 where one fails. `make` gives the subject, with a folder to use."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=(about or "").splitlines()[0])
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="try these inputs again, and nothing else")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to search (600)")
    parser.add_argument("--random", action="store_true", help="do without atheris")
    parser.add_argument("--seed", type=int, default=0, help="of the search without atheris (0)")
    parser.add_argument("--corpus", type=Path, help="keep in this folder what leads to new code, and begin with it")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="scrollcast-fuzz-") as folder:
        work = Path(folder)
        search = Search(make(work), module, Path(tempfile.gettempdir()), options.seed)
        guided = atheris is not None and not options.random and not options.files
        run = partial(search.run_randomly, options.seconds)
        if guided:
            run = partial(search.run_guided, options.seconds, options.corpus or work / "corpus", work / "words")
        else:
            limit_memory()
        try:
            for path in options.files:
                search.try_input(path.read_bytes())
            if not options.files:
                run()
        except (Exception, TooSlow):
            traceback.print_exc()
            return 1
    return 0
