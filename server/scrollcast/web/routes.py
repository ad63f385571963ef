"""The HTTP endpoints: parse, call, respond (`docs/protocol.md`, HTTP)."""

from __future__ import annotations

import asyncio
import math
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from scrollcast.archive.index import SessionIndex
from scrollcast.archive.markers import count_kind, thin
from scrollcast.archive.redacted_archive import AnyArchive
from scrollcast.archive.search import Hit
from scrollcast.archive.spent import find_spent
from scrollcast.errors import BadRequest
from scrollcast.model import MarkerKind, Span
from scrollcast.stream.parameters import MIN_PREVIEW_BYTES, parse_bool, parse_int
from scrollcast.stream.preview import cut_event, find_body, part_hrefs
from scrollcast.stream.wire import Envelope, session_json
from scrollcast.web.assets import ASSET_HEADERS, Assets
from scrollcast.web.door import access_of, door_of
from scrollcast.web.embedding import discovery_link
from scrollcast.web.failures import problem
from scrollcast.web.listing import parse_count, parse_listing
from scrollcast.web.shown import shown_archive

__all__ = [
    "asset", "events", "facets", "page", "part", "search", "session", "sessions", "timeline",
    "timeline_table", "turns", "unknown_api", "unrecognised",
]  # fmt: skip

DEFAULT_EVENTS: Final = 100
MAX_EVENTS: Final = 1000

DEFAULT_TURNS: Final = 100
MAX_TURNS: Final = 1000

DEFAULT_HITS: Final = 100
MAX_HITS: Final = 1000

MAX_SPAN_HITS: Final = 100_000
"""Hits that are looked at for those within what a share shows: the index of words knows sessions, not their parts."""

DENSITY_BUCKETS: Final = 200
"""About as many as can be told apart on a seek bar."""

MAX_TOOLS: Final = 2_000
"""Tool calls among the markers of a timeline: on the widest seek bar some 700 can be told apart, and a session of 1 GB
has hundreds of thousands, which would hold a page up while it reads them."""

MAX_READING: Final = 2_000
"""Reading times in a timeline; of a longer session, each is that of several events together."""

MAX_UNRECOGNISED: Final = 500
"""So many files that no reader knows are listed; a person looks at a few of them."""

MAX_PAGE_BYTES: Final = 8 << 20
"""A page of events ends early rather than hold more than this, unless one event alone does."""


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


def _assets(request: Request) -> Assets:
    assets = request.app.state.assets
    assert isinstance(assets, Assets)
    return assets


def _archive(request: Request) -> AnyArchive:
    return shown_archive(request)


async def sessions(request: Request) -> Response:
    """`GET /api/sessions`."""
    listing = parse_listing(request.query_params)
    archive = _archive(request)
    found = await asyncio.to_thread(archive.page, listing, request.query_params.get("q") or None)
    page, shown = found.page, [session_json(session) for session in found.page.sessions]
    for session, hits in zip(shown, found.hits or (), strict=found.hits is not None):
        session["hits"] = [_hit_json(hit) for hit in hits]
    answer: dict[str, Any] = {"sessions": shown, "next_cursor": page.next_cursor, "total": page.total}
    if not found.progress.complete:
        answer["progress"] = found.progress
    if found.searched is not None and found.searched[0] < found.searched[1]:
        answer["searched"] = dict(zip(("sessions", "total"), found.searched, strict=True))
    return _json(answer)


def _hit_json(hit: Hit) -> dict[str, Any]:
    snippet = [{"text": text, "match": is_match} for text, is_match in hit.snippet]
    return {"seq": hit.seq, "t_ms": hit.t_ms, "kind": hit.kind, "snippet": snippet}


async def facets(request: Request) -> Response:
    """`GET /api/facets`."""
    found = await asyncio.to_thread(_archive(request).facets)
    return _json(
        {name: [{"value": value, "count": count} for value, count in values] for name, values in found.items()}
    )


