import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from archives import Line, join_lines, message, native_source, write_document, write_session
from scrollcast.archive import epoch as epoch_module
from scrollcast.archive.epoch import epoch_of, remember_epoch
from scrollcast.archive.formats import SessionSource

MESSAGES: list[Line] = [message("m0"), message("m1", 1), message("m2", 2)]


def remembered(source: SessionSource, cache: Path) -> str:
    """The epoch of a session, noted as it is when its index was made."""
    epoch = epoch_of(source, cache)
    remember_epoch(source, epoch, cache)
    return epoch


@pytest.fixture
def messages(root: Path) -> Path:
    """The file of messages of a session of three."""
    return write_session(root, MESSAGES) / "messages.jsonl"


@pytest.fixture
def source(messages: Path) -> SessionSource:
    """That session."""
    return native_source(messages.parent)


def test_epoch_stays_while_nothing_changes(source: SessionSource, cache: Path) -> None:
    """Opening a session again, and touching its file, leave its epoch."""
    first = remembered(source, cache)
    again = remembered(source, cache)
    os.utime(source.path / "messages.jsonl", ns=(0, 1))

    assert first == again == epoch_of(source, cache)


def test_epoch_survives_the_cache(source: SessionSource, cache: Path, tmp_path: Path) -> None:
    """A cache that was lost, or that another reader keeps, gives the same epoch."""
    first = remembered(source, cache)

    assert epoch_of(source, tmp_path / "nowhere") == first


def test_epoch_survives_growth_and_then_the_cache(
    source: SessionSource, messages: Path, cache: Path, tmp_path: Path
) -> None:
    """A session that grew has the epoch that it had, with and without the note of it."""
    first = remembered(source, cache)
    with messages.open("ab") as file:
        file.write(join_lines([message("m3", 3)]))

    assert remembered(source, cache) == first
    assert epoch_of(source, tmp_path / "nowhere") == first


def test_sessions_of_the_same_content_have_their_own_epochs(tmp_path: Path, cache: Path) -> None:
    """The epoch of one session is not mistaken for another's."""
    one = native_source(write_session(tmp_path, MESSAGES, scroll_id=UUID(int=1)))
    other = native_source(write_session(tmp_path, MESSAGES, scroll_id=UUID(int=2)))

    assert epoch_of(one, cache) != epoch_of(other, cache)


HALF = join_lines([message("m3", 3)])[:20]
REST = join_lines([message("m3", 3)])[20:]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", join_lines([message("m3", 3)])),
        (b"", HALF),
        (HALF, HALF + REST),
        (HALF, HALF + REST + HALF),
        (HALF, b""),
        (HALF, join_lines([message("another", 3)])),
    ],
    ids=["a line", "half a line", "the other half", "and another half", "the half taken back", "the half replaced"],
)
def test_epoch_stays_when_a_session_grows(
    source: SessionSource, messages: Path, cache: Path, before: bytes, after: bytes
) -> None:
    """Only whole lines count: a last line that is still being written may become anything."""
    whole = messages.read_bytes()
    messages.write_bytes(whole + before)
    first = remembered(source, cache)
    messages.write_bytes(whole + after)

    assert remembered(source, cache) == first
    assert remembered(source, cache) == first


def test_epoch_stays_when_an_empty_session_begins(source: SessionSource, messages: Path, cache: Path) -> None:
    """The first line of a session is growth like any other."""
    whole = messages.read_bytes()
    messages.write_bytes(b"")
    first = remembered(source, cache)
    messages.write_bytes(whole)

    assert remembered(source, cache) == first


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda data: data.replace(b'"m1"', b'"M1"', 1),
        lambda data: data.replace(b'"m0"', b'"M0"', 1),
        lambda data: data.replace(b'"m2"', b'"M2"', 1),
        lambda data: data[: data.rindex(b'{"message_id"')],
        lambda data: data[:-1],
        lambda data: join_lines([message("m-1")]) + data,
        lambda data: data.replace(b'"m1"', b'"changed"') + join_lines([message("m3", 3)]),
        lambda _data: b"",
    ],
    ids=["same size", "first line", "last line", "shorter", "no end", "a line before", "changed and grown", "emptied"],
)
def test_epoch_changes_when_a_session_is_rewritten(
    source: SessionSource, messages: Path, cache: Path, rewrite: Callable[[bytes], bytes]
) -> None:
    """Whatever was there and is other now makes another epoch, which is the same for everybody who asks."""
    first = remembered(source, cache)
    messages.write_bytes(rewrite(messages.read_bytes()))
    asked = epoch_of(source, cache)

    assert asked != first
    assert asked == remembered(source, cache) == remembered(source, cache)


def test_epoch_never_comes_back(source: SessionSource, messages: Path, cache: Path) -> None:
    """A file that is rewritten and restored has a third epoch: the clients between were told another one."""
    whole = messages.read_bytes()
    epochs = [remembered(source, cache)]
    for content in (whole.replace(b'"m1"', b'"M1"'), whole):
        messages.write_bytes(content)
        epochs.append(remembered(source, cache))

    assert len(set(epochs)) == 3


def test_whole_file_that_changes_has_another_epoch(root: Path, cache: Path) -> None:
    """A session of one JSON document is rewritten whenever it changes; all readers agree on what it is then."""
    source = native_source(write_document(root, MESSAGES))
    first = remembered(source, cache)
    unchanged = epoch_of(source, cache)
    write_document(root, [*MESSAGES, message("m3", 3)])
    changed = epoch_of(source, cache)

    assert unchanged == first
    assert changed != first
    assert epoch_of(source, cache) == changed == remembered(source, cache) == epoch_of(source, cache)


@pytest.mark.parametrize(
    "note",
    [b"", b"{", b"[]", b"null", b"{}", b'{"epoch":1,"size":2,"digest":"x"}', b'{"epoch":"a","size":"b","digest":"c"}'],
)
def test_damaged_note_is_as_good_as_none(source: SessionSource, cache: Path, note: bytes) -> None:
    """A note that cannot be read is made again."""
    first = remembered(source, cache)
    (cache / f"{source.scroll_id}.messages.epoch").write_bytes(note)

    assert remembered(source, cache) == first


def test_long_last_line_without_an_end(source: SessionSource, messages: Path, cache: Path) -> None:
    """A half-written line that is longer than what is looked at for its beginning still only grows."""
    with messages.open("ab") as file:
        file.write(b'{"message_id":"long","content_md":"' + b"x" * epoch_module.HEAD_BYTES)
    first = remembered(source, cache)
    with messages.open("ab") as file:
        file.write(b'"}\n')

    assert remembered(source, cache) == first


def test_session_that_becomes_shorter_while_it_is_noted_is_equal_to_nothing(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes a document anew may be at it just then: that there was an epoch is not forgotten."""
    source = native_source(write_document(root, MESSAGES))
    first = remembered(source, cache)
    with monkeypatch.context() as patched:
        patched.setattr(epoch_module, "_digest", lambda *_arguments: None)
        remember_epoch(source, first, cache)

    assert epoch_of(source, cache) not in (first, epoch_of(source, cache / "nowhere"))


def test_note_leaves_nothing_beside_it(source: SessionSource, cache: Path) -> None:
    """The note is written aside and moved into its place."""
    remembered(source, cache)

    assert [path.name for path in cache.iterdir()] == [f"{source.scroll_id}.messages.epoch"]
