"""Every real file under the shared sessions: whose it is, and what is read of it.

The counts follow the rows of its `ORIGIN.md`. Skipped where the checkout stands by itself.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import orjson
import pytest

from scrollcast.archive.encoding import EncodedEvent, EventEncoder, TimedRecord, time_records
from scrollcast.archive.formats import Item, SessionSource
from scrollcast.archive.formats.readers import READERS, READERS_BY_NAME, owner, sniff
from scrollcast.model import BadRecord, Record, parse_part

FOLDER = Path(__file__).parents[3].parent / "shared" / "sessions"

EXACT_SUMMARY_BYTES = 32 << 10
"""Up to this size a summary's count is exact."""

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the shared sessions are not beside this checkout")


@dataclass(frozen=True, slots=True)
class Read:
    """What is read of one file: its reader, and over all its sessions how much there is of each."""

    reader: str
    sessions: int = 1
    messages: int = 0
    turns: int = 0
    calls: int = 0
    results: int = 0
    failed: int = 0
    plans: int = 0
    bad: int = 0
    meta: int = 0


CURSOR_ID = "1031d227-0c67-4e17-8954-0b6e2b3322f0"

SAMPLES = {
    "acp/python-sdk-golden/session_update_agent_message_chunk.json": Read("acp", messages=1),
    "acp/python-sdk-golden/session_update_agent_thought_chunk.json": Read("acp", messages=1),
    "acp/python-sdk-golden/session_update_plan.json": Read("acp", messages=1, plans=1),
    "acp/python-sdk-golden/session_update_tool_call.json": Read("acp", messages=1, calls=1),
    "acp/python-sdk-golden/session_update_tool_call_edit.json": Read("acp", messages=1, calls=1),
    "acp/python-sdk-golden/session_update_tool_call_read.json": Read("acp", messages=1, calls=1),
    "acp/python-sdk-golden/session_update_tool_call_update_content.json": Read("acp", messages=1, calls=1),
    "acp/python-sdk-golden/session_update_user_message_chunk.json": Read("acp", messages=1, turns=1),
    "claude-code/agent-sessions/large.jsonl": Read("claude-code", messages=10, turns=4, calls=1, results=1),
    "claude-code/agent-sessions/schema_drift.jsonl": Read(
        "claude-code", messages=5, turns=1, calls=1, results=1, meta=5
    ),
    "claude-code/agentsview/ssh-session.jsonl": Read("claude-code", messages=4, turns=2, calls=1),
    "claude-code/agentsview/tool_call_pending.jsonl": Read("claude-code", messages=2, turns=1, calls=1),
    "claude-code/agentsview/truncated.jsonl": Read("claude-code", messages=2, turns=1, bad=1),
    "claude-code/agentsview/valid_session.jsonl": Read("claude-code", messages=4, turns=2, calls=1),
    "claude-code/claude-code-log/representative_messages.jsonl": Read(
        "claude-code", messages=11, turns=4, calls=2, results=2, meta=1
    ),
    "claude-code/claude-code-log/session_b.jsonl": Read("claude-code", messages=3, turns=2),
    "claude-code/claude-code-log/todowrite_examples.jsonl": Read(
        "claude-code", messages=11, turns=2, calls=3, results=3, plans=3, meta=1
    ),
    "claude-code/claude-code-transcripts/sample_session.json": Read(
        "claude-code", messages=33, turns=5, calls=12, results=12, failed=1, plans=1
    ),
    "claude-code/claude-code-transcripts/sample_session.jsonl": Read(
        "claude-code", messages=7, turns=2, calls=2, results=2, meta=1
    ),
    "claude-code/claude-replay/e2e-fixture.jsonl": Read(
        "claude-code", messages=14, turns=5, calls=7, results=7, failed=1
    ),
    "claude-code/claude-replay/fixture-system-tags.jsonl": Read("claude-code", messages=10, turns=5),
    "claude-code/claude-replay/fixture.jsonl": Read("claude-code", messages=8, turns=3, calls=1, results=1, meta=3),
    "codex/agent-sessions/codex_050_legacy.jsonl": Read("codex", meta=5),
    "codex/agent-sessions/codex_051_usage.jsonl": Read("codex", meta=3),
    "codex/agent-sessions/codex_052_raw.jsonl": Read("codex", meta=6),
    "codex/agent-sessions/large.jsonl": Read("codex", messages=15, turns=6, calls=1, results=1, meta=5),
    "codex/agent-sessions/session_simple.jsonl": Read("openai-chat", messages=2, turns=1),
    "codex/agent-sessions/session_toolcall.jsonl": Read("openai-chat", messages=4, turns=1, calls=1, results=1),
    "codex/agentsview/blockquotes_session.jsonl": Read("codex", messages=2, turns=1, meta=2),
    "codex/agentsview/fc_args_1.jsonl": Read("codex", messages=2, turns=1, calls=1, meta=1),
    "codex/agentsview/fc_stdin.jsonl": Read("codex", messages=2, turns=1, calls=1, meta=1),
    "codex/agentsview/function_calls.jsonl": Read("codex", messages=3, turns=1, calls=2, meta=1),
    "codex/agentsview/standard_session.jsonl": Read("codex", messages=2, turns=1, meta=1),
    "codex/ccusage/session-alpha.jsonl": Read("codex", meta=3),
    "codex/claude-code-log/rollout-2026-01-02T03-04-05-11111111.jsonl": Read(
        "codex", messages=9, turns=1, calls=3, results=3, meta=5
    ),
    "codex/claude-replay/fixture-codex-patch.jsonl": Read("codex", messages=14, turns=3, calls=4, results=4, meta=7),
    "codex/claude-replay/fixture-codex.jsonl": Read("codex", messages=14, turns=3, calls=3, results=3, meta=8),
    "cursor/agent-sessions/large.jsonl": Read("cursor", messages=10, turns=3, calls=2, results=2),
    "cursor/agent-sessions/small.jsonl": Read("cursor", messages=4, turns=2, calls=1, meta=1),
    "cursor/agent-sessions/subagent-session.jsonl": Read("cursor", messages=3, turns=1, calls=1),
    "cursor/claude-replay/e2e-fixture-paced-wording.jsonl": Read("cursor", messages=5, turns=3),
    "cursor/claude-replay/fixture-cursor.jsonl": Read("cursor", messages=5, turns=2),
    "cursor/claude-replay/fixture-paced.jsonl": Read("cursor", messages=4, turns=2),
    f"cursor/codeburn/agent-transcripts/{CURSOR_ID}/{CURSOR_ID}.jsonl": Read("cursor", messages=2, turns=1),
    "gemini-cli/agent-sessions/jsonl_v040.jsonl": Read("gemini", messages=4, turns=1, calls=1, results=1, meta=2),
    "gemini-cli/agent-sessions/small.json": Read("gemini", messages=2, turns=1, meta=1),
    "gemini-cli/agentsview/standard_session.json": Read("gemini", messages=4, turns=2, meta=1),
    "gemini-cli/agentsview/thinking_only.json": Read("gemini", messages=4, turns=1, meta=1),
    "gemini-cli/agentsview/tool_calls_with_results.json": Read(
        "gemini", messages=5, turns=1, calls=2, results=2, meta=1
    ),
    "gemini-cli/claude-replay/fixture-gemini.json": Read(
        "gemini", messages=15, turns=4, calls=3, results=3, failed=1, meta=1
    ),
    "inspect-eval/2025-02-11T15-17-00-05-00_popularity_dPiJifoWeEQBrfWsAopzWr.eval": Read(
        "inspect", sessions=10, messages=30, turns=10, meta=100
    ),
    "inspect-eval/2025-02-11T15-18-04-05-00_popularity_mj7khqpMM4GBCfVQozKgzB.eval": Read(
        "inspect", sessions=10, messages=30, turns=10, meta=130
    ),
    "inspect-eval/2025-05-12T20-27-36-04-00_browser.json": Read(
        "inspect", messages=10, turns=1, calls=4, results=4, meta=45
    ),
    "inspect-eval/2025-05-12T20-28-26-04-00_security-guide.json": Read(
        "inspect", sessions=3, messages=9, turns=3, meta=48
    ),
    "inspect-eval/log_formats.eval": Read("inspect", messages=3, turns=1, meta=13),
    "inspect-eval/log_formats.json": Read("inspect", messages=3, turns=1, meta=13),
    "inspect-eval/log_images_tc.json": Read("inspect", messages=3, turns=1, meta=13),
    "inspect-eval/log_read_sample.eval": Read("inspect", messages=3, turns=1, meta=19),
    "inspect-eval/log_read_sample.json": Read("inspect", messages=3, turns=1, meta=19),
    "inspect-eval/mmlu-no-summary-choices.eval": Read("inspect", messages=2, turns=1, meta=16),
    "inspect-eval/mmlu-summary-choices.eval": Read("inspect", messages=2, turns=1, meta=16),
    "openai-chat/gptme/conversation.jsonl": Read("openai-chat", messages=6, turns=2, results=2, meta=1),
    "openai-chat/openhands/fncall-llm-message.json": Read("openai-chat", messages=14, turns=1, calls=6, results=6),
    "openai-chat/openhands/gateway_litellm_haiku_completion.json": Read("openai-chat", messages=3, turns=1, meta=1),
    "openai-chat/openhands/gateway_openai_nano_completion.json": Read("openai-chat", messages=3, turns=1, meta=1),
    "openai-chat/openhands/llm-log-fncall-1757015046.707.json": Read(
        "openai-chat", messages=13, turns=1, calls=6, results=5, meta=1
    ),
    "openai-chat/openhands/nonfncall-llm-message.json": Read("openai-chat", messages=10, turns=1, calls=4, results=4),
    "openai-chat/swe-agent/ctf_networking_1.traj": Read("openai-chat", messages=9, turns=1, calls=4, results=3, meta=1),
    "openai-chat/swe-agent/function_calling_simple.traj": Read("openai-chat", messages=12, turns=1, calls=5, results=5),
    "opencode/agent-sessions/storage_v2/session/proj_test/ses_s_stage0_small.json": Read(
        "opencode", messages=4, turns=1, calls=1, results=1, meta=2
    ),
    "opencode/claude-replay/fixture-opencode.jsonl": Read(
        "opencode", messages=9, calls=3, results=3, failed=1, meta=10
    ),
    "other/hermes_session.json": Read("openai-chat", messages=2, turns=1, meta=1),
    "other/openhands_events.jsonl": Read("openai-chat", messages=5, calls=2, results=3, failed=3, meta=5),
    "other/vibe_messages.jsonl": Read("openai-chat", messages=4, turns=1, calls=1, results=1),
}

