from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archives import JsonObject
from scrollcast import ArchiveWriter, Sync
from scrollcast.archive.archive import Archive
from scrollcast.client import connect
from scrollcast.errors import ArchiveError, InvalidRecord
from scrollcast.model import Session
from scrollcast.parts import code, image, plan, resource, text, thinking, tool_call, tool_result
from serving import Serving, serving

PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


async def played(archive: Path, scroll_id: UUID, *, meta: bool = False) -> list[JsonObject]:
    """The events of a session, as they go over the wire."""
    with Archive.open(archive) as opened:
        index = await opened.open_index(scroll_id, meta=meta)
        await index.finish()
        block = await index.read(0, index.count)
        return [orjson.loads(block.event(seq))["event"] for seq in range(index.count)]


def told(archive: Path, scroll_id: UUID) -> Session:
    """What the list says of a session."""
    with Archive.open(archive) as opened:
        return opened.session(scroll_id)


async def test_what_is_written_is_what_plays(tmp_path: Path) -> None:
    """Every kind of part, message and meta event, and what is told of the session."""
    parts = [
        [thinking("Two places use it."), text("I'll rename both."), tool_call("c1", "edit", {"path": "a.py"})],
        [tool_result("c1", "2 files changed")],
        [tool_result("c2", [text("no"), code("x = 1", "python")], is_error=True)],
        [image(PIXEL, "image/png"), resource("file:///a.py", "x = 1", "text/x-python")],
        [plan(["first", {"content": "second", "status": "completed", "priority": "high"}])],
    ]  # fmt: skip
    with ArchiveWriter.create(
        tmp_path, title="A rename", agent="my-agent", model="m-1", metadata={"run": 7}
    ) as session:
        first = session.message("user", "Rename it", ts="2026-03-02T09:00:00Z")
        for number, content in enumerate(parts):
            role = "tool" if content[0]["type"] == "tool_result" else "assistant"
            session.message(role, content, message_id=f"m{number}", metadata={"model": "m-1"})
        session.meta_event("mode_changed", {"to": "plan"}, event_id="e1")

    events = await played(tmp_path, session.scroll_id)
    messages = [event["message"] for event in events]
    assert messages[0] == {
        "id": first, "session_id": str(session.scroll_id), "role": "user", "created_at": "2026-03-02T09:00:00Z",
        "content": [{"type": "text", "text": "Rename it"}], "status": "completed", "metadata": None,
    }  # fmt: skip
    assert [each["content"] for each in messages[1:]] == parts
    assert [each["id"] for each in messages[1:]] == [f"m{number}" for number in range(len(parts))]
    assert messages[2]["metadata"] == {"model": "m-1", "archived_role": "tool"}
    assert [event["type"] for event in await played(tmp_path, session.scroll_id, meta=True)].count("meta_event") == 1
    listed = told(tmp_path, session.scroll_id)
    assert (listed.title, listed.agent, listed.model, listed.metadata) == ("A rename", "my-agent", "m-1", {"run": 7})


async def test_a_record_is_there_when_the_call_returns(tmp_path: Path) -> None:
    """Whatever the policy of syncing is, and though the session stays open."""
    for sync in Sync:
        session = ArchiveWriter.create(tmp_path / sync, sync=sync)
        session.message("user", "one")
        assert len(await played(tmp_path / sync, session.scroll_id)) == 1
        session.close()


async def test_a_follower_gets_each_record(tmp_path: Path, cache: Path) -> None:
    """While the program that writes goes on."""
    with ArchiveWriter.create(tmp_path) as session:
        session.message("user", "one")
        async with serving(tmp_path, cache=cache) as server:
            await _follow(server, session)


async def _follow(server: Serving, session: ArchiveWriter) -> None:
    async with connect(f"{server.url}/sessions/{session.scroll_id}", follow=True) as replay:
        events = aiter(replay)
        assert (await anext(events)).text == "one"
        for word in ("two", "three"):
            session.message("assistant", word)
            assert (await anext(events)).text == word


