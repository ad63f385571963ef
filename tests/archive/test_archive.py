# ruff: noqa: ASYNC240  # a test's own loop may wait for a small file

import asyncio
import gc
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from archives import SCROLL_ID, JsonObject, join_lines, message, meta_event, write_document, write_session
from scrollcast.archive import archive as archive_module
from scrollcast.archive import index_builder
from scrollcast.archive.archive import Archive
from scrollcast.archive.index import SessionIndex
from scrollcast.archive.index_builder import IndexBuilder
from scrollcast.errors import ArchiveError, SessionNotFound
from scrollcast.model import derive_scroll_id

THREE: list[JsonObject] = [message("m0"), message("m1", 1), message("m2", 2)]


@pytest.fixture
def archive(root: Path, cache: Path) -> Iterator[Archive]:
    """An archive with one session of three messages."""
    write_session(root, THREE)
    with Archive.open(root, cache=cache) as opened:
        yield opened


@pytest.fixture
def messages(root: Path) -> Path:
    """The file of that session's messages."""
    return root / str(SCROLL_ID) / "messages.jsonl"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Holds every builder until it is opened."""
    opened = threading.Event()
    run = IndexBuilder.run

    def wait_and_run(builder: IndexBuilder) -> None:
        opened.wait(10)
        run(builder)

    monkeypatch.setattr(IndexBuilder, "run", wait_and_run)
    yield opened
    opened.set()


async def finished(archive: Archive, *, meta: bool = False) -> SessionIndex:
    """The whole index of the session."""
    index = await archive.open_index(SCROLL_ID, meta=meta)
    await index.finish()
    return index


def append(path: Path, *lines: JsonObject) -> None:
    """Add records to a file."""
    with path.open("ab") as file:
        file.write(join_lines(lines))


# --------------------------------------------------------------------------------------------------------- opening


async def test_concurrent_opens_build_once(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty viewers that open a session at once share one index, which is made once."""
    built: list[IndexBuilder] = []
    run = IndexBuilder.run

    def count_and_run(builder: IndexBuilder) -> None:
        built.append(builder)
        run(builder)

    monkeypatch.setattr(IndexBuilder, "run", count_and_run)
    indexes = await asyncio.gather(*(finished(archive) for _ in range(50)))

    assert len({id(index) for index in indexes}) == 1
    assert len(built) == 1


