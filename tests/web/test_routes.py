from __future__ import annotations

import base64
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from archives import CONNECTOR_UID, SCROLL_ID, at, message, meta_event, write_session
from scrollcast.web import routes
from serving import ASSETS, Serving, ids, serving, talk

BROKEN_ID = UUID("0b5e55ed-0000-4000-8000-00000000bad0")
NOBODY_ID = UUID("0b5e55ed-0000-4000-8000-000000000404")
RICH_ID = UUID("0b5e55ed-0000-4000-8000-000000000777")

PIXEL = base64.b64encode(b"\x89PNG and so on").decode()
DRAWING = base64.b64encode(b"<svg onload='alert(1)'/>").decode()

RICH_PARTS: list[dict[str, Any]] = [
    {"type": "text", "text": "<script>é</script>"},
    {"type": "image", "mime_type": "image/png", "data": PIXEL},
    {"type": "image", "mime_type": "image/svg+xml", "data": DRAWING},
    {"type": "image", "mime_type": "text/html", "data": DRAWING},
    {"type": "tool_result", "call_id": "c", "is_error": False, "output": [{"type": "text", "text": "inside"}]},
    {"type": "tool_call", "call_id": "c", "name": "Bash", "input": {"command": "ls"}},
    {"type": "image", "mime_type": "IMAGE/PNG; charset=x", "data": PIXEL},
]


@pytest.fixture
async def server(root: Path, cache: Path) -> AsyncIterator[Serving]:
    """A server of a plain session with meta events, one of all kinds of parts, and a broken one."""
    metas = [meta_event("e0", 0.005), meta_event("e1", 0.5)]
    write_session(root, talk(25), metas, title="Plain", agent="robin", model="m-1", project="nest", extra=[1])
    write_session(root, [message("rich", content_parts=RICH_PARTS)], scroll_id=RICH_ID)
    (write_session(root, [], scroll_id=BROKEN_ID) / "session.json").write_text("{broken")
    async with serving(root, cache=cache) as server:
        yield server


