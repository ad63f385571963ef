"""What every format reader must keep, over all sessions of its format among our fixtures.

A new reader is covered as soon as it stands in `READERS` and a session of its format lies in one of `FOLDERS`.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrollcast.archive.catalogue import Catalogue
from scrollcast.archive.encoding import EventEncoder, TimedRecord, time_records
from scrollcast.archive.formats import FormatReader, SessionSource
from scrollcast.archive.formats.readers import READERS, sniff
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, Record, parse_part

ROOT = Path(__file__).parents[3]
FOLDERS = (ROOT / "archive_fixtures", ROOT / "tests" / "fixtures")


def _sources() -> list[SessionSource]:
    catalogue = Catalogue([folder for folder in FOLDERS if folder.is_dir()])
    catalogue.refresh()
    entries = [catalogue.entry(session.scroll_id) for session in catalogue.sessions()]
    return sorted((entry.source for entry in entries), key=lambda source: str(source.path))


SOURCES = _sources()
every_session = pytest.mark.parametrize(
    "source", SOURCES, ids=[f"{source.reader.name}-{source.path.stem}" for source in SOURCES]
)


def read(source: SessionSource, *, meta: bool) -> list[Record | BadRecord]:
    """All items of a session, the meta events that lie apart behind the others."""
    items = list(source.reader.records(source, meta=meta))
    apart: Iterator[Record | BadRecord] | None = source.reader.meta_events(source) if meta else None
    return [*items, *(apart or ())]


def records_of(source: SessionSource, *, meta: bool) -> list[Record]:
    """The same without bad records."""
    return [item for item in read(source, meta=meta) if isinstance(item, Record)]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_reader_has_a_session_here(reader: FormatReader) -> None:
    """No reader is left out of this contract, and each has a name of its own that fits into an id."""
    assert any(source.reader is reader for source in SOURCES)
    assert [other.name for other in READERS].count(reader.name) == 1
    assert re.fullmatch(r"[a-z][a-z0-9-]*", reader.name)


@every_session
def test_location_is_always_the_same(source: SessionSource) -> None:
    """A session found again has the same id, and its files lie within its root."""
    catalogue = Catalogue([source.path])
    catalogue.refresh()
    files = source.reader.files(source)

    assert [session.scroll_id for session in catalogue.sessions()] == [source.scroll_id]
    assert files[0].is_file()
    assert all(path.is_relative_to(source.root) for path in files)


@every_session
def test_summary_agrees_with_the_records(source: SessionSource) -> None:
    """The summary is of this session, and its count is that of the messages."""
    session = source.reader.summarise(source)

    assert session.scroll_id == source.scroll_id
    assert session.error is None
    assert session.count == len(records_of(source, meta=False))
    orjson.dumps(session)


@every_session
def test_reading_twice_gives_the_same(source: SessionSource) -> None:
    """Records do not depend on what was read before, so that sequence numbers stay."""
    assert read(source, meta=False) == read(source, meta=False)
    assert read(source, meta=True) == read(source, meta=True)


@every_session
def test_meta_events_come_only_when_asked_for(source: SessionSource) -> None:
    """Without meta events there are messages only; with them the same messages in the same order."""
    messages = records_of(source, meta=False)
    everything = records_of(source, meta=True)

    assert not any(record.is_meta for record in messages)
    assert [record for record in everything if not record.is_meta] == messages


@every_session
def test_records_are_of_the_protocol(source: SessionSource) -> None:
    """Each message has an id of its own, a role, and parts that parse as they are."""
    messages = records_of(source, meta=False)

    assert len({record.id for record in messages}) == len(messages)
    assert all(record.id and record.role for record in messages)
    assert all(parse_part(part) == part for record in messages for part in record.content)


@every_session
def test_records_become_events(source: SessionSource) -> None:
    """Whatever a session holds can be sent, in times that never decrease."""
    encoder = EventEncoder(source.reader.summarise(source))
    timed = time_records(records_of(source, meta=True), "1970-01-01T00:00:00Z")
    events = [encoder.encode(seq, item) for seq, item in enumerate(timed) if isinstance(item, TimedRecord)]

    assert all(orjson.loads(event.data)["seq"] == seq for seq, event in enumerate(events))
    assert all(earlier.t_ms <= later.t_ms for earlier, later in pairwise(events))


@every_session
def test_reading_that_stops_holds_no_file(source: SessionSource, open_files: Callable[[Path], int]) -> None:
    """A reader that is left in the middle closes its files, and so does one that was read to the end."""
    records = source.reader.records(source, meta=True)
    next(records, None)
    del records
    read(source, meta=True)

    assert open_files(source.root) == 0


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_damaged_sessions_raise_nothing_else(tmp_path: Path, reader: FormatReader, data: st.DataObject) -> None:
    """Whatever becomes of a session's bytes, a reader gives records and bad records, or an `ArchiveError`."""
    small = [source for source in SOURCES if source.reader is reader and _size(source) < 20_000]
    source = data.draw(st.sampled_from(small or [source for source in SOURCES if source.reader is reader]))
    original = data.draw(st.sampled_from([path for path in source.reader.files(source) if path.is_file()]))
    folder = tmp_path / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    _copy(source, folder)
    damaged = folder / original.relative_to(source.root)
    content = original.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    stop = data.draw(st.integers(start, min(len(content), start + 40)))
    junk = data.draw(st.sampled_from([b"", b"\xff\xfe", b"\0", b"null", b"7", b"[]", b"{}", b'"x"', b"\n", b"\\ud83d"]))
    damaged.write_bytes(content[:start] + junk + content[stop:])
    path = folder / source.path.relative_to(source.root)
    copy = SessionSource(source.scroll_id, reader, path, folder)

    for attempt in (
        lambda: orjson.dumps(reader.summarise(copy)),
        lambda: [orjson.dumps([record.content, record.metadata]) for record in records_of(copy, meta=False)],
        lambda: [orjson.dumps(record.payload) for record in records_of(copy, meta=True)],
    ):
        with suppress(ArchiveError):
            attempt()
    if damaged.stat().st_size:
        reader.claims(sniff(damaged, folder, damaged.stat().st_size))


def _size(source: SessionSource) -> int:
    return sum(path.stat().st_size for path in source.reader.files(source) if path.is_file())


def _copy(source: SessionSource, folder: Path) -> None:
    for path in source.reader.files(source):
        if path.is_file():
            copy = folder / path.relative_to(source.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
