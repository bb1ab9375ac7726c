"""A folder that keeps the last run of each benchmark: a document, a picture, and one table of all goals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benching.plots import plot
from benching.report import HELD, Sheet, as_json, figure, markdown_table, measured_sheet, name_of, remarks, spread
from benching.run import Unavailable
from benching.statistics import Judged, judged
from benching.values import Benchmark, Outcome, Series

TABLE = "table.md"
COLUMNS = ("benchmark", "what is compared", "at", "goal", "measured", "quartiles", "held")
HELD_WORDS = {**HELD, True: "yes", False: "**no**"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The last run of a benchmark: what came out, on what machine, by what command."""

    outcome: Outcome
    machine: Mapping[str, str]
    command: str


def keep(
    outcomes: Sequence[Outcome],
    machine: Mapping[str, str],
    command: str,
    folder: Path,
    known: Mapping[str, Benchmark],
) -> Iterator[str]:
    """Puts a run in the place of those of the same benchmarks before it, and yields what was written.

    What measured nothing leaves the run before in its place. Without matplotlib, pictures stay as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for outcome in outcomes:
        if not outcome.series:
            yield f"{outcome.benchmark.name} has measured nothing: what was kept of it stays"
            continue
        path = folder / f"{outcome.benchmark.name}.json"
        path.write_text(as_json([outcome], machine, command), encoding="utf-8")
        yield f"wrote {path}"
        try:
            if plot(outcome, path.with_suffix(".png")):
                yield f"wrote {path.with_suffix('.png')}"
        except Unavailable as missing:
            yield str(missing)
    (folder / TABLE).write_text(table(list(kept(folder, known)), folder), encoding="utf-8")
    yield f"wrote {folder / TABLE}"


def kept(folder: Path, known: Mapping[str, Benchmark]) -> Iterator[Kept]:
    """Yields the last run of each benchmark that there is one of, judged by the goals of today."""
    for name, benchmark in known.items():
        path = folder / f"{name}.json"
        if path.exists():
            document = json.loads(path.read_text(encoding="utf-8"))
            (found,) = document["benchmarks"]
            yield Kept(
                outcome=_outcome(found, benchmark), machine=dict(document["machine"]), command=document["command"]
            )


def _outcome(found: Mapping[str, Any], benchmark: Benchmark) -> Outcome:
    return Outcome(
        benchmark=benchmark,
        series=tuple(
            Series(contender=one["contender"], size=one["size"], values=tuple(one["values"])) for one in found["series"]
        ),
        skipped=tuple(found["skipped"].items()),
        notes=tuple(found["notes"]),
        broken=found["broken"],
    )


def table(runs: Sequence[Kept], folder: Path) -> str:
    """Returns the document: every goal in one table, then what was measured, benchmark by benchmark."""
    lines = ["# Goals and what was measured", "", *_made_on(runs), ""]
    rows = tuple(_row(verdict, run.outcome.benchmark) for run in runs for verdict in judged(run.outcome))
    lines += markdown_table(Sheet(title="", columns=COLUMNS, rows=rows))
    for run in runs:
        name = run.outcome.benchmark.name
        sheet = measured_sheet(run.outcome)
        lines += ["", f"## {name}", "", f"{sheet.title}. Made by `{run.command}`.", "", *markdown_table(sheet)]
        lines += ["", *(f"- {remark}" for remark in remarks(run.outcome))] if any(remarks(run.outcome)) else []
        if (folder / f"{name}.png").exists():
            lines += ["", f"![{sheet.title}]({name}.png)"]
    return "\n".join(lines) + "\n"


def _made_on(runs: Sequence[Kept]) -> Iterator[str]:
    """Yields one line for each machine that took part; what changes from run to run is no other machine."""
    said = (", ".join(f"{k} {v}" for k, v in run.machine.items() if k != "load before") for run in runs)
    for machine in dict.fromkeys(said):
        yield f"Ratios of medians within one run, on {machine}."


def _row(verdict: Judged, benchmark: Benchmark) -> tuple[str, ...]:
    goal, taken = verdict.goal, verdict.ratio
    at = f"{verdict.size:,} {benchmark.size}" if benchmark.size else ""
    measured = (figure(taken.median), spread(taken)) if taken else ("", "")
    held = verdict.why or HELD_WORDS[verdict.held]
    return (benchmark.name, goal.title or name_of(goal, benchmark), at, goal.text, *measured, held)
