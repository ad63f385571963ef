"""What the soak calls level: a soak that lets a leak pass is of no use."""

from __future__ import annotations

import pytest
from benchmarks.soak import FILES, TASKS, Sample, judge

COUNT = 60


def samples(grows: float = 0.0, files_left: int = 0, tasks_left: int = 0) -> list[Sample]:
    """Those of a server that fills its caches at first, and then loses so many MB with each sample."""
    during = [Sample(at, 60 + min(at, COUNT / 3) + grows * at, 60 + at % 20, 10 + at % 30) for at in range(COUNT)]
    return [Sample(-1, 50, 40, 4), *during, Sample(COUNT, 80, 40 + files_left, 4 + tasks_left)]


@pytest.mark.parametrize(
    ("leak", "said"),
    [({"grows": 1.0}, "memory grows"), ({"files_left": FILES + 1}, "9 files"), ({"tasks_left": TASKS + 1}, "3 tasks")],
)
def test_a_leak_is_told(leak: dict[str, float], said: str) -> None:
    """Each by its own measure."""
    (wrong,) = judge(samples(**leak))  # type: ignore[arg-type]

    assert said in wrong