async def test_index_of_an_earlier_run_is_used(
    archive: Archive, root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made before a restart is not made again."""
    first = await finished(archive)
    monkeypatch.delattr(IndexBuilder, "run")
    with Archive.open(root, cache=cache) as reopened:
        index = await reopened.open_index(SCROLL_ID)

    assert (index.count, index.complete, index.epoch) == (3, True, first.epoch)


async def test_session_that_grew_has_the_same_index_and_epoch(archive: Archive, messages: Path) -> None:
    """An index is of the files as they are when it is opened: it has grown with them."""
    before = await finished(archive)
    epoch, count = before.epoch, before.count
    append(messages, message("m3", 3))
    after = await finished(archive)

    assert after is before
    assert (count, after.count, after.epoch) == (3, 4, epoch)


async def test_editions_are_two_indexes(root: Path, cache: Path) -> None:
    """With meta events and without are two indexes, and only the latter counts messages."""
    write_session(root, THREE, [meta_event("x0", 9)])
    with Archive.open(root, cache=cache) as archive:
        merged, plain = await finished(archive, meta=True), await finished(archive)
        session = archive.session(SCROLL_ID)

    assert (merged.count, plain.count) == (4, 3)
    assert (session.count, session.duration_ms) == (3, 2000)


async def test_session_that_came_since_is_found(archive: Archive, root: Path) -> None:
    """A session that is asked for by its id need not have been listed before."""
    write_session(root, THREE, scroll_id=UUID(int=5))
    index = await archive.open_index(str(UUID(int=5)))

    assert index.session.scroll_id == UUID(int=5)


async def test_changed_metadata_is_in_the_index(archive: Archive, root: Path) -> None:
    """Routing is made of the metadata as it is when the session is opened."""
    first = await finished(archive)
    path = root / str(SCROLL_ID) / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "native_session_id": "native-22"}))
    second = await finished(archive)

    assert (first.session.connector_id, second.session.connector_id) == ("native-1", "native-22")


async def test_least_used_indexes_are_let_go(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many indexes are kept open; one that was let go is opened again."""
    monkeypatch.setattr(archive_module, "KEPT_INDEXES", 2)
    ids = [UUID(int=number) for number in (1, 2, 3)]
    for scroll_id in ids:
        write_session(root, THREE, scroll_id=scroll_id)
    with Archive.open(root, cache=cache) as archive:
        first = [await archive.open_index(scroll_id) for scroll_id in ids]
        for index in first:
            await index.finish()
        again = [await archive.open_index(scroll_id) for scroll_id in reversed(ids)]

    assert [one is other for one, other in zip(first, reversed(again), strict=True)] == [False, True, True]
    assert [index.count for index in again] == [3, 3, 3]


# ------------------------------------------------------------------------------------------------- what is known


async def test_counts_are_exact_after_indexing(
    archive: Archive, root: Path, cache: Path, messages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The estimate of a large session becomes exact once it was indexed, and is so after a restart."""
    monkeypatch.setattr("scrollcast.archive.formats.native._EXACT_SUMMARY_BYTES", 0)
    monkeypatch.setattr("scrollcast.archive.formats.native._SAMPLE_BYTES", 300)
    append(messages, message("m3", 60), message("m4", 1))
    with messages.open("ab") as file:
        file.write(b"{broken\n\n")
    archive.catalogue.refresh()
    estimated = archive.session(SCROLL_ID)
    await finished(archive)
    await asyncio.to_thread(archive.close)  # the figures are learnt by the builder's thread
    exact = archive.session(SCROLL_ID)
    with Archive.open(root, cache=cache) as reopened:
        await reopened.open_index(SCROLL_ID)
        again = reopened.session(SCROLL_ID)

    assert estimated.duration_ms != 60_000
    assert (exact.count, exact.duration_ms) == (again.count, again.duration_ms) == (5, 60_000)
    assert [session.count for session in archive.sessions()] == [5]


@pytest.mark.parametrize("missing", [UUID(int=9), "no-uuid", ""])
async def test_unknown_session(archive: Archive, missing: UUID | str) -> None:
    """A session that is not there is not found, however it is asked for."""
    with pytest.raises(SessionNotFound):
        await archive.open_index(missing)
    with pytest.raises(SessionNotFound):
        archive.session(missing)


async def test_broken_session(archive: Archive, messages: Path) -> None:
    """A session that broke since it was listed is an error when it is opened, and plays again when it is mended."""
    away = messages.rename(messages.with_name("away"))
    with pytest.raises(ArchiveError, match="missing"):
        await archive.open_index(SCROLL_ID)
    away.rename(messages)

    assert (await finished(archive)).count == 3


async def test_index_that_failed_is_made_again(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was full for a while does not spoil a session for good."""

    def fail(*_arguments: object) -> None:
        raise OSError(28, "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("scrollcast.archive.event_writer._write_fully", fail)
        with pytest.raises(ArchiveError):
            await finished(archive)

    assert (await finished(archive)).count == 3


# -------------------------------------------------------------------------------------------------------- rewriting


def _same(_data: bytes) -> bytes:
    return _data


def _grown(data: bytes) -> bytes:
    return data + join_lines([message("m3", 3)])


def _changed(data: bytes) -> bytes:
    return data.replace(b'"m1"', b'"M1"')


@pytest.mark.parametrize(("rewrite", "is_other"), [(_same, False), (_grown, False), (_changed, True)])
@pytest.mark.parametrize("reopened", [False, True])
async def test_was_rewritten(
    archive: Archive,
    messages: Path,
    rewrite: Callable[[bytes], bytes],
    is_other: bool,
    reopened: bool,
) -> None:
    """Whoever plays an index is told when its session holds other events, also where somebody reopened it before."""
    index = await finished(archive)
    before = await archive.was_rewritten(index)
    messages.write_bytes(rewrite(messages.read_bytes()))
    newer = await finished(archive) if reopened else index

    assert not before
    assert await archive.was_rewritten(index) == is_other
    assert await archive.was_rewritten(newer) == (is_other and not reopened)


async def test_session_that_is_gone_was_not_rewritten(archive: Archive, messages: Path) -> None:
    """What was read of a session can be played on when its file is deleted."""
    index = await finished(archive)
    messages.unlink()
    deleted = await archive.was_rewritten(index)
    messages.parent.rename(messages.parent.with_name("away"))
    archive.catalogue.refresh()

    assert not deleted
    assert (await index.read(0, 3)).start == 0
    assert not await archive.was_rewritten(index)


@pytest.mark.parametrize(("last", "is_other"), [("m2", False), ("M2", True)])
async def test_a_document_was_rewritten_when_its_events_are_others(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, last: str, is_other: bool
) -> None:
    """One that was written anew with more in it was not; it takes reading it to know."""
    monkeypatch.setattr(archive_module, "ANEW_SECONDS", 0)
    write_document(root, THREE)
    with Archive.open(root, cache=cache) as archive:
        index = await finished(archive)
        write_document(root, [*THREE[:2], message(last, 2), message("m3", 3)])
        await archive.was_rewritten(index)
        await finished(archive)
        rewritten = await archive.was_rewritten(index)

    assert rewritten is is_other


# --------------------------------------------------------------------------------------------------------- following


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told by the system: a test tells what changed."""
    monkeypatch.setattr(Archive, "watch", lambda _archive: None)
    monkeypatch.setattr(archive_module, "ANEW_SECONDS", 0)


async def followed(archive: Archive, *, meta: bool = False) -> SessionIndex:
    """The whole index of the session, which grows from now on."""
    archive.follow(SCROLL_ID, meta=meta)
    index = await finished(archive, meta=meta)
    await archive.let_grow(index)
    await at_rest(archive)
    return index


async def at_rest(archive: Archive) -> None:
    """Wait until no thread reads on its own account."""
    async with asyncio.timeout(5):
        while archive._builders:  # noqa: ASYNC110  # nothing tells when it is over
            await asyncio.sleep(0.001)


@pytest.mark.usefixtures("unwatched")
async def test_a_followed_session_grows_when_its_file_is_told_of(archive: Archive, messages: Path) -> None:
    """Another file's change is none of its own, and one that nobody follows stays as it is."""
    index = await followed(archive)
    append(messages, message("m3", 3))
    archive.note_changes([messages.with_name("other.jsonl")])
    before = index.count
    archive.note_changes([messages])
    after = index.count
    archive.unfollow(SCROLL_ID)
    append(messages, message("m4", 4))
    archive.note_changes([messages])

    assert (before, after, index.count) == (3, 4, 4)


@pytest.mark.usefixtures("unwatched")
async def test_what_nobody_tells_of_is_noticed_all_the_same(archive: Archive, messages: Path) -> None:
    """A look now and then: some disks tell of nothing, and a folder that is made anew is not watched at once."""
    index = await followed(archive)
    append(messages, message("m3", 3))
    archive.note_rest()

    assert index.count == 4


@pytest.mark.usefixtures("unwatched")
async def test_an_index_from_the_cache_is_caught_up_with(archive: Archive, root: Path, cache: Path) -> None:
    """What changes meanwhile is looked at afterwards."""
    await finished(archive)
    messages = root / str(SCROLL_ID) / "messages.jsonl"
    with Archive.open(root, cache=cache) as reopened:
        index = await followed(reopened)
        append(messages, message("m3", 3))
        reopened.note_changes([messages])
        async with asyncio.timeout(5):
            while index.count < 4:
                await index.changed(index.openness)

    assert index.count == 4


@pytest.mark.usefixtures("unwatched")
async def test_a_rewritten_session_is_superseded_for_its_followers(archive: Archive, messages: Path) -> None:
    """The next index is of another epoch, and grows in its place."""
    index = await followed(archive)
    messages.write_bytes(_changed(messages.read_bytes()) + join_lines([message("m3", 3)]))
    archive.note_changes([messages])
    newer = await finished(archive)
    await at_rest(archive)
    append(messages, message("m4", 4))
    archive.note_changes([messages])

    assert index.superseded
    assert newer.epoch != index.epoch
    assert (index.count, newer.count) == (4, 5)


@pytest.mark.usefixtures("unwatched")
async def test_who_opens_a_session_anew_takes_its_followers_along(archive: Archive, root: Path) -> None:
    """An index that another one takes the place of is no longer added to."""
    index = await followed(archive)
    path = root / str(SCROLL_ID) / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "native_session_id": "native-22"}))
    newer = await finished(archive)

    assert newer is not index
    assert index.superseded
    assert newer.epoch != index.epoch


