"""Inspect evaluation logs: `.eval` (a zip) and `.json`, each sample and epoch a session (`docs/formats.md`, Inspect).

The zip holds `header.json` (`_journal/start.json` until the run has ended), `summaries.json` (`_journal/summaries/`)
and one member a sample, or, in the chunked layout, a folder of members a sample. `.json` is one document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

from scrollcast.archive.formats import FormatReader, Item, SessionSource, SniffedFile
from scrollcast.archive.formats.facts import Extent, trim_title
from scrollcast.archive.formats.inspect_eval.members import FIRST_BYTES, Members, first_member, open_members
from scrollcast.archive.formats.inspect_eval.messages import conversation, expand
from scrollcast.archive.formats.inspect_eval.notices import hidden_records
from scrollcast.archive.formats.json_values import (
    JsonObject,
    decode_object,
    dicts,
    json_size,
    mapping,
    read_object,
    text_of,
)
from scrollcast.archive.storage import FileStamp, read_head, stamp
from scrollcast.archive.timestamps import format_instant, parse_instant
from scrollcast.errors import ArchiveError
from scrollcast.model import Session, derive_scroll_id

__all__ = ["InspectReader"]

_NAME: Final = "inspect"

_HEADER: Final = "header.json"
_START: Final = "_journal/start.json"

_EXACT_SAMPLE_BYTES: Final = 64 << 10
"""Up to this size a summary reads a sample of a zip; of a larger one it takes what the log's summaries say."""

_BYTES_A_MESSAGE: Final = 6_000
"""What a message and its events take in a log, roughly, for an estimate of how many there are."""

_MAX_HEADER_BYTES: Final = 64 << 20
_MAX_FACT_BYTES: Final = 4 << 10
"""A score, a target or a sample's own metadata larger than this as JSON is not listed; the meta events have it."""

_KEPT_OUTLINES: Final = 8
"""Logs whose summaries are remembered: the catalogue asks for one sample after the other."""

_SAMPLE: Final = re.compile(
    r"samples/(?P<id>.+)_epoch_(?P<epoch>\d{1,9})(?:\.json|(?P<chunked>/sample\.json))", re.DOTALL
)
_CHUNK: Final = re.compile(r"/(messages|events|attachments)/(\d{1,15})\.json")
_JOURNAL_SUMMARY: Final = re.compile(r"_journal/summaries/(\d{1,9})\.json")


class InspectReader(FormatReader):
    """Reads the logs of Inspect; a session is one sample in one epoch."""

    name = _NAME

    def claims(self, file: SniffedFile) -> bool:
        """Whether it is a zip that begins as Inspect's do, or a document with the first fields of a log."""
        if file.head.startswith(FIRST_BYTES):
            name = first_member(file.head)
            return name == _START or (file.path.suffix == ".eval" and name.startswith(("samples/", "header.", "summ")))
        return _is_log_document(file)

    def is_companion(self, path: Path) -> bool:
        """The settings of a set of evaluations, and the buffer of one that runs."""
        return path.name == "eval-set.json" or ".buffer" in path.parts

    def locate(self, file: SniffedFile, root: Path) -> Iterable[SessionSource]:
        """A session for each sample and epoch; none where a run was stopped before its first sample was done."""
        return tuple(
            SessionSource(found.session.scroll_id, self, file.path, root, member)
            for member, found in _outline(file.path, root).items()
        )

    def files(self, source: SessionSource) -> tuple[Path, ...]:
        """The log."""
        return (source.path,)

    def summarise(self, source: SessionSource) -> Session:
        """From the log's own summaries, with the samples that are small read whole."""
        found = _found(source)
        if found.problem:
            raise ArchiveError(found.problem)
        return replace(found.session, scroll_id=source.scroll_id)

    def records(self, source: SessionSource, *, meta: bool) -> Iterator[Item]:
        """The sample's messages in order."""
        return conversation(_sample(source)[0])

    def meta_events(self, source: SessionSource) -> Iterator[Item]:
        """What the log says of the run and of the sample, and the sample's events."""
        return iter(hidden_records(*_sample(source)))