NOT_RECOGNISED = (
    "ORIGIN.md",
    # Bare objects that only a stream around them would explain: one of them is a cancellation and a response alike.
    "acp/python-sdk-golden/cancel_notification.json",
    "acp/python-sdk-golden/content_image.json",
    "acp/python-sdk-golden/content_resource_link.json",
    "acp/python-sdk-golden/content_resource_text.json",
    "acp/python-sdk-golden/content_text.json",
    "acp/python-sdk-golden/fs_read_text_file_request.json",
    "acp/python-sdk-golden/fs_read_text_file_response.json",
    "acp/python-sdk-golden/fs_write_text_file_request.json",
    "acp/python-sdk-golden/initialize_request.json",
    "acp/python-sdk-golden/initialize_response.json",
    "acp/python-sdk-golden/new_session_request.json",
    "acp/python-sdk-golden/new_session_response.json",
    "acp/python-sdk-golden/permission_outcome_selected.json",
    "acp/python-sdk-golden/prompt_request.json",
    "acp/python-sdk-golden/request_permission_request.json",
    "acp/python-sdk-golden/request_permission_response_selected.json",
    "acp/python-sdk-golden/tool_content_content_text.json",
    "acp/python-sdk-golden/tool_content_diff.json",
    # A message, a part or a marker each: they are read with the file of their session.
    "opencode/agent-sessions/storage_v2/message/s_stage0_small/msg_0001.json",
    "opencode/agent-sessions/storage_v2/message/s_stage0_small/msg_0002.json",
    "opencode/agent-sessions/storage_v2/migration",
    "opencode/agent-sessions/storage_v2/part/m_assistant_small/001.json",
    "opencode/agent-sessions/storage_v2/part/m_assistant_small/002.json",
    "opencode/agent-sessions/storage_v2/part/m_user_small/001.json",
    # Logs of programs that there is no reader for, and what is no session.
    "other/aider_chat_history.md",
    "other/claude_replay_turns.jsonl",
    "other/copilot_cli_events.jsonl",
    "other/droid_session_store.jsonl",
    "other/kimi_code_wire.jsonl",
    "other/openclaw_session.jsonl",
    "other/openhands_base_state.json",
)
"""Files that no reader claims."""

