import json
import struct
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from archives import sniffed
from scrollcast.archive.formats import SessionSource
from scrollcast.archive.formats.inspect_eval import InspectReader
from scrollcast.archive.formats.inspect_eval import members as zip_members
from scrollcast.archive.formats.inspect_eval import reader as inspect_reader
from scrollcast.archive.timestamps import parse_instant
from scrollcast.errors import ArchiveError
from scrollcast.model import BadRecord, MarkerKind, Record, derive_scroll_id, parse_part

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROOT = Path(__file__).parents[3]
OURS = ROOT / "archive_fixtures" / "inspect"
REAL_SESSIONS = ROOT.parent / "shared" / "sessions"
REAL = REAL_SESSIONS / "inspect-eval"

JsonObject: TypeAlias = dict[str, Any]
READER = InspectReader()
SPEC: JsonObject = {"eval_id": "e1", "run_id": "r1", "task": "tides", "task_id": "t1", "model": "lumen-2"}
START = "2026-03-14T08:20:00+00:00"
PIXEL = "iVBORw0KGgo="


# ------------------------------------------------------------------------------------------------------- helpers


def at(seconds: float) -> str:
    """So many seconds after the start, as Inspect writes it."""
    return f"2026-03-14T04:20:{seconds:09.6f}-04:00"


def sample(**fields: Any) -> JsonObject:
    """A sample with a question and an answer."""
    messages = [{"role": "user", "content": "How high?"}, {"role": "assistant", "content": "4.63 m"}]
    return {"id": 1, "epoch": 1, "input": "How high?", "target": "4.63", "messages": messages, **fields}


def header(**fields: Any) -> JsonObject:
    """What a log says of its run."""
    return {"version": 2, "status": "success", "eval": SPEC, "plan": {}, **fields}


def document(root: Path, *samples: Any, **fields: Any) -> Path:
    """Write a log as one document."""
    path = root / "log.json"
    path.write_text(json.dumps({**header(**fields), "samples": samples}))
    return path


def archive(root: Path, members: Mapping[str, Any] | list[tuple[str, Any]], name: str = "log.eval") -> Path:
    """Write a log as a zip of these members, in this order; bytes stay as they are."""
    path = root / name
    pairs = members.items() if isinstance(members, Mapping) else members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member, value in pairs:
            file.writestr(member, value if isinstance(value, bytes) else json.dumps(value))
    return path