# ------------------------------------------------------------------------------------------------------ detection

_EVAL_FIELD: Final = re.compile(rb'"eval"\s*:\s*\{')
_LOG_FIELDS: Final = frozenset(("version", "status", "plan"))


def _is_log_document(file: SniffedFile) -> bool:
    """Whether `version` and `status` come before `eval` at the top level, or, in any order, in a small document."""
    head = file.head.lstrip()
    if head[:1] != b"{" or not (found := _EVAL_FIELD.search(head)) or b'"task"' not in head:
        return False
    # What stands before a field of the top level is an object that only has to be closed.
    before = mapping(decode_object(head[: found.start()] + b'"eval":0}'))
    if before.get("eval") == 0:
        return {"version", "status"} <= before.keys() or _is_log(mapping(decode_object(head)))
    return False


def _is_log(document: JsonObject) -> bool:
    return document.keys() >= _LOG_FIELDS and "task" in mapping(document.get("eval"))


# -------------------------------------------------------------------------------------------------------- outline


@dataclass(frozen=True, slots=True)
class _Found:
    """One sample's session, or why it cannot be played."""

    session: Session
    problem: str = ""


def _outline(path: Path, root: Path) -> Mapping[str, _Found]:
    """The sessions of a log by their members, `<id>#<epoch>`: an epoch is a number, so the last `#` parts them."""
    return _outline_as_of(path, root, stamp(path))


def _found(source: SessionSource) -> _Found:
    outline = _outline(source.path, source.root)
    member = source.member or next(iter(outline), "")
    if member not in outline:
        raise ArchiveError("the log no longer holds this sample")
    return outline[member]


@lru_cache(maxsize=_KEPT_OUTLINES)
def _outline_as_of(path: Path, root: Path, _as_of: FileStamp | None) -> Mapping[str, _Found]:
    if _is_zip(path, root):
        with open_members(path, root) as members:
            return _outline_of_zip(members, path)
    document = read_object(path, root, "the log")
    log = _Log(document, path)
    return {member: log.found(sample, _extent(sample)) for member, sample in _samples_of(document).items()}


def _is_zip(path: Path, root: Path) -> bool:
    return read_head(path, root).startswith(FIRST_BYTES)


def _outline_of_zip(members: Members, path: Path) -> dict[str, _Found]:
    log = _Log(_header(members), path)
    summaries = _summaries(members)
    outline = {}
    for name in members.names:
        if found := _SAMPLE.fullmatch(name):
            member = f"{found['id']}#{int(found['epoch'])}"
            known = summaries.get(member) or {"id": found["id"], "epoch": int(found["epoch"])}
            outline[member] = _found_in_zip(log, members, name, known)
    return outline


