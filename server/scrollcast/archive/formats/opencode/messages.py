"""OpenCode messages as records: one a moment, since every part of an answer has a time of its own.

A `Turn` is a message as any of the stores holds it, in the shape of OpenCode 1.x: `info` and a list of parts.
`turns_of` makes turns of the messages of both generations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Any, Final

from scrollcast.archive.formats import Item
from scrollcast.archive.formats.call_parts import text_part
from scrollcast.archive.formats.json_values import JsonObject, mapping, text_of
from scrollcast.archive.formats.opencode.parts import (
    Draft,
    error_parts,
    file_part,
    thought_or_text,
    time_of,
    tool_drafts,
)
from scrollcast.archive.timestamps import Instant
from scrollcast.model import BadRecord, MarkerKind, Part, Record

__all__ = ["Conversation", "RecordIds", "Turn", "error_draft", "is_bookkeeping", "turns_of", "usage_of"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message. `raw` is it as it was stored, `kind` is set where it is no message but something that happened."""

    info: JsonObject
    parts: Sequence[Any] = ()
    raw: Any = None
    kind: str = ""


# ------------------------------------------------------------------------------------------------ both generations


def turns_of(message: Any) -> Iterator[Turn | None]:
    """The turns that one message of an export or of a table is; `None` for what is no message."""
    match message:
        case {"info": dict(info)}:
            parts = message.get("parts")
            yield Turn(info, parts if isinstance(parts, list) else (), info)
        case {"type": str(kind)}:
            yield from _turns_of_second(kind, message)
        case _:
            yield None


def _turns_of_second(kind: str, message: JsonObject) -> Iterator[Turn]:
    """A message of OpenCode 2.0: one flat object, told apart by its type."""
    info = {"id": message.get("id"), "time": message.get("time"), "role": "user"}
    match kind:
        case "user":
            yield Turn(info, _prompt_parts(message), message)
        case "assistant":
            content = message.get("content")
            yield Turn(_answer_info(info, message), content if isinstance(content, list) else (), message)
        case "synthetic":
            yield Turn(info, [{"type": "text", "text": message.get("text"), "synthetic": True}], message)
        case "system":
            yield Turn({**info, "role": "system"}, [{"type": "text", "text": message.get("text")}], message)
        case "shell":
            yield Turn({**info, "role": "assistant"}, [_shell_part(message)], message)
        case "compaction":
            yield Turn(info, [{"type": "compaction", "auto": message.get("reason") == "auto"}], message)
            summary = {**info, "id": f"{text_of(message.get('id'))}-summary", "role": "assistant", "summary": True}
            yield Turn(summary, [{"type": "text", "text": message.get("summary")}])
        case _:
            yield Turn(info, (), message, kind)


def _prompt_parts(message: JsonObject) -> list[Any]:
    parts: list[Any] = [{"type": "text", "text": message.get("text")}]
    files, agents = message.get("files"), message.get("agents")
    for file in files if isinstance(files, list) else ():
        parts.append({**file, "type": "file"} if isinstance(file, dict) else file)
    for agent in agents if isinstance(agents, list) else ():
        parts.append({**agent, "type": "agent"} if isinstance(agent, dict) else {"type": "agent", "name": agent})
    return parts


def _answer_info(info: JsonObject, message: JsonObject) -> JsonObject:
    model = mapping(message.get("model"))
    return {
        **info,
        "role": "assistant",
        "modelID": model.get("id"),
        "providerID": model.get("providerID"),
        **{name: message.get(name) for name in ("agent", "cost", "tokens", "error") if name in message},
    }


def _shell_part(message: JsonObject) -> JsonObject:
    """A command that the person ran, as the call that 1.x makes of it."""
    times = mapping(message.get("time"))
    state: JsonObject = {"input": {"command": message.get("command")}, "status": "running", "time": {}}
    state["time"]["start"] = times.get("created")
    if "completed" in times or message.get("output"):
        state |= {"status": "completed", "output": message.get("output")}
        state["time"]["end"] = times.get("completed")
    call_id = message.get("callID")
    return {"type": "tool", "id": message.get("id"), "callID": call_id, "tool": "bash", "state": state}


# ------------------------------------------------------------------------------------------------- what is the same


