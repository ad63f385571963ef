"""A map of hashes in few bytes is a map."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from scrollcast.archive.formats.claude_code.seen import SeenRows

HASHES = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-3, 3), st.integers(0, 40).map(lambda n: n << 40))
"""Any, small ones, and such as begin their search at one place."""


@given(entries=st.lists(st.tuples(HASHES, HASHES)), others=st.lists(HASHES))
def test_is_what_a_dictionary_is(entries: list[tuple[int, int]], others: list[int]) -> None:
    """What was put last under a key stands there; 0 and 1 are one key, as far as hashes go."""
    seen, known = SeenRows(), dict[int, int]()
    for key, value in entries:
        seen.put(key, value)
        known[key or 1] = value

    assert len(seen) == len(known)
    for key in (*known, *others):
        assert seen.get(key) == known.get(key or 1)
        assert (key in seen) == ((key or 1) in known)


def test_stays_small_and_whole_as_it_grows() -> None:
    """A hundred thousand rows take some megabytes, and none of them is lost."""
    seen = SeenRows()
    for number in range(100_000):
        seen.put(hash(str(number)), number)

    assert len(seen) == 100_000
    assert all(seen.get(hash(str(number))) == number for number in range(100_000))
    assert sum(sys.getsizeof(table) for table in (seen._keys, seen._values)) < 43 * 100_000
