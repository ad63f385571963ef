from __future__ import annotations

import sqlite3
import stat
import threading
from pathlib import Path
from uuid import UUID

import pytest

from scrollcast.access.shares import CODE_SECONDS, KEPT_SECONDS, MAX_SECONDS, Shares
from scrollcast.errors import ArchiveError, BadRequest
from scrollcast.model import WHOLE, Span

SESSION = UUID(int=1)
OTHER = UUID(int=2)


class Clock:
    """Seconds since the epoch, as the test wants them."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """One that stands still."""
    return Clock()


@pytest.fixture
def shares(tmp_path: Path, clock: Clock) -> Shares:
    """An empty table."""
    return Shares(tmp_path / "data" / "shares.sqlite3", clock)


def test_a_share_is_found_by_its_secret_and_by_nothing_else(shares: Shares) -> None:
    """With everything that was asked for."""
    share, secret = shares.make(SESSION, Span(1000, 2000), redact=False, seconds=60)

    assert shares.find(secret) == share
    assert (share.scroll_id, share.span, share.redact) == (SESSION, Span(1000, 2000), False)
    assert share.expires_at - share.created_at == 60
    for other in ("", secret[:-1], secret + "x", secret.upper(), share.id, f"scs_{share.id}"):
        assert shares.find(other) is None


def test_the_file_holds_no_secret_and_is_its_owners_alone(shares: Shares, tmp_path: Path) -> None:
    """A copy of it opens nothing."""
    _, secret = shares.make(SESSION, WHOLE, redact=True, seconds=60)
    code = shares.make_code()
    data = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())

    assert secret.encode() not in data
    assert code.encode() not in data
    for path in (tmp_path / "data").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_share_ends_by_time(shares: Shares, clock: Clock) -> None:
    """To the second; it is still known then, so that its holder can be told."""
    share, secret = shares.make(SESSION, WHOLE, redact=True, seconds=60)
    clock.now += 59.9
    assert shares.holding([share.id]) == {share.id}
    clock.now += 0.1

    assert shares.holding([share.id]) == set()
    found = shares.find(secret)
    assert found is not None
    assert not found.holds(clock.now)
    assert not shares.revoke(share.id)


def test_a_share_ends_when_it_is_withdrawn(shares: Shares, clock: Clock) -> None:
    """And the others do not."""
    (share, secret), (other, _) = (shares.make(SESSION, WHOLE, redact=True, seconds=60) for _ in range(2))

    assert shares.revoke(share.id)
    assert not shares.revoke(share.id)
    assert not shares.revoke("nothing")
    assert shares.holding([share.id, other.id, "nothing"]) == {other.id}
    found = shares.find(secret)
    assert found is not None
    assert not found.holds(clock.now)


def test_another_process_sees_the_same(shares: Shares, tmp_path: Path, clock: Clock) -> None:
    """Workers and the command have one truth."""
    share, secret = shares.make(SESSION, WHOLE, redact=True, seconds=60)
    other = Shares(tmp_path / "data" / "shares.sqlite3", clock)

    assert other.find(secret) == share
    other.revoke(share.id)
    assert shares.holding([share.id]) == set()


def test_they_are_listed_newest_first(shares: Shares) -> None:
    """All, or those of a session."""
    made = [shares.make(each, WHOLE, redact=True, seconds=60)[0] for each in (SESSION, OTHER, SESSION)]

    assert shares.all() == made[::-1]
    assert shares.all(SESSION) == [made[2], made[0]]
    assert shares.all(UUID(int=3)) == []


@pytest.mark.parametrize("seconds", [0, -1, MAX_SECONDS + 1])
def test_a_share_cannot_hold_for_ever(shares: Shares, seconds: int) -> None:
    """Nor end before it begins."""
    with pytest.raises(BadRequest):
        shares.make(SESSION, WHOLE, redact=True, seconds=seconds)
    with pytest.raises(BadRequest):
        shares.make(SESSION, Span(2, 1), redact=True, seconds=60)
    assert shares.all() == []


def test_what_ended_long_ago_is_forgotten(shares: Shares, clock: Clock) -> None:
    """Withdrawn or expired; when the next one is made."""
    expired, _ = shares.make(SESSION, WHOLE, redact=True, seconds=60)
    withdrawn, _ = shares.make(SESSION, WHOLE, redact=True, seconds=MAX_SECONDS)
    shares.revoke(withdrawn.id)
    lasting, _ = shares.make(SESSION, WHOLE, redact=True, seconds=MAX_SECONDS)
    clock.now += KEPT_SECONDS + 61
    newest, _ = shares.make(SESSION, WHOLE, redact=True, seconds=60)

    assert {share.id for share in shares.all()} == {lasting.id, newest.id}
    assert expired.id not in {share.id for share in shares.all()}


def test_a_code_is_good_once(shares: Shares, clock: Clock) -> None:
    """Whoever is second, in another thread too, is too late; so is who comes after a day."""
    code, late = shares.make_code(), shares.make_code()
    used: list[bool] = []
    threads = [threading.Thread(target=lambda: used.append(shares.use_code(code))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.now += CODE_SECONDS

    assert sorted(used) == [False] * 5 + [True]
    assert not shares.use_code(late)
    assert not shares.use_code("scl_made-up-by-somebody-else")


def test_the_servers_address_is_remembered(shares: Shares) -> None:
    """The last one."""
    assert shares.address() is None
    shares.note_address("http://127.0.0.1:8420/")
    shares.note_address("https://replay.example/")

    assert shares.address() == "https://replay.example/"


def test_a_damaged_file_is_said_and_opens_nothing(shares: Shares, tmp_path: Path) -> None:
    """In words without its path; nothing is made anew over it."""
    _, secret = shares.make(SESSION, WHOLE, redact=True, seconds=60)
    path = tmp_path / "data" / "shares.sqlite3"
    path.write_bytes(b"no database, but longer than the header of one would be" * 10)

    with pytest.raises(ArchiveError) as caught:
        shares.find(secret)
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(path).execute("SELECT 1 FROM shares")