@pytest.fixture
async def http(server: Serving) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it."""
    async with server.http() as client:
        yield client


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """The events on a page."""
    events: list[dict[str, Any]] = answer.json()["events"]
    return events


# -------------------------------------------------------------------------------------------------------- sessions


async def test_the_list_has_every_session_broken_ones_too(http: httpx.AsyncClient) -> None:
    """One that cannot be played says why."""
    answer = await http.get("/api/sessions")

    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert (body["total"], body["next_cursor"]) == (3, None)
    errors = {session["scroll_id"]: session["error"] for session in body["sessions"]}
    assert errors[str(SCROLL_ID)] is None
    assert "JSON" in errors[str(BROKEN_ID)]


async def test_a_session_has_the_fields_of_the_protocol(http: httpx.AsyncClient) -> None:
    """And its own further metadata apart."""
    session = (await http.get(f"/api/sessions/{SCROLL_ID}")).json()

    assert session == {
        "scroll_id": str(SCROLL_ID),
        "title": "Plain",
        "agent": "robin",
        "model": "m-1",
        "project": "nest",
        "kind": "AcpConnection",
        "native_session_id": "native-1",
        "connector_uid": str(CONNECTOR_UID),
        "parent_scroll_id": None,
        "created_at": at(0),
        "updated_at": at(0.24),
        "count": 25,
        "duration_ms": 240,
        "timing": "recorded",
        "live": True,
        "parent_call_id": None,
        "has_errors": False,
        "source_gone": False,
        "error": None,
        "metadata": {"extra": [1]},
    }


async def test_a_broken_session_can_be_looked_at(http: httpx.AsyncClient) -> None:
    """Only what is in it cannot."""
    answer = await http.get(f"/api/sessions/{BROKEN_ID}")

    assert answer.status_code == 200
    assert answer.json()["error"]


async def test_a_session_that_came_since_is_found(http: httpx.AsyncClient, root: Path) -> None:
    """Its events can be asked for by its id at once."""
    write_session(root, talk(3), scroll_id=NOBODY_ID)
    answer = await http.get(f"/api/sessions/{NOBODY_ID}/events")

    assert len(events_of(answer)) == 3


async def test_the_filters_and_the_order_are_applied(http: httpx.AsyncClient) -> None:
    """`Listing` has its own tests; here it is seen to be asked."""
    answer = await http.get("/api/sessions", params={"agent": "robin", "sort": "title", "limit": 1})

    assert [session["title"] for session in answer.json()["sessions"]] == ["Plain"]


# -------------------------------------------------------------------------------------------------------- timeline


async def test_the_timeline_has_the_markers_and_gaps(server: Serving, http: httpx.AsyncClient, root: Path) -> None:
    """Sorted markers of the turns and tools; gaps from three seconds; the epoch of `hello`."""
    turns = [message("m0", 0), message("m1", 10, "assistant"), message("m2", 12.999), message("m3", 20)]
    write_session(root, turns, scroll_id=NOBODY_ID)
    gaps = (await http.get(f"/api/sessions/{NOBODY_ID}/timeline")).json()["gaps"]
    timeline = (await http.get(f"/api/sessions/{SCROLL_ID}/timeline")).json()
    hello = (await server.replay()).hello

    assert gaps == [{"start_ms": 0, "end_ms": 10_000}, {"start_ms": 12_999, "end_ms": 20_000}]
    assert (timeline["epoch"], timeline["count"], timeline["duration_ms"]) == (hello["epoch"], 25, 240)
    kinds = [(marker["seq"], marker["t_ms"], marker["kind"]) for marker in timeline["markers"]]
    assert kinds == [(0, 0, "turn"), (5, 50, "tool"), (10, 100, "turn"), (15, 150, "tool"), (20, 200, "turn")]
    assert all(isinstance(marker["label"], str) for marker in timeline["markers"])
    assert timeline["density"]["bucket_ms"] == 240 / 200
    assert len(timeline["density"]["counts"]) == 200
    assert sum(timeline["density"]["counts"]) == 25
    assert timeline["reading"]["every"] == 1
    assert len(timeline["reading"]["ms"]) == 25
    assert min(timeline["reading"]["ms"]) > 0
    assert not timeline["thinned"]


async def test_a_timeline_of_many_tools_lists_some_of_them(http: httpx.AsyncClient, root: Path) -> None:
    """And all that is not a tool."""
    call = {"type": "tool_call", "call_id": "c", "name": "Bash", "kind": "execute", "title": "ls", "input": {}}
    messages = [message(f"m{n}", n / 10, "assistant", content_parts=[call] if n % 4 else None) for n in range(2_800)]
    messages += [message("asked", 280), message("last", 281, "assistant", content_parts=[call])]
    write_session(root, messages, scroll_id=NOBODY_ID)

    timeline = (await http.get(f"/api/sessions/{NOBODY_ID}/timeline")).json()

    assert timeline["thinned"]
    kinds = [marker["kind"] for marker in timeline["markers"]]
    assert (kinds.count("tool"), kinds.count("turn")) == (2_000, 1)
    assert timeline["count"] == 2_802


async def test_a_timeline_can_list_no_more_than_is_wished_for_and_says_what_it_leaves_out(
    http: httpx.AsyncClient, root: Path
) -> None:
    """Turns are spread over all of them, gaps left out where there are more; tables have all."""
    write_session(root, [message(f"m{n}", 4 * n, content_md=f"Ask **{n}**") for n in range(30)], scroll_id=NOBODY_ID)
    address = f"/api/sessions/{NOBODY_ID}/timeline"

    whole = (await http.get(address)).json()
    enough = (await http.get(address, params={"most": 30})).json()
    some = (await http.get(address, params={"most": 10})).json()

    assert "left_out" not in whole
    assert enough == {**whole, "left_out": []}
    assert (some["left_out"], some["gaps"], some["thinned"]) == (["turn", "gap"], [], False)
    assert [marker["seq"] for marker in some["markers"]] == list(range(2, 30, 3))
    assert {key: some[key] for key in ("count", "duration_ms", "epoch", "density")} == {
        key: whole[key] for key in ("count", "duration_ms", "epoch", "density")
    }
    assert await _table(http, f"{address}/gaps") == [(gap["start_ms"], gap["end_ms"]) for gap in whole["gaps"]]
    assert await _table(http, f"{address}/turns") == [(turn["seq"], turn["t_ms"]) for turn in whole["markers"]]


async def _table(http: httpx.AsyncClient, address: str) -> list[tuple[int, int]]:
    answer = await http.get(address)
    assert answer.headers["content-type"] == "application/octet-stream"
    return list(struct.iter_unpack("<qq", answer.content))


async def test_turns_come_in_pages(http: httpx.AsyncClient, root: Path) -> None:
    """With their numbers and what they begin with."""
    write_session(
        root,
        [message(f"m{n}", n, "assistant" if n % 3 else "user", content_md=f"Say {n}") for n in range(30)],
        scroll_id=NOBODY_ID,
    )
    address = f"/api/sessions/{NOBODY_ID}/turns"

    page = (await http.get(address, params={"start": 8, "limit": 5})).json()

    unknown = {"tokens": None, "cost": None, "whole": True}
    assert page["turns"] == [
        {"number": 9, "seq": 24, "stop_seq": 27, "t_ms": 24_000, "label": "Say 24", "spent": unknown},
        {"number": 10, "seq": 27, "stop_seq": 30, "t_ms": 27_000, "label": "Say 27", "spent": unknown},
    ]
    assert page["total"] == 10
    assert page["epoch"] == (await http.get(f"/api/sessions/{NOBODY_ID}/timeline")).json()["epoch"]
    assert len((await http.get(address)).json()["turns"]) == 10
    assert (await http.get(address, params={"start": 10})).json()["turns"] == []


# ---------------------------------------------------------------------------------------------------------- events


@pytest.mark.parametrize("limit", [1, 2, 7, 24, 25, 26, 1000, 5000])
async def test_the_pages_of_events_join_to_the_whole(http: httpx.AsyncClient, limit: int) -> None:
    """Whatever their size; `next_seq` is null on the last one."""
    seen: list[str] = []
    start: int | None = 0
    while start is not None:
        page = (await http.get(f"/api/sessions/{SCROLL_ID}/events", params={"start_seq": start, "limit": limit})).json()
        assert 0 < len(page["events"]) <= limit
        seen += [event["event"]["message"]["id"] for event in page["events"]]
        start = page["next_seq"]

    assert seen == ids(25)


@pytest.mark.parametrize("start", [25, 26, 10**6])
async def test_behind_the_end_there_is_nothing(http: httpx.AsyncClient, start: int) -> None:
    """An empty page, which is the last."""
    answer = await http.get(f"/api/sessions/{SCROLL_ID}/events", params={"start_seq": start})

    assert answer.json() == {"events": [], "next_seq": None}


async def test_the_events_are_those_of_the_socket_in_an_envelope_of_the_archive(
    server: Serving, http: httpx.AsyncClient
) -> None:
    """Without `gen`, and with the origin `archive`."""
    page = events_of(await http.get(f"/api/sessions/{SCROLL_ID}/events"))
    played = (await server.replay()).log.of("event")

    for stored, sent in zip(page, played, strict=True):
        assert stored.pop("origin") == {"type": "archive"}
        assert stored == {name: value for name, value in sent.items() if name not in ("gen", "origin")}


async def test_with_meta_the_numbers_are_those_of_a_replay_with_meta(server: Serving, http: httpx.AsyncClient) -> None:
    """In events, timeline and parts alike."""
    query = {"meta": "true"}
    page = events_of(await http.get(f"/api/sessions/{SCROLL_ID}/events", params=query))
    timeline = (await http.get(f"/api/sessions/{SCROLL_ID}/timeline", params=query)).json()
    part = await http.get(f"/api/sessions/{SCROLL_ID}/events/3/parts/0", params=query)
    played = (await server.replay(meta=1)).log.events

    assert [event["seq"] for event in page] == list(range(27))
    assert [event["event"] for event in page] == [event["event"] for event in played]
    assert page[1]["event"]["type"] == "meta_event"
    assert timeline["count"] == 27
    assert part.text.startswith("message 2 ")


async def test_a_page_holds_no_more_than_its_bytes(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends early, with one event at least, and goes on where it ended."""
    monkeypatch.setattr(routes, "MAX_PAGE_BYTES", 700)
    sizes, seen, start = [], 0, 0
    while start is not None:
        page = (await http.get(f"/api/sessions/{SCROLL_ID}/events", params={"start_seq": start})).json()
        sizes.append(len(page["events"]))
        seen += sizes[-1]
        start = page["next_seq"]
    monkeypatch.setattr(routes, "MAX_PAGE_BYTES", 10)
    single = events_of(await http.get(f"/api/sessions/{SCROLL_ID}/events"))

    assert seen == 25
    assert max(sizes) < 5
    assert len(single) == 1


