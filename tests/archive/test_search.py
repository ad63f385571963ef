import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scrollcast.archive import search, search_blocks, search_database
from scrollcast.archive.search import Hit, Indexed, SearchBatch, SearchIndex
from scrollcast.archive.search_query import Term, fold, parse_query
from scrollcast.archive.searchable import EventText
from scrollcast.errors import ArchiveError, BadRequest

# Small enough for a few texts to make several blocks and transactions.
BLOCK_BYTES = 60
TRANSACTION_BYTES = 200


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and transactions of a few texts."""
    monkeypatch.setattr(search_blocks, "BLOCK_BYTES", BLOCK_BYTES)
    monkeypatch.setattr(search, "TRANSACTION_BYTES", TRANSACTION_BYTES)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SearchIndex]:
    """An empty index."""
    with closing(SearchIndex(tmp_path)) as opened:
        yield opened


def events(*texts: str | tuple[str, ...], start: int = 0) -> list[EventText]:
    """Events a second apart; one of several texts has parts of different kinds."""
    kinds = ("text", "thinking", "tool_call")
    return [
        EventText(seq, seq * 1000, kind, text)
        for seq, given in enumerate(texts, start)
        for kind, text in zip(kinds, (given,) if isinstance(given, str) else given, strict=False)
    ]


def put(index: SearchIndex, sessions: Mapping[int, Iterable[str | tuple[str, ...]]]) -> None:
    """Index sessions of these events by their numbers."""
    for number, texts in sessions.items():
        index.replace(number, f"key {number}", "epoch", events(*texts))


def marked(hit: Hit) -> str:
    """A hit's snippet as text, its matches between brackets."""
    return "".join(f"[{text}]" if is_match else text for text, is_match in hit.snippet)


def seqs(hits: Iterable[Hit]) -> list[int]:
    """Which events these hits are."""
    return [hit.seq for hit in hits]


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """The index's file, looked at from outside."""
    with closing(sqlite3.connect(folder / "search.db", isolation_level=None)) as connection:
        yield connection


def contents(folder: Path) -> tuple[list[object], ...]:
    """Everything that is stored and indexed, versions aside; the index is checked to be sound."""
    with database(folder) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab (main, words, instance)")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        sessions = connection.execute("SELECT number, key, epoch, count FROM sessions ORDER BY number").fetchall()
        blocks = connection.execute("SELECT * FROM blocks ORDER BY id").fetchall()
        terms = connection.execute("SELECT term, doc, offset FROM temp.terms ORDER BY doc, offset").fetchall()
        assert {doc for _, doc, _ in terms} <= {block for block, *_ in blocks}
        return sessions, blocks, terms


# ------------------------------------------------------------------------------------------------------- searching


SESSIONS: Mapping[int, Iterable[str | tuple[str, ...]]] = {
    1: ["The tide turns at noon", "Low water", ("Read it", "I think of café tables", "Bash\ncat time_records.py")],
    2: ["High tide", "tide tables: 東京湾の潮", "nothing"],
    5: ["Tidal streams", "and water"],
}


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("tide", [1, 2]),
        ("TIDE ", [1, 2]),
        ("tid", [1, 2, 5]),
        ("tid ", []),
        ("tid* water ", [1, 5]),
        ("ti", []),
        ('"high tide"', [2]),
        ('"tide high"', []),
        ("tide high", [2]),
        ("water tide ", [1]),
        ("tide -high", [1]),
        ('tide -"tide tables"', [1]),
        ("cafe tables ", [1]),
        ("time_records.py", [1]),
        ("records ", [1]),
        ("records_time", []),
        ("東京", [2]),
        ("京湾", [2]),
        ("湾京", []),
        ("nowhere", []),
    ],
)
def test_sessions_that_hold_all_words_match(query: str, numbers: list[int], index: SearchIndex) -> None:
    """A session matches when all words, phrases and beginnings stand in it, wherever, and what is left out does not."""
    put(index, SESSIONS)
    assert index.matching(query) == numbers
    assert list(index.hits(query, [1, 2, 3, 5])) == numbers
    assert [number for number in SESSIONS if index.session_hits(query, number, 10)] == numbers


def test_hit_tells_event_and_text(index: SearchIndex) -> None:
    """A hit has the number, the time, the kind of the part and the piece of text that holds the word."""
    put(index, SESSIONS)
    (hit,) = index.session_hits("cafe", 1, 10)
    assert (hit.seq, hit.t_ms, hit.kind) == (2, 2000, "thinking")
    assert hit.snippet == (("I think of ", False), ("café", True), (" tables", False))


