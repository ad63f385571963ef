"""What every format reader must keep, over all sessions of its format among our fixtures.

A new reader is covered as soon as it stands in `READERS` and a session of its format lies in one of `FOLDERS`.
"""

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrollcast.archive.catalogue import Catalogue
from scrollcast.archive.encoding import EventEncoder, TimedRecord, time_records
from scrollcast.archive.formats import Decoder, FormatReader, Item, Revised, SessionSource
from scrollcast.archive.formats.readers import READERS, sniff
from scrollcast.archive.storage import Line, read_lines
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, Record, parse_part

ROOT = Path(__file__).parents[3]
FOLDERS = (ROOT / "archive_fixtures", ROOT / "tests" / "fixtures")

EXACT_SUMMARY_BYTES = 32 << 10
"""Up to this size a summary's count is exact."""

CUTS = 5
"""At so many places a file is cut to see what is read of its beginning."""


def _sources() -> list[SessionSource]:
    catalogue = Catalogue([folder for folder in FOLDERS if folder.is_dir()])
    catalogue.refresh()
    entries = [catalogue.entry(session.scroll_id) for session in catalogue.sessions()]
    return sorted((entry.source for entry in entries), key=lambda source: str(source.path))


SOURCES = _sources()
every_session = pytest.mark.parametrize(
    "source",
    SOURCES,
    ids=[f"{source.reader.name}-{source.path.stem}{source.member and f'-{source.member}'}" for source in SOURCES],
)
with_and_without_meta = pytest.mark.parametrize("meta", [False, True], ids=["messages", "with meta"])


def read(source: SessionSource, *, meta: bool) -> list[Item]:
    """All items of a session, the meta events that lie apart behind the others."""
    items = list(source.reader.records(source, meta=meta))
    apart = source.reader.meta_events(source) if meta else None
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

    assert source.scroll_id in {session.scroll_id for session in catalogue.sessions()}
    assert files[0].exists()
    assert all(path.is_relative_to(source.root) for path in files)


@every_session
def test_no_other_reader_claims_it(source: SessionSource) -> None:
    """A session's files are claimed by its own reader or by none, whichever is asked first."""
    files = [path for path in source.reader.files(source) if path.is_file()]
    sniffed = [sniff(path, source.root, path.stat().st_size) for path in files]

    assert {reader.name for reader in READERS for file in sniffed if reader.claims(file)} <= {source.reader.name}