def zstd_archive(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a zip of members packed with method 93, each in two frames, with its directory."""
    body, directory = b"", b""
    for name, data in members.items():
        packed = zstd.compress(data[: len(data) // 2]) + zstd.compress(data[len(data) // 2 :])
        facts = (63, 0, 93, 0, 0x21, zlib.crc32(data), len(packed), len(data), len(name.encode()), 0)
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 63, *facts[:5], *facts[5:], 0, 0, 0, 0, len(body))
        directory += name.encode()
        body += struct.pack("<4s5H3L2H", b"PK\3\4", *facts) + name.encode() + packed
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(body), 0)
    path.write_bytes(body + directory + end)
    return path


def sources(path: Path) -> list[SessionSource]:
    """All sessions of a log."""
    return list(READER.locate(sniffed(path, path.parent), path.parent))


def items_of(path: Path, number: int = 0) -> list[Record | BadRecord]:
    """What the reader gives of one session, each part checked, and the summary's count with it."""
    source = sources(path)[number]
    items = list(READER.records(source, meta=False))
    records = [item for item in items if isinstance(item, Record)]
    assert all(parse_part(part) == part for record in records for part in record.content)
    assert len({record.id for record in records}) == len(records)
    assert READER.summarise(source).count == len(records)
    return items


def records_of(path: Path, number: int = 0) -> list[Record]:
    """The same, with no bad record among them."""
    items = items_of(path, number)
    records = [item for item in items if isinstance(item, Record)]
    assert len(records) == len(items)
    return records


def only_message(root: Path, message: JsonObject, **fields: Any) -> Record:
    """A log's one message as a record."""
    (record,) = records_of(document(root, sample(messages=[message], **fields)))
    return record


def texts(record: Record) -> list[str]:
    """What is said in a record."""
    return [part["text"] for part in record.content if "text" in part]


# --------------------------------------------------------------------------------------------------------- claims


@pytest.mark.parametrize(
    ("value", "claimed"),
    [
        (header(), True),
        ({"plan": {}, "eval": SPEC, "status": "success", "version": 2}, True),
        ({"version": 2, "status": "success", "eval": {"name": "no log"}}, False),
        ({"eval": {"task": "x"}}, False),
        ({"log": header()}, False),
        ([header()], False),
        ({"version": 2, "status": "success", "evaluation": {"task": ""}}, False),
    ],
)
def test_documents_that_are_claimed(root: Path, value: object, claimed: bool) -> None:
    """A log has a version, a status and a task at its top level; one within another document is none."""
    path = root / "any.json"
    path.write_text(json.dumps(value))

    assert READER.claims(sniffed(path, root)) == claimed


@pytest.mark.parametrize(
    ("name", "members", "claimed"),
    [
        ("log.eval", ["_journal/start.json"], True),
        ("renamed.zip", ["_journal/start.json"], True),
        ("log.eval", ["samples/1_epoch_1.json", "header.json"], True),
        ("other.zip", ["header.json"], False),
        ("book.eval", ["mimetype"], False),
    ],
)
def test_zips_that_are_claimed(root: Path, name: str, members: list[str], claimed: bool) -> None:
    """A zip is told by what it begins with."""
    path = archive(root, {member: {} for member in members}, name)

    assert READER.claims(sniffed(path, root)) == claimed


def test_large_document_is_claimed_by_its_beginning(root: Path) -> None:
    """What lies beyond the beginning is not needed."""
    path = document(root, sample(metadata={"long": "x" * 100_000}))
    file = sniffed(path, root)

    assert READER.claims(type(file)(path, file.head[:2000], (), file.size))


@pytest.mark.skipif(not REAL_SESSIONS.is_dir(), reason="the real sessions are not here")
def test_other_tools_files_are_not_claimed() -> None:
    """Of all real sessions only Inspect's are claimed."""
    files = [path for path in REAL_SESSIONS.rglob("*") if path.is_file() and path.stat().st_size]
    claimed = {path for path in files if READER.claims(sniffed(path, path.parent))}

    assert claimed == {path for path in files if path.parent.name == "inspect-eval"}


@pytest.mark.parametrize(
    ("path", "expected"), [("eval-set.json", True), ("logs/.buffer/x/1.json", True), ("log.json", False)]
)
def test_companions(path: str, expected: bool) -> None:
    """What Inspect writes beside its logs is not looked into."""
    assert READER.is_companion(Path(path)) == expected


# ------------------------------------------------------------------------------------------------------- samples


def test_each_sample_and_epoch_is_a_session(root: Path) -> None:
    """Ids may be numbers or any text; the same sample in another epoch is another session."""
    path = document(root, sample(), sample(epoch=2), sample(id="a/b #1", epoch=12))
    found = sources(path)

    assert [source.member for source in found] == ["1#1", "1#2", "a/b #1#12"]
    assert found[1].scroll_id == derive_scroll_id("inspect", "e1:1#2")
    assert [READER.summarise(source).title for source in found][1:] == [
        "tides: 1 (epoch 2)",
        "tides: a/b #1 (epoch 12)",
    ]


def test_zip_and_document_hold_the_same_sessions(root: Path) -> None:
    """A log that was converted keeps the ids of its sessions."""
    one = sample(id="a/b c", epoch=3)
    zipped = archive(
        root, {"_journal/start.json": header(), "samples/a/b c_epoch_3.json": one, "header.json": header()}
    )
    (source,), (twin,) = sources(document(root, one)), sources(zipped)

    assert (twin.scroll_id, twin.member) == (source.scroll_id, source.member)
    assert records_of(zipped) == records_of(root / "log.json")


def test_id_of_an_old_log(root: Path) -> None:
    """Before there was an id for each evaluation, run and task together are one."""
    spec = {name: value for name, value in SPEC.items() if name != "eval_id"}

    assert sources(document(root, sample(), eval=spec))[0].scroll_id == derive_scroll_id("inspect", "r1/t1:1#1")


def test_log_without_samples(root: Path) -> None:
    """A run that was cancelled before its first sample is a log without a session."""
    assert sources(document(root, status="cancelled")) == []
    assert sources(archive(root, {"_journal/start.json": header()})) == []


def test_run_in_progress(root: Path) -> None:
    """Without a header, what the journal began with is known, and the samples that are done."""
    path = archive(root, {"_journal/start.json": {"version": 2, "eval": SPEC}, "samples/1_epoch_1.json": sample()})
    session = READER.summarise(sources(path)[0])

    assert (session.model, session.metadata["status"], session.count) == ("lumen-2", "started", 2)


def test_last_of_two_members_of_one_name_counts(root: Path) -> None:
    """A sample or header that was written again replaces the first."""
    again = sample(messages=[{"role": "user", "content": "Again"}])
    pairs = [("samples/1_epoch_1.json", sample()), ("header.json", header()), ("samples/1_epoch_1.json", again)]
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(root, pairs)

    assert [texts(record) for record in records_of(path)] == [["Again"]]


def test_zip_that_was_cut_off(root: Path) -> None:
    """Without a directory the members are found one behind the other, as far as they are whole."""
    members = {
        "_journal/start.json": header(),
        "samples/1_epoch_1.json": sample(),
        "samples/2_epoch_1.json": sample(id=2),
    }
    path = archive(root, members)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"samples/2_epoch_1") + 40])

    assert [source.member for source in sources(path)] == ["1#1"]
    assert len(records_of(path)) == 2