@pytest.mark.usefixtures("unwatched")
async def test_another_title_is_no_other_session(archive: Archive, root: Path) -> None:
    """Tools note the time of each message in the metadata: its events are the same ones."""
    index = await followed(archive)
    path = root / str(SCROLL_ID) / "session.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "title": "Another title"}))
    again = await finished(archive)

    assert again is index
    assert again.session.title == "Another title"


@pytest.mark.usefixtures("unwatched")
async def test_a_document_is_read_anew_when_it_was_written(root: Path, cache: Path) -> None:
    """The epoch stays, and while it is missing nothing is done."""
    path = write_document(root, THREE)
    with Archive.open(root, cache=cache) as archive:
        index = await followed(archive)
        path.unlink()
        archive.note_changes([path])
        missing = index.superseded
        write_document(root, [*THREE, message("m3", 3)])
        archive.note_rest()
        newer = await finished(archive)

    assert (missing, index.superseded) == (False, True)
    assert (newer.count, newer.epoch) == (4, index.epoch)


@dataclass
class SlowSettling:
    """Holds a builder whose events are all shown, and whose epoch is noted, before its index is complete."""

    is_reached: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)

    def hold(self, *_arguments: object) -> None:
        """Wait, once."""
        if not self.is_reached.is_set():
            self.is_reached.set()
            self.goes_on.wait(10)


