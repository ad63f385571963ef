"""Secrets as texts: how they are made, told apart, compared, and kept out of the log.

Each kind begins with letters of its own, so that one that got somewhere can be found and named; behind them come 256
random bits, which nobody guesses.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from typing import Final

__all__ = ["CODE", "OWNER", "SHARE", "HideSecrets", "digest_of", "is_same", "make_secret"]

OWNER: Final = "sct_"
SHARE: Final = "scs_"
CODE: Final = "scl_"
"""A link to open once."""

SESSION: Final = "sco_"
"""What a cookie of the owner's begins with."""

_RANDOM_BYTES: Final = 32

_SHAPES: Final = re.compile(r"\bsc[tslo]_[A-Za-z0-9_.-]{8,}")
_HIDDEN: Final = "[secret]"


def make_secret(kind: str) -> str:
    """A new one; only letters, digits, `-` and `_`, so that it can stand in any header, link or subprotocol."""
    return kind + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(secret: str) -> bytes:
    """What is kept in place of a secret. It is random and long, so that no salt and no slow hash would add anything."""
    return hashlib.sha256(secret.encode()).digest()


def is_same(given: str, wanted: str) -> bool:
    """Whether two secrets are the same, in a time that does not say how far they are."""
    return hmac.compare_digest(digest_of(given), digest_of(wanted))


class HideSecrets(logging.Formatter):
    """Writes as another formatter does, tracebacks included, with every secret of ours blotted out.

    `others` are secrets that have no shape of their own.
    """

    def __init__(self, inner: logging.Formatter, others: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._inner = inner
        self._others = tuple(filter(None, others))

    def format(self, record: logging.LogRecord) -> str:
        """The line, or the lines."""
        text = _SHAPES.sub(_HIDDEN, self._inner.format(record))
        for secret in self._others:
            text = text.replace(secret, _HIDDEN)
        return text
