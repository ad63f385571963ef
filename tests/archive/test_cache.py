import os
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from archives import SCROLL_ID, message, native_source, write_session
from scrollcast.archive import cache as cache_module
from scrollcast.archive.cache import ABANDONED_SECONDS, MAKING_PREFIX, Fingerprint, index_place, load_index, prune
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.index import EVENTS_FILE, HEADER_FILE, MARKERS_FILE, TABLES, SessionIndex
from scrollcast.archive.index_builder import IndexBuilder
from scrollcast.model import Session

SESSION = Session(SCROLL_ID)
FILES = (*TABLES, EVENTS_FILE, MARKERS_FILE)


@pytest.fixture
def source(root: Path) -> SessionSource:
    """A session with something in each table."""
    call = {"type": "tool_call", "call_id": "c1", "name": "Bash"}
    failed = {"type": "tool_result", "call_id": "c1", "output": [], "is_error": True}
    messages = [message("m0"), message("m1", 9, "assistant", content_parts=[call, failed])]
    return native_source(write_session(root, messages))


@pytest.fixture
def place(source: SessionSource, cache: Path) -> Path:
    """Where its finished index lies."""
    build(source, cache)
    return index_place(cache, SESSION, Fingerprint.of(source), meta=False)


def build(source: SessionSource, cache: Path) -> None:
    """Make a session's index."""
    IndexBuilder(source, SESSION, Fingerprint.of(source), cache, meta=False).run()


def load(source: SessionSource, cache: Path) -> SessionIndex | None:
    """The index that was made of a session as it is now."""
    return load_index(SESSION, Fingerprint.of(source), cache, meta=False)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [os.unlink, lambda path: os.truncate(path, 0), lambda path: path.write_bytes(b"x")])
def test_damaged_file_is_made_anew(
    source: SessionSource, cache: Path, place: Path, name: str, damage: Callable[[Path], object]
) -> None:
    """An index with a file that is missing, empty or cut is not used, and does not stand in the way of a good one."""
    whole = (place / name).read_bytes()
    damage(place / name)
    damaged = load(source, cache)
    build(source, cache)

    assert damaged is None
    assert load(source, cache) is not None
    assert (place / name).read_bytes() == whole


@pytest.mark.parametrize(
    "header", [b"", b"{", b"[]", b"null", b"7", b"{}", b'{"sizes":[]}', b'{"epoch":"e","sizes":{}}']
)
def test_damaged_header_is_made_anew(source: SessionSource, cache: Path, place: Path, header: bytes) -> None:
    """An index whose header says nothing is not used."""
    (place / HEADER_FILE).write_bytes(header)
    damaged = load(source, cache)
    build(source, cache)

    assert damaged is None
    assert load(source, cache) is not None


def test_damaged_index_leaves_no_file_open(
    source: SessionSource, cache: Path, place: Path, open_files: Callable[[Path], int]
) -> None:
    """An index that is refused half-way is closed."""
    header = orjson.loads((place / HEADER_FILE).read_bytes())
    del header["count"]
    (place / HEADER_FILE).write_bytes(orjson.dumps(header))

    assert load(source, cache) is None
    assert open_files(cache) == 0


def test_index_belongs_to_the_files_as_they_were(source: SessionSource, cache: Path, place: Path) -> None:
    """A change of any of the session's files, or of the version, asks for another index."""
    as_they_were = Fingerprint.of(source).key
    (source.path / "meta_events.jsonl").touch()
    with_meta_events = Fingerprint.of(source).key
    os.utime(source.path / "session.json", ns=(0, 1))

    assert len({as_they_were, with_meta_events, Fingerprint.of(source).key}) == 3
    assert place.name.endswith(as_they_were)
    assert load(source, cache) is None


def test_version_asks_for_another_index(
    source: SessionSource, cache: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an older version made is not used."""
    monkeypatch.setattr(cache_module, "INDEX_VERSION", cache_module.INDEX_VERSION + 1)

    assert place.is_dir()
    assert load(source, cache) is None


def folder_of(cache: Path, name: str, size: int, age_seconds: float) -> Path:
    """A folder in the cache with a file of this size."""
    folder = cache / name
    folder.mkdir()
    (folder / EVENTS_FILE).write_bytes(b"x" * size)
    made = time.time() - age_seconds
    os.utime(folder, (made, made))
    return folder


def index_name(number: int) -> str:
    """The name of an index's folder."""
    return f"{UUID(int=number)}.messages.0123abcd"


def test_oldest_indexes_go_first(cache: Path) -> None:
    """Over the limit the indexes that were made longest ago are deleted, and no more of them than need be."""
    for age in (3, 1, 2):
        folder_of(cache, index_name(age), 100, age)
    (cache / "some.epoch").write_bytes(b"{}")
    (cache / "catalogue").mkdir()
    prune(cache, 200)

    assert {path.name for path in cache.iterdir()} == {index_name(1), index_name(2), "some.epoch", "catalogue"}


def test_abandoned_folders_go(cache: Path) -> None:
    """A folder that was begun a day ago goes, a fresh one may still be worked on."""
    old = folder_of(cache, f"{MAKING_PREFIX}old", 1, ABANDONED_SECONDS + 60)
    fresh = folder_of(cache, f"{MAKING_PREFIX}fresh", 1, 60)
    prune(cache, 1 << 30)

    assert not old.exists()
    assert fresh.exists()


def test_cache_that_is_not_there_needs_no_pruning(tmp_path: Path) -> None:
    """Nothing is done, and nothing is made, where there is no cache."""
    prune(tmp_path / "nothing", 0)

    assert list(tmp_path.iterdir()) == []


def test_folder_that_goes_away_meanwhile_is_passed_over(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that prunes at the same time is no error."""
    one = folder_of(cache, index_name(1), 100, 1)
    gone = folder_of(cache, index_name(2), 100, 2)
    iterdir = Path.iterdir

    def vanish(path: Path) -> object:
        if path == gone:
            raise FileNotFoundError(2, "no such file", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", vanish)
    prune(cache, 0)

    assert not one.exists()