def test_hits_are_the_first_events_with_all_words(index: SearchIndex) -> None:
    """Of a session the earliest events that hold everything are given, so many as were asked for."""
    put(index, {1: ["high", "high tide", "tide", "tide, high", ("high", "tide"), "high tide"]})
    assert seqs(index.hits("high tide ", [1], 2)[1]) == [1, 3]
    assert seqs(index.session_hits("high tide ", 1, 100)) == [1, 3, 4, 5]


def test_scattered_words_give_the_nearest_events(index: SearchIndex) -> None:
    """Where no event holds all the words, those that hold the most of them are the hits."""
    put(index, {1: ["one", "two three", "x", "three one", "two"]})
    assert [marked(hit) for hit in index.session_hits("one two three ", 1, 2)] == ["[two] [three]", "[three] [one]"]


def test_phrase_stays_within_a_part(index: SearchIndex) -> None:
    """The end of one text and the beginning of the next are no phrase."""
    put(index, {1: [("high", "tide"), "low"]})
    assert index.matching('"high tide"') == []
    assert index.matching('"tide low"') == []


@pytest.mark.usefixtures("small")
def test_words_are_found_in_any_block(index: SearchIndex) -> None:
    """A session of many blocks is searched whole, its hits in order."""
    put(index, {1: [f"{'x' * 50} word{n % 3} n{n}" for n in range(50)], 2: ["word1"]})
    assert seqs(index.session_hits("word1 ", 1, 100)) == list(range(1, 50, 3))
    assert seqs(index.hits("n49", [1])[1]) == [49]
    assert seqs(index.session_hits("n7 word1 ", 1, 100)) == [7]


def test_separators_in_a_text_do_no_harm(index: SearchIndex) -> None:
    """Control characters that stand between texts in a block are blanks inside a text, and lone surrogates no harm."""
    put(index, {1: ["high\x1ftide\n\x1f\nlow", "\x00water\ud800", "\x1f"]})
    assert index.matching('"high tide low"') == [1]
    assert seqs(index.session_hits("water ", 1, 10)) == [1]
    assert index.state(1) == Indexed("key 1", 3, "epoch")


def test_query_is_checked(index: SearchIndex) -> None:
    """A query without words is a bad request wherever it is given."""
    for ask in (index.matching, lambda query: index.hits(query, [1]), lambda query: index.session_hits(query, 1, 1)):
        with pytest.raises(BadRequest):
            ask("- ")


def test_answers_follow_the_index(index: SearchIndex, tmp_path: Path) -> None:
    """What is remembered of a query does not outlive a change, whoever makes it."""
    put(index, {1: ["tide"]})
    assert index.matching("tide") == [1]
    put(index, {2: ["tide"]})
    assert index.matching("tide") == [1, 2]
    with closing(SearchIndex(tmp_path)) as other:
        other.remove([1])
    assert index.matching("tide") == [2]
    assert list(index.hits("tide", [1, 2])) == [2]


def test_matching_is_used_in_sql(index: SearchIndex) -> None:
    """The numbers go into a query of the catalogue as JSON."""
    put(index, SESSIONS)
    numbers = orjson.dumps(index.matching("tide")).decode()
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE session (number INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO session VALUES (?)", [(number,) for number in range(10)])
        found = connection.execute(
            "SELECT number FROM session WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number DESC",
            (numbers,),
        )
        assert found.fetchall() == [(2,), (1,)]


WORDS = st.sampled_from(["tide", "tid", "Tidal", "café", "cafe\u0301", "東", "京", "東京", "low", "a", "ß"])
TEXT = st.lists(st.tuples(WORDS, st.sampled_from([" ", "_", "\n", ". ", "—", "🙂", ""])), max_size=8).map(
    lambda pairs: "".join(word + between for word, between in pairs)
)


def holds(texts: Iterable[str], term: Term) -> bool:
    """Whether one of these texts holds a term, found without an index."""
    folded = [fold(text.encode()) for text in texts]
    return any(term.find(text, 0, len(text)) for text in folded)


@pytest.mark.usefixtures("small")
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    sessions=st.lists(st.lists(TEXT, max_size=8), min_size=1, max_size=3),
    wanted=st.lists(TEXT.filter(lambda text: text.strip(" _\n.—🙂")), min_size=1, max_size=2),
)
def test_index_and_text_agree(index: SearchIndex, sessions: list[list[str]], wanted: list[str]) -> None:
    """What the index finds is what is found by reading every text, and each session found has a hit."""
    put(index, dict(enumerate(sessions)))
    index.remove(range(len(sessions), 3))
    query = " ".join(f'"{text}"' for text in wanted)
    terms = parse_query(query).terms
    expected = [number for number, texts in enumerate(sessions) if all(holds(texts, term) for term in terms)]
    assert index.matching(query) == expected
    hits = index.hits(query, range(3), per_session=10)
    assert list(hits) == expected
    for number, found in hits.items():
        whole = [seq for seq, text in enumerate(sessions[number]) if all(holds([text], term) for term in terms)]
        assert seqs(index.session_hits(query, number, 10)) == whole or not whole
        assert all(any(is_match for _, is_match in hit.snippet) for hit in found)