every_sample = pytest.mark.parametrize("name", SAMPLES)

_ROW = re.compile(r"^\| `(?P<name>[^`]+)` \|.*\| (?P<measured>[^|]+) \|$", re.MULTILINE)
_SECTION = re.compile(r"^## (?P<folder>[a-z-]+)\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def measured() -> dict[str, str]:
    """What each row of `ORIGIN.md` says that it measured: bytes, rows, bad rows, samples."""
    text = (FOLDER / "ORIGIN.md").read_text()
    return {
        f"{section['folder']}/{row['name']}": row["measured"]
        for section in _SECTION.finditer(text)
        for row in _ROW.finditer(section["text"])
    }


def figure(measured: str, unit: str) -> int | None:
    """A number with this unit, if there is one."""
    found = re.search(rf"(\d+) {unit}\b", measured)
    return int(found[1]) if found else None


def sources_of(name: str) -> list[SessionSource]:
    """The sessions in a sample."""
    path = FOLDER / name
    file = sniff(path, FOLDER, path.stat().st_size)
    return list(READERS_BY_NAME[SAMPLES[name].reader].locate(file, FOLDER))


def items_of(source: SessionSource, *, meta: bool) -> Iterator[Item]:
    """All that is read of a session, the meta events that lie apart too."""
    apart = source.reader.meta_events(source) if meta else None
    return chain(source.reader.records(source, meta=meta), apart or ())


def events_of(source: SessionSource, *, meta: bool) -> list[EncodedEvent]:
    """The same as it is sent."""
    encoder = EventEncoder(source.reader.summarise(source))
    timed = time_records(items_of(source, meta=meta), "1970-01-01T00:00:00Z")
    return [encoder.encode(seq, item) for seq, item in enumerate(timed) if isinstance(item, TimedRecord)]


def count_of(sources: list[SessionSource]) -> Read:
    """What all these sessions hold together."""
    messages = [item for source in sources for item in items_of(source, meta=False)]
    everything = [item for source in sources for item in items_of(source, meta=True)]
    parts = [part for item in messages if isinstance(item, Record) for part in item.content]
    kinds = [part["type"] for part in parts]
    return Read(
        reader=sources[0].reader.name,
        sessions=len(sources),
        messages=sum(isinstance(item, Record) for item in messages),
        turns=sum(event.is_turn for source in sources for event in events_of(source, meta=False)),
        calls=kinds.count("tool_call"),
        results=kinds.count("tool_result"),
        failed=sum(part.get("is_error") is True for part in parts),
        plans=kinds.count("plan"),
        bad=sum(isinstance(item, BadRecord) for item in messages),
        meta=sum(isinstance(item, Record) and item.is_meta for item in everything),
    )


def test_every_file_is_told_of() -> None:
    """No shared file is left out of the two tables, and none in them is missing."""
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}

    assert files == {*SAMPLES, *NOT_RECOGNISED}


