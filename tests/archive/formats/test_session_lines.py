from pathlib import Path
from uuid import UUID

import orjson
import pytest

from archives import JsonObject, Line, at, join_lines, message, meta_event, sniffed
from scrollcast.archive.archive import Archive
from scrollcast.archive.formats.readers import owner
from scrollcast.archive.formats.session_lines import SessionLinesReader
from scrollcast.model import Session

SCROLL_ID = "0b5e55ed-0000-4000-8000-0000000000e1"
HEAD: JsonObject = {"scrollcast": 1, "metadata": {"scroll_id": SCROLL_ID, "title": "Kept", "timing": "recorded"}}


def write(folder: Path, *lines: Line, name: str = "kept.jsonl") -> Path:
    """A file of these lines."""
    path = folder / name
    path.write_bytes(join_lines(lines))
    return path


def only_session(path: Path) -> Session:
    """The one session of a file."""
    with Archive.open(path) as archive:
        (session,) = archive.sessions()
    return session


@pytest.mark.parametrize("name", ["kept.jsonl", "kept.txt", "a b"])
def test_file_is_known_by_its_first_line(tmp_path: Path, name: str) -> None:
    """Whatever it is called."""
    path = write(tmp_path, HEAD, message("m0"), name=name)

    assert isinstance(owner(sniffed(path, tmp_path)), SessionLinesReader)
    assert only_session(path).scroll_id == UUID(SCROLL_ID)


@pytest.mark.parametrize(
    "first", [{"metadata": {}}, {"scrollcasts": 1, "metadata": {}}, b'{"scrollcast":1', message("m0")]
)
def test_other_files_are_not(tmp_path: Path, first: Line) -> None:
    """A message first, or half a line."""
    path = write(tmp_path, first)

    assert not isinstance(owner(sniffed(path, tmp_path)), SessionLinesReader)


def test_first_line_tells_of_the_session(tmp_path: Path) -> None:
    """What it names itself, the rest as further metadata, and of the records what it does not say."""
    told: JsonObject = {
        **HEAD["metadata"],
        "agent": "A",
        "parent_call_id": "c7",
        "branch": "main",
        "timing": "synthetic",
    }
    session = only_session(write(tmp_path, {"scrollcast": 1, "metadata": told}, message("m0"), message("m1", 2.5)))

    assert (session.title, session.agent, session.parent_call_id) == ("Kept", "A", "c7")
    assert (session.count, session.duration_ms, session.timing) == (2, 2500, "synthetic")
    assert session.metadata == {"branch": "main"}


@pytest.mark.parametrize("metadata", [None, [], "x", {"scroll_id": "none", "timing": 3, "parent_call_id": []}])
def test_first_line_may_hold_anything(tmp_path: Path, metadata: object) -> None:
    """Then the session is known by its file's name."""
    path = write(tmp_path, {"scrollcast": 1, "metadata": metadata}, message("m0"))

    assert only_session(path).count == 1
    assert only_session(path).scroll_id == only_session(path).scroll_id


@pytest.mark.parametrize("meta", [False, True])
async def test_records_stand_in_their_order(tmp_path: Path, meta: bool) -> None:
    """Meta events among them when they are asked for; a bad line is counted."""
    path = write(tmp_path, HEAD, message("m0"), meta_event("e0", 1), b'{"oh', message("m1", 2))
    with Archive.open(path) as archive:
        index = await archive.open_index(SCROLL_ID, meta=meta)
        await index.finish()
        block = await index.read(0, index.count)
        events = [orjson.loads(block.event(seq))["event"] for seq in range(index.count)]

    found = [(event.get("message") or event["meta_event"])["id"] for event in events]
    assert found == (["m0", "e0", "m1"] if meta else ["m0", "m1"])
    assert index.skipped_lines == [4]
    assert events[0]["message"]["created_at"] == at(0)
