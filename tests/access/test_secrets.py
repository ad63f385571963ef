from __future__ import annotations

import logging
import sys

import pytest

from scrollcast.access.secrets import CODE, OWNER, SHARE, HideSecrets, is_same, make_secret
from scrollcast.access.token import OwnerToken

OWN = "chosen.by-its_owner~0123456789"
SECRETS = [make_secret(OWNER), make_secret(SHARE), make_secret(CODE), OwnerToken(OWN).make_cookie()[0], OWN]


def written(record: logging.LogRecord) -> str:
    """What the log has of it."""
    return HideSecrets(logging.Formatter("%(message)s"), (OWN,)).format(record)


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:4])
@pytest.mark.parametrize(
    "place", ["{}", "Bearer {}", "scrollcast.v1, scrollcast.token.{}", "a={}; b", "#share={}", "'{}'"]
)
def test_no_secret_gets_into_the_log(secret: str, place: str) -> None:
    """Wherever it stands, in a message or in what is put into it; what is around it stays."""
    text = f"before {place.format(secret)} after"
    for record in (
        logging.LogRecord("x", logging.INFO, "", 0, text, (), None),
        logging.LogRecord("x", logging.INFO, "", 0, "%s", (text,), None),
    ):
        line = written(record)
        assert secret not in line
        assert secret[8:30] not in line
        assert line.startswith("before ")
        assert line.endswith(" after")


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:4])
def test_no_secret_gets_into_a_traceback(secret: str) -> None:
    """Neither by the error's words nor by those of its cause."""
    try:
        try:
            raise KeyError(secret)
        except KeyError as problem:
            raise ValueError(f"bad {secret}") from problem
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "it failed", (), sys.exc_info())
    lines = written(record)

    assert "Traceback" in lines
    assert secret not in lines


def test_no_two_secrets_are_alike() -> None:
    """And each is long enough not to be guessed: 32 bytes and its kind."""
    made = {make_secret(SHARE) for _ in range(1000)}

    assert len(made) == 1000
    assert {len(secret) for secret in made} == {47}


def test_secrets_are_compared_whole() -> None:
    """Letters outside of ASCII too, which `hmac.compare_digest` would refuse."""
    assert is_same("ü", "ü")
    assert not is_same("ü", "u")
    assert not is_same("a", "ab")