# --------------------------------------------------------------------------------------------------------- writing


def test_state_tells_what_is_indexed(index: SearchIndex) -> None:
    """The key, the epoch and the number of events are kept; of what is not indexed there is no state."""
    assert index.state(1) is None
    assert index.replace(1, "key", "epoch", events("a", "b", "")) == 3
    assert index.replace(2, "other", "", []) == 0
    assert index.state(1) == Indexed("key", 3, "epoch")
    assert index.states() == {1: Indexed("key", 3, "epoch"), 2: Indexed("other", 0, "")}


@pytest.mark.usefixtures("small")
def test_replaced_session_is_as_new(index: SearchIndex, tmp_path: Path) -> None:
    """Nothing is left of what a session held before, and what did not change is not written again."""
    put(index, {3: ["other"], 1: [f"event {n} is gone" for n in range(30)]})
    new = [f"event {n} is here" if n > 20 else f"event {n} is gone" for n in range(25)]
    put(index, {1: new})
    with closing(SearchIndex(tmp_path / "fresh")) as fresh:
        put(fresh, {1: new, 3: ["other"]})
    assert contents(tmp_path) == contents(tmp_path / "fresh")


@pytest.mark.usefixtures("small")
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.one_of(st.sampled_from(["", "word", "tide " * 20]), st.text(max_size=40)), max_size=20),
    cuts=st.lists(st.integers(0, 20), max_size=4),
    overlap=st.integers(0, 3),
)
def test_extended_session_is_as_replaced(
    index: SearchIndex, tmp_path: Path, texts: list[str], cuts: list[int], overlap: int
) -> None:
    """A session that grew bit by bit is, to the byte, what it is when it is indexed at once."""
    index.replace(1, "key", "", [])
    for stop in [*sorted(cuts), len(texts)]:
        state = index.state(1)
        assert state is not None
        start = max(0, state.count - overlap)
        count = index.extend(1, "key", "", events(*texts[start:stop], start=start))
        assert count == max(state.count, min(stop, len(texts)))
    grown = contents(tmp_path)
    index.remove([1])
    index.replace(1, "key", "", events(*texts))
    assert contents(tmp_path) == grown


def test_only_a_finished_session_is_extended(index: SearchIndex) -> None:
    """Where there is nothing to extend, nothing is done."""
    assert index.extend(1, "key", "", events("tide")) == 0
    assert index.state(1) is None


def broken(texts: Iterable[EventText]) -> Iterator[EventText]:
    """These texts, and then a failure."""
    yield from texts
    raise ArchiveError("it broke off")


@pytest.mark.usefixtures("small")
def test_half_written_session_is_not_taken_for_whole(index: SearchIndex, tmp_path: Path) -> None:
    """A session whose reading fails after some transactions has an empty key, and is mended by the next time."""
    put(index, {1: ["old tide"]})
    new = events(*(f"new {n} tide" for n in range(60)))
    with pytest.raises(ArchiveError, match="it broke off"):
        index.replace(1, "new", "", broken(new))
    state = index.state(1)
    assert state is not None
    assert state.key == ""
    assert index.extend(1, "new", "", new) == 0
    assert index.replace(1, "new", "", new) == 60
    with closing(SearchIndex(tmp_path / "fresh")) as fresh:
        fresh.replace(1, "new", "", new)
    assert contents(tmp_path) == contents(tmp_path / "fresh")


