from __future__ import annotations

from uuid import UUID

import pytest

from scrollcast.redaction import Redaction, Redactor

SECRET = b"s" * 32


@pytest.fixture(scope="session")
def redaction() -> Redaction:
    """The rules that come with Scrollcast, made once: that takes some tenths of a second."""
    return Redaction()


@pytest.fixture(scope="session")
def redactor(redaction: Redaction) -> Redactor:
    """For one session."""
    return redaction.redactor(SECRET, UUID(int=1))