async def test_a_preview_cuts_and_leads_to_the_whole(http: httpx.AsyncClient, root: Path) -> None:
    """With the numbering that was asked for in its address."""
    long = [message("m0", content_md="a" * 3000), message("m1", 2, content_md="b" * 3000)]
    write_session(root, long, [meta_event("e0", 1)], scroll_id=NOBODY_ID)
    for query, seq in ({"preview": "1024"}, 1), ({"preview": "1024", "meta": "1"}, 2):
        event = events_of(await http.get(f"/api/sessions/{NOBODY_ID}/events", params=query))[seq]
        part = event["event"]["message"]["content"][0]
        whole = await http.get(part["truncated"]["href"])
        assert len(part["text"]) == 1024
        assert part["truncated"]["bytes"] == 3000
        assert whole.text == "b" * 3000


# ----------------------------------------------------------------------------------------------------------- parts


@pytest.mark.parametrize(
    ("path", "media_type", "body"),
    [
        ("0", "text/plain; charset=utf-8", "<script>é</script>".encode()),
        ("1", "image/png", b"\x89PNG and so on"),
        ("2", "application/octet-stream", b"<svg onload='alert(1)'/>"),
        ("3", "application/octet-stream", b"<svg onload='alert(1)'/>"),
        ("4/output/0", "text/plain; charset=utf-8", b"inside"),
        ("5", "text/plain; charset=utf-8", b'{"command":"ls"}'),
        ("6", "image/png", b"\x89PNG and so on"),
    ],
)
async def test_a_part_is_given_whole_and_never_as_something_that_runs(
    http: httpx.AsyncClient, path: str, media_type: str, body: bytes
) -> None:
    """Images that only draw as themselves; a drawing that may hold scripts, and a claimed page, as bytes."""
    answer = await http.get(f"/api/sessions/{RICH_ID}/events/0/parts/{path}")

    assert answer.content == body
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "script-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    ["0/parts/7", "0/parts/-1", "0/parts/x", "0/parts/", "0/parts/0/output/0", "0/parts/4/output/1", "0/parts/4/0",
     "0/parts/٣", "1/parts/0", "0/parts/99999999999999999999", "0/parts/4/output/"],
)  # fmt: skip
async def test_a_part_that_is_not_there_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    """However its place is written."""
    answer = await http.get(f"/api/sessions/{RICH_ID}/events/{path}")

    assert (answer.status_code, answer.json()["code"]) in ((404, "part_not_found"), (404, "not_found"))


