"""Strange and hostile files through every format reader: `python -m benchmarks.fuzz_readers [--seconds N] [FILE …]`.

Whatever stands in a file, a reader gives records and bad records, or an `ArchiveError`; all that it gives can be sent;
it takes a time that grows with the size of the file and no faster, and a bounded amount of memory. The files are made
out of `archive_fixtures`: bytes damaged, values replaced by others, lines moved, one line or item repeated until the
file is large.

With atheris (on Linux it comes with the `dev` extra) the search follows what the readers' code does with a file;
without it, or with `--random`, files are drawn blindly from a seed. The first failure ends the search: its file is
kept, and named on the command line it is tried again by itself.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from itertools import chain, count
from pathlib import Path
from typing import Any, Final

import orjson

try:
    atheris: Any = importlib.import_module("atheris")
except ImportError:
    atheris = None

from benchmarks.mutations import LARGE_BYTES, Mutator, dictionary

# What is to be watched has to be imported under its eyes.
with nullcontext() if atheris is None else atheris.instrument_imports(include=["scrollcast.archive"]):
    from scrollcast.archive.encoding import EventEncoder, TimedRecord, time_records
    from scrollcast.archive.formats import FormatReader, Item, SessionSource
    from scrollcast.archive.formats.readers import READERS, owner, sniff
    from scrollcast.errors import ArchiveError
    from scrollcast.model import BadRecord, Record, parse_part

FIXTURES: Final = Path(__file__).parents[1] / "archive_fixtures"

MAX_SEED_BYTES: Final = 64 << 10
BASE_SECONDS: Final = 2.0
SECONDS_A_MIB: Final = 24.0
"""The time that one file may take, of this process's own. All of it is read some six times; a MiB of lines of one byte,
all of them damaged, takes 10 s. How time grows with size is for `hostile_files` to tell."""

WATCHED_FACTOR: Final = 4
"""So many times slower the code may be under the eyes of atheris."""

MEMORY_BYTES: Final = 1 << 30
"""How much memory may be had beyond what there is at the start."""

MAX_SOURCES: Final = 3
"""Of a file that became many sessions so many are read."""


# -------------------------------------------------------------------------------------------------------- targets


@dataclass(frozen=True, slots=True)
class Target:
    """One file of one session among the fixtures. `folder` is what is laid out around it."""

    source: SessionSource
    path: Path
    folder: Path
    content: bytes

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.source.reader.name}: {self.path.relative_to(FIXTURES)}"


def targets() -> list[Target]:
    """Every file of every session, in a steady order."""
    found: dict[Path, Target] = {}
    for path in sorted(path for path in FIXTURES.rglob("*") if path.is_file()):
        file = sniff(path, FIXTURES, path.stat().st_size)
        if (reader := owner(file)) is None:
            continue
        for source in reader.locate(file, FIXTURES):
            for each in reader.files(source):
                if each.is_file() and each.stat().st_size <= MAX_SEED_BYTES:
                    folder = FIXTURES / each.relative_to(FIXTURES).parts[0]
                    found.setdefault(each, Target(source, each, folder, each.read_bytes()))
    return list(found.values())


# --------------------------------------------------------------------------------------------------------- checks


class TooSlow(BaseException):
    """One file took longer than its size allows. No `Exception`: nothing is to catch it on the way."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` after so much time of this process's own, however busy the machine is."""

    def stop(*_: object) -> None:
        raise TooSlow(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class Bench:
    """A folder with a copy of the fixtures, in which one file after the other is put in place of what is there."""

    def __init__(self, folder: Path, known: Sequence[Target]) -> None:
        self._folder = folder
        self._times = count(time.time_ns())
        for each in {target.folder for target in known}:
            shutil.copytree(each, folder / each.relative_to(FIXTURES), dirs_exist_ok=True)

    def check(self, target: Target, data: bytes) -> None:
        """Whether everything holds with these bytes in the target's file; raises whatever does not."""
        path = self._folder / target.path.relative_to(FIXTURES)
        self._write(path, data)
        seconds = (BASE_SECONDS + SECONDS_A_MIB * len(data) / (1 << 20)) * (1 if atheris is None else WATCHED_FACTOR)
        try:
            with time_limit(seconds):
                _check_file(path, self._folder)
                moved = self._folder / target.source.path.relative_to(FIXTURES)
                _check_session(replace(target.source, path=moved, root=self._folder))
        finally:
            self._write(path, target.content)

    def _write(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        moment = next(self._times)  # a clock may tell the same time twice, and a reader may remember a file by it
        os.utime(path, ns=(moment, moment))


def _check_file(path: Path, root: Path) -> None:
    """What a file is taken for, and what is in it as that."""
    with suppress(ArchiveError):
        file = sniff(path, root, path.stat().st_size)
        claimed = [reader for reader in READERS if reader.claims(file)]
        for source in [*claimed[0].locate(file, root)][:MAX_SOURCES] if claimed else ():
            _check_session(source)


def _check_session(source: SessionSource) -> None:
    with suppress(ArchiveError):
        source.reader.files(source)
        orjson.dumps(source.reader.summarise(source))
    for meta in (False, True):
        with suppress(ArchiveError):
            _check_items(source, _items(source, meta=meta))


def _items(source: SessionSource, *, meta: bool) -> Iterator[Item]:
    reader: FormatReader = source.reader
    apart = reader.meta_events(source) if meta else None
    return chain(reader.records(source, meta=meta), apart or ())


def _check_items(source: SessionSource, items: Iterator[Item]) -> None:
    """Every item is of the kind that it should be, and can be sent."""
    encoder = EventEncoder(source.reader.summarise(source))
    for seq, item in enumerate(time_records(map(_checked, items), "1970-01-01T00:00:00Z")):
        if isinstance(item, TimedRecord):
            orjson.loads(encoder.encode(seq, item).data)


def _checked(item: object) -> Record | BadRecord:
    assert isinstance(item, (Record, BadRecord)), f"{type(item).__name__} is no item"
    if isinstance(item, Record):
        assert item.id, "a record without an id"
        assert item.kind or item.role, "a record that is neither a message nor a meta event"
        assert all(parse_part(part) == part for part in item.content), "a part that is none of the protocol"
    return item


# --------------------------------------------------------------------------------------------------------- search

_HEADER_BYTES: Final = 2
"""An input begins with the number of its target, so that one file holds all that there is to try it again."""


def input_of(number: int, data: bytes) -> bytes:
    """A target's number and the content for it as one input."""
    return number.to_bytes(_HEADER_BYTES, "big") + data


class Search:
    """The targets, the place where they are tried, and what is done with an input."""

    def __init__(self, folder: Path, kept: Path, seed: int) -> None:
        self.targets = targets()
        self.tried = 0
        self._kept = kept
        self._bench = Bench(folder, self.targets)
        self._dice = random.Random(seed)
        self.mutator = Mutator(self._dice, [target.content for target in self.targets])

    def try_input(self, data: bytes) -> None:
        """One input; a failure is told and kept."""
        if len(data) < _HEADER_BYTES:
            return
        self.tried += 1
        target = self.targets[int.from_bytes(data[:_HEADER_BYTES], "big") % len(self.targets)]
        try:
            self._bench.check(target, data[_HEADER_BYTES:])
        except BaseException as problem:
            if not isinstance(problem, KeyboardInterrupt):
                self._tell(target, data)
            raise

    def _tell(self, target: Target, data: bytes) -> None:
        path = self._kept / f"fuzz-{blake2b(data, digest_size=6).hexdigest()}"
        path.write_bytes(data)
        print(f"failed: {target.name}\nagain:  python -m benchmarks.fuzz_readers {path}", file=sys.stderr, flush=True)

    def run_randomly(self, seconds: float) -> None:
        """Files drawn blindly, every fixture as it is first."""
        deadline = time.monotonic() + seconds
        for number, target in enumerate(self.targets):
            self.try_input(input_of(number, target.content))
        while time.monotonic() < deadline:
            number = self._dice.randrange(len(self.targets))
            self.try_input(input_of(number, self.mutator.mutate(self.targets[number].content)))
        print(f"{self.tried} files of {len(self.targets)} kinds, none of them too much")

    def run_guided(self, seconds: float, corpus: Path, words: Path) -> None:
        """Files that lead to code not seen before are kept and changed further. Ends the process."""
        corpus.mkdir(parents=True, exist_ok=True)
        for number, target in enumerate(self.targets):
            (corpus / f"seed-{number}").write_bytes(input_of(number, target.content))
        words.write_text(
            "".join(f'"{_escaped(word)}"\n' for word in dictionary([target.content for target in self.targets]))
        )
        options = [
            f"-max_total_time={round(seconds)}", f"-dict={words}", f"-max_len={2 * LARGE_BYTES}", "-timeout=300",
            f"-rss_limit_mb={MEMORY_BYTES >> 19}", f"-artifact_prefix={self._kept}/", "-print_final_stats=1",
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], str(corpus), *options], self.try_input, custom_mutator=self._mutate_guided)
        atheris.Fuzz()

    def _mutate_guided(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Half of the changes know what a session looks like, the others are libFuzzer's own."""
        self._dice.seed(seed)
        if self._dice.random() < 0.5 or len(data) < _HEADER_BYTES:
            return bytes(atheris.Mutate(data, max_size))
        return (data[:_HEADER_BYTES] + self.mutator.mutate(data[_HEADER_BYTES:]))[:max_size]


def _escaped(word: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word)


def limit_memory() -> None:
    """So that a reader that takes more fails with a `MemoryError`; where the system cannot, nothing is limited."""
    with suppress(OSError, ValueError, IndexError):
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_BYTES, resource.RLIM_INFINITY))


def main(arguments: Sequence[str]) -> int:
    """Search, or try the files that are named; 1 where one fails."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz_readers", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("files", metavar="FILE", nargs="*", type=Path, help="try these inputs again, and nothing else")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to search (600)")
    parser.add_argument("--random", action="store_true", help="do without atheris")
    parser.add_argument("--seed", type=int, default=0, help="of the search without atheris (0)")
    parser.add_argument("--corpus", type=Path, help="keep in this folder what leads to new code, and begin with it")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="scrollcast-fuzz-") as folder:
        work = Path(folder)
        search = Search(work / "archive", Path(tempfile.gettempdir()), options.seed)
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
