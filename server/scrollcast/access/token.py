"""The owner's token: made on first use, kept in a file that only its owner can read, or given by the environment."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from scrollcast.access.secrets import OWNER, SESSION, is_same, make_secret
from scrollcast.errors import SettingsError

__all__ = ["OwnerToken"]

COOKIE_SECONDS: Final = 30 * 24 * 3600
"""So long a browser stays signed in; it is then asked for the token again."""

_USABLE: Final = re.compile(r"[A-Za-z0-9._~-]{20,200}")
"""What can stand in an `Authorization` header and in a subprotocol alike (RFC 9110, 5.6.2), and is not guessed."""


class OwnerToken:
    """The token. Nothing that shows it as an object shows what it is."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not _USABLE.fullmatch(text):
            raise SettingsError(
                "a token has 20 to 200 letters, digits and . _ ~ -; a good one is made by: openssl rand -hex 32"
            )
        self._text = text

    def __repr__(self) -> str:
        return "OwnerToken(…)"

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def is_token(self, given: str) -> bool:
        """Whether this is it."""
        return is_same(given, self._text)

    # ------------------------------------------------------------------------------------------------------ cookies

    def make_cookie(self, now: float | None = None) -> tuple[str, int]:
        """What a browser of the owner's keeps in place of the token, and when that ends, in seconds since the epoch.

        It is signed with the token, so that no worker has to remember it, and a new token ends all of them.
        """
        until = int(time.time() if now is None else now) + COOKIE_SECONDS
        return f"{SESSION}{until}.{self._sign(until)}", until

    def read_cookie(self, cookie: str, now: float | None = None) -> int | None:
        """When a cookie of ours ends; `None` where it is none, or has ended."""
        found = re.fullmatch(rf"{SESSION}([0-9]{{1,12}})\.([A-Za-z0-9_-]{{43}})", cookie)
        if found is None or not hmac.compare_digest(self._sign(int(found[1])), found[2]):
            return None
        until = int(found[1])
        return until if until > (time.time() if now is None else now) else None

    def _sign(self, until: int) -> str:
        signature = hmac.digest(self._text.encode(), f"owner cookie until {until}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(signature).rstrip(b"=").decode()

    # ---------------------------------------------------------------------------------------------------- the file

    @classmethod
    def of_file(cls, path: Path) -> OwnerToken:
        """The one of a file, made where there is none yet.

        Raises:
            SettingsError: it is no token, or others could read the file.
        """
        try:
            _make(path)
            return cls(_read(path, "delete it, and a new one is made"))
        except OSError as problem:
            raise SettingsError(f"the token's file {path} cannot be used: {problem.strerror}") from problem

    @classmethod
    def given_in(cls, path: Path) -> OwnerToken:
        """The one of a file that somebody was given it in, as of a server of another machine. Raises as `of_file`."""
        try:
            return cls(_read(path))
        except OSError as problem:
            raise SettingsError(f"the token's file {path} cannot be used: {problem.strerror}") from problem


def _make(path: Path) -> None:
    """Write a new token, unless one is there. Two that begin at once end up with the same."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd, made = tempfile.mkstemp(prefix=".token.", dir=path.parent)  # which nobody else can read
    try:
        with os.fdopen(fd, "w") as file:
            file.write(make_secret(OWNER) + "\n")
        with suppress(FileExistsError):
            os.link(made, path)  # whole, or not at all
    finally:
        os.unlink(made)


def _read(path: Path, remedy: str = "") -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(fd) as file:
        found = os.fstat(fd)
        if os.name == "posix" and found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"others can read the token in {path}; make it yours alone (chmod 600 {path}){_joined(', or ', remedy)}"
            )
        if os.name == "posix" and found.st_uid != os.geteuid():
            raise SettingsError(f"the token in {path} belongs to somebody else{_joined('; ', remedy)}")
        text = file.read(1000).strip()
    if not _USABLE.fullmatch(text):
        raise SettingsError(f"there is no token in {path}{_joined('; ', remedy)}")
    return text


def _joined(joint: str, remedy: str) -> str:
    return f"{joint}{remedy}" if remedy else ""
