"""The table of benchmarks, and a quick run of the cheapest one as a user would start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benching.table import BENCHMARKS

FOLDER = Path("tests/benchmarks")


def test_every_benchmark_module_is_in_the_table(root: Path) -> None:
    modules = {path.stem for path in (root / FOLDER).glob("bench_*.py")}
    assert {benchmark.measure.__module__ for benchmark in BENCHMARKS.values()} == modules


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_says_what_it_asks_and_is_in_the_readme(name: str, root: Path) -> None:
    benchmark = BENCHMARKS[name]
    assert benchmark.name == name
    assert benchmark.question
    assert f"`{name}`" in (root / FOLDER / "README.md").read_text(encoding="utf-8")


def test_a_quick_run_measures_and_reports(root: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    environ = {**os.environ, "PYTHONPATH": str(root / FOLDER), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "benching", "read", "--quick", "--json", str(report)]
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "source.current()" in done.stdout
    document = json.loads(report.read_text(encoding="utf-8"))
    (read,) = document["benchmarks"]
    rounds = {len(one["values"]) for one in read["series"]}
    assert rounds == {5}
    assert all(value > 0 for one in read["series"] for value in one["values"])
    assert {goal["held"] for goal in read["goals"] if goal["what"] == "source.current()"} <= {True, False}
    assert document["machine"]["python"].endswith(sys.version.split()[0])
    assert report.with_suffix(".md").read_text(encoding="utf-8").startswith("# Benchmarks")


def test_what_there_is_can_be_listed_without_measuring(root: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(root / FOLDER)}
    command = [sys.executable, "-m", "benching", "--list"]
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines() if line.strip()] == list(BENCHMARKS)


def test_a_quick_look_at_a_burst_finds_the_last_version_with_everybody(tmp_path: Path, root: Path) -> None:
    report = tmp_path / "report.json"
    environ = {**os.environ, "PYTHONPATH": str(root / FOLDER)}
    command = [sys.executable, "-m", "benching", "burst", "--quick", "--json", str(report)]
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (measured,) = json.loads(report.read_text(encoding="utf-8"))["benchmarks"]
    assert len(measured["series"]) == 4
    assert all(value >= 0 for one in measured["series"] for value in one["values"])
