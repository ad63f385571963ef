"""How much of a seeded corpus is found, and how much that is no secret is taken for one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson
import pytest

from leaks import holds
from scrollcast.archive.archive import Archive
from scrollcast.archive.redacted_archive import RedactedArchive
from scrollcast.redaction import Redaction, Redactor
from secrets_corpus import FORMS, KINDS, lookalikes, planted

LEAST_RECALL = 0.99
"""Of every kind in every form. Measured: 0.998 to 1."""

MOST_FALSE = 0.02
"""Of events with nothing but look-alikes. Measured: 0."""


@pytest.mark.parametrize("seed", [1, 2])
def test_recall(redactor: Redactor, seed: int) -> None:
    """What was planted does not survive."""
    missed = Counter[tuple[str, str]]()
    for sample in planted(seed):
        data = sample.event()
        assert holds(data, sample.secret), "planted where nobody could have found it"
        redacted, _ = redactor.event(data)
        missed[sample.kind, sample.form] += holds(redacted, sample.secret)
    assert missed.total() <= (1 - LEAST_RECALL) * len(KINDS) * len(FORMS), +missed


@pytest.mark.parametrize("seed", [1, 2])
def test_precision(redactor: Redactor, seed: int) -> None:
    """What only looks like a secret stays as it is, byte for byte."""
    samples = list(lookalikes(seed))
    wrong = Counter(sample.kind for sample in samples if redactor.event(sample.event())[0] != sample.event())
    assert wrong.total() <= MOST_FALSE * len(samples), wrong


async def test_sessions_without_secrets_stay_as_they_are() -> None:
    """Those of every format that come with Scrollcast, the ids that agents give to sessions included."""
    with Archive.open(Path(__file__).parents[2] / "archive_fixtures") as archive:
        redacted = RedactedArchive(archive, Redaction())
        for session in archive.sessions():
            if session.error is None:
                index = await redacted.open_index(session.scroll_id, meta=True)
                await index.markers()
                assert index.redacted == 0, session.title
        redacted.close()


def test_the_id_of_the_session_is_no_login(redactor: Redactor) -> None:
    """Wherever it stands; another one, under a name that says so, is."""
    own, other = "ses_7001attic-9f8e7d6c5b4a", "Zk39sLq0vBn47XcWm12RtYpD"
    parts = [{"type": "unknown", "raw": {"session_id": each}} for each in (own, other)]
    told = {"id": "m", "session_id": own, "role": "user", "created_at": "2026-03-02T09:00:00Z"}
    message = {**told, "content": parts, "status": "completed", "metadata": None}
    event = {"type": "message_completed", "connector_id": own, "message": message}
    shown, count = redactor.event(orjson.dumps({"seq": 0, "t_ms": 0, "event": event}))
    assert (count, own.encode() in shown, other.encode() in shown) == (1, True, False)
    assert orjson.loads(shown)["event"]["message"]["session_id"] == own
