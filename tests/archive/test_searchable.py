import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archives import SCROLL_ID, ScriptedReader, at, scripted_source
from scrollcast.archive.cache import Fingerprint
from scrollcast.archive.catalogue import Catalogue
from scrollcast.archive.encoding import TimedRecord, time_records
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.index_builder import IndexBuilder
from scrollcast.archive.search import SearchIndex
from scrollcast.archive.searchable import MAX_EVENT_CHARACTERS, EventText, event_texts, index_text, searchable
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, Part, Record, Session

FIXTURES = Path(__file__).parents[2] / "archive_fixtures"


def texts_of(*parts: Part) -> list[tuple[str, str]]:
    """What is searched of a message of these parts."""
    return searchable(Record("m", None, content=parts))


def text_of(text: str) -> str:
    """What is searched of a message that says just this."""
    return "".join(found for _, found in texts_of({"type": "text", "text": text}))


# --------------------------------------------------------------------------------------------------------- parts


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": " high tide\n"}, "high tide"),
        ({"type": "thinking", "text": "so it rises"}, "so it rises"),
        ({"type": "code", "language": "rust", "text": "fn main() {}"}, "fn main() {}"),
        (
            {
                "type": "tool_call",
                "call_id": "c",
                "name": "Bash",
                "title": "List it",
                "input": {"command": "ls", "env": {"A": "one", "B": ["two", 3, None, True]}, "last": "three"},
            },
            "Bash\nList it\nls\none\ntwo\nthree",
        ),
        ({"type": "tool_call", "call_id": None, "name": "ls", "title": "ls", "input": "-l"}, "ls\n-l"),
        ({"type": "tool_call", "call_id": None, "name": "ls"}, "ls"),
        (
            {
                "type": "tool_result",
                "call_id": "c",
                "is_error": False,
                "output": [
                    {"type": "text", "text": "first"},
                    {"type": "image", "mime_type": "image/png", "data": "AAAA"},
                    {
                        "type": "tool_result",
                        "call_id": None,
                        "is_error": True,
                        "output": [{"type": "text", "text": "in"}],
                    },
                ],
            },
            "first\nin",
        ),
        ({"type": "resource", "uri": "file:///tide.md", "text": "# Tides"}, "file:///tide.md\n# Tides"),
        ({"type": "resource", "uri": "file:///tide.md", "text": None}, "file:///tide.md"),
        (
            {"type": "plan", "entries": [{"content": "look", "status": None, "priority": None}, {"content": "leap"}]},
            "look\nleap",
        ),
    ],
)
def test_each_part_has_its_text(part: Part, expected: str) -> None:
    """Of each kind of part it is what a person reads; names of fields and pictures are left out."""
    assert texts_of(part) == [(part["type"], expected)]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "mime_type": "image/png", "data": "AAAA"},
        {"type": "image", "mime_type": "image/png", "uri": "data:image/png;base64,AAAA"},
        {"type": "unknown", "raw": {"secret": "text"}},
        {"type": "text", "text": " \n"},
        {"type": "tool_result", "call_id": None, "is_error": False, "output": []},
    ],
)
def test_part_without_text_has_none(part: Part) -> None:
    """Pictures, unknown parts and blanks are not searched."""
    assert texts_of(part) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[1;31mred\x1b[0m tide", "red tide"),
        ("\x1b]0;title\x07tide \x1b]8;;https://x\x1b\\link\x1b]8;;\x1b\\", "tide link"),
        ("\x1b(Btide\x1b=\x1b", "tide"),
        ("see data:image/png;base64,iVBORw0KGgo= here", "see   here"),
        ("url(data:text/plain,hello%20you)", "url( )"),
        ("data:;base64,AAAA", ""),
        ("data: 1,2 and data:1,2", "data: 1,2 and data:1,2"),
        ("a" * 199, "a" * 199),
        ("x " + "A" * 200 + " y", "x   y"),
        ("x." + "Ab1+/" * 80 + "==\ny", "x. \ny"),
        (("c" * 150 + " ") * 3, (("c" * 150 + " ") * 3).strip()),
        ("d" * 500 + "." + "e" * 500 + ".f", ". .f"),
    ],
)
def test_what_only_machines_read_is_left_out(text: str, expected: str) -> None:
    """Codes for a terminal, data URIs and long runs of base64 are not searched."""
    assert text_of(text) == expected.strip()


@given(st.lists(st.tuples(st.sampled_from("aZ+/ .é"), st.integers(1, 320)), max_size=12))
def test_only_long_runs_go(runs: list[tuple[str, int]]) -> None:
    """Wherever a run begins, one of 200 characters or more goes, and everything else stays."""
    text = "".join(character * count for character, count in runs)
    expected, run = "", ""
    for character in text + ".":
        if character in "aZ+/":
            run += character
            continue
        expected += (" " if len(run) >= 200 else run) + character
        run = ""
    assert text_of(text).split() == expected[:-1].split()


