"""The examples that write archives, on the shapes that the libraries have; what they leave is what plays."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

from archives import JsonObject
from scrollcast import ArchiveWriter
from scrollcast.archive.archive import Archive

EXAMPLES = Path(__file__).parents[2] / "examples" / "writing"
PIXEL = "iVBORw0KGgo="


def example(name: str) -> ModuleType:
    """The example of that name, as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def session(tmp_path: Path) -> ArchiveWriter:
    """A session to write."""
    return ArchiveWriter.create(tmp_path)


async def told(session: ArchiveWriter, *, meta: bool = False) -> list[tuple[str, JsonObject]]:
    """Who said what, part by part, as it is played; a meta event as its kind and payload."""
    found = []
    with Archive.open(session.folder.parent) as archive:
        index = await archive.open_index(session.scroll_id, meta=meta)
        await index.finish()
        block = await index.read(0, index.count)
        for seq in range(index.count):
            event = orjson.loads(block.event(seq))["event"]
            if message := event.get("message"):
                role = (message["metadata"] or {}).get("archived_role", message["role"])
                found += [(role, part) for part in message["content"]]
            else:
                found.append((event["meta_event"]["kind"], event["meta_event"]["payload"]))
    return found


def said(role: str, words: str) -> tuple[str, JsonObject]:
    """Some words."""
    return role, {"type": "text", "text": words}


def called(call_id: str, name: str, given: Any, **more: Any) -> tuple[str, JsonObject]:
    """A call of a tool."""
    told = {"kind": None, "title": None, **more}
    return "assistant", {"type": "tool_call", "call_id": call_id, "name": name, "input": given, **told}


def returned(call_id: str | None, words: str, *, is_error: bool = False) -> tuple[str, JsonObject]:
    """What came back."""
    output = [{"type": "text", "text": words}]
    return "tool", {"type": "tool_result", "call_id": call_id, "output": output, "is_error": is_error}


async def test_anthropic_messages(session: ArchiveWriter) -> None:
    """What the API answers, and what it is asked: text, thinking, tools, pictures, and what is not known."""
    record = example("anthropic_messages").record
    source = {"type": "base64", "data": PIXEL, "media_type": "image/png"}
    record(session, {"role": "user", "content": "List it"})
    answer = [
        {"type": "thinking", "thinking": "A listing.", "signature": "c2ln"},
        {"type": "text", "text": "Looking.", "citations": None},
        {"type": "tool_use", "id": "t1", "name": "bash", "input": {"command": "ls"}},
        {"type": "redacted_thinking", "data": "eA=="},
    ]
    usage = {"input_tokens": 12, "output_tokens": 30}
    assert (
        record(session, {"id": "msg_1", "role": "assistant", "model": "m", "content": answer, "usage": usage})
        == "msg_1"
    )
    results = [
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a.py"}]},
        {"type": "tool_result", "tool_use_id": "t2", "content": "no such file", "is_error": True},
    ]
    record(session, {"role": "user", "content": results})
    record(session, {"role": "user", "content": [{"type": "image", "source": source}]})

    assert await told(session) == [
        said("user", "List it"),
        ("assistant", {"type": "thinking", "text": "A listing."}),
        said("assistant", "Looking."),
        called("t1", "bash", {"command": "ls"}),
        ("assistant", {"type": "unknown", "raw": {"type": "redacted_thinking", "data": "eA=="}}),
        returned("t1", "a.py"),
        returned("t2", "no such file", is_error=True),
        ("user", {"type": "image", "mime_type": "image/png", "data": PIXEL}),
    ]