def test_zip_that_holds_nothing_whole(root: Path) -> None:
    """A zip cut off in its first member says so."""
    path = archive(root, {"_journal/start.json": header()})
    path.write_bytes(path.read_bytes()[:60])

    with pytest.raises(ArchiveError, match="cut off"):
        sources(path)


def test_members_packed_with_zstd(root: Path) -> None:
    """Method 93 is read, in as many frames as the writer made."""
    members = {"_journal/start.json": header(), "samples/1_epoch_1.json": sample(), "header.json": header()}
    path = zstd_archive(root / "log.eval", {name: json.dumps(value).encode() for name, value in members.items()})

    assert READER.claims(sniffed(path, root))
    assert [texts(record) for record in records_of(path)] == [["How high?"], ["4.63 m"]]


def test_sample_that_is_damaged(root: Path) -> None:
    """A sample that cannot be read is a broken session; the others play."""
    path = archive(
        root, {"header.json": header(), "samples/1_epoch_1.json": b"{broken", "samples/2_epoch_1.json": sample(id=2)}
    )
    broken, whole = sources(path)

    with pytest.raises(ArchiveError, match="damaged"):
        READER.summarise(broken)
    with pytest.raises(ArchiveError, match="damaged"):
        list(READER.records(broken, meta=False))
    assert READER.summarise(whole).count == 2


def test_checksum_is_checked(root: Path) -> None:
    """A flipped bit in a stored member does not go unseen."""
    path = root / "log.eval"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("_journal/start.json", json.dumps(header()))
        file.writestr("samples/1_epoch_1.json", json.dumps(sample()))
    path.write_bytes(path.read_bytes().replace(b"4.63 m", b"4.64 m"))

    with pytest.raises(ArchiveError, match="damaged"):
        READER.summarise(sources(path)[0])


@pytest.mark.parametrize("packed", ["deflate", "zstd"])
def test_bomb_is_not_unpacked(root: Path, monkeypatch: pytest.MonkeyPatch, packed: str) -> None:
    """A member that is larger than the limit is refused while little of it is in memory, whatever its header says."""
    monkeypatch.setattr(zip_members, "MAX_WHOLE_FILE_BYTES", 1 << 20)
    bomb = b" " * (64 << 20)
    members = {"header.json": json.dumps(header()).encode(), "samples/1_epoch_1.json": bomb}
    path = archive(root, members) if packed == "deflate" else zstd_archive(root / "log.eval", members)
    del members, bomb
    liar = path.read_bytes().replace(struct.pack("<L", 64 << 20), struct.pack("<L", 1000))

    tracemalloc.start()
    for content in (path.read_bytes(), liar):
        path.write_bytes(content)
        with pytest.raises(ArchiveError, match=r"larger than 1 MiB|damaged"):
            list(READER.records(sources(path)[0], meta=False))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


