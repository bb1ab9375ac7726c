"""What is printed and written of a run."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path

import pytest
from benching.cli import write
from benching.plots import plot
from benching.report import as_json, figure, markdown, show
from benching.run import Run, Unavailable
from benching.values import Benchmark, Goal, Outcome, Series
from rich.console import Console

MACHINE = {"cores": "2", "python": "CPython 3.11.7"}
COMMAND = "./scripts/bench made-up"


def nothing(run: Run) -> None:
    """Measures nothing: these outcomes are made by hand."""


def an_outcome(**changes: object) -> Outcome:
    benchmark = Benchmark(
        name="made-up",
        question="How long does it take?",
        unit="ms",
        size="watchers",
        baseline="bare",
        goals=(
            Goal(what="ours", against="bare", at_most=1.25, at=(10, 100)),
            Goal(what="ours", against="etcd", at_most=1.0, at=(10,)),
        ),
        measure=nothing,
    )
    values: dict[str, object] = {
        "benchmark": benchmark,
        "series": (
            Series(contender="ours", size=10, values=(1.0, 1.2, 1.1)),
            Series(contender="bare", size=10, values=(1.0, 1.0, 1.0)),
            Series(contender="ours", size=100, values=(3.0, 2.9, 3.1)),
            Series(contender="bare", size=100, values=(2.0, 2.0, 2.0)),
        ),
        "skipped": (("etcd", "there is no Go"),),
        "notes": ("All on one machine.",),
    }
    return Outcome(**(values | changes))  # type: ignore[arg-type]  # the changes are fields


def printed(outcome: Outcome) -> str:
    console = Console(file=io.StringIO(), width=120)
    show(outcome, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (14.83, "14.8"),
        (0.08541, "0.0854"),
        (999.6, "1,000"),
        (976_962.0, "976,962"),
        (3.0, "3.00"),
        (float("inf"), "inf"),
    ],
)
def test_a_figure_has_three_significant_digits(value: float, text: str) -> None:
    assert figure(value) == text


def test_the_tables_show_medians_ratios_and_which_goal_was_missed() -> None:
    text = printed(an_outcome())
    lines = [line.split() for line in text.splitlines()]
    assert any({"100", "ours", "3.00", "1.50"} <= set(line) for line in lines)
    assert any({"10", "held", "1.10"} <= set(line) for line in lines)
    assert any({"100", "MISSED", "1.50"} <= set(line) for line in lines)


def test_who_is_missing_and_why_is_said_beside_the_tables() -> None:
    text = printed(an_outcome(broken="a server ended"))
    assert "All on one machine." in text
    assert "Without etcd: there is no Go." in text
    assert "Ended early: a server ended" in text


def test_the_document_has_the_machine_the_command_and_every_table() -> None:
    text = markdown([an_outcome()], MACHINE, COMMAND, {"made-up": "made-up.png"})
    assert "Made by `./scripts/bench made-up` on cores 2, python CPython 3.11.7." in text
    assert "| watchers | contender | median ms | quartiles | × bare | rounds |" in text
    assert "| 100 | ours / bare | 1.50 | 1.48 – 1.52 | ≤ 1.25 | MISSED |" in text
    assert "![made-up](made-up.png)" in text


def test_a_reason_of_several_lines_stays_in_its_row() -> None:
    text = markdown([an_outcome(skipped=(("etcd", "one | two\nthree"),))], MACHINE, COMMAND, {})
    assert "| etcd: one \\| two three |" in text


def test_json_has_every_value_of_every_round_and_each_verdict() -> None:
    document = json.loads(as_json([an_outcome()], MACHINE, COMMAND))
    assert (document["machine"], document["command"]) == (MACHINE, COMMAND)
    (found,) = document["benchmarks"]
    assert found["series"][2]["values"] == [3.0, 2.9, 3.1]
    assert [goal["held"] for goal in found["goals"]] == [True, False, None]
    assert found["skipped"] == {"etcd": "there is no Go"}


def test_a_benchmark_that_measured_nothing_is_reported_all_the_same() -> None:
    outcome = an_outcome(series=(), broken="the authority ended")
    assert "the authority ended" in printed(outcome)
    (found,) = json.loads(as_json([outcome], MACHINE, COMMAND))["benchmarks"]
    assert found["series"] == []
    assert [goal["held"] for goal in found["goals"]] == [None, None, None]


def test_without_matplotlib_everything_but_the_pictures_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # None in sys.modules is how Python itself marks a module that cannot be imported.
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write([an_outcome()], MACHINE, COMMAND, tmp_path / "out" / "report.json", Console(width=120))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.json", "report.md"]
    assert "the extra `bench` installs" in capsys.readouterr().out


@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib comes with the extra `bench`")
def test_a_curve_becomes_a_picture_that_the_document_shows(tmp_path: Path) -> None:
    write([an_outcome()], MACHINE, COMMAND, tmp_path / "report.json", Console(width=120))
    assert (tmp_path / "report-made-up.png").read_bytes().startswith(b"\x89PNG")
    assert "![made-up](report-made-up.png)" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_one_size_makes_no_curve(tmp_path: Path) -> None:
    try:
        drawn = plot(an_outcome(series=(Series(contender="ours", size=10, values=(1.0,)),)), tmp_path / "one.png")
    except Unavailable:
        pytest.fail("what is not drawn needs no library")
    assert not drawn
    assert not (tmp_path / "one.png").exists()
