"""The vectors against a `SessionStream` in this process, on an invented clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from conforming import run_in_process
from scrollcast.conformance.vectors import Vector, load_vectors, vectors_folder

VECTORS = [vector for vector in load_vectors(vectors_folder()) if vector.is_for_servers]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_stream_keeps_to_it(vector: Vector, root: Path, cache: Path) -> None:
    """Message for message, and at the very times."""
    run_in_process(vector, root, cache)