@pytest.fixture
def slow_settling(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], SlowSettling]]:
    """Holds the builder that settles next."""
    held = SlowSettling()

    def begin() -> SlowSettling:
        monkeypatch.setattr(index_builder, "remove_older", held.hold)
        return held

    yield begin
    held.goes_on.set()


THIRTY: list[JsonObject] = [message(f"m{number}", number) for number in range(30)]


@pytest.mark.parametrize("before", [30, 0], ids=["after another", "first"])
async def test_a_document_that_changes_again_while_it_is_read_is_held_against_all_that_was_shown(
    root: Path, cache: Path, slow_settling: Callable[[], SlowSettling], before: int
) -> None:
    """A client that has events of the state in between would be told that it can go on in the last one."""
    write_document(root, THIRTY[:before])
    with Archive.open(root, cache=cache) as archive:
        if before:
            await finished(archive)
        write_document(root, [*THIRTY[:20], *(message(f"other{number}", 20 + number) for number in range(9))])
        held = slow_settling()
        between = await archive.open_index(SCROLL_ID)
        await asyncio.to_thread(held.is_reached.wait, 10)
        shown = between.count
        write_document(root, THIRTY[:10])
        opening = asyncio.create_task(archive.open_index(SCROLL_ID))
        await asyncio.sleep(0.1)
        waits = not opening.done()
        held.goes_on.set()
        after = await opening
        await after.finish()

    assert (shown, waits, after.count) == (29, True, 10)
    assert after.epoch != between.epoch