def test_batch_writes_what_was_whole(index: SearchIndex) -> None:
    """A failure in one session of a batch loses none that came before; a session may come twice."""

    def fill(batch: SearchBatch) -> None:
        with batch:
            batch.replace(2, "two", "", events("tide"))
            batch.replace(1, "one", "", events("low"))
            batch.replace(1, "one again", "", events("tide"))
            batch.extend(1, "one more", "", events("tide", "tide again"))
            batch.replace(3, "three", "", broken(events("tide")))

    with pytest.raises(ArchiveError, match="it broke off"):
        fill(index.batch())
    assert index.matching("tide") == [1, 2]
    assert index.states() == {1: Indexed("one more", 2, ""), 2: Indexed("two", 1, "")}


@pytest.mark.usefixtures("small")
def test_second_of_two_writers_gives_up(index: SearchIndex, tmp_path: Path) -> None:
    """Who finds that a session was written by another meanwhile leaves it as the other made it."""
    texts = events(*(f"tide {n}" for n in range(60)))

    def interrupted() -> Iterator[EventText]:
        yield from texts[:40]
        with closing(SearchIndex(tmp_path)) as other:
            other.replace(1, "theirs", "", texts)
        yield from texts[40:]

    assert index.replace(1, "ours", "", interrupted()) == 0
    assert index.state(1) == Indexed("theirs", 60, "")
    with closing(SearchIndex(tmp_path / "fresh")) as fresh:
        fresh.replace(1, "theirs", "", texts)
    assert contents(tmp_path) == contents(tmp_path / "fresh")


@pytest.mark.usefixtures("small")
def test_removed_sessions_leave_nothing(index: SearchIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions are removed whole, in several transactions where they are large; others stay."""
    monkeypatch.setattr(search, "REMOVED_AT_ONCE", 5)
    put(index, {number: [f"tide {n} {number}" for n in range(20 * number)] for number in (1, 2, 3)})
    index.remove([1, 3, 7, 3])
    with closing(SearchIndex(tmp_path / "fresh")) as fresh:
        put(fresh, {2: [f"tide {n} 2" for n in range(40)]})
    assert contents(tmp_path) == contents(tmp_path / "fresh")
    index.remove([2])
    assert contents(tmp_path) == ([], [], [])


@pytest.mark.usefixtures("small")
def test_many_threads_write_and_read(index: SearchIndex, tmp_path: Path) -> None:
    """Several threads, with an index of their own or a shared one, index and search at the same time."""

    def work(number: int) -> None:
        own = SearchIndex(tmp_path) if number % 2 else index
        for version in range(3):
            own.replace(number, f"v{version}", "", events(*(f"tide {version} {n}" for n in range(30))))
            assert number in own.matching("tide")
            assert own.hits("tide", [number])[number]
        if own is not index:
            own.close()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(1, 7)))
    with closing(SearchIndex(tmp_path / "fresh")) as fresh:
        for number in range(1, 7):
            fresh.replace(number, "v2", "", events(*(f"tide 2 {n}" for n in range(30))))
    assert contents(tmp_path) == contents(tmp_path / "fresh")


# ------------------------------------------------------------------------------------------------- crash and damage


def write_sessions(index: SearchIndex) -> None:
    """Write some sessions, of which all are rewritten and one is removed."""
    for version in range(2):
        for number in range(1, 4):
            texts = events(*(f"tide {version * number} {n}" for n in range(15 * number)))
            index.replace(number, f"v{version}", "", texts)
    index.remove([2])


def count_statements(index: SearchIndex, fatal: int | None = None) -> int:
    """Write the sessions, and be killed at the statement of a number; how many there are."""
    statements = 0
    open_as_ever = index._database._open

    def count(_statement: str) -> None:
        nonlocal statements
        statements += 1
        if statements == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def open_counting() -> search_database._Opened:
        opened = open_as_ever()
        opened.connection.set_trace_callback(count)
        return opened

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index._database, "_open", open_counting)
        patch.setattr(search_blocks, "BLOCK_BYTES", BLOCK_BYTES)
        patch.setattr(search, "TRANSACTION_BYTES", TRANSACTION_BYTES)
        write_sessions(index)
    return statements


def write_until_killed(folder: Path, fatal: int) -> None:
    """The same in a process of its own."""
    count_statements(SearchIndex(folder), fatal)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(6))
def test_index_survives_a_kill(seed: int, tmp_path: Path) -> None:
    """Killed at any statement the index is sound, and indexing goes on from there to what a fresh one has."""
    with closing(SearchIndex(tmp_path / "fresh")) as fresh:
        statements = count_statements(fresh)
    arguments = tmp_path / "killed", Random(seed).randrange(1, statements)
    process = multiprocessing.get_context("spawn").Process(target=write_until_killed, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    contents(tmp_path / "killed")
    with closing(SearchIndex(tmp_path / "killed")) as index:
        assert set(index.matching("tide")) <= set(index.states())
        write_sessions(index)
    assert contents(tmp_path / "killed") == contents(tmp_path / "fresh")


def spoil(path: Path) -> None:
    """Overwrite the middle of a database, and forget its log."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xa5" * (len(data) - 100))


