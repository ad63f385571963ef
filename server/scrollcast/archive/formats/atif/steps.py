"""The steps of an ATIF trajectory as records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any, Final

from scrollcast.archive.formats import Item
from scrollcast.archive.formats.call_parts import call_parts, image_part, read_content, text_part
from scrollcast.archive.formats.json_values import JsonObject, dicts, mapping, text_of
from scrollcast.model import BadRecord, MarkerKind, Part, Record

__all__ = ["content_parts", "has_failed", "record_count", "records_of", "results_of"]

_ROLES: Final = {"agent": "assistant", "user": "user", "system": "system"}

_BULKY_METRICS: Final = frozenset(("prompt_token_ids", "completion_token_ids", "logprobs"))
"""A number for each token: for training, not for a viewer. They are meta events."""

_READ_FIELDS: Final = frozenset(
    ("step_id", "timestamp", "source", "model_name", "message", "reasoning_content", "tool_calls", "observation",
     "metrics", "is_copied_context", "extra")
)  # fmt: skip


def records_of(trajectory: JsonObject, *, meta: bool) -> Iterator[Item]:
    """Every step as a message, with a message behind it for each result; with `meta`, what is no message too."""
    steps = trajectory.get("steps")
    if meta:
        facts = {name: value for name, value in trajectory.items() if name not in ("steps", "subagent_trajectories")}
        yield Record("trajectory", None, kind="trajectory", payload=facts)
    model = text_of(mapping(trajectory.get("agent")).get("model_name"))
    names = _subagent_names(trajectory)
    for number, step in enumerate(steps if isinstance(steps, list) else (), 1):
        if not isinstance(step, dict):
            yield BadRecord(None)
            continue
        yield from _Step(step, number, model, names).records()
        if meta and (bulk := _BULKY_METRICS & mapping(step.get("metrics")).keys()):
            payload = {name: step["metrics"][name] for name in sorted(bulk)}
            yield Record(f"step-{number}-metrics", step.get("timestamp"), kind="metrics", payload=payload)


def record_count(step: JsonObject) -> int:
    """How many records `records_of` makes of a step, without making them."""
    results = results_of(step)
    if text_of(step.get("source")) not in ("agent", "user") or not results:
        return 1
    said = content_parts(step.get("message")) or dicts(step.get("tool_calls"))
    return len(results) + bool(said or text_of(step.get("reasoning_content")).strip())


def has_failed(step: JsonObject, results: Sequence[JsonObject], result: JsonObject) -> bool:
    """What the exporters note beside the schema: of one of a step's results, or of the step for its only one."""
    if mapping(result.get("extra")).get("is_error") is True:
        return True
    return len(results) == 1 and mapping(step.get("extra")).get("tool_result_is_error") is True


def results_of(step: JsonObject) -> list[JsonObject]:
    """What came of a step."""
    return dicts(mapping(step.get("observation")).get("results"))


def _subagent_names(trajectory: JsonObject) -> dict[str, str]:
    """What the embedded subagents are called, by their ids."""
    embedded = dicts(trajectory.get("subagent_trajectories"))
    return {text_of(each.get("trajectory_id")): text_of(mapping(each.get("agent")).get("name")) for each in embedded}