async def test_a_document_that_takes_long_to_be_read_is_given_to_all_who_come(
    root: Path, cache: Path, slow_settling: Callable[[], SlowSettling], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who opens it waits no longer for one that has changed once more; the next one has the change."""
    monkeypatch.setattr(archive_module, "PATIENCE_SECONDS", 0.1)
    write_document(root, THIRTY)
    held = slow_settling()
    with Archive.open(root, cache=cache) as archive:
        first = await archive.open_index(SCROLL_ID)
        await asyncio.to_thread(held.is_reached.wait, 10)
        write_document(root, THIRTY[:10])
        others = [await archive.open_index(SCROLL_ID) for _ in range(3)]
        held.goes_on.set()
        await first.finish()
        last = await finished(archive)

    assert others == [first, first, first]
    assert (first.count, last.count) == (30, 10)
    assert last.epoch != first.epoch


def _write_lines(root: Path, messages: list[JsonObject]) -> Path:
    shutil.rmtree(root / str(SCROLL_ID), ignore_errors=True)
    return write_session(root, messages)


def _others(name: str) -> list[JsonObject]:
    return [THIRTY[0], *(message(f"{name}{number}", number) for number in range(1, 25))]


@pytest.mark.parametrize(
    ("write", "first", "failed", "last"),
    [
        (write_document, THIRTY[:5], THIRTY, THIRTY[:6]),
        (write_document, THIRTY, THIRTY[:10], THIRTY[:20]),
        (write_document, THIRTY[:5], _others("a"), [*_others("a")[:10], *_others("b")[10:]]),
        (_write_lines, THIRTY[:5], _others("a"), _others("b")),
    ],
    ids=["it had more", "it had less", "it was another", "lines"],
)
async def test_what_was_shown_before_a_reading_failed_is_not_forgotten(
    root: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path, list[JsonObject]], Path],
    first: list[JsonObject],
    failed: list[JsonObject],
    last: list[JsonObject],
) -> None:
    """The next state is held against what the failed one showed, or against the one before where that had more."""

    def fail(_builder: IndexBuilder) -> None:
        raise OSError("the disk is full")

    write(root, first)
    with Archive.open(root, cache=cache) as archive:
        epochs = {(await finished(archive)).epoch}
        write(root, failed)
        with monkeypatch.context() as patched:
            patched.setattr(IndexBuilder, "_verify_end", fail)  # all of it is shown by then
            index = await archive.open_index(SCROLL_ID)
            with pytest.raises(ArchiveError):
                await index.finish()
        epochs.add(index.epoch)
        write(root, last)
        after = await finished(archive)

    assert (index.count, after.count) == (len(failed), len(last))
    assert after.epoch not in epochs


async def test_lines_that_differ_behind_what_was_noted_are_held_against_all_that_was_shown(
    archive: Archive, messages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note of an epoch is of what the session was when it was read; it has grown since."""

    def fail(_builder: IndexBuilder) -> None:
        raise OSError("the disk is full")

    first = await finished(archive)
    append(messages, *THIRTY[3:20])
    grown = await finished(archive)
    messages.write_bytes(join_lines([*THREE, *THIRTY[3:8], *_others("a")[8:]]))
    with monkeypatch.context() as patched:
        patched.setattr(IndexBuilder, "_verify_end", fail)
        failed = await archive.open_index(SCROLL_ID)
        with pytest.raises(ArchiveError):
            await failed.finish()
    again = await finished(archive)
    messages.write_bytes(join_lines([*THREE, *THIRTY[3:8], *_others("a")[8:20], *_others("b")[20:]]))
    last = await finished(archive)

    assert (grown, first.count, failed.count) == (first, 20, 25)
    assert failed.epoch != first.epoch
    assert again.epoch == failed.epoch
    assert last.epoch not in (first.epoch, failed.epoch)


async def test_what_another_process_has_read_meanwhile_counts_too(root: Path, cache: Path) -> None:
    """Its clients may come to this one."""
    write_document(root, THIRTY[:10])
    with Archive.open(root, cache=cache) as one, Archive.open(root, cache=cache) as other:
        first = await finished(one)
        await finished(other)
        write_document(root, THIRTY[:20])
        theirs = await finished(other)
        write_document(root, [*THIRTY[:10], *_others("b")[10:]])
        last = await finished(one)

    assert theirs.epoch == first.epoch
    assert last.epoch != first.epoch


def _write_in_tree(storage: Path, first: int, stop: int) -> None:
    """Messages of an OpenCode session that lies in a file for each, and one for what it says."""
    for number in range(first, stop):
        at = {"created": 1_772_462_000_000 + number}
        said = {"id": f"prt_{number:04}", "sessionID": "ses_1", "messageID": f"msg_{number:04}", "type": "text"}
        for path, content in (
            ("session/prj_1/ses_1.json", {"id": "ses_1", "projectID": "prj_1", "directory": "/", "time": at}),
            (f"part/msg_{number:04}/prt_{number:04}.json", {**said, "text": str(number)}),
            (
                f"message/ses_1/msg_{number:04}.json",
                {"id": f"msg_{number:04}", "role": "user", "sessionID": "ses_1", "time": at},
            ),
        ):
            place = storage / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(content))


@pytest.mark.usefixtures("unwatched")
async def test_a_long_tree_of_files_is_read_on_when_it_grows(root: Path, cache: Path) -> None:
    """Only its last files are looked at; those before them are not gone."""
    scroll_id = derive_scroll_id("opencode", "ses_1")
    _write_in_tree(root / "storage", 0, 12)
    with Archive.open(root / "storage", cache=cache) as archive:
        archive.follow(scroll_id)
        index = await archive.open_index(scroll_id)
        await index.finish()
        await at_rest(archive)
        _write_in_tree(root / "storage", 12, 13)
        async with asyncio.timeout(5):
            while not index.superseded:  # not at once: reading it anew is to take a quarter of one core at most
                await asyncio.sleep(0.01)
                archive.note_rest()
        newer = await archive.open_index(scroll_id)
        await newer.finish()

    assert (index.count, newer.count) == (12, 13)
    assert newer.epoch == index.epoch