def test_every_row_of_the_list_is_a_file() -> None:
    """The list and the folder have the same samples."""
    assert set(measured()) == {*SAMPLES, *NOT_RECOGNISED} - {"ORIGIN.md"}


@pytest.mark.parametrize("name", [*SAMPLES, *NOT_RECOGNISED[1:]])
def test_what_the_list_measured(name: str) -> None:
    """A file has the size and the rows that the list states; none of the rows is lost, and the bad ones are told."""
    stated, content = measured()[name], (FOLDER / name).read_bytes()
    rows, samples, size = figure(stated, "rows"), figure(stated, "samples"), figure(stated, "B")

    assert (rows, samples, size) != (None, None, None)
    assert size in (None, len(content))
    assert rows in (None, sum(bool(line.strip()) for line in content.split(b"\n")))
    if name in SAMPLES:
        read = SAMPLES[name]
        assert read.bad == (figure(stated, "bad") or 0)
        assert samples in (None, read.sessions)
        assert rows is None or read.messages + read.meta + read.bad >= rows


@pytest.mark.parametrize("name", [*SAMPLES, *NOT_RECOGNISED])
def test_owner(name: str) -> None:
    """A file is claimed by the reader of its format and by no other, and one of no format by none."""
    path = FOLDER / name
    file = sniff(path, FOLDER, path.stat().st_size)
    expected = [SAMPLES[name].reader] if name in SAMPLES else []
    found = owner(file)

    assert [reader.name for reader in READERS if reader.claims(file)] == expected
    assert (found.name if found else None) == (expected[0] if expected else None)