def test_directory_that_is_too_large(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that would take too much memory is refused before it is read."""
    monkeypatch.setattr(zip_members, "_MAX_DIRECTORY_BYTES", 40)

    with pytest.raises(ArchiveError, match="too many parts"):
        sources(archive(root, {"header.json": header()}))


def test_large_sample_is_summed_up_by_the_log(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a sample that is not small, the log's own summary is taken; where there is none, a guess by its size."""
    monkeypatch.setattr(inspect_reader, "_EXACT_SAMPLE_BYTES", 10)
    known = {"id": 1, "epoch": 1, "message_count": 40, "started_at": at(0), "completed_at": at(50), "uuid": "u"}
    members = {"header.json": header(), "samples/1_epoch_1.json": sample(), "samples/2_epoch_1.json": sample(id=2)}
    path = archive(root, {**members, "_journal/summaries/1.json": [known]})
    first, second = (READER.summarise(source) for source in sources(path))

    assert (first.count, first.duration_ms, first.created_at) == (40, 50_000, "2026-03-14T08:20:00.000Z")
    assert (second.count, second.metadata["sample_id"]) == (1, "2")


def chunked(root: Path, **shell: Any) -> Path:
    """A log with one sample in the chunked layout."""
    folder = "samples/a/b_epoch_1"
    call = {"id": "c1", "function": "bash", "arguments": {"cmd": "attachment://1"}}
    pool = [
        {"id": "m0", "role": "user", "content": "How high?"},
        {"id": "m1", "role": "assistant", "content": "", "tool_calls": [call]},
        {"id": "left out", "role": "assistant", "content": "No."},
        {"id": "m3", "role": "tool", "content": "attachment://0", "tool_call_id": "c1"},
    ]
    event = {"event": "tool", "id": "c1", "timestamp": at(3), "completed": at(4)}
    return archive(
        root,
        {
            "_journal/start.json": header(version=3),
            f"{folder}/sample.json": {"id": "a/b", "epoch": 1, "message_refs": [[0, 2], [3, 4]], **shell},
            f"{folder}/metadata.json": {"harbour": "Tern Quay"},
            f"{folder}/skeleton.json": {},
            f"{folder}/messages/2.json": pool[2:],
            f"{folder}/messages/0.json": pool[:2],
            f"{folder}/events/0.json": [event],
            f"{folder}/events/stats.json": {},
            f"{folder}/events/uuids.json": [],
            f"{folder}/attachments/0.json": ["a long output"],
            f"{folder}/attachments/1.json": ["cat tides.csv"],
            "header.json": header(version=3),
        },
    )


def test_chunked_sample(root: Path) -> None:
    """The pieces are put together: messages by their ranges, attachments by their number."""
    path = chunked(root)
    asked, called, answered = records_of(path)

    assert [record.id for record in (asked, called, answered)] == ["m0", "m1", "m3"]
    assert called.content[0]["input"] == {"cmd": "cat tides.csv"}
    assert (answered.content[0]["output"][0]["text"], answered.timestamp) == ("a long output", at(4))
    assert READER.summarise(sources(path)[0]).metadata["sample_metadata"] == {"harbour": "Tern Quay"}


@pytest.mark.parametrize("refs", [None, "all", [[0]], [["a", "b"]], [[-4, 2]], [[3, 1]], [[0, 10**12]] * 5])
def test_chunked_sample_with_odd_ranges(root: Path, refs: object) -> None:
    """Ranges that make no sense name nothing; large ones name what there is."""
    assert len(items_of(chunked(root, message_refs=refs))) <= 20


# -------------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("said", [{"type": "text", "text": "said"}]),
        (None, []),
        ([{"type": "text", "text": ""}, "bare"], [{"type": "text", "text": "bare"}]),
        ([{"type": "reasoning", "reasoning": "hm", "signature": "x"}], [{"type": "thinking", "text": "hm"}]),
        (
            [{"type": "reasoning", "reasoning": "c2VjcmV0", "redacted": True, "summary": "in short"}],
            [{"type": "thinking", "text": "in short"}],
        ),
        ([{"type": "reasoning", "reasoning": "c2VjcmV0", "redacted": True}], []),
        (
            [{"type": "image", "image": f"data:image/png;base64,{PIXEL}"}],
            [{"type": "image", "mime_type": "image/png", "data": PIXEL}],
        ),
        (
            [{"type": "image", "image": "/etc/passwd.png"}],
            [{"type": "image", "mime_type": "image/png", "uri": "/etc/passwd.png"}],
        ),
        (
            [{"type": "document", "document": "data:application/pdf;base64,JVBE", "filename": "tides.pdf"}],
            [{"type": "resource", "uri": "tides.pdf", "mime_type": "application/pdf", "blob": "JVBE"}],
        ),
        (
            [{"type": "audio", "audio": "https://example.org/bell.wav", "format": "wav"}],
            [{"type": "resource", "uri": "https://example.org/bell.wav", "mime_type": "audio/x-wav"}],
        ),
        ([{"type": "hologram"}, 7], [{"type": "unknown", "raw": {"type": "hologram"}}, {"type": "unknown", "raw": 7}]),
        ({"type": "text"}, [{"type": "text", "text": '{\n  "type": "text"\n}'}]),
    ],
)
def test_content(root: Path, content: object, parts: list[JsonObject]) -> None:
    """Content is text or a list of parts; what is not known stays as it is."""
    assert only_message(root, {"role": "user", "content": content}).content == parts