# -------------------------------------------------------------------------------------------------------- problems


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/sessions?limit=0", "limit"),
        ("/api/sessions?limit=x", "limit"),
        ("/api/sessions?sort=size", "sort"),
        ("/api/sessions?sort=--title", "sort"),
        ("/api/sessions?after=yesterday", "after"),
        ("/api/sessions?before=2026-13-01T00:00:00Z", "before"),
        ("/api/sessions?cursor=x", "cursor"),
        (f"/api/sessions/{SCROLL_ID}/events?start_seq=-1", "start_seq"),
        (f"/api/sessions/{SCROLL_ID}/events?limit=0", "limit"),
        (f"/api/sessions/{SCROLL_ID}/events?preview=10", "preview"),
        (f"/api/sessions/{SCROLL_ID}/events?meta=maybe", "meta"),
        (f"/api/sessions/{SCROLL_ID}/timeline?meta=maybe", "meta"),
        (f"/api/sessions/{SCROLL_ID}/timeline?most=0", "most"),
        (f"/api/sessions/{SCROLL_ID}/timeline/gaps?meta=maybe", "meta"),
        (f"/api/sessions/{SCROLL_ID}/turns?start=-1", "start"),
        (f"/api/sessions/{SCROLL_ID}/turns?limit=none", "limit"),
        (f"/api/sessions/{SCROLL_ID}/events/x/parts/0", "seq"),
    ],
)
async def test_a_bad_value_is_a_problem_that_names_it(http: httpx.AsyncClient, path: str, parameter: str) -> None:
    """400, as RFC 9457 has it."""
    answer = await http.get(path)

    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (400, 400, "bad_request")
    assert problem["parameter"] == parameter
    assert {"type", "title", "detail"} <= problem.keys()


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/api/sessions/{NOBODY_ID}", 404, "session_not_found"),
        ("GET", "/api/sessions/nobody", 404, "session_not_found"),
        ("GET", f"/api/sessions/{NOBODY_ID}/timeline", 404, "session_not_found"),
        ("GET", f"/api/sessions/{NOBODY_ID}/timeline/gaps", 404, "session_not_found"),
        ("GET", f"/api/sessions/{NOBODY_ID}/turns", 404, "session_not_found"),
        ("GET", f"/api/sessions/{SCROLL_ID}/timeline/tools", 404, "not_found"),
        ("GET", f"/api/sessions/{NOBODY_ID}/events", 404, "session_not_found"),
        ("GET", f"/api/sessions/{NOBODY_ID}/events/0/parts/0", 404, "session_not_found"),
        ("GET", f"/api/sessions/{BROKEN_ID}/timeline", 500, "archive_error"),
        ("GET", f"/api/sessions/{BROKEN_ID}/events", 500, "archive_error"),
        ("GET", f"/api/sessions/{BROKEN_ID}/events/0/parts/0", 500, "archive_error"),
        ("GET", "/api/nothing/at/all", 404, "not_found"),
        ("POST", "/api/nothing", 405, "method_not_allowed"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", f"{ASSETS}/nothing.js", 404, "not_found"),
        ("GET", f"/ws/sessions/{SCROLL_ID}", 404, "not_found"),
        ("POST", "/api/sessions", 405, "method_not_allowed"),
        ("DELETE", f"/api/sessions/{SCROLL_ID}", 405, "method_not_allowed"),
        ("PUT", "/", 405, "method_not_allowed"),
    ],
)
async def test_every_error_is_a_problem(
    http: httpx.AsyncClient, root: Path, method: str, path: str, status: int, code: str
) -> None:
    """With a code of ours, and without a path of the server."""
    answer = await http.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["status"], answer.json()["code"]) == (status, code)
    assert str(root) not in answer.text