@every_sample
def test_counts(name: str) -> None:
    """As much is read of a file as its row in `ORIGIN.md` says that there is."""
    assert count_of(sources_of(name)) == SAMPLES[name]


@every_sample
def test_summaries(name: str) -> None:
    """Each session is summed up as what it holds: exactly, or about, where it is large."""
    exact = (FOLDER / name).stat().st_size <= EXACT_SUMMARY_BYTES
    for source in sources_of(name):
        session = source.reader.summarise(source)
        count = sum(isinstance(item, Record) for item in items_of(source, meta=False))

        assert session.scroll_id == source.scroll_id
        assert session.kind == source.reader.name
        assert session.count == (count if exact else pytest.approx(count, rel=0.3))
        assert session.title or not count or name in UNTITLED
        orjson.dumps(session)


UNTITLED = frozenset(
    (
        "other/openhands_events.jsonl",  # begins in the middle: nobody says anything in it
        *(name for name in SAMPLES if name.startswith("acp/") and SAMPLES[name].turns == 0),
    )
)


@every_sample
@pytest.mark.parametrize("meta", [False, True], ids=["messages", "with meta"])
def test_events(name: str, meta: bool) -> None:
    """Everything can be sent, under ids of its own, in parts that parse."""
    for source in sources_of(name):
        records = [item for item in items_of(source, meta=meta) if isinstance(item, Record)]
        events = [orjson.loads(event.data) for event in events_of(source, meta=meta)]

        assert [event["seq"] for event in events] == list(range(len(records)))
        assert len({(record.is_meta, record.id) for record in records}) == len(records)
        assert all(parse_part(part) == part for record in records for part in record.content)


@every_sample
def test_results_are_tied(name: str) -> None:
    """A result names the call that it is of, unless it has no id or stands without its call."""
    loose = {"openai-chat/gptme/conversation.jsonl": 2, "other/openhands_events.jsonl": 1}
    for source in sources_of(name):
        records = [item for item in items_of(source, meta=False) if isinstance(item, Record)]
        parts = [part for record in records for part in record.content]
        calls = [part["call_id"] for part in parts if part["type"] == "tool_call"]
        results = [part["call_id"] for part in parts if part["type"] == "tool_result"]

        assert len(set(calls)) == len(calls)
        assert sum(call_id not in calls for call_id in results) == loose.get(name, 0)


def test_tree_is_entered_by_its_sessions() -> None:
    """The files of OpenCode's messages and parts are not looked at one by one."""
    folder = FOLDER / "opencode" / "agent-sessions" / "storage_v2"
    below = [path.name for path in folder.iterdir()]
    found = READERS_BY_NAME["opencode"].candidates(folder, below, below)

    assert found is not None
    assert [str(path.relative_to(FOLDER)) for path in found] == [
        name for name in SAMPLES if "storage_v2/session" in name
    ]
