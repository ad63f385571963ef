from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollcast.archive.growing_file import ANCHOR_BYTES, BLOCK_BYTES, FREE_CHECK_BYTES, GrowingFile
from scrollcast.archive.storage import read_lines
from scrollcast.errors import ArchiveError

LARGE: Final = 4 * FREE_CHECK_BYTES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of two lines."""
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"one\ntwo\n")
    return path


@pytest.fixture
def file(path: Path) -> Iterator[GrowingFile]:
    """That file, read to its end."""
    file = GrowingFile(path, path.parent)
    list(file.lines())
    yield file
    file.close()


@pytest.fixture
def large(path: Path) -> Iterator[GrowingFile]:
    """A file too large to be compared whole each time, read to its end."""
    path.write_bytes(b"".join(b"%063d\n" % number for number in range(LARGE // 64)))
    file = GrowingFile(path, path.parent)
    list(file.lines())
    yield file
    file.close()


def append(path: Path, data: bytes) -> None:
    """Let a file grow."""
    with path.open("ab", buffering=0) as file:
        file.write(data)


def overwrite(path: Path, offset: int, data: bytes) -> None:
    """Change a file in place, under the same inode."""
    with path.open("r+b", buffering=0) as file:
        file.seek(offset)
        file.write(data)


def touch_later(path: Path) -> None:
    """Give a file another time, as a write does however coarse the system's clock is."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 10**7))


def data_of(file: GrowingFile) -> list[bytes | None]:
    """The lines that came since."""
    return [line.data for line in file.lines()]


# --------------------------------------------------------------------------------------------------------- reading


def test_what_is_appended_is_read_once(file: GrowingFile, path: Path) -> None:
    """Each line is given when it is there, with its number, and never again."""
    nothing = list(file.lines())
    append(path, b"three\n\nfive\n")

    assert nothing == []
    assert [(line.number, line.data) for line in file.lines()] == [(3, b"three"), (4, b""), (5, b"five")]
    assert list(file.lines()) == []
    assert file.position == path.stat().st_size


def test_a_half_written_line_waits_for_its_end(file: GrowingFile, path: Path) -> None:
    """It can be asked for as it is, as often as wanted, and comes whole when it is."""
    append(path, b"thr")
    before = data_of(file)
    tails = [file.tail(), file.tail()]
    append(path, b"ee\nfo")

    assert before == []
    assert [(tail.number, tail.data, tail.ended) for tail in tails if tail] == [(3, b"thr", False)] * 2
    assert data_of(file) == [b"three"]
    assert (tail := file.tail()) is not None
    assert (tail.number, tail.data) == (4, b"fo")