def write_garbage(path: Path) -> None:
    """Put something else in the place of a database."""
    path.write_bytes(b"this is no database" * 1000)


def age(path: Path) -> None:
    """Make a database one of an earlier version."""
    with database(path.parent) as connection:
        connection.execute("UPDATE facts SET value = 0 WHERE name = 'schema'")


def strip(path: Path) -> None:
    """Make a database one of another program."""
    path.unlink()
    with database(path.parent) as connection:
        connection.execute("CREATE TABLE notes (text)")


@pytest.mark.parametrize("harm", [spoil, write_garbage, age, strip, Path.unlink], ids=lambda harm: harm.__name__)
def test_unusable_index_is_made_anew(harm: object, tmp_path: Path) -> None:
    """A file that is damaged, of another version or gone is replaced by an empty one without a word."""
    with closing(SearchIndex(tmp_path)) as index:
        put(index, {1: ["tide " * 5000]})
    assert callable(harm)
    harm(tmp_path / "search.db")
    with closing(SearchIndex(tmp_path)) as index:
        assert index.available
        assert index.states() == {}
        assert index.matching("tide") == []
        put(index, {1: ["tide"]})
        assert index.matching("tide") == [1]


@pytest.mark.parametrize("harm", ["file", "folder"])
def test_index_that_is_deleted_while_open_is_made_anew(harm: str, tmp_path: Path) -> None:
    """The cache may be deleted under a running server."""
    with closing(SearchIndex(tmp_path / "cache")) as index:
        put(index, {1: ["tide"]})
        for file in (tmp_path / "cache").iterdir():
            file.unlink()
        if harm == "folder":
            (tmp_path / "cache").rmdir()
        assert index.matching("tide") == []
        put(index, {2: ["tide"]})
        assert index.matching("tide") == [2]


def test_damage_that_shows_later_is_mended(index: SearchIndex, tmp_path: Path) -> None:
    """Where a block turns out to be nonsense, the index is made anew, for other processes too."""
    put(index, {1: ["tide"]})
    with closing(SearchIndex(tmp_path)) as other:
        assert other.matching("tide") == [1]
        with database(tmp_path) as connection:
            connection.execute("UPDATE blocks SET data = x'00'")
        assert index.hits("tide", [1]) == {}
        assert other.matching("tide") == []
        put(other, {1: ["tide"]})
        assert list(index.hits("tide", [1])) == [1]


def test_without_fts5_there_is_no_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is taken and nothing is found where SQLite cannot search; a bad query is still one."""
    monkeypatch.setattr(search_database, "_has_fts5", lambda: False)
    with closing(SearchIndex(tmp_path)) as index:
        assert not index.available
        put(index, {1: ["tide"]})
        assert index.extend(1, "key", "", []) == 0
        index.remove([1])
        assert index.states() == {}
        assert index.state(1) is None
        assert list(index.matching("tide")) == []
        assert index.hits("tide", [1]) == {}
        assert index.session_hits("tide", 1, 5) == []
        with pytest.raises(BadRequest):
            index.matching("")


def test_folder_that_cannot_be_made_means_no_search(tmp_path: Path) -> None:
    """Where the index has no place, there is no search, and no error."""
    (tmp_path / "file").touch()
    with closing(SearchIndex(tmp_path / "file" / "cache")) as index:
        assert not index.available


def test_closed_index_answers_no_more(index: SearchIndex) -> None:
    """After closing, an archive error says so, to readers and writers."""
    index.close()
    with pytest.raises(ArchiveError):
        index.matching("tide")
    with pytest.raises(ArchiveError):
        index.remove([1])
