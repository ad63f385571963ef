"""Wrong tokens are counted, and from an address that has sent too many none is looked at for a while."""

from __future__ import annotations

import ipaddress
import math
import mmap
import os
import struct
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from time import monotonic, sleep
from typing import Final

from scrollcast.errors import TooManyTries

if sys.platform != "win32":
    import fcntl

__all__ = ["MAX_TRIES", "WINDOW_SECONDS", "SharedTries", "Tries"]

MAX_TRIES: Final = 10
WINDOW_SECONDS: Final = 60.0
"""Nobody mistypes a token more often, and a guesser would need longer than the universe is old."""

MAX_ADDRESSES: Final = 10_000
"""So many are remembered at a time; the one that failed longest ago is forgotten first."""


_WAYS: Final = 8
"""So many addresses share a bucket of the table; of those the one that failed longest ago is forgotten."""

_BUCKETS: Final = MAX_ADDRESSES // _WAYS

_SLOT: Final = struct.Struct("=QdQ")
"""An address by its digest, since when it is counted, in seconds of the system's steady clock, and how often it failed.
What is all zeros is free."""


_WAIT_SECONDS: Final = 0.02
"""So long another worker is waited for at most."""

_TURN_SECONDS: Final = 0.000_2
"""It takes microseconds, unless that worker lost its turn on the processor: then it is given this one's."""


class Tries:
    """Counts them, an address each, from the first wrong one on. `shared` counts for several processes."""

    def __init__(self, clock: Callable[[], float] = monotonic, shared: SharedTries | None = None) -> None:
        self._clock = clock
        self._failed = OwnTries() if shared is None else shared

    def check(self, address: str) -> None:
        """Raise `TooManyTries` where a token of this address is not to be looked at."""
        since, count = self._failed.get(_network(address))
        left = since + WINDOW_SECONDS - self._clock()
        if count >= MAX_TRIES and left > 0:
            raise TooManyTries(math.ceil(left))

    def note(self, address: str) -> None:
        """A wrong one came from this address."""
        self._failed.add(_network(address), self._clock())


class OwnTries:
    """What one process remembers of those that failed: since when, and how often."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def get(self, network: str) -> tuple[float, int]:
        """Of one, zeros where nothing is known."""
        return self._failed.get(network, (0.0, 0))

    def add(self, network: str, now: float) -> None:
        """Once more."""
        self._failed[network] = _once_more(self._failed.pop(network, (now, 0)), now)
        if len(self._failed) > MAX_ADDRESSES:
            self._failed.popitem(last=False)

    def __len__(self) -> int:
        return len(self._failed)


class SharedTries:
    """The same for all workers of a server: a table in a file that each of them maps, so that looking costs nothing.

    `key` keeps whoever chooses addresses from choosing which of them share a bucket. The file has a fixed size; what
    stands in it means nothing once the machine was started anew.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._key = key
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = _BUCKETS * _WAYS * _SLOT.size
        os.ftruncate(self._fd, size)
        self._table = mmap.mmap(self._fd, size)
        weakref.finalize(self, os.close, self._fd)

    def get(self, network: str) -> tuple[float, int]:
        """As `OwnTries.get`."""
        digest, places = self._places(network)
        for place in places:
            found, since, count = _SLOT.unpack_from(self._table, place)
            if found == digest:
                return since, count
        return 0.0, 0

    def add(self, network: str, now: float) -> None:
        """As `OwnTries.add`. Waits for a worker that is at it this very moment, but not for one that was stopped in
        the middle of it: then this one is not counted, since a count of before would undo what others count meanwhile.
        """
        digest, places = self._places(network)
        with self._locked() as has_lock:
            if not has_lock:
                return
            slots = [(_SLOT.unpack_from(self._table, place), place) for place in places]
            known = next((slot for slot in slots if slot[0][0] == digest), None)
            (_, since, count), place = known or min(slots, key=lambda slot: slot[0][1])
            before = (since, count) if known else (now, 0)
            # not pack_into, which zeroes the place first: who looks at that moment would find nobody
            self._table[place : place + _SLOT.size] = _SLOT.pack(digest, *_once_more(before, now))

    def _places(self, network: str) -> tuple[int, range]:
        digest = int.from_bytes(blake2b(network.encode(), digest_size=8, key=self._key).digest(), "big") or 1
        first = digest % _BUCKETS * _WAYS * _SLOT.size
        return digest, range(first, first + _WAYS * _SLOT.size, _SLOT.size)

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        if sys.platform == "win32":
            yield True
            return
        until = monotonic() + _WAIT_SECONDS
        while not (has_lock := self._lock()) and monotonic() < until:
            sleep(_TURN_SECONDS)
        try:
            yield has_lock
        finally:
            if has_lock:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _lock(self) -> bool:
        with suppress(OSError):
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False


def _once_more(failed: tuple[float, int], now: float) -> tuple[float, int]:
    since, count = failed
    return (now, 1) if since + WINDOW_SECONDS <= now else (since, count + 1)


def _network(address: str) -> str:
    """What one party has of addresses: of IPv6 the 64 bits that a network is given (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