def test_syncs_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records after each, when the session is closed, or never."""
    fsync, synced = os.fsync, []

    def note(fd: int) -> None:
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", note)
    for sync, times in ((Sync.RECORD, 2), (Sync.CLOSE, 1), (Sync.NEVER, 0)):
        synced.clear()
        with ArchiveWriter.create(tmp_path / sync, sync=sync) as session:
            session.message("user", "one")
            session.message("user", "two")
        assert synced.count("messages.jsonl") == times
        assert len(synced) == times + (0 if sync is Sync.NEVER else 2)  # the metadata, and the folder that names it


async def test_goes_on_with_a_session(tmp_path: Path) -> None:
    """With what was told of it, and without making anything of it anew."""
    with ArchiveWriter.create(tmp_path, title="Before") as session:
        session.message("user", "one")
    with ArchiveWriter.reopen(session.folder) as again:
        again.message("assistant", "two")
        again.describe(title="After", agent="my-agent")
    texts = [event["message"]["content"][0]["text"] for event in await played(tmp_path, session.scroll_id)]
    assert (texts, again.scroll_id) == (["one", "two"], session.scroll_id)
    assert (told(tmp_path, session.scroll_id).title, told(tmp_path, session.scroll_id).agent) == ("After", "my-agent")


async def test_a_record_cut_by_a_crash_hides_no_other(tmp_path: Path) -> None:
    """It stays where it is; what is written after it stands on a line of its own."""
    with ArchiveWriter.create(tmp_path) as session:
        session.message("user", "one")
        session.message("user", "two")
    path = session.folder / "messages.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    with ArchiveWriter.reopen(session.folder) as again:
        again.message("user", "three")
    texts = [event["message"]["content"][0]["text"] for event in await played(tmp_path, session.scroll_id)]
    assert texts == ["one", "three"]


def test_a_killed_writer_loses_nothing_that_it_wrote(tmp_path: Path) -> None:
    """Each record that the call returned from is whole in the file."""
    code = (
        "import os, sys\n"
        "from scrollcast import ArchiveWriter\n"
        "session = ArchiveWriter.create(sys.argv[1])\n"
        "for number in range(50):\n"
        "    session.message('user', str(number))\n"
        "print(session.folder, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    lines = (Path(done.stdout.strip()) / "messages.jsonl").read_bytes().splitlines()
    assert [orjson.loads(line)["content_md"] for line in lines] == [str(number) for number in range(50)]


def test_one_writer_has_a_session(tmp_path: Path) -> None:
    """A second one is told so, until the first lets go."""
    with ArchiveWriter.create(tmp_path) as session, pytest.raises(ArchiveError, match="another program is writing"):
        ArchiveWriter.reopen(session.folder)
    ArchiveWriter.reopen(session.folder).close()


def test_threads_may_write_at_once(tmp_path: Path) -> None:
    """No line is torn by another."""
    with ArchiveWriter.create(tmp_path) as session:

        def write(name: int) -> None:
            for number in range(50):
                session.message("user", f"{name}-{number}" * 500)

        threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = (session.folder / "messages.jsonl").read_bytes().splitlines()
    assert len({orjson.loads(line)["content_md"] for line in lines}) == 200


async def test_a_full_disk_is_told_and_hides_no_other_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written by then stays; the next record stands on a line of its own."""
    session = ArchiveWriter.create(tmp_path)
    session.message("user", "one")
    write, given = os.write, []

    def fill(fd: int, data: Any) -> int:
        given.append(data)
        if len(given) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data[:10])

    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(ArchiveError, match="could not be written") as failed:
        session.message("user", "two")
    assert "No space left" in failed.value.detail
    monkeypatch.setattr(os, "write", write)
    session.message("user", "three")
    session.close()
    texts = [event["message"]["content"][0]["text"] for event in await played(tmp_path, session.scroll_id)]
    assert texts == ["one", "three"]