@every_session
def test_summary_agrees_with_the_records(source: SessionSource) -> None:
    """The summary is of this session, and its count is that of the messages, nearly so for a large one."""
    session = source.reader.summarise(source)
    count = len(records_of(source, meta=False))

    assert session.scroll_id == source.scroll_id
    assert session.error is None
    assert session.count == (count if _size(source) <= EXACT_SUMMARY_BYTES else pytest.approx(count, rel=0.3))
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
@with_and_without_meta
def test_what_was_given_stays(tmp_path: Path, source: SessionSource, meta: bool) -> None:
    """What is read of the beginning of a growing file is how all of it begins, or is said to be revised."""
    copy = _copy(source, tmp_path / "copy")
    path = source.reader.files(copy)[0]
    if source.reader.decoder(copy, meta=meta) is None:
        return
    lines, content = list(read_lines(path, copy.root)), path.read_bytes()
    whole = list(source.reader.records(copy, meta=meta))
    for cut in sorted({1 + len(lines) * place // CUTS for place in range(CUTS)}):
        path.write_bytes(b"".join((line.data or b"") + b"\n" for line in lines[:cut]))
        decoder = source.reader.decoder(copy, meta=meta)
        assert decoder is not None
        given = _feed(decoder, lines[:cut])
        assert not any(isinstance(item, Revised) for item in given), "what stands in the file is known beforehand"
        path.write_bytes(content)
        rest = _feed(decoder, lines[cut:])
        if not any(isinstance(item, Revised) for item in rest):
            assert [*given, *rest, *decoder.pending()] == whole


def _feed(decoder: Decoder, lines: Iterable[Line]) -> list[Item | Revised]:
    """What lines give, with a look at what is held back after each, which is to change nothing."""
    items: list[Item | Revised] = []
    for line in lines:
        items.extend(decoder.feed(line))
        assert list(decoder.pending()) == list(decoder.pending())
    return items


@every_session
def test_reading_that_stops_holds_no_file(source: SessionSource, open_files: Callable[[Path], int]) -> None:
    """A reader that is left in the middle closes its files, and so does one that was read to the end."""
    records = source.reader.records(source, meta=True)
    next(records, None)
    del records
    read(source, meta=True)

    assert open_files(source.root) == 0


# -------------------------------------------------------------------------------------------------------- damage

every_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
examples = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@every_reader
@given(data=st.data())
@examples
def test_damaged_sessions_raise_nothing_else(tmp_path: Path, reader: FormatReader, data: st.DataObject) -> None:
    """Whatever becomes of a session's bytes, a reader gives records and bad records, or an `ArchiveError`."""
    source = _draw_source(reader, data)
    original = data.draw(st.sampled_from([path for path in reader.files(source) if path.is_file()]))
    copy = _copy(source, tmp_path / "damaged")
    damaged = copy.root / original.relative_to(source.root)
    content = original.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    stop = data.draw(st.integers(start, min(len(content), start + 40)))
    junk = data.draw(st.sampled_from([b"", b"\xff\xfe", b"\0", b"null", b"7", b"[]", b"{}", b'"x"', b"\n", b"\\ud83d"]))
    damaged.write_bytes(content[:start] + junk + content[stop:])

    for attempt in (
        lambda: orjson.dumps(reader.summarise(copy)),
        lambda: [orjson.dumps([record.content, record.metadata]) for record in records_of(copy, meta=False)],
        lambda: [orjson.dumps(record.payload) for record in records_of(copy, meta=True)],
    ):
        with suppress(ArchiveError):
            attempt()
    with suppress(ArchiveError):  # a packed file may be damaged from its beginning
        reader.claims(sniff(damaged, copy.root, damaged.stat().st_size))


ODD_VALUES = st.sampled_from([None, True, 7, -1.5, 1 << 63, "", "x", "\0", [], ["x"], [None], {}, {"type": "text"}])


@every_reader
@given(data=st.data())
@examples
def test_strange_lines_raise_nothing(tmp_path: Path, reader: FormatReader, data: st.DataObject) -> None:
    """Whatever lines are appended to a session, each gives records, bad records or nothing, in any order."""
    copy = _copy(_draw_source(reader, data), tmp_path / "strange")
    decoder = reader.decoder(copy, meta=data.draw(st.booleans()))
    if decoder is None:
        return
    lines = [line.data or b"" for line in read_lines(reader.files(copy)[0], copy.root)]
    for number in range(1, 8):
        line = data.draw(st.binary(max_size=40) | st.sampled_from(lines or [b""]).flatmap(_altered))
        for item in [*decoder.feed(Line(number, line, ended=data.draw(st.booleans()))), *decoder.pending()]:
            if isinstance(item, Record):
                assert all(parse_part(part) == part for part in item.content)
                orjson.dumps([item.id, item.content, item.metadata, item.payload])
    assert any(isinstance(item, BadRecord) for item in [*decoder.feed(Line(8, None, ended=True)), *decoder.pending()])


def _altered(line: bytes) -> st.SearchStrategy[bytes]:
    """A line as it is, cut short, or with one of its values another one."""
    places = st.integers(0, len(line))
    altered = [st.just(line), places.map(lambda end: line[:end])]
    with suppress(ValueError):
        value = orjson.loads(line)
        if paths := list(_paths(value)):
            altered.append(st.builds(lambda path, odd: _with(value, path, odd), st.sampled_from(paths), ODD_VALUES))
    return st.one_of(altered)


def _paths(value: Any) -> Iterable[tuple[Any, ...]]:
    """Where each value inside a JSON value stands."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (key,)
        yield from ((key, *path) for path in _paths(inner))


def _with(value: Any, path: Sequence[Any], odd: object) -> bytes:
    """A JSON value with another one at a place in it."""
    copy = orjson.loads(orjson.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = odd
    return orjson.dumps(copy)


def _draw_source(reader: FormatReader, data: st.DataObject) -> SessionSource:
    own = [source for source in SOURCES if source.reader is reader]
    return data.draw(st.sampled_from([source for source in own if _size(source) < 20_000] or own))


def _size(source: SessionSource) -> int:
    return sum(path.stat().st_size for path in source.reader.files(source) if path.is_file())


def _copy(source: SessionSource, folder: Path) -> SessionSource:
    """The session in a copy of its files, which is all that there is in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in source.reader.files(source):
        place = folder / path.relative_to(source.root)
        if path.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        elif path.is_dir():
            shutil.copytree(path, place, dirs_exist_ok=True)
    return replace(source, path=folder / source.path.relative_to(source.root), root=folder)
