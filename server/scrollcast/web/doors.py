"""How many connections a process holds: in all, and with each address."""

from __future__ import annotations

from collections import Counter

from scrollcast.settings import MAX_CONNECTIONS_OF_ADDRESS, is_loopback_name

__all__ = ["Doors"]


class Doors:
    """Counts connections in and out.

    `most` may be open in all, `most_of_one` with one address. Where the latter is `None`, this machine's own addresses
    may have as many as there may be, for behind a proxy everybody has one of them, and any other
    `MAX_CONNECTIONS_OF_ADDRESS`.
    """

    def __init__(self, most: int, most_of_one: int | None = None) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._with: Counter[str] = Counter()
        self.open = 0
        self.refused = 0
        self.closing = False
        """Whether the server stops, and nobody is let in any more."""

    def refusal(self, address: str) -> str | None:
        """Why one more connection with an address is refused; `None` when it is not."""
        if self.closing:
            return "The server is stopping; come back soon."
        if self.open >= self._most:
            return f"The server already holds {self._most} connections; come back later."
        most = self._of_one(address)
        if self._with[address] >= most:
            return f"The server already holds {most} connections with this address; close some of them."
        return None

    def _of_one(self, address: str) -> int:
        if self._most_of_one is not None:
            return self._most_of_one
        return self._most if not address or is_loopback_name(address) else MAX_CONNECTIONS_OF_ADDRESS

    def enter(self, address: str) -> None:
        """One more, whatever the bounds."""
        self.open += 1
        self._with[address] += 1

    def leave(self, address: str) -> None:
        """One less."""
        self.open -= 1
        self._with[address] -= 1
        if not self._with[address]:
            del self._with[address]