def test_server_side_tool(root: Path) -> None:
    """A tool that ran beside the model is a call and its result in one message."""
    use = {
        "type": "tool_use",
        "id": "s1",
        "name": "web_search",
        "arguments": '{"query": "tides"}',
        "result": "",
        "error": "down",
    }
    call, result = only_message(root, {"role": "assistant", "content": [use]}).content

    assert (call["call_id"], call["kind"], call["input"]) == ("s1", "fetch", {"query": "tides"})
    assert result == {
        "type": "tool_result",
        "call_id": "s1",
        "output": [{"type": "text", "text": "down"}],
        "is_error": True,
    }


@pytest.mark.parametrize(
    ("fields", "texts_given", "is_error"),
    [
        ({"content": "ok"}, ["ok"], False),
        ({"content": "", "error": {"type": "timeout", "message": "too slow"}}, ["too slow"], True),
        (
            {"content": "it was too slow", "error": {"type": "timeout", "message": "too slow"}},
            ["it was too slow"],
            True,
        ),
        ({"content": "", "tool_error": "refused"}, ["refused"], True),
    ],
)
def test_tool_results(root: Path, fields: JsonObject, texts_given: list[str], is_error: bool) -> None:
    """A result has the id of its call; an error is told once, in either of its forms."""
    record = only_message(root, {"role": "tool", "tool_call_id": "c1", "function": "bash", **fields})

    assert record.role == "tool"
    assert [part["text"] for part in record.content[0]["output"]] == texts_given
    assert (record.content[0]["call_id"], record.content[0]["is_error"]) == ("c1", is_error)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ({"id": "c1", "function": "bash", "arguments": {"cmd": "ls\npwd"}}, ("c1", "bash", "execute", "ls")),
        ({"function": "bash", "arguments": "{broken"}, ("m-call-1", "bash", "execute", "{broken")),
        ({"id": 7, "function": None, "arguments": None}, ("m-call-1", "unknown", "other", "unknown")),
        ({"id": "c1", "function": "x", "view": {"title": "Run it"}}, ("c1", "x", "other", "Run it")),
    ],
)
def test_tool_calls(root: Path, call: JsonObject, expected: tuple[str, ...]) -> None:
    """A call has an id, a kind and a title; arguments that do not parse stay text."""
    (part,) = only_message(root, {"id": "m", "role": "assistant", "content": "", "tool_calls": [call]}).content

    assert (part["call_id"], part["name"], part["kind"], part["title"]) == expected


def test_plan(root: Path) -> None:
    """A tool that makes a plan gives a plan too."""
    arguments = {"plan": [{"step": "Measure", "status": "completed"}, {"step": "Answer", "status": "?"}, 7]}
    call = {"id": "c1", "function": "update_plan", "arguments": arguments}
    parts = only_message(root, {"role": "assistant", "content": "", "tool_calls": [call]}).content

    assert [entry["status"] for entry in parts[1]["entries"]] == ["completed", "pending"]


def test_messages_that_are_odd(root: Path) -> None:
    """Ids that are missing or repeated are made good; what is no message is bad."""
    messages = [{"id": "a", "role": "user"}, {"id": "a", "role": "assistant"}, 7, {"role": ["x"]}]
    items = items_of(document(root, sample(messages=messages)))

    assert [getattr(item, "id", None) for item in items] == ["a", "a-2", None, "message-4"]
    assert [getattr(item, "role", None) for item in items] == ["user", "assistant", None, "unknown"]


def test_other_fields_are_kept(root: Path) -> None:
    """What a message holds besides stays in its metadata."""
    message = {"role": "assistant", "content": "x", "model": "lumen-2", "source": "generate", "brand_new": [1]}

    assert only_message(root, message).metadata == {
        "model": "lumen-2",
        "inspect": {"source": "generate", "brand_new": [1]},
    }


@pytest.mark.parametrize(
    "table", [{"attachments": {"ab": "whole"}}, {"transcript": {"content": {"ab": "whole"}}}], ids=["now", "in 2024"]
)
@pytest.mark.parametrize("prefix", ["attachment", "tc"])
def test_attachments_are_put_back(root: Path, table: JsonObject, prefix: str) -> None:
    """References are replaced wherever they stand; one that leads nowhere stays."""
    message = {"role": "user", "content": [{"type": "text", "text": f"{prefix}://ab"}, f"{prefix}://zz"]}

    assert texts(only_message(root, message, **table)) == ["whole", f"{prefix}://zz"]