@pytest.mark.usefixtures("unwatched")
async def test_a_document_that_is_half_written_does_not_lose_its_epoch(root: Path, cache: Path) -> None:
    """What is compared is the last state that could be read."""
    path = write_document(root, THREE)
    with Archive.open(root, cache=cache) as archive:
        index = await followed(archive)
        whole = path.read_bytes()
        path.write_bytes(whole[:-9])
        archive.note_changes([path])
        with pytest.raises(ArchiveError):
            await finished(archive)
        path.write_bytes(whole)
        again = await finished(archive)

    assert (again.epoch, again.count) == (index.epoch, 3)


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("follows", [False, True])
async def test_an_unended_line_is_given_to_who_opens_a_session_that_nobody_follows(
    archive: Archive, messages: Path, follows: bool
) -> None:
    """Who follows it waits for its end; a replay that ends has what a first reading gives."""
    index = await (followed(archive) if follows else finished(archive))
    append(messages, message("m3", 3))
    with messages.open("ab") as file:
        file.write(join_lines([message("m4", 4)])[:-1])
    again = await finished(archive)

    assert again is index
    assert again.count == (4 if follows else 5)


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("follows", [False, True])
async def test_a_session_that_is_gone_is_not_opened(archive: Archive, messages: Path, follows: bool) -> None:
    """Though it could be played from memory; who follows it is not disturbed."""
    index = await (followed(archive) if follows else finished(archive))
    messages.unlink()
    archive.note_changes([messages])
    with pytest.raises(ArchiveError, match="missing"):
        await finished(archive)

    assert not index.superseded