class RecordIds:
    """Gives each record an id of its own: the one it has, or one that follows from its place."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}  # how often an id was wanted
        self._unnamed = 0

    def claim(self, wanted: str) -> str:
        """An id that no record has yet, `wanted` if it is free."""
        if not wanted:
            self._unnamed += 1
            wanted = f"record-{self._unnamed}"
        claimed = wanted
        while claimed in self._times:
            self._times[wanted] += 1
            claimed = f"{wanted}~{self._times[wanted]}"
        self._times[claimed] = 1
        return claimed


_BOOKKEEPING: Final = frozenset(("step-start", "step-finish", "snapshot", "patch", "agent"))
"""Parts that say nothing to a person: a patch is only the names of files, a mention stands in the text as well."""


def is_bookkeeping(part: JsonObject) -> bool:
    """Whether a part is a meta event."""
    kind = part.get("type")
    return isinstance(kind, str) and kind in _BOOKKEEPING


def usage_of(holder: Mapping[str, Any]) -> JsonObject:
    """The tokens and the cost that a message or a `step-finish` part counts, as metadata."""
    tokens, cost = holder.get("tokens"), holder.get("cost")
    counted: JsonObject = {"usage": tokens} if isinstance(tokens, dict) and tokens else {}
    if isinstance(cost, (int, float)) and not isinstance(cost, bool):
        counted["cost"] = cost
    return counted


_ERRORS: Final[Mapping[str, str]] = {
    "MessageAbortedError": "Interrupted",
    "MessageOutputLengthError": "The answer reached the limit of its length",
    "ProviderAuthError": "The provider refused the sign-in",
    "ContextOverflowError": "The conversation is longer than the model's context",
    "APIError": "The provider's API failed",
    "UnknownError": "Failed",
    "unknown": "Failed",
}


def error_draft(own_id: str, error: Any) -> Draft | None:
    """A notice of what ended an answer; `None` where nothing did."""
    if not error:
        return None
    name = text_of(mapping(error).get("name")) or text_of(mapping(error).get("type"))
    label = _ERRORS.get(name, name)
    details = "" if mapping(error) and not _says_more(error) else error_parts(error)[0]["text"]
    text = ": ".join(words for words in (label, details) if words) or "Failed"
    return Draft(own_id, "system", [text_part(text)], metadata={"error": name} if name else {})


def _says_more(error: JsonObject) -> bool:
    return isinstance(error.get("message"), str) or bool(error.get("data"))


# --------------------------------------------------------------------------------------------------- a conversation


class Conversation:
    """Turns the messages of one session into records, in their order.

    `revert` is the session's own note of how far it was undone.
    """

    def __init__(self, *, meta: bool, revert: object = None) -> None:
        self._meta = meta
        self._undone_from = text_of(mapping(revert).get("messageID"))
        self._undone_part = text_of(mapping(revert).get("partID"))
        self._undone = False
        self._announced = False  # a compaction was, and its summary is still to come
        self._ids = RecordIds()
        self._meta_ids = RecordIds()  # of their own: messages are named the same with and without meta events

    def read(self, turn: Turn | None) -> Iterator[Item]:
        """The records of one message; a `BadRecord` for what is none, and for each part that is none."""
        if turn is None:
            yield BadRecord(None)
            return
        begins = self._begins_undone(turn)
        self._undone = self._undone or (begins and not self._undone_part)
        for draft in self._drafts(turn):
            if draft is None:
                yield BadRecord(None)
                continue
            self._undone = self._undone or (begins and draft.id == self._undone_part)
            if not draft.kind or self._meta:
                yield self._record(draft)
        self._undone = self._undone or begins

    def _begins_undone(self, turn: Turn) -> bool:
        """Whether what was undone begins with or in this message."""
        own_id, first = text_of(turn.info.get("id")), self._undone_from
        # Ids ascend, so that a message that is gone still has a place.
        return bool(first) and (own_id == first or (first.startswith("msg_") and own_id > first))

    def _record(self, draft: Draft) -> Record:
        if draft.kind:
            own_id = self._meta_ids.claim(draft.id)
            return Record(own_id, draft.timestamp, kind=draft.kind, payload=draft.payload)
        if self._undone:
            draft.metadata["abandoned"] = True
        own_id = self._ids.claim(draft.id)
        return Record(
            own_id, draft.timestamp, draft.role, draft.parts, draft.metadata or None, markers=tuple(draft.markers)
        )

    def _drafts(self, turn: Turn) -> Iterator[Draft | None]:
        info = turn.info
        created = time_of(info.get("time"), "created", "completed")
        if turn.kind:
            yield Draft(text_of(info.get("id")), timestamp=created, kind=turn.kind, payload=turn.raw)
            return
        if turn.raw is not None:
            yield Draft(f"{text_of(info.get('id'))}-info", timestamp=created, kind="message", payload=turn.raw)
        if info.get("role") == "assistant":
            yield from self._answer(turn, created)
        else:
            yield from self._prompt(turn, created)

    # ------------------------------------------------------------------------------------------------- a person's

    def _prompt(self, turn: Turn, created: object) -> Iterator[Draft | None]:
        """What a person said, as one message; what was added to it by the program is set apart."""
        message_id = text_of(turn.info.get("id"))
        said = Draft(message_id, text_of(turn.info.get("role")) or "user", timestamp=created)
        injected: list[str] = []
        aside: list[Draft | None] = []
        for place, part in enumerate(turn.parts):
            own_id = _part_id(part, message_id, place)
            match part:
                case {"type": "text", "text": str(text)} if part.get("synthetic") or part.get("ignored"):
                    injected.append(text)
                case {"type": "compaction"}:
                    aside.append(self._compaction(part, own_id, created))
                case _:
                    aside.extend(_take_prompt_part(part, own_id, created, said))
        if injected and said.parts:
            said.metadata["injected"] = injected
        elif injected:
            said.role, said.parts = "system", [text_part(text) for text in injected if text.strip()]
        if said.parts:
            yield said
        yield from aside

    def _compaction(self, part: JsonObject, own_id: str, created: object) -> Draft:
        """What was said so far is about to be replaced by a summary."""
        self._announced = True
        how = "when the context was full" if part.get("auto") else "as asked"
        text = f"The conversation was compacted {how}."
        marker = (MarkerKind.COMPACTION, "compacted by itself" if part.get("auto") else "compacted as asked")
        return Draft(own_id, "system", [text_part(text)], created, markers=[marker])

    # ------------------------------------------------------------------------------------------------- the agent's

    def _answer(self, turn: Turn, created: object) -> Iterator[Draft | None]:
        """An answer, a message for each of its moments; what is counted for all of it stands on the last of the
        agent's own."""
        drafts = _Moments(text_of(turn.info.get("id")), created).of(turn.parts)
        if (problem := error_draft(f"{text_of(turn.info.get('id'))}-error", turn.info.get("error"))) is not None:
            # Behind other messages it comes with the last of them, where its own time is not known.
            problem.timestamp = time_of(turn.info.get("time"), "completed", *(() if drafts else ("created",)))
            drafts.append(problem)
        own = [draft for draft in drafts if draft is not None and draft.role == "assistant"]
        model = text_of(turn.info.get("modelID")) or text_of(mapping(turn.info.get("model")).get("modelID"))
        for draft in own if model else ():
            draft.metadata["model"] = model
        if own:
            own[-1].metadata.update(usage_of(turn.info) or _usage_of_steps(turn.parts))
            if turn.info.get("summary") is True:  # in some files it is an object, and means something else
                self._mark_summary(own)
        yield from drafts

    def _mark_summary(self, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            draft.metadata["compaction"] = True
        if not self._announced:  # earlier versions wrote nothing but the summary
            drafts[0].markers.append((MarkerKind.COMPACTION, "compacted"))
        self._announced = False


def _usage_of_steps(parts: Sequence[Any]) -> JsonObject:
    """What the last finished step counts, where the message does not say it."""
    finished = (part for part in reversed(parts) if mapping(part).get("type") == "step-finish")
    return usage_of(next(finished, {}))


def _part_id(part: object, message_id: str, place: int) -> str:
    return text_of(mapping(part).get("id")) or (f"{message_id}/{place}" if message_id else "")


def _take_prompt_part(part: Any, own_id: str, created: object, said: Draft) -> Iterable[Draft | None]:
    """Put a part of a prompt into it, or give what stands for itself."""
    shown: Part | None
    match part:
        case {"type": "text", "text": str(text)}:
            shown = text_part(text) if text.strip() else None
        case {"type": "file"}:
            shown = file_part(part)
        case {"type": "subtask", "prompt": str(text)}:
            shown = text_part(text)
        case {"type": "tool"}:
            return tool_drafts(part, own_id)
        case dict():
            if is_bookkeeping(part):
                return (Draft(own_id, timestamp=created, kind=part["type"], payload=part),)
            shown = {"type": "unknown", "raw": part}
        case _:
            return (None,)
    said.parts.extend((shown,) if shown is not None else ())
    return ()


_END: Final[Instant] = 1 << 62
"""After everything."""


class _Moments:
    """Takes an answer apart into its moments.

    Thoughts, texts and calls come in the order of the parts. A result comes where its own time puts it: with calls
    that ran side by side behind later ones.
    """

    def __init__(self, message_id: str, created: object) -> None:
        self._message_id = message_id
        self._created = created
        self._drafts: list[Draft | None] = []
        self._results: list[tuple[Instant, int, Draft]] = []  # a heap: those still to come, the earliest first
        self._begun = False
        self._latest: object = created
        self._open: Draft | None = None  # what a part without a time of its own may join

    def of(self, parts: Iterable[Any]) -> list[Draft | None]:
        """The messages and meta events, `None` for each part that is no object."""
        for place, part in enumerate(parts):
            if isinstance(part, dict):
                self._take(part, _part_id(part, self._message_id, place))
            else:
                self._drafts.append(None)
        self._settle(_END)
        return self._drafts

    def _take(self, part: JsonObject, own_id: str) -> None:
        match part.get("type"):
            case "text" | "reasoning":
                self._take_words(part, own_id)
            case "tool":
                call, *results = tool_drafts(part, own_id)
                self._add(call)
                for result in results:
                    heappush(self._results, (result.moment or 0, len(self._drafts), result))
            case "retry":
                self._add(_retry_draft(part, own_id))
            case kind if isinstance(kind, str) and is_bookkeeping(part):
                if kind.startswith("step-"):  # a step ends when all that it called for is there
                    self._settle(_END)
                self._drafts.append(Draft(own_id, timestamp=self._latest, kind=kind, payload=part))
            case "file":
                self._join(file_part(part), Draft(own_id, "assistant"))
            case _:
                self._join({"type": "unknown", "raw": part}, Draft(own_id, "assistant"))

    def _take_words(self, part: JsonObject, own_id: str) -> None:
        words = thought_or_text(part)
        if words is None:
            return
        # A message is completed when its last word is written.
        timestamp = time_of(part.get("time"), "end", "start")
        if part.get("synthetic") or part.get("ignored"):
            self._add(Draft(own_id, "system", [words], timestamp))
        else:
            self._join(words, Draft(own_id, "assistant", timestamp=timestamp))

    def _join(self, part: Part, draft: Draft) -> None:
        """Put a part into the message that is open, unless it has a time of its own."""
        if self._open is None or draft.timestamp is not None:
            self._add(draft)
            self._open = draft
        self._open.parts.append(part)

    def _add(self, draft: Draft) -> None:
        if draft.timestamp is None and not self._begun:
            draft.timestamp = self._created
        self._begun = True
        self._settle(draft.moment or 0)
        self._append(draft)

    def _settle(self, moment: Instant) -> None:
        """Add the results that were there at `moment`, the earliest first; those without a time are always."""
        while self._results and self._results[0][0] <= moment:
            self._append(heappop(self._results)[2])

    def _append(self, draft: Draft) -> None:
        self._drafts.append(draft)
        self._latest = self._latest if draft.timestamp is None else draft.timestamp
        self._open = None


def _retry_draft(part: JsonObject, own_id: str) -> Draft:
    draft = error_draft(own_id, part.get("error")) or Draft(own_id, "system", [text_part("The provider failed")])
    attempt = part.get("attempt")
    count = f", attempt {attempt}" if isinstance(attempt, int) else ""
    return replace(
        draft,
        parts=[text_part(f"Tried again{count}: {draft.parts[0]['text']}")],
        timestamp=time_of(part.get("time"), "created"),
    )