def test_attachment_referred_to_without_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """References over the limit stay, so that a small log does not become a large one."""
    monkeypatch.setattr("scrollcast.archive.formats.inspect_eval.messages.MAX_WHOLE_FILE_BYTES", 1000)
    message = {"role": "user", "content": ["attachment://ab"] * 5}

    assert len("".join(texts(only_message(root, message, attachments={"ab": "x" * 400})))) == 800 + 3 * 15


@pytest.mark.parametrize("kind", ["other", "result"])
def test_deep_nesting(root: Path, kind: str) -> None:
    """What is nested deeply costs no more than itself."""
    inner: Any = "x"
    for _ in range(300):
        inner = [{"type": "tool_use", "id": "s", "name": "x", "result": inner}] if kind == "result" else [[inner]]
    message = {"role": "assistant", "content": inner if kind == "result" else "x", "deep": inner}

    assert only_message(root, message).role == "assistant"


def test_messages_come_from_the_events_where_there_are_none(root: Path) -> None:
    """A sample that was stopped early has its conversation in the last model event, by ranges of the pool."""
    pool = [{"id": "m0", "role": "user", "content": "first"}, {"id": "m1", "role": "user", "content": "second"}]
    output = {"choices": [{"message": {"id": "m2", "role": "assistant", "content": "third"}}]}
    event = {
        "event": "model",
        "timestamp": at(1),
        "completed": at(2),
        "input": [],
        "input_refs": [[0, 2]],
        "output": output,
    }
    for fields in ({"events_data": {"messages": pool}}, {"message_pool": pool}):
        path = document(root, sample(messages=[], events=[event], **fields))
        assert [texts(record) for record in records_of(path)] == [["first"], ["second"], ["third"]]
        path.unlink()


@pytest.mark.parametrize(("given", "count"), [("How high?", 1), ([{"role": "user", "content": "x"}] * 2, 2), (None, 0)])
def test_sample_with_nothing_but_its_input(root: Path, given: object, count: int) -> None:
    """Without messages and events the input is what there is."""
    assert len(records_of(document(root, sample(messages=[], input=given)))) == count


# ----------------------------------------------------------------------------------------------------------- times


def model_event(start: float, end: float, seen: list[Any], said: JsonObject) -> JsonObject:
    """A model event."""
    output = {"choices": [{"message": said}], "usage": {"output_tokens": 3}}
    return {"event": "model", "timestamp": at(start), "completed": at(end), "input": seen, "output": output}


def test_times_and_usage_come_from_the_events(root: Path) -> None:
    """A prompt has the time when it was first seen, an answer that when it was whole, a result that of its tool."""
    asked = {"id": "m0", "role": "user", "content": "How high?"}
    called = {"id": "m1", "role": "assistant", "content": "", "tool_calls": [{"id": "c1", "function": "bash"}]}
    gave = {"id": "m2", "role": "tool", "tool_call_id": "c1", "content": "4.63"}
    said = {"id": "m3", "role": "assistant", "content": "4.63 m"}
    events = [
        model_event(9, 12, [asked, called, gave], said),  # events do not stand in the order of their times
        {"event": "tool", "id": "c1", "timestamp": at(5), "completed": at(8), "agent": "surveyor"},
        model_event(1, 4, [asked], called),
    ]
    records = records_of(document(root, sample(messages=[asked, called, gave, said], events=events)))

    assert [record.timestamp for record in records] == [at(1), at(4), at(8), at(12)]
    usage = [(record.metadata or {}).get("usage") for record in records]
    assert usage == [None, {"output_tokens": 3}, None, {"output_tokens": 3}]
    assert records[1].markers == [(MarkerKind.SUBAGENT, "surveyor")]


def test_answers_without_id_are_found_by_their_words(root: Path) -> None:
    """In the first logs messages have no id; the same words twice are two answers."""
    answer = {"role": "assistant", "content": "4.63 m"}
    events = [model_event(1, 2, [], answer), model_event(3, 4, [], {**answer, "content": "attachment://ab"})]
    path = document(root, sample(messages=[answer, answer], events=events, attachments={"ab": "4.63 m"}))

    assert [record.timestamp for record in records_of(path)] == [at(2), at(4)]


