"""What a folder keeps of runs: the last of each benchmark, and one table of all goals."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from benching.cli import main
from benching.folder import TABLE, keep, kept
from benching.run import Failed, Run
from benching.values import Benchmark, Goal, Outcome, Series

MACHINE = {"cores": "2", "python": "CPython 3.11.7", "load before": "0.50"}
COMMAND = "./scripts/bench fast --report out"


def measure(run: Run) -> None:
    """Measures one contender at two sizes, and another in a unit of its own."""
    for size in (1, 10):
        run.record("ours", 2.0 * size, size)
        run.record("bare", 1.0 * size, size)
        run.record("memory", 30.0, size)


def fail(run: Run) -> None:
    """Measures nothing."""
    raise Failed("there is no server")


def benchmark(name: str = "fast", **changes: object) -> Benchmark:
    values: dict[str, object] = {
        "name": name,
        "question": f"How fast is {name}",
        "unit": "ms",
        "units": {"memory": "KB"},
        "size": "watchers",
        "baseline": "bare",
        "goals": (
            Goal(what="ours", against="bare", at_most=1.25, at=(10,), title="the last of N"),
            Goal(what="memory", at_most=60, at=(10,)),
            Goal(what="ours", against="ours", against_size=1, at_most=20, at=(10,)),
            Goal(what="ours", against="etcd", at_most=1, at=(10,)),
        ),
        "measure": measure,
    }
    return Benchmark(**(values | changes))  # type: ignore[arg-type]  # the changes are fields


KNOWN = {one.name: one for one in (benchmark(), benchmark("slow"), benchmark("broken", measure=fail))}


def ran(arguments: list[str]) -> int:
    return main(KNOWN, arguments)


def rows_of(folder: Path) -> list[list[str]]:
    lines = (folder / TABLE).read_text(encoding="utf-8").splitlines()
    table = lines[lines.index("|---|---|---|---|---|---|---|") + 1 :]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[: table.index("")]]


def test_every_goal_has_a_row_with_bound_ratio_spread_and_whether_it_was_held(tmp_path: Path) -> None:
    assert ran(["fast", "--report", str(tmp_path)]) == 0

    assert rows_of(tmp_path) == [
        ["fast", "the last of N", "10 watchers", "≤ 1.25", "2.00", "2.00 – 2.00", "**no**"],
        ["fast", "memory, KB", "10 watchers", "≤ 60", "30.0", "30.0 – 30.0", "yes"],
        ["fast", "ours / ours at 1", "10 watchers", "≤ 20", "10.0", "10.0 – 10.0", "yes"],
        ["fast", "ours / etcd", "10 watchers", "≤ 1", "", "", "not in this run"],
    ]


def test_the_document_says_on_what_machine_and_by_what_command(tmp_path: Path) -> None:
    list(keep([outcome(2.0)], MACHINE, COMMAND, tmp_path, KNOWN))

    text = (tmp_path / TABLE).read_text(encoding="utf-8")
    assert "on cores 2, python CPython 3.11.7." in text
    assert f"Made by `{COMMAND}`." in text
    assert "| 10 | memory | 30.0 KB | 30.0 – 30.0 |  | 1 |" in text


def outcome(ours: float, **changes: object) -> Outcome:
    values: dict[str, object] = {
        "benchmark": KNOWN["fast"],
        "series": (
            Series(contender="ours", size=10, values=(ours,)),
            Series(contender="bare", size=10, values=(1.0,)),
            Series(contender="memory", size=10, values=(30.0,)),
        ),
        "skipped": (("etcd", "there is no Go"),),
        "notes": ("All on one machine.",),
    }
    return Outcome(**(values | changes))  # type: ignore[arg-type]  # the changes are fields


def test_a_later_run_takes_the_place_of_the_one_before_and_leaves_the_others(tmp_path: Path) -> None:
    ran(["slow", "--report", str(tmp_path)])
    list(keep([outcome(2.0)], MACHINE, COMMAND, tmp_path, KNOWN))
    list(keep([outcome(1.0)], MACHINE, COMMAND, tmp_path, KNOWN))

    measured = {(row[0], row[1]): row[4] for row in rows_of(tmp_path)}
    assert measured["fast", "the last of N"] == "1.00"
    assert measured["slow", "the last of N"] == "2.00"


def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    before = outcome(2.0, broken="interrupted")
    list(keep([before], MACHINE, COMMAND, tmp_path, KNOWN))

    (found,) = kept(tmp_path, KNOWN)

    assert found.outcome == before
    assert (found.machine, found.command) == (MACHINE, COMMAND)


def test_a_run_that_measured_nothing_leaves_what_was_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list(keep([outcome(2.0)], MACHINE, COMMAND, tmp_path, KNOWN))
    said = list(keep([outcome(2.0, series=())], MACHINE, COMMAND, tmp_path, KNOWN))

    assert said[0] == "fast has measured nothing: what was kept of it stays"
    assert rows_of(tmp_path)[0][4] == "2.00"


def test_all_measures_everything_and_one_that_fails_holds_up_nothing(tmp_path: Path) -> None:
    assert ran(["all", "--report", str(tmp_path)]) == 1

    assert {row[0] for row in rows_of(tmp_path)} == {"fast", "slow"}
    document = json.loads((tmp_path / "slow.json").read_text(encoding="utf-8"))
    assert {one["unit"] for one in document["benchmarks"][0]["series"]} == {"ms", "KB"}


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib comes with the extra `bench`")
def test_a_curve_is_drawn_and_shown_and_what_is_in_another_unit_is_not_in_it(tmp_path: Path) -> None:
    ran(["fast", "--report", str(tmp_path)])

    assert (tmp_path / "fast.png").read_bytes().startswith(b"\x89PNG")
    assert "![How fast is fast](fast.png)" in (tmp_path / TABLE).read_text(encoding="utf-8")
    assert [name for name in ("ours", "bare", "memory") if benchmark().is_plotted(name)] == ["ours", "bare"]
    assert benchmark(plotted=("memory",)).is_plotted("memory")
