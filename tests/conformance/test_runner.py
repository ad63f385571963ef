"""The runner for other implementations: against the real server, and against ones that do not keep to the vectors."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conforming import run_in_process
from scrollcast.access.token import OwnerToken
from scrollcast.conformance.__main__ import TOKEN_VARIABLE, main
from scrollcast.conformance.vectors import Vector, load_vectors, vectors_folder
from scrollcast.conformance.walking import Divergence
from serving import serving_in_thread
from web.doors import TOKEN

BY_NAME = {vector.name: vector for vector in load_vectors(vectors_folder())}

LONGEST_SECONDS = "4.6"
"""All but the heartbeats."""

TOLERANCE_MS = "1000"
TRIES = "4"
"""For a machine on which much else runs; to the millisecond the vectors hold on an invented clock."""


def test_the_server_keeps_to_all_of_them(root: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Over real sockets and in real time, those included that write to the archive and that need redaction."""
    assert main(["--write", str(root)]) == 0
    with serving_in_thread(root, cache=cache, redact=True) as server:
        address = f"ws://127.0.0.1:{server.port}"
        flags = ["--with", "redaction", "--longest", LONGEST_SECONDS, "--tolerance", TOLERANCE_MS, "--tries", TRIES]
        status = main([address, "--archive", str(root), *flags])

    said = capsys.readouterr().out
    assert status == 0, said
    assert [line for line in said.splitlines() if line.startswith("skip")] == [
        "skip crossing-the-end: needs a server --with clock",
        "skip heartbeat-in-a-gap: takes too long",
        "skip heartbeat: takes too long",
    ]


def test_what_cannot_be_run_is_left_out_and_said(root: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason."""
    flags = ["--only", "redacted", "--only", "follow"]
    main(["--write", str(root), *flags])
    with serving_in_thread(root, cache=cache) as server:
        assert main([f"ws://127.0.0.1:{server.port}", *flags]) == 2

    assert capsys.readouterr().out.splitlines() == [
        "skip follow: writes to the archive: say where it is with --archive",
        "skip redacted: needs a server --with redaction",
        "0 kept, 0 not, 2 left out",
    ]


def test_a_server_that_asks_for_a_token_is_shown_one(
    root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """That of the environment."""
    flags = ["--only", "fast"]
    main(["--write", str(root), *flags])
    with serving_in_thread(
        root, cache=cache, token=OwnerToken(TOKEN), shares=cache.parent / "shares.sqlite3"
    ) as server:
        address = f"ws://127.0.0.1:{server.port}"
        assert main([address, *flags]) == 1
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        assert main([address, *flags, "--tries", TRIES]) == 0

    assert capsys.readouterr().out.splitlines()[-2:] == ["ok   fast", "1 kept, 0 not, 0 left out"]


def test_a_server_that_is_not_there_keeps_to_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """And the runner says so; it also says what it was not told."""
    assert main(["ws://127.0.0.1:9", "--only", "fast", "--tries", "2"]) == 1
    assert "FAIL fast: there is no connection" in capsys.readouterr().out
    assert main([]) == 2
    assert main(["ws://127.0.0.1:9", "--only", "nothing"]) == 2


# ----------------------------------------------------------------------------------------------- what it finds out


Change = Callable[[list[dict[str, Any]]], object]


def message(steps: list[dict[str, Any]], number: int) -> dict[str, Any]:
    """What has to come at a step."""
    expected: dict[str, Any] = steps[number]["expect"]
    return expected


OTHERWISE: Mapping[str, tuple[str, Change, str]] = {
    "a number": ("realtime", lambda steps: message(steps, 3).update(seq=2), "seq is 1, and not 2"),
    "a word": ("fast", lambda steps: message(steps, 2)["event"]["message"].update(id="x"), "message.id is 'm0'"),
    "a type": ("fast", lambda steps: message(steps, 2).update(type="skipped"), "it was to be"),
    "too late": ("realtime", lambda steps: steps[3].update(at_ms=490), "nothing came by 492 ms"),
    "too early": ("realtime", lambda steps: steps[4].update(at_ms=1010), "it came at 1000.0 ms, and was due at 1010"),
    "a code": ("fast", lambda steps: steps[-1].update(close=1001), "it was to be: close 1001: close 1000"),
    "what is not there": ("fast", lambda steps: message(steps, 2).update(color="red"), "color is missing"),
    "what is too much": ("fast", lambda steps: message(steps, 2).update(gen={"$absent": True}), "gen is there"),
    "one more": ("fast", lambda steps: steps.insert(4, steps[3]), "seq is 2, and not 1"),
    "one less": ("hold", lambda steps: steps.__delitem__(slice(-1, None)), "unexpected"),
    "a list": ("content", lambda steps: message(steps, 2)["event"]["message"].update(content=[]), "content is"),
    "a kind": ("fast", lambda steps: message(steps, 2).update(t_ms={"$is": "text"}), "t_ms is 0, which is no text"),
    "about": ("late", lambda steps: message(steps, 4).update(late_ms={"$about": 700}), "which is not about 700"),
    "the same": (
        "resume-after-rewriting",
        lambda steps: message(steps, 7).update(epoch={"$same": "epoch", "like": ""}),
        "and 'epoch' was",
    ),
    "another": (
        "resume",
        lambda steps: message(steps, 6).update(epoch={"$same": "new", "like": ""}),
        "which is that of another name than 'new'",
    ),
}  # fmt: skip
"""A change of a vector that makes it wrong, and what is said of a server that is right. The steps count from 0."""


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_server_that_does_otherwise_is_found_out(name: str, root: Path, cache: Path) -> None:
    """Whatever it is."""
    vector_name, change, words = OTHERWISE[name]
    vector: Vector = copy.deepcopy(BY_NAME[vector_name])
    steps = [*map(dict, vector.steps)]
    change(steps)
    wrong = dataclasses.replace(vector, steps=steps)
    with pytest.raises(Divergence) as told:
        run_in_process(wrong, root, cache)
    assert words in str(told.value)