@pytest.mark.parametrize(
    ("fields", "times"),
    [
        ({"started_at": at(0), "completed_at": at(10)}, [0, 5, 10]),
        ({"started_at": at(0)}, [0, 0, 0]),
        ({"started_at": at(10), "completed_at": at(0)}, [10, 10, 10]),
        ({"events": [{"timestamp": at(2)}, {"timestamp": at(6)}]}, [2, 4, 6]),
        ({"started_at": "[trimmed]"}, None),
    ],
)
def test_messages_without_times_are_spread(root: Path, fields: JsonObject, times: list[int] | None) -> None:
    """Where no event tells a time, messages are spread over the sample's; without any there is none."""
    messages = [{"role": "user", "content": str(number)} for number in range(3)]
    path = document(root, sample(messages=messages, **fields))
    base = parse_instant(START)
    assert base is not None
    instants = [parse_instant(record.timestamp) for record in records_of(path)]

    assert instants == ([None] * 3 if times is None else [base + seconds * 1_000_000 for seconds in times])
    assert READER.summarise(sources(path)[0]).timing == ("synthetic" if times is None else "recorded")


def test_long_histories_take_no_time(root: Path) -> None:
    """Each model event repeats all messages before it; only the new ones are looked at."""
    messages = [{"id": f"m{number}", "role": "user", "content": "x"} for number in range(400)]
    events = [model_event(1, 2, messages[:number], {"id": f"a{number}"}) for number in range(1, 400)]

    assert len(records_of(document(root, sample(messages=messages, events=events)))) == 400


# --------------------------------------------------------------------------------------------------------- notices


def test_notices_stand_where_they_happened(root: Path) -> None:
    """Compactions and words of the solver come between messages, the limit and the error behind all of them."""
    first, second = {"id": "m0", "role": "assistant", "content": "a"}, {"id": "m1", "role": "assistant", "content": "b"}
    events = [
        model_event(1, 2, [], first),
        {"event": "compaction", "type": "summary", "timestamp": at(3), "tokens_before": 900, "tokens_after": 100},
        {"event": "info", "data": "half way", "timestamp": at(4)},
        {"event": "info", "data": {"not": "words"}, "timestamp": at(4)},
        model_event(5, 6, [], second),
        {"event": "sample_limit", "type": "token", "timestamp": at(7)},
    ]
    error = {"message": "RuntimeError: gone", "traceback": "Traceback …"}
    path = document(
        root, sample(messages=[first, second], events=events, error=error, limit={"type": "token", "limit": 1000})
    )
    records = records_of(path)

    assert [record.role for record in records] == ["assistant", "system", "system", "assistant", "system", "system"]
    assert texts(records[1]) == ["The conversation was compacted: 900 to 100 tokens"]
    assert [kind for kind, _ in records[1].markers] == [MarkerKind.COMPACTION]
    assert (texts(records[4]), records[4].timestamp) == (["Stopped by the token limit of 1000"], at(7))
    assert texts(records[5]) == ["RuntimeError: gone", "Traceback …"]
    assert READER.summarise(sources(path)[0]).has_errors


@pytest.mark.parametrize(("limit", "text"), [("time", "Stopped by the time limit"), (7, "Stopped by a limit")])
def test_limits_in_other_forms(root: Path, limit: object, text: str) -> None:
    """A limit that is told otherwise is told all the same."""
    assert texts(records_of(document(root, sample(limit=limit)))[-1]) == [text]


# --------------------------------------------------------------------------------------------------------- summary


def test_summary(root: Path) -> None:
    """The session tells the task, the run, the scores and what the sample was about."""
    spec = {
        **SPEC,
        "solver": "harbour_agent",
        "task_file": "evals/tides.py",
        "revision": {"origin": "git@example.org:mira/harbour.git", "commit": "4be2f01"},
    }
    scores = {"match": {"value": "C", "answer": "4.63", "explanation": "…"}, "long": {"value": "x" * 9000}, "odd": 7}
    path = document(
        root, sample(scores=scores, metadata={"big": "x" * 9000}, started_at=at(0), completed_at=at(9)), eval=spec
    )
    session = READER.summarise(sources(path)[0])

    assert (session.title, session.agent, session.model, session.project) == (
        "tides: 1",
        "harbour_agent",
        "lumen-2",
        "harbour",
    )
    assert (session.created_at, session.duration_ms) == ("2026-03-14T08:20:00.000Z", 9000)
    assert session.metadata["scores"] == {"match": {"value": "C", "answer": "4.63"}, "long": {}}
    assert session.metadata["git_commit"] == "4be2f01"
    assert "sample_metadata" not in session.metadata


def test_score_of_a_first_log(root: Path) -> None:
    """A single score had no name."""
    path = document(root, sample(score={"value": "I"}))

    assert READER.summarise(sources(path)[0]).metadata["scores"] == {"score": {"value": "I"}}


