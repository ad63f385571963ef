"""Two servers of the same person, at the same time: they share what they find, and neither needs the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
import orjson
import pytest

from archives import message, write_session
from serving import Child, talk

COUNT: Final = 40
PATIENCE_SECONDS: Final = 60.0
"""What changes is made searchable some ten seconds later."""


@pytest.fixture
def archive(root: Path) -> Path:
    """Sessions of which each says a word of its own."""
    for number in range(1, COUNT + 1):
        said = message("m0", 0, "user", content_md=f"the lantern is at berth{number:02}")
        write_session(root, [said, *talk(3, first=1)], scroll_id=UUID(int=number), title=f"Session {number}")
    return root


@contextmanager
def server(home: Path, archive: Path) -> Iterator[tuple[Child, str]]:
    """A server, and its address once it has one."""
    with Child(home, "serve", archive, "--port", "0", "--no-open") as child:
        yield child, child.address().rstrip("/")


def ask(address: str, path: str = "/api/sessions", **query: Any) -> Any:
    """An answer."""
    found = httpx.get(f"{address}{path}", params=query, trust_env=False, timeout=PATIENCE_SECONDS)
    assert found.status_code == 200, found.text
    return found.json()


def eventually(address: str, count: int, **query: Any) -> list[Any]:
    """The sessions of a list, as soon as there are so many of them."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := ask(address, limit=500, **query))["total"] != count or answer.get("progress"):
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    found: list[Any] = answer["sessions"]
    return found


def places(sessions: list[Any]) -> list[tuple[str, list[tuple[int, int]]]]:
    """Which sessions were found, and where in them."""
    return [(each["scroll_id"], [(hit["seq"], hit["t_ms"]) for hit in each.get("hits", [])]) for each in sessions]


def test_two_servers_of_one_cache(home: Path, archive: Path) -> None:
    """Both list and find everything, and what comes; when one is killed the other goes on, and a third begins there."""
    with ExitStack() as stack:
        (first, one), (_, other) = [stack.enter_context(server(home, archive)) for _ in range(2)]
        assert eventually(one, COUNT) == eventually(other, COUNT)
        assert places(eventually(one, COUNT, q="lantern")) == places(eventually(other, COUNT, q="lantern"))

        with (archive / str(UUID(int=7)) / "messages.jsonl").open("ab") as file:
            file.write(orjson.dumps(message("late", 9, content_md="it floated to the boathouse")) + b"\n")
        for address in (one, other):
            (found,) = eventually(address, 1, q="boathouse")
            assert places([found]) == [(str(UUID(int=7)), [(4, 9000)])]
            assert ask(address, f"/api/sessions/{UUID(int=7)}")["count"] == 5

        first.process.kill()
        first.process.wait()
        write_session(archive, talk(3), scroll_id=UUID(int=99), title="After the storm")
        eventually(other, COUNT + 1)
        assert [each["scroll_id"] for each in eventually(other, 1, q="storm")] == [str(UUID(int=99))]

        _, third = stack.enter_context(server(home, archive))
        assert eventually(third, COUNT + 1) == eventually(other, COUNT + 1)
        assert places(eventually(third, COUNT, q="lantern")) == places(eventually(other, COUNT, q="lantern"))
    (catalogue,) = (home / ".cache" / "scrollcast").glob("catalogue-*/catalogue.db")
    assert catalogue.stat().st_size > 0
