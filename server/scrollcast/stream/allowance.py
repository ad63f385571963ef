"""How often something may be done."""

from __future__ import annotations

__all__ = ["Allowance"]


class Allowance:
    """So many a second, and at once as many as there are in one second; what was not used is not kept for longer.

    Times are seconds of any clock that never goes back.
    """

    def __init__(self, a_second: int, now: float) -> None:
        self.a_second = a_second
        self._left = float(a_second)
        self._at = now

    def take(self, now: float, share: float = 1.0) -> bool:
        """Whether one more may be done, or such a share of one; then it is counted."""
        self._left = min(self.a_second, self._left + (now - self._at) * self.a_second)
        self._at = now
        if self._left < share:
            return False
        self._left -= share
        return True