def test_summary_follows_the_file(root: Path) -> None:
    """A log that was written anew is read anew; a sample that is gone is an error."""
    path = document(root, sample(), sample(id=2))
    first, second = sources(path)
    document(root, sample(messages=[]), status="error")

    assert READER.summarise(first).metadata["status"] == "error"
    with pytest.raises(ArchiveError, match="no longer"):
        READER.summarise(second)
    with pytest.raises(ArchiveError, match="no longer"):
        list(READER.records(second, meta=False))


@pytest.mark.parametrize("content", [b"{broken", b"[]", b"7"])
def test_broken_document(root: Path, content: bytes) -> None:
    """A document that is no log is refused in a sentence."""
    path = document(root, sample())
    (source,) = sources(path)
    path.write_bytes(content)

    with pytest.raises(ArchiveError):
        READER.summarise(source)
    with pytest.raises(ArchiveError):
        list(READER.records(source, meta=False))


def test_nan_and_infinity(root: Path) -> None:
    """Inspect writes numbers that JSON does not have."""
    path = document(root, sample(scores={"mean": {"value": float("nan")}}, total_time=float("inf")))

    assert READER.summarise(sources(path)[0]).metadata["scores"] == {"mean": {}}


def test_hidden_records(root: Path) -> None:
    """Events, the run and the rest of the sample are meta events, whole."""
    events = [{"event": "state", "timestamp": at(3)}, {"timestamp": at(1)}, 7]
    path = document(root, sample(events=events, store={"a": 1}, started_at=at(0)))
    hidden = [item for item in READER.meta_events(sources(path)[0]) if isinstance(item, Record)]

    assert [(record.kind, record.timestamp) for record in hidden] == [
        ("log", at(0)), ("sample", at(0)), ("state", at(3)), ("event", at(1)),
    ]  # fmt: skip
    assert hidden[1].payload["store"] == {"a": 1}
    assert hidden[2].payload == events[0]


# -------------------------------------------------------------------------------------------------- ours and real


@pytest.mark.parametrize("path", sorted(OURS.iterdir()), ids=lambda path: path.name)
def test_our_logs(path: Path) -> None:
    """Each shape of a log is claimed, has one session, and goes on in time."""
    (source,) = sources(path)
    records = records_of(path)
    instants = [instant for record in records if (instant := parse_instant(record.timestamp)) is not None]

    assert READER.claims(sniffed(path, path.parent))
    assert all(earlier <= later for earlier, later in pairwise(instants))
    assert len(records) == READER.summarise(source).count in (4, 7)


REAL_LOGS = {
    "log_formats.eval": [3],
    "log_formats.json": [3],
    "log_read_sample.eval": [3],
    "log_read_sample.json": [3],
    "log_images_tc.json": [3],
    "mmlu-summary-choices.eval": [2],
    "mmlu-no-summary-choices.eval": [2],
    "2025-02-11T15-17-00-05-00_popularity_dPiJifoWeEQBrfWsAopzWr.eval": [3] * 10,
    "2025-02-11T15-18-04-05-00_popularity_mj7khqpMM4GBCfVQozKgzB.eval": [3] * 10,
    "2025-05-12T20-27-36-04-00_browser.json": [10],
    "2025-05-12T20-28-26-04-00_security-guide.json": [3] * 3,
}


@pytest.mark.skipif(not REAL.is_dir(), reason="the real sessions are not here")
@pytest.mark.parametrize(("name", "counts"), REAL_LOGS.items(), ids=list(REAL_LOGS))
def test_real_logs(name: str, counts: list[int]) -> None:
    """Every sample of every real log is read whole, with times and without a reference left over."""
    path = REAL / name

    assert [len(records_of(path, number)) for number in range(len(sources(path)))] == counts
    for number, source in enumerate(sources(path)):
        records = records_of(path, number)
        assert parse_instant(records[-1].timestamp) is not None
        assert not any("attachment://" in text for record in records for text in texts(record))
        assert READER.summarise(source).timing == "recorded"
        assert len(list(READER.meta_events(source))) > 2


@pytest.mark.skipif(not REAL.is_dir(), reason="the real sessions are not here")
def test_real_twins_and_images() -> None:
    """The two forms of one log are the same session; an image is in the message."""
    (zipped,), (plain,) = (sources(REAL / f"log_formats.{suffix}") for suffix in ("eval", "json"))
    asked = records_of(REAL / "log_images_tc.json")[1]

    assert zipped.scroll_id == plain.scroll_id
    assert [(part["type"], part.get("mime_type")) for part in asked.content] == [("text", None), ("image", "image/png")]