def test_what_is_written_is_for_its_owner(tmp_path: Path) -> None:
    """Nobody else may read it."""
    with ArchiveWriter.create(tmp_path) as session:
        session.message("user", "one")
        session.meta_event("mode_changed")
    assert session.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in session.folder.iterdir()} == {0o600}
    assert len(list(session.folder.iterdir())) == 3


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ([{"type": "text"}], "content[0]"),
        ([text("a"), {"type": "tool_call", "call_id": "c"}], "content[1]"),
        ([{"no": "type"}], "content[0]"),
        (["text"], "content[0]"),
        ([tool_result("c", [{"type": "image"}])], "content[0]"),
        ([tool_call("c", "edit", {"when": object()})], "record"),
    ],
)
def test_what_would_not_be_read_is_not_written(tmp_path: Path, content: Any, field: str) -> None:
    """The field is named, and the file stays as it was."""
    with ArchiveWriter.create(tmp_path) as session:
        with pytest.raises(InvalidRecord) as refused:
            session.message("user", content)
        assert refused.value.field == field
        assert (session.folder / "messages.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("about", "field"),
    [
        ({"connector_uid": "no"}, "connector_uid"),
        ({"parent_scroll_id": 7}, "parent_scroll_id"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"metadata": {"title": "twice"}}, "metadata"),
        ({"metadata": {"scroll_id": "mine"}}, "metadata"),
        ({"metadata": {"what": object()}}, "about"),
        ({"titel": "misspelt"}, "titel"),
    ],
)
def test_what_is_told_of_a_session_is_checked(tmp_path: Path, about: dict[str, Any], field: str) -> None:
    """When it is begun and later; what was told before stays."""
    with pytest.raises(InvalidRecord) as refused:
        ArchiveWriter.create(tmp_path / "a", **about)
    assert refused.value.field == field
    with ArchiveWriter.create(tmp_path / "b", title="Before") as session, pytest.raises(InvalidRecord):
        session.describe(**about)
    assert told(tmp_path / "b", session.scroll_id).title == "Before"


@pytest.mark.parametrize(
    ("ts", "written"),
    [
        ("2026-03-02T09:00:00.123456Z", "2026-03-02T09:00:00.123456Z"),
        (datetime(2026, 3, 2, 10, tzinfo=timezone(timedelta(hours=1))), "2026-03-02T09:00:00.000Z"),
        (datetime(2026, 3, 2, 9, 0, 0, 500_000, tzinfo=UTC), "2026-03-02T09:00:00.500Z"),
    ],
)
def test_times(tmp_path: Path, ts: datetime | str, written: str) -> None:
    """Text stays as it is, a datetime is told in UTC."""
    with ArchiveWriter.create(tmp_path) as session:
        session.message("user", "one", ts=ts)
    assert orjson.loads((session.folder / "messages.jsonl").read_bytes())["ts"] == written


@pytest.mark.parametrize("ts", ["yesterday", datetime(2026, 3, 2), ""])
def test_no_times(tmp_path: Path, ts: Any) -> None:
    """What may mean several moments, or none, is refused."""
    with ArchiveWriter.create(tmp_path) as session, pytest.raises(InvalidRecord) as refused:
        session.message("user", "one", ts=ts)
    assert refused.value.field == "ts"


def test_a_meta_event_has_a_kind(tmp_path: Path) -> None:
    """Without one it would be a message."""
    with ArchiveWriter.create(tmp_path) as session, pytest.raises(InvalidRecord, match="kind"):
        session.meta_event("")


def test_no_session_is_begun_twice(tmp_path: Path) -> None:
    """Nor is one gone on with that is not there, or does not say what it is."""
    scroll_id = uuid4()
    ArchiveWriter.create(tmp_path, scroll_id=scroll_id).close()
    with pytest.raises(ArchiveError, match="folder cannot be made"):
        ArchiveWriter.create(tmp_path, scroll_id=scroll_id)
    with pytest.raises(ArchiveError, match="no session to go on with"):
        ArchiveWriter.reopen(tmp_path / "nowhere")
    (tmp_path / str(scroll_id) / "session.json").write_text("[]")
    with pytest.raises(ArchiveError, match="which session it is"):
        ArchiveWriter.reopen(tmp_path / str(scroll_id))


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    """And to end twice does nothing."""
    session = ArchiveWriter.create(tmp_path)
    session.close()
    session.close()
    for write in (lambda: session.message("user", "late"), lambda: session.meta_event("late"), session.describe):
        with pytest.raises(ArchiveError, match="closed"):
            write()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)


@given(words=st.text(), given_input=JSON, payload=JSON)
def test_any_text_and_any_json_makes_one_line(
    tmp_path_factory: pytest.TempPathFactory, words: str, given_input: Any, payload: Any
) -> None:
    """Whatever is in it, lone surrogates and numbers beyond 64 bits included."""
    with ArchiveWriter.create(tmp_path_factory.mktemp("archive")) as session:
        session.message("assistant", [text(words), tool_call(words, words or "tool", given_input)])
        session.meta_event("kind", payload)
    assert (session.folder / "messages.jsonl").read_bytes().count(b"\n") == 1
    assert (session.folder / "meta_events.jsonl").read_bytes().count(b"\n") == 1
