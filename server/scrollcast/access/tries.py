"""Wrong tokens are counted, and from an address that has sent too many none is looked at for a while."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final

from scrollcast.errors import TooManyTries

__all__ = ["MAX_TRIES", "WINDOW_SECONDS", "Tries"]

MAX_TRIES: Final = 10
WINDOW_SECONDS: Final = 60.0
"""Nobody mistypes a token more often, and a guesser would need longer than the universe is old."""

MAX_ADDRESSES: Final = 10_000
"""So many are remembered at a time; the one that failed longest ago is forgotten first."""


class Tries:
    """Counts them, an address each, from the first wrong one on."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raise `TooManyTries` where a token of this address is not to be looked at."""
        since, count = self._failed.get(_network(address), (0.0, 0))
        left = since + WINDOW_SECONDS - self._clock()
        if count >= MAX_TRIES and left > 0:
            raise TooManyTries(math.ceil(left))

    def note(self, address: str) -> None:
        """A wrong one came from this address."""
        network, now = _network(address), self._clock()
        since, count = self._failed.pop(network, (now, 0))
        if since + WINDOW_SECONDS <= now:
            since, count = now, 0
        self._failed[network] = (since, count + 1)
        if len(self._failed) > MAX_ADDRESSES:
            self._failed.popitem(last=False)


def _network(address: str) -> str:
    """What one party has of addresses: of IPv6 the 64 bits that a network is given (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
