"""The example of `docs/adding-a-format.md`, as it stands there."""

import re
from pathlib import Path
from typing import Any

import pytest

from scrollcast.archive.formats import FormatReader, Item
from scrollcast.archive.formats.readers import READERS, sniff
from scrollcast.model import BadRecord, Record

PAGE = Path(__file__).parents[3] / "docs" / "adding-a-format.md"

NOTEBOOK = (
    b'{"tool":"lantern","at":"2026-05-01T09:00:00Z","who":"user","says":"Trim the wick"}\n'
    b'{"tool":"lantern","at":"2026-05-01T09:00:04Z","who":"assistant","says":"Trimmed."}\n'
    b"torn\n"
    b'{"tool":"lantern","at":"2026-05-01T09:01:00Z","who":"oil gauge","level":3}\n'
)


@pytest.fixture
def reader() -> FormatReader:
    """The reader on the page."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    names: dict[str, Any] = {"__name__": "lantern"}
    exec(compile(found[1], PAGE, "exec"), names)
    made: FormatReader = names["LanternReader"]()
    return made


def test_example_reads_a_notebook(reader: FormatReader, tmp_path: Path) -> None:
    """It claims its own file, which no other reader does, sums it up, and gives each line as what it is."""
    path = tmp_path / "wick.jsonl"
    path.write_bytes(NOTEBOOK)
    file = sniff(path, tmp_path, len(NOTEBOOK))
    (source,) = reader.locate(file, tmp_path)
    session = reader.summarise(source)
    items: list[Item] = list(reader.records(source, meta=True))

    assert [each.name for each in (*READERS, reader) if each.claims(file)] == ["lantern"]
    assert (session.title, session.count, session.duration_ms) == ("Trim the wick", 2, 4000)
    assert [item.role or item.kind if isinstance(item, Record) else item for item in items] == [
        "user", "assistant", BadRecord(3), "oil gauge",
    ]  # fmt: skip
    assert [item for item in items if not (isinstance(item, Record) and item.is_meta)] == list(
        reader.records(source, meta=False)
    )