async def unrecognised(request: Request) -> Response:
    """`GET /api/unrecognised`."""
    found = await asyncio.to_thread(_archive(request).unrecognised)
    files = [
        {"path": str(file.path), "size": file.size, "why": file.why, "row_types": file.row_types}
        for file in found[:MAX_UNRECOGNISED]
    ]
    return _json({"files": files, "total": len(found)})


async def search(request: Request) -> Response:
    """`GET /api/sessions/{scroll_id}/search`."""
    query = request.query_params
    limit = min(MAX_HITS, parse_count(query, "limit", DEFAULT_HITS))
    span = access_of(request).span
    wanted = limit if span.is_whole else MAX_SPAN_HITS
    scroll_id = request.path_params["scroll_id"]
    found = await asyncio.to_thread(_archive(request).hits, scroll_id, query.get("q", ""), wanted)
    hits = [_hit_json(hit) for hit in found.hits if span.has(hit.t_ms)]
    return _json({"hits": hits[:limit], "complete": found.complete})


async def session(request: Request) -> Response:
    """`GET /api/sessions/{scroll_id}`."""
    found = await asyncio.to_thread(_archive(request).session, request.path_params["scroll_id"])
    access = access_of(request)
    told = access.told(found)
    if not access.span.is_whole and found.error is None:
        index = await _open_index(request)
        await index.finish()
        start, stop = access.span.places(index.times, index.count)
        length = index.times[stop - 1] - index.times[start] if stop > start else 0
        told = replace(told, count=stop - start, duration_ms=length)
    return _json(session_json(told))


async def timeline(request: Request) -> Response:
    """`GET /api/sessions/{scroll_id}/timeline`."""
    most = _parse(request.query_params, "most", lambda text: parse_int(text, 1), None)
    index = await _open_index(request)
    markers = await index.markers()
    span = access_of(request).span
    start, stop = span.places(index.times, index.count)
    if not span.is_whole:
        markers = await asyncio.to_thread(_within, markers, start, stop)
    totals = await asyncio.to_thread(_totals, index, markers, most, is_whole=span.is_whole)
    limit = MAX_TOOLS if most is None else most
    markers = await asyncio.to_thread(thin, markers, totals, limit)
    bounds = _gaps(index, span)
    listed = bounds if most is None or len(bounds) <= 2 * most else ()
    gaps = [{"start_ms": start, "end_ms": end} for start, end in zip(listed[::2], listed[1::2], strict=True)]
    answer = {
        "epoch": index.epoch,
        "first_seq": start,
        "count": stop,
        "duration_ms": index.times[stop - 1] if stop > start else 0,
        "markers": orjson.Fragment(markers),
        "thinned": totals["tool"] > limit,
        "gaps": gaps,
        "density": _density(index, start, stop),
        "reading": await asyncio.to_thread(_reading, index, start, stop),
    }
    if most is not None:
        totals["gap"] = len(bounds) // 2
        answer["left_out"] = [kind for kind, total in totals.items() if total > most]
    return _json(answer)


def _gaps(index: SessionIndex, span: Span) -> Sequence[int]:
    """Where each gap begins and ends, of those that lie within what may be seen."""
    if span.is_whole:
        return index.gaps
    pairs = zip(index.gaps[::2], index.gaps[1::2], strict=True)
    return [end for pair in pairs if span.has(pair[0]) and span.has(pair[1]) for end in pair]


def _totals(index: SessionIndex, markers: bytes, most: int | None, *, is_whole: bool) -> dict[str, int]:
    """How many markers there are of each kind that may be thinned."""
    if not is_whole:
        return {kind: count_kind(markers, kind) for kind in MarkerKind if most is not None or kind == MarkerKind.TOOL}
    known = {"tool": len(index.tools)}
    if most is None:
        return known
    known |= {"turn": len(index.turns), "error": len(index.errors)}
    return {kind: known[kind] if kind in known else count_kind(markers, kind) for kind in MarkerKind}


