"""Searching all sessions: the time of one answer, for words from common to rare, phrases and beginnings of words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.catalogued import catalogued, until_calm, until_listed
from benchmarks.client import Asker, Broken
from benchmarks.many_sessions import Words, many_sessions
from benchmarks.report import Options, Row, main, median, percentile
from benchmarks.server import Child, scrollcast

__all__ = ["measure"]

SEARCH_MS: Final = 50.0

COMMON: Final = 100
MIDDLING: Final = 3_000
"""The 100 most common words are in most sessions, the next 3,000 in some, the rest in few."""


async def measure(options: Options, folder: Path) -> list[Row]:
    """A server that starts with everything there, as it does every day."""
    corpus = many_sessions(options)
    cache = (await catalogued(corpus, options)).cache
    with scrollcast(corpus.paths, cache, options.package) as server:
        await until_listed(server, corpus.count)
        await until_calm(server)
        found = _ask(server, corpus.words, options.pick(60, 10))
        _check(server, corpus.words)
    every = [seconds for times in found.values() for seconds in times]
    detail: dict[str, float | int | str] = {"questions": len(every), "p50": median(every) * 1000}
    detail |= {f"p95 {name}": percentile(times, 0.95) * 1000 for name, times in found.items()}
    detail["highest"] = max(every) * 1000
    name = f"{corpus.count:,} sessions, {corpus.bytes / 1e9:.1f} GB: a search, p95"
    return [Row(name, percentile(every, 0.95) * 1000, "ms", SEARCH_MS, detail=detail)]


def _ask(server: Child, words: Words, each: int) -> dict[str, list[float]]:
    """The seconds of each answer, by kind of question; no question is asked twice."""
    found: dict[str, list[float]] = {}
    random = Random("questions")
    questions = [(kind, question) for kind, some in _questions(words, each) for question in some]
    random.shuffle(questions)
    with Asker(server.port) as asker:
        for kind, question in questions:
            found.setdefault(kind, []).append(asker.get("/api/sessions", q=question)[1])
    return found


def _questions(words: Words, count: int) -> Iterator[tuple[str, list[str]]]:
    """A space behind the last word says that it is a whole one."""
    random = Random("words")
    common = random.sample(words.by_rank[:COMMON], count)
    middling = random.sample(words.by_rank[COMMON:MIDDLING], count)
    rare = random.sample(words.by_rank[MIDDLING:], count)
    yield "common word", [f"{word} " for word in common]
    yield "middling word", [f"{word} " for word in middling]
    yield "rare word", [f"{word} " for word in rare]
    yield "word of one session", [f"{word} " for word in random.sample(words.only, min(count, len(words.only)))]
    yield "two words", [f"{one} {other} " for one, other in zip(reversed(common), reversed(middling), strict=True)]
    yield "phrase", [f'"{phrase}"' for phrase in random.sample(words.phrases, count)]
    yield "beginning of a word", [word[:4] for word in random.sample(words.by_rank, count)]


def _check(server: Child, words: Words) -> None:
    """Make sure that what is found is right, where it is known."""
    with Asker(server.port) as asker:
        for word in words.only:
            answer, _ = asker.get("/api/sessions", q=f"{word} ")
            texts = [piece["text"] for session in answer["sessions"] for piece in session["hits"][0]["snippet"]]
            if answer["total"] != 1 or word not in "".join(texts):
                raise Broken(f"{word} stands in one session, and was found in {answer['total']}: {texts}")


if __name__ == "__main__":
    sys.exit(main([measure], __doc__))