async def test_openai_chat(session: ArchiveWriter) -> None:
    """Messages of a chat completion, with arguments that are no JSON too."""
    record = example("openai_chat").record
    record(session, {"role": "developer", "content": "Be brief."})
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    record(session, {"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]})
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "it"}'}},
        {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{at"}},
        {"id": "c3", "type": "custom", "custom": {"name": "run", "input": "ls"}},
    ]
    record(session, {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}, model="m")
    record(session, {"role": "tool", "tool_call_id": "c1", "content": "A pixel."})

    assert await told(session) == [
        said("system", "Be brief."),
        said("user", "What is this?"),
        ("user", {"type": "image", "mime_type": "image/png", "data": PIXEL}),
        called("c1", "look", {"at": "it"}),
        called("c2", "look", "{at"),
        called("c3", "run", "ls"),
        returned("c1", "A pixel."),
    ]


async def test_acp_updates(session: ArchiveWriter) -> None:
    """Pieces of an answer become one message; a tool's call and its result are two records."""
    recorder = example("acp_updates").Recorder(session)

    def update(kind: str, /, **fields: Any) -> None:
        recorder.update({"sessionUpdate": kind, **fields})

    def chunk(kind: str, words: str) -> None:
        update(kind, content={"type": "text", "text": words})

    recorder.prompt([{"type": "text", "text": "List it"}, {"type": "resource_link", "uri": "file:///a", "name": "a"}])
    chunk("agent_thought_chunk", "A ")
    chunk("agent_thought_chunk", "listing.")
    chunk("agent_message_chunk", "Looking")
    update("tool_call", toolCallId="t1", title="ls", kind="execute", status="pending", rawInput={"command": "ls"})
    update("tool_call_update", toolCallId="t1", status="in_progress")
    output = [{"type": "content", "content": {"type": "text", "text": "a.py"}}]
    update("tool_call_update", toolCallId="t1", status="completed", content=output)
    update("plan", entries=[{"content": "first", "status": "completed", "priority": "high"}])
    update("current_mode_update", currentModeId="ask")
    chunk("agent_message_chunk", "a.py is there")
    recorder.turn_ended()

    assert [each for each in await told(session, meta=True) if each[0] != "current_mode_update"] == [
        said("user", "List it"),
        ("user", {"type": "resource", "uri": "file:///a", "mime_type": None, "text": None}),
        ("assistant", {"type": "thinking", "text": "A listing."}),
        said("assistant", "Looking"),
        called("t1", "execute", {"command": "ls"}, kind="execute", title="ls"),
        returned("t1", "a.py"),
        ("assistant", {"type": "plan", "entries": [{"content": "first", "status": "completed", "priority": "high"}]}),
        said("assistant", "a.py is there"),
    ]
    assert ("current_mode_update", {"currentModeId": "ask"}) in await told(session, meta=True)


@tool
def ls(path: str) -> str:
    """List a folder."""
    if path == "nowhere":
        raise ValueError("no such folder")
    return "a.py"


async def test_langchain_callbacks(session: ArchiveWriter) -> None:
    """Each message once, though the model is given all of them with every call; tools that fail too."""
    config: Any = {"callbacks": [example("langchain_callbacks").SessionRecorder(session)]}
    calls: list[Any] = [
        {"type": "tool_call", "id": "c1", "name": "ls", "args": {"path": "."}},
        {"type": "tool_call", "id": "c2", "name": "ls", "args": {"path": "nowhere"}},
    ]
    answers: list[BaseMessage] = [AIMessage("Looking.", tool_calls=calls), AIMessage("a.py is there")]
    model = FakeMessagesListChatModel(responses=answers)
    history: list[BaseMessage] = [SystemMessage("Be brief."), HumanMessage("What is there?")]
    history.append(model.invoke(history, config))
    history.append(ls.invoke(calls[0], config))
    with pytest.raises(ValueError, match="no such folder"):
        ls.invoke(calls[1], config)
    history.append(ToolMessage("It failed.", tool_call_id="c2", status="error"))
    model.invoke(history, config)

    assert await told(session) == [
        said("system", "Be brief."),
        said("user", "What is there?"),
        said("assistant", "Looking."),
        called("c1", "ls", {"path": "."}),
        called("c2", "ls", {"path": "nowhere"}),
        returned("c1", "a.py"),
        returned("c2", "ValueError: no such folder", is_error=True),
        said("assistant", "a.py is there"),
    ]