def _found_in_zip(log: _Log, members: Members, name: str, known: JsonObject) -> _Found:
    size = _sample_size(members, name)
    if size <= _EXACT_SAMPLE_BYTES:
        try:
            sample = _read_sample(members, name)
            return log.found({**known, **sample}, _extent(sample))
        except ArchiveError as problem:
            return _Found(log.found(known, None).session, problem.reason)
    count = known.get("message_count")
    return log.found(known, None, count if isinstance(count, int) else max(1, size // _BYTES_A_MESSAGE))


def _header(members: Members) -> JsonObject:
    """What is known of the run; until it has ended, what its journal began with."""
    name = next((name for name in (_HEADER, _START) if name in members), None)
    header = mapping(members.read_json(name, _MAX_HEADER_BYTES)) if name else {}
    return {"status": "started", **header}


def _summaries(members: Members) -> dict[str, JsonObject]:
    names = ["summaries.json"] if "summaries.json" in members else _journal_summaries(members)
    found = {}
    for name in names:
        try:
            rows = dicts(members.read_json(name, _MAX_HEADER_BYTES))
        except ArchiveError:
            continue  # they only save the reading of samples
        found.update({_member(row): row for row in rows})
    return found


def _journal_summaries(members: Members) -> list[str]:
    return sorted(filter(_JOURNAL_SUMMARY.fullmatch, members.names), key=lambda name: (len(name), name))


def _member(sample: JsonObject) -> str:
    return f"{sample.get('id')}#{sample.get('epoch', 1)}"


def _extent(sample: JsonObject) -> Extent:
    return Extent.of(conversation(sample))


# -------------------------------------------------------------------------------------------------------- samples


def _samples_of(document: JsonObject) -> dict[str, JsonObject]:
    return {_member(sample): sample for sample in dicts(document.get("samples"))}


def _sample(source: SessionSource) -> tuple[JsonObject, JsonObject]:
    """A sample whole, and what the log says of the run."""
    if not _is_zip(source.path, source.root):
        document = read_object(source.path, source.root, "the log")
        samples = _samples_of(document)
        member = source.member or next(iter(samples), "")
        if member not in samples:
            raise ArchiveError("the log no longer holds this sample")
        return samples[member], {name: value for name, value in document.items() if name != "samples"}
    with open_members(source.path, source.root) as members:
        name = _name_of(members, source.member)
        return _read_sample(members, name), _header(members)


def _name_of(members: Members, member: str) -> str:
    for name in members.names:
        if (found := _SAMPLE.fullmatch(name)) and member in ("", f"{found['id']}#{int(found['epoch'])}"):
            return name
    raise ArchiveError("the log no longer holds this sample")


def _sample_size(members: Members, name: str) -> int:
    if not name.endswith("/sample.json"):
        return members.size(name)
    return sum(members.size(chunk) for chunk in (name, *_chunks(members, name, "messages", "events", "attachments")))


def _read_sample(members: Members, name: str) -> JsonObject:
    sample = members.read_json(name)
    if not isinstance(sample, dict):
        raise ArchiveError("the sample is no JSON object")
    return _put_together(members, name, sample) if name.endswith("/sample.json") else sample


def _put_together(members: Members, name: str, shell: JsonObject) -> JsonObject:
    """A sample of the chunked layout in the shape of the other: its sequences joined, its references kept.

    Its messages are ranges of one pool, its attachments are named by their number.
    """
    pool = _sequence(members, name, "messages")
    metadata = name.replace("/sample.json", "/metadata.json")
    return {
        **shell,
        "metadata": members.read_json(metadata) if metadata in members else shell.get("metadata"),
        "messages": expand(shell.get("message_refs"), pool),
        "events": _sequence(members, name, "events"),
        "events_data": {"messages": pool},
        "attachments": dict(zip(map(str, range(1 << 62)), _sequence(members, name, "attachments"), strict=False)),
    }


def _sequence(members: Members, name: str, kind: str) -> list[Any]:
    items: list[Any] = []
    for chunk in _chunks(members, name, kind):
        found = members.read_json(chunk)
        items += found if isinstance(found, list) else []
    return items


def _chunks(members: Members, name: str, *kinds: str) -> list[str]:
    """The members of some sequences of a sample, each named by the number of its first item."""
    folder = name.removesuffix("/sample.json")
    found = ((_CHUNK.fullmatch(each, len(folder)), each) for each in members.two_below(folder))
    return [each for _, each in sorted((int(chunk[2]), each) for chunk, each in found if chunk and chunk[1] in kinds)]


# -------------------------------------------------------------------------------------------------------- summary


class _Log:
    """What all sessions of a log have in common."""

    def __init__(self, header: JsonObject, path: Path) -> None:
        self._header = header
        self._eval = mapping(header.get("eval"))
        run = "/".join(filter(None, (text_of(self._eval.get("run_id")), text_of(self._eval.get("task_id")))))
        self._id = text_of(self._eval.get("eval_id")) or run or path.stem

    def found(self, sample: JsonObject, extent: Extent | None, count: int = 0) -> _Found:
        """The session of a sample, from the sample itself with its messages' extent, or from a summary of it."""
        native_id = f"{self._id}:{_member(sample)}"
        start, end = parse_instant(sample.get("started_at")), parse_instant(sample.get("completed_at"))
        if extent is not None:
            start = extent.first if start is None else start
            end = extent.last if end is None else end
            count, duration_ms = extent.count, extent.duration_ms
        else:
            duration_ms = 0 if start is None or end is None else max(0, end - start) // 1000
        if start is None and extent is None:
            start = parse_instant(mapping(self._header.get("stats")).get("started_at") or self._eval.get("created"))
        session = Session(
            scroll_id=derive_scroll_id(_NAME, native_id),
            title=self._title(sample),
            agent=self._agent(),
            model=text_of(self._eval.get("model")) or None,
            project=self._project(),
            kind=_NAME,
            native_session_id=native_id,
            created_at=None if start is None else format_instant(start),
            updated_at=None if end is None else format_instant(end),
            count=count,
            duration_ms=duration_ms,
            timing=extent.timing if extent else "recorded",
            has_errors=bool(sample.get("error")) or (extent is not None and extent.has_errors),
            metadata=self._metadata(sample),
        )
        return _Found(session)

    def _title(self, sample: JsonObject) -> str:
        epochs = mapping(self._eval.get("config")).get("epochs")
        epoch = sample.get("epoch", 1)
        several = epoch != 1 or (isinstance(epochs, int) and epochs > 1)
        return trim_title(
            f"{text_of(self._eval.get('task')) or 'Inspect'}: {sample.get('id')}" + f" (epoch {epoch})" * several
        )

    def _agent(self) -> str:
        """The solver, where one was named for the run; the steps of a plan are no agent."""
        return text_of(self._eval.get("solver")) or "Inspect"

    def _project(self) -> str | None:
        """The repository that the task is from, else the task's file."""
        origin = text_of(mapping(self._eval.get("revision")).get("origin")).removesuffix(".git")
        named = PurePosixPath(origin.replace(":", "/")).name
        return named or PurePosixPath(text_of(self._eval.get("task_file")).replace("\\", "/")).name or None

    def _metadata(self, sample: JsonObject) -> JsonObject:
        facts = {
            "status": self._header.get("status"),
            "version": mapping(self._eval.get("packages")).get("inspect_ai"),
            **{name: self._eval.get(name) for name in ("task", "task_file", "run_id", "eval_id", "task_id", "tags")},
            "git_commit": mapping(self._eval.get("revision")).get("commit"),
            "solvers": [text_of(step.get("solver")) for step in dicts(mapping(self._header.get("plan")).get("steps"))],
            "sample_id": sample.get("id"),
            "sample_uuid": sample.get("uuid"),
            "scores": _scores(sample),
            "sample_metadata": sample.get("metadata"),
            "error": text_of(mapping(sample.get("error")).get("message")) or sample.get("error"),
            **{name: sample.get(name) for name in _SAMPLE_FACTS},
        }
        return {name: value for name, value in facts.items() if value not in (None, "", [], {}) and _is_small(value)}


_SAMPLE_FACTS: Final = (
    "epoch", "target", "choices", "limit", "model_usage", "total_time", "working_time", "invalidation",
)  # fmt: skip


def _scores(sample: JsonObject) -> JsonObject:
    """The value and the answer of each score; in the first logs there is one without a name."""
    scores = sample.get("scores")
    if not isinstance(scores, dict):
        scores = {"score": sample["score"]} if isinstance(sample.get("score"), dict) else {}
    return {
        name: {key: score[key] for key in ("value", "answer") if score.get(key) is not None and _is_small(score[key])}
        for name, score in scores.items()
        if isinstance(score, dict)
    }


def _is_small(value: object) -> bool:
    return json_size(value, _MAX_FACT_BYTES) <= _MAX_FACT_BYTES
