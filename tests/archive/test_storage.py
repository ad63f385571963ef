import json
import math
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrollcast.archive import storage
from scrollcast.archive.storage import (
    HEAD_BYTES,
    Line,
    confine,
    decode_json,
    open_confined,
    read_head,
    read_lines,
    read_whole,
    stamp,
)
from scrollcast.errors import ArchiveError

LinesOf = Callable[[bytes], list[Line]]


@pytest.fixture
def lines_of(tmp_path: Path) -> LinesOf:
    """Gives the lines of a file with this content."""

    def read(content: bytes) -> list[Line]:
        path = tmp_path / "lines.jsonl"
        path.write_bytes(content)
        return list(read_lines(path, tmp_path))

    return read


# --------------------------------------------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a\nb\n", [(1, b"a", True), (2, b"b", True)]),
        (b"a\nb", [(1, b"a", True), (2, b"b", False)]),
        (b"\n\na\n\n", [(1, b"", True), (2, b"", True), (3, b"a", True), (4, b"", True)]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", [(1, b"a", True), (2, b"\xef\xbb\xbfb", True)]),
        (b"\xef\xbb\xbf", []),
        (b"a\r\nb\r\r\n", [(1, b"a", True), (2, b"b\r", True)]),
        (b"a\rb\n", [(1, b"a\rb", True)]),
        ("a\u2028b\u2029c\u0085d\x0b\x0c\n".encode(), [(1, "a\u2028b\u2029c\u0085d\x0b\x0c".encode(), True)]),
        (b"\x00\n", [(1, b"\x00", True)]),
    ],
    ids=["empty", "ended", "no end", "blank", "mark", "only a mark", "crlf", "lone cr", "unicode ends", "nul"],
)
def test_lines_end_at_line_feeds_only(
    lines_of: LinesOf, content: bytes, lines: list[tuple[int, bytes | None, bool]]
) -> None:
    """A line ends at a line feed and nowhere else, loses one carriage return, and is numbered from 1."""
    found = lines_of(content)

    assert [(line.number, line.data, line.ended) for line in found] == lines