async def timeline_table(request: Request) -> Response:
    """`GET /api/sessions/{scroll_id}/timeline/{table}`."""
    table = request.path_params["table"]
    if table not in ("gaps", "turns"):
        return await unknown_api(request)
    index = await _open_index(request)
    await index.finish()
    data = await asyncio.to_thread(_pairs, index, table, access_of(request).span)
    return Response(data, media_type="application/octet-stream")


def _pairs(index: SessionIndex, table: str, span: Span) -> bytes:
    """The ends of all gaps, or the number and time of each turn: 64 bits a number, the lowest byte first."""
    numbers = array("q")
    if table == "gaps":
        copy = (
            _gaps(index, span)[:] if span.is_whole else array("q", _gaps(index, span))
        )  # or, where it is mapped and stays as it is, a view
        numbers.frombytes(bytes(memoryview(copy)))  # type: ignore[arg-type]  # an array, or that view
    else:
        first, stop, _ = _turns(index, span)
        for seq in index.turns[first:stop]:
            numbers.extend((seq, index.times[seq]))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _turns(index: SessionIndex, span: Span) -> tuple[int, int, int]:
    """The half-open range of the turns that may be seen, and the event before which the last of them ends."""
    first, stop = span.places(index.times, index.count)
    return bisect_left(index.turns, first), bisect_left(index.turns, stop), stop


async def turns(request: Request) -> Response:
    """`GET /api/sessions/{scroll_id}/turns`."""
    query = request.query_params
    start = _parse(query, "start", lambda text: parse_int(text, 0), 0)
    limit = min(MAX_TURNS, parse_count(query, "limit", DEFAULT_TURNS))
    index = await _open_index(request)
    await index.finish()
    before, behind, end = _turns(index, access_of(request).span)
    first, stop = min(before + start, behind), min(before + start + limit, behind)
    bounds = [*index.turns[first:stop], index.turns[stop] if stop < behind else end]
    labels = await index.turn_labels(first, stop)
    spent = await asyncio.to_thread(find_spent, index, bounds)
    found = [
        {"number": number, "seq": seq, "stop_seq": stop_seq, "t_ms": index.times[seq], "label": label, "spent": took}
        for number, ((seq, stop_seq), label, took) in enumerate(
            zip(pairwise(bounds), labels, spent, strict=True), start + 1
        )
    ]
    return _json({"epoch": index.epoch, "turns": found, "total": behind - before})


def _within(markers: bytes, start: int, stop: int) -> bytes:
    return orjson.dumps([marker for marker in orjson.loads(markers) if start <= marker["seq"] < stop])


def _density(index: SessionIndex, first: int, stop: int) -> dict[str, Any]:
    """How many events there are in each of some equal stretches of the recorded time."""
    bucket_ms = index.times[stop - 1] / DENSITY_BUCKETS if stop > first else 0
    if not bucket_ms:
        return {"bucket_ms": 0, "counts": []}
    ends = [bisect_left(index.times, bucket_ms * place, first, stop) for place in range(DENSITY_BUCKETS)]
    return {"bucket_ms": bucket_ms, "counts": [end - start for start, end in pairwise([*ends, stop])]}


def _reading(index: SessionIndex, first: int, stop: int) -> dict[str, Any]:
    """How many milliseconds it takes to read the events, of so many together that there are not too many numbers.

    It begins with the event 0; those before `first` take none.
    """
    every = max(1, math.ceil(stop / MAX_READING))
    return {
        "every": every,
        "ms": [sum(index.reading[max(at, first) : min(at + every, stop)]) for at in range(0, stop, every)],
    }