async def test_a_refused_method_is_told_those_of_all_routes_of_its_path(http: httpx.AsyncClient) -> None:
    """RFC 9110, 15.5.6: a path may have a route for each method."""
    for path, allowed in (
        ("/api/access", {"GET", "HEAD", "POST", "DELETE"}),
        (f"/api/sessions/{SCROLL_ID}/shares", {"GET", "HEAD", "POST"}),
        ("/api/shares/3f9c21aa", {"DELETE"}),
    ):
        answer = await http.put(path)
        assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, allowed)


async def test_a_refused_method_is_told_which_are_allowed(http: httpx.AsyncClient) -> None:
    """In `Allow`."""
    answer = await http.post("/api/sessions")

    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    "path", ["/", f"/sessions/{SCROLL_ID}", "/healthz", "/api/sessions", f"/api/sessions/{RICH_ID}/events/0/parts/1"]
)
async def test_head_is_get_without_a_body(http: httpx.AsyncClient, path: str) -> None:
    """The headers are the same."""
    got, head = await http.get(path), await http.head(path)

    assert head.content == b""
    assert head.status_code == got.status_code == 200
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


# ------------------------------------------------------------------------------------------------ health, the page


async def test_health_and_readiness(server: Serving, http: httpx.AsyncClient) -> None:
    """Both answer at once; only the sessions may take their time."""
    assert (await http.get("/healthz")).json() == {"status": "ok"}
    assert (await http.get("/readyz")).json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["/", f"/sessions/{SCROLL_ID}", "/sessions/anything"])
async def test_the_page_is_the_same_at_each_of_its_addresses(http: httpx.AsyncClient, path: str) -> None:
    """What it shows is for its scripts to find out; it is not kept without asking again."""
    answer = await http.get(path)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert b"<script" in answer.content


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        (f"{ASSETS}/main.js", "text/javascript"),
        (f"{ASSETS}/style.css", "text/css"),
        (f"{ASSETS}/favicon.svg", "image/svg+xml"),
        (f"{ASSETS}/vendor/marked/LICENSE", "text/plain"),
    ],
)
async def test_a_static_file_has_its_type(http: httpx.AsyncClient, path: str, media_type: str) -> None:
    """Without which a browser runs no module, since it may not guess."""
    answer = await http.get(path)

    assert answer.headers["content-type"].partition(";")[0] == media_type


async def test_the_list_is_json_that_any_reader_takes(http: httpx.AsyncClient, root: Path) -> None:
    """A title of any characters goes through."""
    title = "  \"'</script> \x00 e\u0301 \U0001f600"
    write_session(root, [], scroll_id=NOBODY_ID, title=title)
    answer = await http.get("/api/sessions", params={"sort": "title"})
    orjson.loads(answer.content)
    direct = await http.get(f"/api/sessions/{NOBODY_ID}/events")

    assert direct.status_code == 200
    assert (await http.get(f"/api/sessions/{NOBODY_ID}")).json()["title"] == title