@given(
    content=st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r", b"\xef\xbb\xbf", b"\xff"]), max_size=40).map(b"".join)
)
def test_lines_are_the_bytes_split_at_line_feeds(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Wherever the chunks are cut, the lines are those of the whole content."""
    path = tmp_path_factory.getbasetemp() / "split.jsonl"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(storage, "CHUNK_BYTES", 3)
        found = list(read_lines(path, path.parent))
    *ended, rest = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")

    assert [line.data for line in found if line.ended] == [line.removesuffix(b"\r") for line in ended]
    assert [line.data for line in found if not line.ended] == ([rest] if rest else [])
    assert [line.number for line in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize("chunk_bytes", [3, 4, 5, 7, 8, 100])
@pytest.mark.parametrize("content", [b"12345678\n123456789\n12345678", b"1234567890123456789\n1\n1234567890"])
def test_overlong_line_is_a_line_without_data(
    lines_of: LinesOf, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, content: bytes
) -> None:
    """A line over the limit keeps its number and its end, wherever the chunks are cut; one at the limit is kept."""
    monkeypatch.setattr(storage, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(storage, "MAX_LINE_BYTES", 8)
    found = lines_of(content)

    assert [line.data for line in found] == [None if len(data) > 8 else data for data in content.split(b"\n")]
    assert [line.ended for line in found] == [True, True, False]


def test_reading_part_of_a_file_closes_it(tmp_path: Path, open_files: Callable[[Path], int]) -> None:
    """A reader that stops in the middle leaves no file open."""
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"a\nb\n")
    lines = read_lines(path, tmp_path)
    next(lines)
    held = open_files(tmp_path)
    del lines

    assert held == 1
    assert open_files(tmp_path) == 0


# --------------------------------------------------------------------------------------------------------- heads


def test_head_is_the_beginning_without_its_mark(tmp_path: Path) -> None:
    """Of a long file only the beginning is read, and a byte order mark is dropped."""
    path = tmp_path / "long.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"a" * 100 + b"\n" + b"b" * HEAD_BYTES)
    head = read_head(path, tmp_path)

    assert head.startswith(b"a" * 100 + b"\nb")
    assert len(head) == HEAD_BYTES - 3


def test_head_reaches_to_the_end_of_a_long_first_line(tmp_path: Path) -> None:
    """A first line that is longer than a head is looked at whole."""
    path = tmp_path / "long.jsonl"
    path.write_bytes(b"a" * (HEAD_BYTES + 1) + b"\nb")

    assert read_head(path, tmp_path).endswith(b"a\nb")


def test_whole_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    """A file at the limit is read, without its mark; one byte more is refused."""
    path = tmp_path / "whole.json"
    path.write_bytes(b"\xef\xbb\xbf{}")

    assert read_whole(path, tmp_path, limit=5) == b"{}"
    with pytest.raises(ArchiveError, match="larger"):
        read_whole(path, tmp_path, limit=4)


# ------------------------------------------------------------------------------------------------------ confining


def test_link_inside_the_root_is_followed(root: Path) -> None:
    """A link to another file of the archive is that file."""
    (root / "real").write_bytes(b"a\n")
    (root / "link").symlink_to(root / "real")

    assert confine(root / "link", root) == root / "real"
    assert [line.data for line in read_lines(root / "link", root)] == [b"a"]


def test_root_may_be_a_link_itself(tmp_path: Path, root: Path) -> None:
    """An archive that is opened by a link to it confines to where it really lies."""
    (root / "real").write_bytes(b"a\n")
    (tmp_path / "by-link").symlink_to(root)

    assert read_head(tmp_path / "by-link" / "real", tmp_path / "by-link") == b"a\n"


def _link_outside(root: Path) -> Path:
    (root.parent / "secret").write_text("secret")
    (root / "link").symlink_to(root.parent / "secret")
    return root / "link"


def _link_through_a_folder(root: Path) -> Path:
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "secret").write_text("secret")
    (root / "folder").symlink_to(root.parent / "outside")
    return root / "folder" / "secret"


def _sibling_with_the_same_beginning(root: Path) -> Path:
    twin = root.with_name(root.name + "-2")
    twin.mkdir()
    (twin / "secret").write_text("secret")
    return root / ".." / twin.name / "secret"


def _loop_of_links(root: Path) -> Path:
    (root / "one").symlink_to(root / "two")
    (root / "two").symlink_to(root / "one")
    return root / "one"


def _dangling_link(root: Path) -> Path:
    (root / "link").symlink_to(root / "nothing")
    return root / "link"


def _missing(root: Path) -> Path:
    return root / "nothing"


def _folder(root: Path) -> Path:
    (root / "folder").mkdir()
    return root / "folder"


def _pipe(root: Path) -> Path:
    os.mkfifo(root / "pipe")
    return root / "pipe"


def _socket(root: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
    return root / "socket"


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "make",
    [
        _link_outside,
        _link_through_a_folder,
        _sibling_with_the_same_beginning,
        _loop_of_links,
        _dangling_link,
        _missing,
        _folder,
        _pipe,
        _socket,
    ],
)
@pytest.mark.parametrize("read", [open_confined, read_head, read_whole, lambda *paths: list(read_lines(*paths))])
def test_only_regular_files_of_the_archive_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Path], read: Callable[[Path, Path], Any]
) -> None:
    """Whatever is no file of the archive is refused at once, with a sentence that holds no path."""
    root = tmp_path / "archive"
    root.mkdir()
    monkeypatch.chdir(root)  # a socket's address must be short
    path = make(root)

    with pytest.raises(ArchiveError) as refused:
        read(path, root)
    assert str(tmp_path) not in str(refused.value)


def test_device_is_refused() -> None:
    """A device in the archive is not read."""
    with pytest.raises(ArchiveError, match="no regular file"):
        open_confined(Path("/dev/zero"), Path("/dev"))


def test_refused_file_is_closed(root: Path, open_files: Callable[[Path], int]) -> None:
    """What is opened and then refused is closed again."""
    with pytest.raises(ArchiveError):
        open_confined(_folder(root), root)

    assert open_files(root) == 0


def test_stamp_tells_a_change(tmp_path: Path) -> None:
    """A file's stamp stays while it does, changes with its size or its time, and is none where there is no file."""
    path = tmp_path / "file"
    missing = stamp(path)
    path.write_bytes(b"a")
    os.utime(path, ns=(0, 1))
    first, again = stamp(path), stamp(path)
    os.utime(path, ns=(0, 2))
    touched = stamp(path)

    assert missing is None
    assert first == again
    assert first != touched


# ---------------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (rb'{"t":"cut \ud83d"}', {"t": "cut \ufffd"}),
        (rb'{"\ud83d":1}', {"\ufffd": 1}),
        (rb'{"t":"\ude00\ud83d"}', {"t": "\ufffd\ufffd"}),
        (rb'{"t":"\ud83d\ude00 \ud83d"}', {"t": "\U0001f600 \ufffd"}),
        (b'{"t":"\xff caf\xc3\xa9"}', {"t": "\ufffd café"}),
        (b'{"n":NaN,"i":Infinity,"m":-Infinity}', {"n": None, "i": None, "m": None}),
        (b'{"n":1e999}', {"n": None}),
        (b'{"n":[-1E999,1]}', {"n": [None, 1]}),
        (b'{"n":' + b"9" * 400 + b"}", {"n": None}),
        (b"[" + b"9" * 400 + b"]", [None]),
        (b"[" + b"9" * 5000 + b"]", [None]),
        (b"[18446744073709551615,-9223372036854775808]", [2**64 - 1, -(2**63)]),
        (b"[18446744073709551616]", [2.0**64]),
        (b'[18446744073709551616,"\\ud83d"]', [2.0**64, "\ufffd"]),
        (b'[18446744073709551615,-9223372036854775808,"\\ud83d"]', [2**64 - 1, -(2**63), "\ufffd"]),
        (b'{"a":1,"a":2}', {"a": 2}),
        (rb'{"a":1,"a":"\ud83d"}', {"a": "\ufffd"}),
        (rb'"\u0000"', "\0"),
        (b'{"__proto__":{"constructor":1}}', {"__proto__": {"constructor": 1}}),
    ],
)
def test_what_real_logs_hold_is_mended(text: bytes, value: object) -> None:
    """Values that cannot be sent on become ones that can, and everything beside them stays."""
    decoded = decode_json(text)

    assert decoded == value
    assert orjson.loads(orjson.dumps(decoded)) == value


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b'{"t":"e', b"nonsense", b"\xff", b"{} {}", b"[" * 100_000, b'[{"e":' * 50_000, b"\xff\xfe{\0}\0"],
    ids=["empty", "open", "open text", "word", "byte", "two", "deep", "deep objects", "utf-16"],
)
def test_what_is_no_json_is_refused(text: bytes) -> None:
    """What cannot be told is a `ValueError`, however deeply it is nested."""
    with pytest.raises(ValueError):
        decode_json(text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=20,
)


@given(value=JSON_VALUES)
def test_whatever_python_writes_can_be_sent_on(value: object) -> None:
    """What another tool's `json` wrote, with surrogates and numbers of any size, can be encoded again."""
    decoded = decode_json(json.dumps(value).encode())

    assert decode_json(orjson.dumps(decoded)) == decoded


@given(text=st.binary(max_size=60) | st.text('{}[]",:\\ud8ac019eE+-.NaInfity \ufffd', max_size=40).map(str.encode))
def test_any_bytes_are_decoded_or_refused(text: bytes) -> None:
    """Bytes that are decoded can be encoded again; others are a `ValueError` and nothing else."""
    try:
        decoded = decode_json(text)
    except ValueError:
        return

    assert not (isinstance(decoded, float) and not math.isfinite(decoded))
    assert orjson.loads(orjson.dumps(decoded)) == decoded
