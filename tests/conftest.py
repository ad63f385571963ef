from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
WATCHED = tuple(TESTS / name for name in ("stream", "web"))
"""Where a call of ours that blocks the event loop fails the test."""

# What a loaded machine takes its time for is no defect.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure() -> None:
    """Code of ours that ends its process at once must not end the tests as if all of them had passed."""
    ours, leave = os.getpid(), os._exit

    def leave_noticed(status: int) -> NoReturn:
        leave(status or 70 if os.getpid() == ours else status)

    os._exit = leave_noticed


@pytest.fixture(autouse=True)
def unblocked_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Raises an error in any code of ours that blocks a running event loop, in the folders that are watched."""
    if not any(request.path.is_relative_to(folder) for folder in WATCHED):
        yield
        return
    with blockbuster_ctx("scrollcast") as blockbuster:
        for function in blockbuster.functions.values():
            function.can_block_in("scrollcast/archive/archive.py", {"open", "close"})  # plain calls, made by the tests
        yield


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty folder for what is made of sessions."""
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder for an archive."""
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


@pytest.fixture
def open_files() -> Callable[[Path], int]:
    """Counts the file descriptors that this process holds under a folder, and its mappings of files there."""

    def count(folder: Path) -> int:
        gc.collect()
        prefix = str(folder)
        links = (_target(entry) for entry in Path("/proc/self/fd").iterdir())
        maps = Path("/proc/self/maps").read_text().splitlines()
        return sum(link.startswith(prefix) for link in links) + sum(prefix in line for line in maps)

    return count


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:  # the descriptor that lists them
        return ""
