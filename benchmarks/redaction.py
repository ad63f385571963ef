"""How many secrets redaction finds, how often it takes something else for one, and what it costs."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final
from uuid import UUID

import orjson

from benchmarks.client import Broken
from benchmarks.corpus import claude_code_session, native_session
from benchmarks.report import Options, Row, main, median
from scrollcast.archive.archive import Archive
from scrollcast.redaction import Redaction, Redactor

__all__ = ["measure"]

SEEDS: Final = 5
MEGABYTES: Final = 10
ROUNDS: Final = 5

RECALL: Final = 0.99
PRECISION: Final = 0.98
COST: Final = 40.0
"""What redaction may take, as often as decoding and encoding the same events does."""

TESTS: Final = Path(__file__).parent.parent / "tests"
"""Where the corpus is that the tests hold redaction to."""


async def measure(options: Options, folder: Path) -> list[Row]:
    """On the corpus of planted secrets and look-alikes; then on ordinary sessions, which have hardly any."""
    redactor = Redaction().redactor(b"benchmark" * 4, UUID(int=1))
    found = await asyncio.to_thread(_found, redactor, options.pick(SEEDS, 1))
    megabytes, rounds = options.pick(MEGABYTES, 1), options.pick(ROUNDS, 3)
    sessions = {
        "native": native_session(folder / "native", megabytes),
        "Claude Code": claude_code_session(folder / "claude", megabytes),
    }
    rows = []
    for name, session in sessions.items():
        events = await asyncio.to_thread(_events, session.file.parent, session.scroll_id, folder / "cache")
        rows.append(await asyncio.to_thread(_cost, name, redactor, events, rounds))
    return [*found, *rows]


def _from_tests(name: str) -> ModuleType:
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
    return import_module(name)


def _found(redactor: Redactor, seeds: int) -> list[Row]:
    """Recall and precision over some seeds."""
    corpus, holds = _from_tests("secrets_corpus"), _from_tests("leaks").holds
    missed, total = Counter[str](), 0
    right = wrong = 0
    for seed in range(1, seeds + 1):
        for sample in corpus.planted(seed):
            redacted, _ = redactor.event(sample.event())
            is_missed = holds(redacted, sample.secret)
            missed[sample.kind] += is_missed
            total += 1
            right += not is_missed
        for sample in corpus.lookalikes(seed):
            wrong += redactor.event(sample.event())[1]
    each = total // len(missed)
    detail: dict[str, float | int | str] = {"secrets": total, "kinds": len(missed)}
    detail |= {f"of {kind}": f"{each - count} of {each}" for kind, count in missed.items() if count}
    return [
        Row("redaction: secrets of the corpus found (recall)", right / total, "", RECALL, "at least", detail=detail),
        Row(
            "redaction: of what was replaced, secrets (precision)", right / (right + wrong), "", PRECISION, "at least",
            detail={"look-alikes replaced": wrong},
        ),
    ]  # fmt: skip


def _events(root: Path, scroll_id: UUID, cache: Path) -> list[bytes]:
    """The events of a session, as its index holds them."""
    with Archive([root], cache) as archive:
        archive.catalogue.refresh()
        index = archive.read_whole(scroll_id)
        data = memoryview(index.read_now(0, index.count))
        bounds = index.offsets
        return [bytes(data[bounds[seq] : bounds[seq + 1] - 1]) for seq in range(index.count)]


def _cost(name: str, redactor: Redactor, events: Sequence[bytes], rounds: int) -> Row:
    """Processor time for the events of a session, in turns with that of decoding and encoding each."""
    size = sum(map(len, events)) / 1e6
    _redact(redactor, events[:200])  # which compiles what is needed
    own, bare = [], []
    for _ in range(rounds):
        bare.append(_processor_ms(_decode_and_encode, events) / size)
        own.append(_processor_ms(lambda given: _redact(redactor, given), events) / size)
    ratio = median([each / reference for each, reference in zip(own, bare, strict=True)])
    secrets = _redact(redactor, events)
    return Row(
        f"redaction, {name}: processor time a megabyte, × decoding and encoding the same",
        ratio,
        "×",
        COST,
        ratio=ratio,
        detail={"ms a MB": median(own), "decoding and encoding": median(bare), "MB": size, "replaced": secrets},
    )


def _processor_ms(work: Callable[[Sequence[bytes]], object], events: Sequence[bytes]) -> float:
    began = time.thread_time()
    work(events)
    return 1000 * (time.thread_time() - began)


def _redact(redactor: Redactor, events: Iterable[bytes]) -> int:
    return sum(redactor.event(event)[1] for event in events)


def _decode_and_encode(events: Iterable[bytes]) -> None:
    for event in events:
        if orjson.dumps(orjson.loads(event)) != event:
            raise Broken("an event is another one once it was decoded and encoded")


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