class _Step:
    """One step: what was thought, said and called is one moment, each result another."""

    def __init__(self, step: JsonObject, number: int, model: str, names: dict[str, str]) -> None:
        self._step = step
        self._id = f"step-{number}"
        self._source = text_of(step.get("source"))
        self._model = text_of(step.get("model_name")) or model
        self._names = names
        self._results = results_of(step)

    def records(self) -> Iterator[Record]:
        """The step's message, then its results."""
        content = [*self._thought(), *content_parts(self._step.get("message")), *self._calls()]
        if self._source not in ("agent", "user"):
            # Nobody called a tool here: what came of it belongs to the notice itself.
            content += [part for result in self._results for part in content_parts(result.get("content"))]
            yield self._record(content, self._results)
            return
        calls = {part["call_id"] for part in content if part["type"] == "tool_call"}
        own = [text_of(result.get("source_call_id")) in calls for result in self._results]
        if content or not self._results:
            yield self._record(content, [*compress(self._results, own)])
        for number, (result, is_own) in enumerate(zip(self._results, own, strict=True), 1):
            yield self._result(result, f"{self._id}-result-{number}", starts=not is_own)

    def _thought(self) -> list[Part]:
        text = text_of(self._step.get("reasoning_content"))
        return [{"type": "thinking", "text": text}] if text.strip() else []

    def _calls(self) -> list[Part]:
        parts: list[Part] = []
        for number, call in enumerate(dicts(self._step.get("tool_calls")), 1):
            made = call_parts(
                call.get("tool_call_id"), call.get("function_name"), call.get("arguments"),
                fallback_id=f"{self._id}-call-{number}",
            )  # fmt: skip
            if call.get("extra"):
                made[0]["extra"] = call["extra"]
            parts += made
        return parts

    def _record(self, content: list[Part], results: list[JsonObject]) -> Record:
        refs = [ref for result in results for ref in dicts(result.get("subagent_trajectory_ref"))]
        markers = [(MarkerKind.SUBAGENT, self._label(ref)) for ref in refs]
        metadata = self._metadata()
        if isinstance(compaction := metadata.get("compaction"), dict):
            markers.append((MarkerKind.COMPACTION, text_of(compaction.get("type")) or "compaction"))
        role = _ROLES.get(self._source, "system")
        return Record(self._id, self._step.get("timestamp"), role, content, metadata or None, markers=markers)

    def _result(self, result: JsonObject, record_id: str, *, starts: bool) -> Record:
        refs = dicts(result.get("subagent_trajectory_ref"))
        markers = [(MarkerKind.SUBAGENT, self._label(ref)) for ref in refs] if starts else []
        known = {"subagents": refs, "atif": mapping(result.get("extra")), "inherited": self._is_copied()}
        call_id = text_of(result.get("source_call_id")) or None
        output = content_parts(result.get("content"))
        part: Part = {
            "type": "tool_result",
            "call_id": call_id,
            "output": output,
            "is_error": has_failed(self._step, self._results, result),
        }
        metadata = {name: value for name, value in known.items() if value}
        return Record(record_id, self._step.get("timestamp"), "tool", [part], metadata or None, markers=markers)

    def _label(self, ref: JsonObject) -> str:
        named = text_of(ref.get("trajectory_id"))
        texts = (self._names.get(named), named, ref.get("session_id"), ref.get("trajectory_path"))
        return next((text for text in texts if isinstance(text, str) and text), "subagent")

    def _is_copied(self) -> bool:
        return self._step.get("is_copied_context") is True

    def _metadata(self) -> JsonObject:
        step = self._step
        metadata: JsonObject = {}
        if self._source == "agent" and self._model:
            metadata["model"] = self._model
        if usage := _usage(step.get("metrics")):
            metadata["usage"] = usage
        if self._is_copied():
            metadata["inherited"] = True
        extra = mapping(step.get("extra"))
        managed = extra.get("context_management")
        if isinstance(managed, dict) and managed.get("type") != "injection":
            metadata["compaction"] = managed
            extra = {name: value for name, value in extra.items() if name != "context_management"}
        rest = {name: value for name, value in step.items() if name not in _READ_FIELDS and value is not None}
        if rest := {**rest, **extra}:
            metadata["atif"] = rest
        return metadata


def _usage(metrics: object) -> JsonObject:
    return {name: value for name, value in mapping(metrics).items() if name not in _BULKY_METRICS and value is not None}


def content_parts(content: object) -> list[Part]:
    """A message or an output: text, or, from v1.6 on, a list of texts and images."""
    return read_content(content, _parts_of)


def _parts_of(item: Any) -> list[Part]:
    match item:
        case str() as text:
            return [text_part(text)] if text else []
        case {"type": "text", "text": str(text)}:
            return [text_part(text)] if text else []
        case {"type": "image", "source": {"path": str(path)}}:
            return [image_part(path, item["source"].get("media_type"))]
        case _:
            return [{"type": "unknown", "raw": item}]
