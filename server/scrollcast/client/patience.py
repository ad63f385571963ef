"""How a client comes back: soon at first, then less and less often, and not for ever."""

from __future__ import annotations

import random
from typing import Final

__all__ = ["PATIENCE_SECONDS", "Patience"]

PATIENCE_SECONDS: Final = 60.0
"""For so long it is tried to connect again, unless something else is asked for: a server restarts in less."""

FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 10.0


class Patience:
    """`seconds` in all from the first failure on; `succeeded` begins anew. Times are seconds of any steady clock."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._failed_at: float | None = None
        self._tries = 0

    def succeeded(self) -> None:
        """There is a connection."""
        self._failed_at = None
        self._tries = 0

    def wait(self, now: float, retry_after: float = 0.0) -> float | None:
        """There is none, as of `now`: how long to wait before the next try. `None` when patience is at its end.

        Waits are random up to a bound that doubles, so that many clients of one server do not come back at once.
        """
        self._failed_at = now if self._failed_at is None else self._failed_at
        if now - self._failed_at >= self.seconds:
            return None
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2**self._tries)
        self._tries += 1
        return max(retry_after, random.uniform(0, longest))