def test_an_event_is_searched_up_to_a_bound() -> None:
    """Of a huge event the beginning is searched, however many parts it is made of."""
    long: Part = {"type": "text", "text": "word " * (MAX_EVENT_CHARACTERS // 8)}
    sizes = [len(text) for _, text in texts_of(long, long, long)]
    assert len(sizes) == 2
    assert sum(sizes) <= MAX_EVENT_CHARACTERS


# -------------------------------------------------------------------------------------------------------- events


def nested(depth: int) -> Any:
    """Lists in lists, so deep, around one text."""
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


def test_events_are_numbered_as_they_are_played() -> None:
    """Bad records and ones that are nested too deeply to be sent have no number; one without text has."""
    deep: Part = {"type": "tool_call", "call_id": None, "name": "t", "input": nested(100_000)}
    items: list[Record | BadRecord] = [
        Record("a", at(1), "user", [{"type": "text", "text": "one"}]),
        BadRecord(2),
        Record("b", at(2), "user", [deep]),
        Record("c", at(3), "user", [{"type": "image", "mime_type": "image/png", "data": "AAAA"}]),
        Record("d", at(4), "user", [{"type": "text", "text": "two"}, {"type": "thinking", "text": "three"}]),
        Record("e", at(5), "user", [{**deep, "input": nested(300)}]),
    ]
    assert list(event_texts(time_records(items, at(0)))) == [
        EventText(0, 0, "text", "one"),
        EventText(1, 2_000, "text", ""),
        EventText(2, 3_000, "text", "two"),
        EventText(2, 3_000, "thinking", "three"),
        EventText(3, 4_000, "tool_call", "t\ndeep"),
    ]


# ------------------------------------------------------------------------------------------------- whole sessions


def _sources() -> list[SessionSource]:
    catalogue = Catalogue([FIXTURES])
    catalogue.refresh()
    found = [catalogue.entry(session.scroll_id) for session in catalogue.sessions()]
    return sorted((entry.source for entry in found if not entry.session.error), key=lambda source: str(source.path))


class Collected:
    """Takes texts as an index does, and keeps them."""

    def __init__(self) -> None:
        self.texts: list[EventText] = []

    def replace(self, number: int, key: str, epoch: str, texts: Iterable[EventText]) -> int:
        """Keep these texts."""
        self.texts = list(texts)
        return self.texts[-1].seq + 1 if self.texts else 0


@pytest.mark.parametrize("source", _sources(), ids=lambda source: f"{source.reader.name}-{source.path.stem}")
async def test_texts_stand_where_the_player_has_them(source: SessionSource, tmp_path: Path) -> None:
    """Of every fixture each text has the number and the time of the event that the player sends with it."""
    session = source.reader.summarise(source)
    builder = IndexBuilder(source, session, Fingerprint.of(source), tmp_path, meta=False)
    await asyncio.to_thread(builder.run)
    index = builder.index
    index.check()

    collected = Collected()
    assert index_text(collected, source, session, 1, "key") == index.count
    played = []
    block = await index.read(0, index.count)
    for seq in range(index.count):
        content = orjson.loads(block.event(seq))["event"]["message"]["content"]
        texts = searchable(Record("", None, content=content)) or [("text", "")]
        played += [EventText(seq, index.times[seq], kind, text) for kind, text in texts]
    assert collected.texts == played


def test_session_of_made_up_times_is_found_in_its_place(tmp_path: Path) -> None:
    """A session without times is indexed with those that are made up for the player."""
    records = [Record(f"m{n}", None, "user", [{"type": "text", "text": f"word{n} " * 20}]) for n in range(3)]
    source = scripted_source(tmp_path, ScriptedReader(*records))
    session = Session(SCROLL_ID, timing="synthetic", created_at=at(0))
    index = SearchIndex(tmp_path / "cache")
    assert index_text(index, source, session, 7, "key") == 3
    timed = [item for item in time_records(records, at(0), synthetic=True) if isinstance(item, TimedRecord)]
    (hit,) = index.session_hits("word2", 7, 10)
    assert (hit.seq, hit.t_ms) == (2, timed[2].t_ms)
    assert hit.t_ms > 0
    index.close()


@pytest.mark.parametrize("problem", [ArchiveError("it is gone"), ValueError("a defect")])
def test_session_that_cannot_be_read_says_so(problem: Exception, tmp_path: Path) -> None:
    """A session that fails in the middle raises an archive error, and is not taken for indexed."""
    source = scripted_source(tmp_path, ScriptedReader(Record("m", at(0), "user"), problem))
    index = SearchIndex(tmp_path / "cache")
    with pytest.raises(ArchiveError):
        index_text(index, source, Session(SCROLL_ID), 7, "key")
    assert index.state(7) is None
    index.close()