async def events(request: Request) -> Response:
    """`GET /api/sessions/{scroll_id}/events`."""
    query = request.query_params
    start = _parse(query, "start_seq", lambda text: parse_int(text, 0), 0)
    limit = min(MAX_EVENTS, parse_count(query, "limit", DEFAULT_EVENTS))
    preview = _parse(query, "preview", lambda text: parse_int(text, MIN_PREVIEW_BYTES), None)
    index = await _open_index(request)
    span = access_of(request).span
    if span.from_ms is not None:
        await index.reach_time(span.from_ms)
    start = max(start, span.places(index.times, index.count)[0])
    await index.reach(start + limit)
    first, end = span.places(index.times, index.count)
    start, stop = max(start, first), min(start + limit, end)
    if start >= stop:
        return _json({"events": [], "next_seq": None})
    stop = min(stop, index.fit(start, MAX_PAGE_BYTES))
    block = await index.read(start, stop)
    own = [bytes(block.event(seq)) for seq in range(start, stop)]
    if preview is not None:
        own = await asyncio.to_thread(_cut, own, preview, start, _hrefs(request, index))
    envelope = Envelope.of(index.session, {"type": "archive"})
    more = stop if stop < end or not (index.complete or end < index.count) else None
    body = b",".join(envelope.wrap(event) for event in own)
    tail = b'],"next_seq":' + orjson.dumps(more) + b"}"
    return Response(b"".join((b'{"events":[', body, tail)), media_type="application/json")


def _hrefs(request: Request, index: SessionIndex) -> Callable[[int], Callable[[tuple[int, ...]], str]]:
    """The addresses of the parts of any event of a session."""
    meta, root_path = _wants_meta(request), request.scope["root_path"]
    return lambda seq: part_hrefs(index.session.scroll_id, seq, meta=meta, root_path=root_path)


def _cut(
    own: list[bytes], limit: int, start: int, hrefs: Callable[[int], Callable[[tuple[int, ...]], str]]
) -> list[bytes]:
    return [
        cut_event(event, limit, hrefs(seq)) if len(event) > limit else event for seq, event in enumerate(own, start)
    ]


async def part(request: Request) -> Response:
    """`GET /api/sessions/{scroll_id}/events/{seq}/parts/{path}`."""
    seq = _parse(request.path_params, "seq", lambda text: parse_int(text, 0), 0)
    index = await _open_index(request)
    await index.reach(seq)
    body = None
    start, stop = access_of(request).span.places(index.times, index.count)
    if start <= seq < stop:
        event = (await index.read(seq, seq + 1)).event(seq)
        body = await asyncio.to_thread(find_body, event, request.path_params["path"])
    if body is None:
        return problem(404, "part_not_found", "Part not found", "this session has no such part")
    return Response(body.data, headers={"content-type": body.media_type})


async def page(request: Request) -> Response:
    """`GET /` and `GET /sessions/{scroll_id}`: the viewer."""
    is_player = "scroll_id" in request.path_params
    page = _assets(request).page(request.scope["root_path"], shows="player" if is_player else "list")
    if not door_of(request).is_open:
        page = page.replace(b"<html ", b"<html data-asks ", 1)
    if is_player:
        page = page.replace(b"</head>", discovery_link(request) + b"</head>", 1)
    return Response(page, media_type="text/html", headers={"cache-control": "no-cache"})


async def asset(request: Request) -> Response:
    """`GET /assets/{digest}/{path}`: a file of the page."""
    assets = _assets(request)
    found = assets.get(request.path_params["path"]) if request.path_params["digest"] == assets.digest else None
    if found is None:
        return problem(404, "not_found", "Not Found", "there is no such file in this version of the page")
    is_packed = found.packed is not None and "gzip" in request.headers.get("accept-encoding", "")
    headers = {**ASSET_HEADERS, **({"content-encoding": "gzip"} if is_packed else {})}
    return Response(found.packed if is_packed else found.data, media_type=found.media_type, headers=headers)


async def unknown_api(_request: Request) -> Response:
    """Anything else below `/api`."""
    return problem(404, "not_found", "Not Found", "there is no such route")


async def _open_index(request: Request) -> SessionIndex:
    index = await _archive(request).open_index(request.path_params["scroll_id"], meta=_wants_meta(request))
    index.check()
    return index


def _wants_meta(request: Request) -> bool:
    return bool(_parse(request.query_params, "meta", parse_bool, False))


def _parse(given: Any, name: str, parse: Any, default: Any) -> Any:
    if name not in given:
        return default
    try:
        return parse(given[name])
    except ValueError as reason:
        raise BadRequest(name, str(reason)) from None
