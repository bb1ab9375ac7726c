"""What is read of a process and of /metrics, what is counted in shifts, and how it is told."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

from msc_observed import StillInsight, an_observation
from soaking.load.shift import Tally, chance
from soaking.looking import EXPORTED, done, of_metrics, of_process
from soaking.report import as_json, now, table
from soaking.scene import severe
from soaking.values import QUANTITIES, Record, Sample
from soaking.verdict import judge

from msc_authority.http.metrics import Audience, Metrics


def exported() -> str:
    async def rendered() -> str:
        insight = StillInsight(observation=an_observation(loop_tasks=101, watchers=20, watch_ends={"caller": 7}))
        body, _ = Metrics(insight, audience=Audience(streams=lambda: 3, pages=lambda: 2)).render()
        return body.decode()

    return asyncio.run(rendered())


def test_this_process_has_memory_threads_and_open_files() -> None:
    seen = of_process("client", os.getpid())
    assert set(seen) == {"client: memory", "client: threads", "client: open files"}
    assert all(value >= 1 for value in seen.values())


def test_a_file_more_is_seen(tmp_path: Path) -> None:
    before = of_process("client", os.getpid())
    with (tmp_path / "file").open("w"):
        assert of_process("client", os.getpid())["client: open files"] == before["client: open files"] + 1


def test_everything_that_a_soak_wants_of_an_authority_is_exported() -> None:
    assert of_metrics(exported()) == {
        "authority: tasks of gRPC": 101,
        "authority: tasks of HTTP": 1,
        "authority: watches": 20,
        "authority: event streams": 3,
        "authority: dashboards": 2,
    }
    assert set(EXPORTED) <= {quantity.name for quantity in QUANTITIES}


def test_what_was_done_is_summed_up_over_labels() -> None:
    counts = done(exported())
    assert counts["watches ended"] == 7
    assert counts["evaluations"] == 1
    assert counts["journal rows"] == 0


def test_what_was_done_in_a_shift_is_told_once() -> None:
    tally = Tally()
    tally.note("acts")
    tally.note("rows", 6)
    assert tally.told() == {"acts": 1, "rows": 6}
    assert tally.told() == {}


def test_chance_repeats_itself() -> None:
    assert [chance(3).random() for _ in range(3)] == [chance(3).random()] * 3


def test_a_log_is_searched_for_mistakes_of_programs(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    log.write_text("INFO fine\nWARNING slow\nx ERROR y\nTraceback (most recent call last):\nCRITICAL alert\n")
    assert severe(log) == ["x ERROR y", "Traceback (most recent call last):"]


def test_the_report_has_a_line_for_each_quantity_and_everything_as_json() -> None:
    values = {quantity.name: 1.5 for quantity in QUANTITIES}
    record = Record(before=[Sample(0, values)], under_load=[Sample(1, values)], after=[Sample(2, values)])
    verdict = judge(record)
    assert table(verdict).row_count == now("now", record.after[0], values).row_count == len(QUANTITIES)
    document = json.loads(as_json(record, verdict, {"versions": 3}, {"acts": 2}, {"cores": "2"}))
    assert document["good"]
    assert document["samples"]["under_load"] == [{"at_s": 1, "values": values}]
    assert len(document["findings"]) == len(QUANTITIES)
