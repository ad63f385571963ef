"""Making sessions searchable in helper processes."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from archives import SCROLL_ID, message, write_session
from scrollcast.archive.catalogue import Catalogue
from scrollcast.archive.formats.native import NativeReader
from scrollcast.archive.indexing import index_job, jobs_for, read_reply
from scrollcast.archive.search import SearchIndex


@pytest.fixture
def catalogue(root: Path, cache: Path) -> Catalogue:
    """Two sessions."""
    for scroll_id in (SCROLL_ID, UUID(int=2)):
        write_session(root, [message("m0", content_md="a lantern"), message("m1", 2)], scroll_id=scroll_id)
    catalogue = Catalogue([root], cache)
    catalogue.refresh()
    return catalogue


def test_a_job_indexes_its_sessions_and_tells_what_it_learnt(catalogue: Catalogue, tmp_path: Path) -> None:
    """The figures are those of the whole session, and its words are found."""
    (job,) = jobs_for(tmp_path, catalogue.indexable())
    figures = read_reply(index_job(job))

    assert {(known.count, known.duration_ms, known.has_errors) for known in figures} == {(2, 2000, False)}
    assert len(SearchIndex(tmp_path).matching("lantern")) == 2


def test_a_defect_of_a_reader_costs_one_session(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of the job are indexed, and that one is not tried again until it changes."""
    made = NativeReader.decoder

    def decoder(reader: NativeReader, source: object, *, meta: bool) -> object:
        if str(SCROLL_ID) in str(getattr(source, "path", "")):
            raise ValueError("a defect")
        return made(reader, source, meta=meta)  # type: ignore[arg-type]

    monkeypatch.setattr(NativeReader, "decoder", decoder)
    sessions = catalogue.indexable()
    (job,) = jobs_for(tmp_path, sessions)
    figures = read_reply(index_job(job))
    index = SearchIndex(tmp_path)

    assert [known.scroll_id for known in figures] == [UUID(int=2)]
    assert {session.number: index.states()[session.number].key for session in sessions} == {
        session.number: session.key for session in sessions
    }