@pytest.mark.usefixtures("unwatched")
async def test_files_are_let_go_when_nobody_follows_an_old_session(
    archive: Archive, root: Path, open_files: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A young one is expected to grow; it is held open with a few others, and can be followed again."""
    await followed(archive)
    archive.unfollow(SCROLL_ID)
    young = open_files(root)
    monkeypatch.setattr(archive_module, "FORGET_SECONDS", -1.0)
    index = await followed(archive)
    during = open_files(root)
    archive.unfollow(SCROLL_ID)
    after = open_files(root)
    again = await followed(archive)

    assert (young, during, after) == (1, 1, 0)
    assert again is index


async def test_files_of_many_sessions_are_not_all_held(
    root: Path, cache: Path, open_files: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are opened one after the other."""
    monkeypatch.setattr(archive_module, "KEPT_GROWING", 2)
    ids = [UUID(int=number) for number in range(1, 7)]
    for scroll_id in ids:
        write_session(root, THREE, scroll_id=scroll_id)
    with Archive.open(root, cache=cache) as archive:
        for scroll_id in ids:
            await (await archive.open_index(scroll_id)).finish()
        held = open_files(root)

    assert held <= 3
    assert open_files(root) == 0


@pytest.mark.usefixtures("unwatched")
async def test_cancelled_following_leaves_nothing(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that goes while the watching begins is not counted for ever."""
    begun, go_on = threading.Event(), threading.Event()
    changes: list[int] = []
    count_follower = Archive._count_follower

    def count(archive: Archive, key: Any, change: int) -> None:
        changes.append(change)
        count_follower(archive, key, change)

    monkeypatch.setattr(Archive, "_count_follower", count)

    def wait(_archive: Archive) -> None:
        begun.set()
        assert go_on.wait(10)

    monkeypatch.setattr(Archive, "watch", wait)

    async def follow() -> None:
        async with archive.following(SCROLL_ID):
            raise AssertionError("it was cancelled before")

    following = asyncio.create_task(follow())
    await asyncio.to_thread(begun.wait, 10)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    go_on.set()
    async with asyncio.timeout(5):
        while len(changes) < 2:  # noqa: ASYNC110  # nothing tells when it is over
            await asyncio.sleep(0.001)

    assert changes == [1, -1]
    assert archive._followed == {}


async def test_following_an_unknown_session(archive: Archive) -> None:
    """There is nothing to follow."""
    with pytest.raises(SessionNotFound):
        async with archive.following(UUID(int=9)):
            pass

    assert archive._followed == {}


async def test_closed_archive_watches_no_more(archive: Archive) -> None:
    """Who comes too late to follow is told."""
    archive.close()

    with pytest.raises(ArchiveError, match="stopping"):
        archive.follow(SCROLL_ID)


@pytest.mark.usefixtures("unwatched")
async def test_sessions_are_opened_while_others_change(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that open, follow and look after sessions do not get into each other's way."""
    monkeypatch.setattr(archive_module, "KEPT_INDEXES", 3)
    monkeypatch.setattr(archive_module, "KEPT_GROWING", 1)
    ids = [UUID(int=number) for number in range(1, 13)]
    files = [write_session(root, THREE, scroll_id=scroll_id) / "messages.jsonl" for scroll_id in ids]
    problems: list[Exception] = []
    stop = threading.Event()

    def tell(archive: Archive) -> None:
        while not stop.is_set():
            try:
                archive.note_changes(files)
                archive.note_rest()
            except Exception as problem:
                problems.append(problem)

    async def watch(archive: Archive, scroll_id: UUID, path: Path) -> int:
        async with archive.following(scroll_id):
            index = await archive.open_index(scroll_id)
            await archive.let_grow(index)
            for number in range(3, 6):
                await asyncio.to_thread(append, path, message(f"m{number}", number))
            await index.reach(2)
            while index.count < 6:
                await index.changed(index.openness)
            return index.count

    with Archive.open(root, cache=cache) as archive:
        telling = threading.Thread(target=tell, args=(archive,))
        telling.start()
        async with asyncio.timeout(20):
            counts = await asyncio.gather(*map(watch, [archive] * 12, ids, files))
        stop.set()
        telling.join()

    assert problems == []
    assert counts == [6] * 12


# ----------------------------------------------------------------------------------------------------------- closing


async def test_closing_fails_whoever_still_waits(root: Path, cache: Path, gate: threading.Event) -> None:
    """Sessions that are being read, and those that wait for their turn, end with an `ArchiveError`."""
    ids = [UUID(int=number) for number in range(1, 6)]
    for scroll_id in ids:
        write_session(root, THREE, scroll_id=scroll_id)
    archive = Archive.open(root, cache=cache)
    indexes = [await archive.open_index(scroll_id) for scroll_id in ids]
    waiting = [asyncio.create_task(index.finish()) for index in indexes]
    closing = asyncio.create_task(asyncio.to_thread(archive.close))
    await asyncio.sleep(0.01)
    gate.set()
    await closing
    results: list[Any] = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)

    assert [str(result) for result in results] == ["the server is stopping"] * len(ids)
    assert all(isinstance(result, ArchiveError) for result in results)
    assert [path.name for path in cache.iterdir() if not path.name.startswith("catalogue")] == []


async def test_closed_archive_reads_no_more(archive: Archive) -> None:
    """A session that is opened too late is an `ArchiveError`; closing twice is closing."""
    archive.close()
    archive.close()

    with pytest.raises(ArchiveError, match="stopping"):
        await archive.open_index(SCROLL_ID)


async def test_temporary_cache_goes_with_the_archive(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a cache folder nothing stays behind: not of a closed archive, a forgotten one, or one never opened."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    write_session(root, THREE)
    with Archive.open(root) as archive:
        index = await finished(archive)
        during = len(list(temporary.iterdir()))
    forgotten = Archive.open(root)
    del forgotten
    with pytest.raises(ArchiveError):
        Archive.open(tmp_path / "nothing")
    gc.collect()

    assert during == 1
    assert list(temporary.iterdir()) == []
    assert index.count == 3


async def test_nothing_is_held_after_closing(root: Path, cache: Path, open_files: Callable[[Path], int]) -> None:
    """File descriptors and mappings go with the archive and the last stream."""
    write_session(root, THREE)
    archive = Archive.open(root, cache=cache)
    index: SessionIndex | None = await finished(archive)
    archive.close()
    held = open_files(cache)
    index = None
    await asyncio.sleep(0)  # the step of this task that brought the index refers to it

    assert index is None
    assert held > 0
    assert open_files(cache) == 0
    assert open_files(root) == 0


def test_cache_that_cannot_be_made(root: Path, tmp_path: Path) -> None:
    """A cache folder in a place where none can be is an `ArchiveError`."""
    (tmp_path / "file").touch()

    with pytest.raises(ArchiveError, match="cache"):
        Archive.open(root, cache=tmp_path / "file" / "cache")


def test_archive_is_never_written_to(root: Path, cache: Path) -> None:
    """Playing leaves the archive as it was."""
    write_session(root, THREE)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    with Archive.open(root, cache=cache) as archive:
        asyncio.run(finished(archive))

    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