@given(pieces=st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"x", b"\n")), max_size=12))
def test_however_it_is_written_it_reads_the_same(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    """The lines that came one after the other, and the tail, are those of the file read at once."""
    path = tmp_path_factory.getbasetemp() / "pieces"
    path.write_bytes(b"")
    file = GrowingFile(path, path.parent)
    lines = []
    for piece in pieces:
        append(path, piece)
        lines += list(file.lines())
        assert file.has_only_grown()
        assert file.is_intact()
    if (tail := file.tail()) is not None:
        lines.append(tail)
    file.close()

    assert lines == list(read_lines(path, path.parent))


# --------------------------------------------------------------------------------------------------------- noticing


def _replace(path: Path) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(path.read_bytes())
    os.replace(fresh, path)


@pytest.mark.parametrize(
    ("change", "has_only_grown"),
    [
        pytest.param(lambda _path: None, True, id="nothing"),
        pytest.param(lambda path: append(path, b"three\n"), True, id="a line"),
        pytest.param(lambda path: append(path, b"thr"), True, id="half a line"),
        pytest.param(lambda path: os.truncate(path, 5), False, id="truncated"),
        pytest.param(lambda path: path.write_bytes(b""), False, id="emptied"),
        pytest.param(lambda path: path.write_bytes(b"another\nand longer\n"), False, id="rewritten and longer"),
        pytest.param(lambda path: path.write_bytes(b"zero\none\ntwo\n"), False, id="moved"),
        pytest.param(_replace, False, id="another file of the same bytes"),
        pytest.param(lambda path: path.unlink(), True, id="gone"),
    ],
)
def test_growth_is_told_from_everything_else(
    file: GrowingFile, path: Path, change: Callable[[Path], object], has_only_grown: bool
) -> None:
    """At the price of a look at what stands right before; one that is gone may be about to be replaced."""
    change(path)

    assert file.has_only_grown() is has_only_grown


def test_a_change_in_place_is_found_when_it_is_checked(file: GrowingFile, path: Path) -> None:
    """No byte is moved, so that only a comparison finds it."""
    overwrite(path, 0, b"ONE")
    append(path, b"three\n")

    assert data_of(file) == [b"three"]
    assert not file.is_intact()


@pytest.mark.parametrize("offset", [0, LARGE // 2, LARGE - 2 * ANCHOR_BYTES])
def test_a_large_file_that_did_not_grow_is_compared_whole(large: GrowingFile, path: Path, offset: int) -> None:
    """It was written to, and nothing came: something that was there is other now, wherever it stands."""
    before = large.is_intact()
    overwrite(path, offset, b"x")
    touch_later(path)

    assert before
    assert not large.is_intact()


def test_a_large_file_that_is_only_touched_is_intact(
    large: GrowingFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is compared once, and not again before it is touched again."""
    touch_later(path)
    first = large.is_intact()
    read = count_reads(monkeypatch)

    assert first
    assert large.is_intact()
    assert sum(read) <= BLOCK_BYTES


def test_the_beginning_of_a_large_file_is_always_compared(large: GrowingFile, path: Path) -> None:
    """Whoever rewrites a file and lets it grow changes its first lines, too."""
    overwrite(path, 70, b"x")
    append(path, b"more\n")
    data_of(large)

    assert not large.is_intact()


def test_a_large_file_is_compared_as_far_as_one_wants(large: GrowingFile, path: Path) -> None:
    """Somebody who opens the session can spend more on it."""
    overwrite(path, LARGE // 2, b"x")
    append(path, b"more\n")
    data_of(large)

    assert not large.is_intact(2 * LARGE)


def test_growth_while_it_is_read_is_no_touch(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written between two looks is read; what is written after the last look makes the file another."""
    file = GrowingFile(path, path.parent)
    lines = file.lines()
    first = next(lines)
    append(path, b"three\n")
    rest = [line.data for line in lines]
    read = count_reads(monkeypatch)

    assert [first.data, *rest] == [b"one", b"two", b"three"]
    assert file.is_intact()
    assert sum(read) == file.position
    file.close()


# ----------------------------------------------------------------------------------------------------------- its cost


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each read from now on."""
    read: list[int] = []
    pread = os.pread

    def counted(fd: int, size: int, offset: int) -> bytes:
        data = pread(fd, size, offset)
        read.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counted)
    return read


@pytest.mark.parametrize("checks", [1, 10])
def test_at_most_two_bytes_are_read_for_one_that_is_appended(
    path: Path, monkeypatch: pytest.MonkeyPatch, checks: int
) -> None:
    """A thousand lines that come one by one, on a file of 20 MB, checked now and then as when it comes to rest."""
    chance = Random(20)
    path.write_bytes(b"".join(b"%0499d\n" % number for number in range(40_000)))
    file = GrowingFile(path, path.parent)
    list(file.lines())
    file.is_intact()
    read, appended = count_reads(monkeypatch), 0
    for number in range(1000):
        line = b"x" * chance.randint(100, 900) + b"\n"
        append(path, line)
        appended += len(line)
        assert file.has_only_grown()
        assert len(list(file.lines())) == 1
        if number % (1000 // checks) == 0:
            assert file.is_intact()
    file.close()

    assert appended <= sum(read) <= 2 * appended


# --------------------------------------------------------------------------------------------------------- its holder


def test_nothing_is_held_after_closing(path: Path, open_files: Callable[[Path], int]) -> None:
    """Closed once, twice, or forgotten: the file is let go."""
    closed, forgotten = GrowingFile(path, path.parent), GrowingFile(path, path.parent)
    held = open_files(path)
    closed.close()
    closed.close()
    del forgotten

    assert held == 2
    assert open_files(path) == 0


@pytest.mark.parametrize("how", ["missing", "a folder", "a link to outside"])
def test_what_cannot_be_read_is_an_archive_error(tmp_path: Path, how: str) -> None:
    """As for every file of a session."""
    root, place = tmp_path / "root", tmp_path / "root" / "lines.jsonl"
    root.mkdir()
    if how == "a folder":
        place.mkdir()
    elif how == "a link to outside":
        (tmp_path / "secret").write_bytes(b"1\n")
        place.symlink_to(tmp_path / "secret")

    with pytest.raises(ArchiveError):
        GrowingFile(place, root)
