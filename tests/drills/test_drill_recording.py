"""Recordings come back as they were written, also while they are being written."""

from __future__ import annotations

from pathlib import Path

import pytest
from drilling.recording import Kind, Record, Recordings, line_of, record_of

RECORD = Record(
    client="client-007",
    kind=Kind.READ,
    at_ns=1_234,
    epoch=3,
    version=9,
    etag='"abc"',
    digest="d1",
    tier="FRESH",
    server="node-1",
)


def test_a_record_comes_back_as_it_was() -> None:
    assert record_of(line_of(RECORD)) == RECORD
    with pytest.raises(ValueError, match="unpack"):
        record_of("[]")


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    file, missing = tmp_path / "one.jsonl", tmp_path / "none.jsonl"
    recordings = Recordings([file, missing])
    recordings.catch_up()
    line = line_of(RECORD)
    file.write_text(line + line[:20])
    recordings.catch_up()
    assert recordings.records == [RECORD]

    with file.open("a") as more:
        more.write(line[20:])
    recordings.catch_up()
    recordings.catch_up()

    assert recordings.records == [RECORD, RECORD]
    assert recordings.now == {"client-007": RECORD}
