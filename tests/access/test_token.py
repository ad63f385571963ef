from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from scrollcast.access.token import COOKIE_SECONDS, OwnerToken
from scrollcast.errors import SettingsError
from scrollcast.settings import owner_token, token_file

TOKEN = "a-token-of-enough-letters"


def test_a_token_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    """In a folder that nobody else may look into."""
    path = tmp_path / "data" / "token"
    first, second = OwnerToken.of_file(path), OwnerToken.of_file(path)

    assert first.reveal() == second.reveal()
    assert len(first.reveal()) > 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["token"]


def test_those_that_begin_at_once_have_the_same(tmp_path: Path) -> None:
    """As servers that are started together."""
    found: list[str] = []
    start = threading.Barrier(8)

    def begin() -> None:
        start.wait()
        found.append(OwnerToken.of_file(tmp_path / "token").reveal())

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o777])
def test_a_file_that_others_can_read_is_refused_with_what_mends_it(tmp_path: Path, mode: int) -> None:
    """The command stands in the sentence."""
    path = tmp_path / "token"
    OwnerToken.of_file(path)
    path.chmod(mode)

    with pytest.raises(SettingsError) as caught:
        OwnerToken.of_file(path)
    assert f"chmod 600 {path}" in str(caught.value)
    path.chmod(0o600)
    OwnerToken.of_file(path)


@pytest.mark.parametrize(
    "text", ["", "short", "x" * 19, "x" * 201, "with a space in the middle", "nul\0" * 10, "ü" * 30]
)
def test_what_is_no_token_is_refused(tmp_path: Path, text: str) -> None:
    """In the file and in the environment, and not repeated."""
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(text)

    with pytest.raises(SettingsError) as of_file:
        OwnerToken.of_file(path)
    assert "no token" in str(of_file.value)
    if text:
        with pytest.raises(SettingsError, match="SCROLLCAST_TOKEN") as of_environment:
            owner_token({"SCROLLCAST_TOKEN": text, "HOME": str(tmp_path)})
        assert text not in str(of_environment.value)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """And where it is."""
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match="cannot be used"):
        OwnerToken.of_file(tmp_path / "file" / "token")


def test_the_environment_comes_first(tmp_path: Path) -> None:
    """Then nothing is written."""
    environment = {"HOME": str(tmp_path), "SCROLLCAST_TOKEN": TOKEN}

    assert owner_token(environment).reveal() == TOKEN
    assert list(tmp_path.iterdir()) == []
    del environment["SCROLLCAST_TOKEN"]
    assert owner_token(environment).reveal() == token_file(environment).read_text().strip()


def test_it_is_shown_by_nothing() -> None:
    """Neither alone nor in what holds it."""
    token = OwnerToken(TOKEN)

    assert TOKEN not in repr(token) + str(token) + repr([token]) + f"{token}"


@pytest.mark.parametrize("other", ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), f" {TOKEN}", "ü"])
def test_nothing_else_is_it(other: str) -> None:
    """Whatever its length and letters."""
    assert OwnerToken(TOKEN).is_token(TOKEN)
    assert not OwnerToken(TOKEN).is_token(other)


def test_a_cookie_holds_until_it_ends_and_for_its_token_only() -> None:
    """The token is not in it."""
    token = OwnerToken(TOKEN)
    cookie, until = token.make_cookie(1000.0)

    assert until == 1000 + COOKIE_SECONDS
    assert token.read_cookie(cookie, 1001.0) == until
    assert token.read_cookie(cookie, until - 1) == until
    assert token.read_cookie(cookie, until) is None
    assert OwnerToken(TOKEN + "x").read_cookie(cookie, 1001.0) is None
    assert TOKEN not in cookie


def test_a_cookie_that_was_changed_is_none() -> None:
    """Not in one letter; nor is one that says that it holds longer."""
    token = OwnerToken(TOKEN)
    cookie, until = token.make_cookie(1000.0)

    for place in range(len(cookie)):
        changed = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        assert token.read_cookie(changed, 1001.0) is None
    assert token.read_cookie(cookie.replace(str(until), str(until + 1)), 1001.0) is None
    assert token.read_cookie("", 1001.0) is None


def test_the_file_is_read_only_when_it_is_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's would let them in."""
    path = tmp_path / "token"
    OwnerToken.of_file(path)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)

    with pytest.raises(SettingsError, match="belongs to somebody else"):
        OwnerToken.of_file(path)
