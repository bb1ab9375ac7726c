"""A run as tables for people, as Markdown, and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from benching.statistics import Judged, Summary, judged, ratio, summary
from benching.values import Benchmark, Goal, Outcome, Series

SIGNIFICANT = 3
HELD = {True: "held", False: "MISSED", None: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table: its title, its columns, its rows of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def figure(value: float) -> str:
    """Returns a number with three significant digits, and thousands apart."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, SIGNIFICANT - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def measured_sheet(outcome: Outcome) -> Sheet:
    """Returns what each contender took, beside the baseline."""
    benchmark = outcome.benchmark
    size = (benchmark.size,) if benchmark.size else ()
    unit = "" if benchmark.units else f" {benchmark.unit}"
    columns = (*size, "contender", f"median{unit}", "quartiles", f"× {benchmark.baseline}", "rounds")
    rows = tuple(_measured_row(outcome, one) for one in sorted(outcome.series, key=lambda one: one.size))
    return Sheet(title=benchmark.question, columns=columns, rows=rows)


def _measured_row(outcome: Outcome, one: Series) -> tuple[str, ...]:
    taken, baseline = summary(one.values), outcome.find(outcome.benchmark.baseline, one.size)
    size = (f"{one.size:,}",) if outcome.benchmark.size else ()
    unit = outcome.benchmark.unit_of(one.contender)
    alike = baseline is not None and unit == outcome.benchmark.unit
    times = figure(ratio(one, baseline).median) if alike and baseline is not None else ""
    median = figure(taken.median) + (f" {unit}" if outcome.benchmark.units else "")
    return (*size, one.contender, median, spread(taken), times, str(taken.count))


def goals_sheet(outcome: Outcome) -> Sheet:
    """Returns each goal with the ratio that was measured."""
    benchmark = outcome.benchmark
    size = (benchmark.size,) if benchmark.size else ()
    rows = tuple(_goal_row(verdict, benchmark) for verdict in judged(outcome))
    return Sheet(title="Goals", columns=(*size, "ratio", "median", "quartiles", "goal", ""), rows=rows)


def _goal_row(verdict: Judged, benchmark: Benchmark) -> tuple[str, ...]:
    goal, taken = verdict.goal, verdict.ratio
    named = name_of(goal, benchmark)
    size = (f"{verdict.size:,}",) if benchmark.size else ()
    held = verdict.why or HELD[verdict.held]
    return (*size, named, figure(taken.median) if taken else "", spread(taken) if taken else "", goal.text, held)


def name_of(goal: Goal, benchmark: Benchmark) -> str:
    """Returns what a goal bounds, as it stands in the tables."""
    if not goal.against:
        return f"{goal.what}, {benchmark.unit_of(goal.what)}"
    at = "" if goal.against_size is None else f" at {goal.against_size:,}"
    return f"{goal.what} / {goal.against}{at}"


def spread(taken: Summary) -> str:
    """Returns the quartiles as text."""
    return f"{figure(taken.low)} – {figure(taken.high)}"


def remarks(outcome: Outcome) -> Iterator[str]:
    """Yields what has to be said beside the tables."""
    yield from outcome.notes
    for contender, why in outcome.skipped:
        yield f"Without {contender}: {why}."
    if outcome.broken:
        yield f"Ended early: {outcome.broken}"


def show(outcome: Outcome, console: Console) -> None:
    """Prints an outcome."""
    console.print()
    for sheet in _sheets(outcome):
        console.print(_rich(sheet))
    for remark in remarks(outcome):
        console.print(f"  {remark}", style="dim", highlight=False, markup=False)


def _sheets(outcome: Outcome) -> Iterator[Sheet]:
    if outcome.series:
        yield measured_sheet(outcome)
    if outcome.benchmark.goals:
        yield goals_sheet(outcome)


def _rich(sheet: Sheet) -> Table:
    table = Table(title=sheet.title, title_justify="left", title_style="bold")
    for column in sheet.columns:
        words = column in {"contender", "ratio", ""}
        table.add_column(column, justify="left" if words else "right")
    for row in sheet.rows:
        table.add_row(*row, style="red" if row[-1].startswith("MISSED") else None)
    return table


def markdown(outcomes: Sequence[Outcome], machine: Mapping[str, str], command: str, plots: Mapping[str, str]) -> str:
    """Returns the whole run as a document. `plots` are names of pictures by the names of benchmarks."""
    lines = ["# Benchmarks", "", f"Made by `{command}` on " + ", ".join(f"{k} {v}" for k, v in machine.items()) + "."]
    for outcome in outcomes:
        lines += ["", f"## {outcome.benchmark.name}"]
        for sheet in _sheets(outcome):
            lines += ["", f"{sheet.title}", "", *markdown_table(sheet)]
        lines += ["", *(f"- {remark}" for remark in remarks(outcome))] if any(remarks(outcome)) else []
        if outcome.benchmark.name in plots:
            lines += ["", f"![{outcome.benchmark.name}]({plots[outcome.benchmark.name]})"]
    return "\n".join(lines) + "\n"


def markdown_table(sheet: Sheet) -> Iterator[str]:
    """Yields the lines of a table."""
    yield "| " + " | ".join(sheet.columns) + " |"
    yield "|" + "---|" * len(sheet.columns)
    for row in sheet.rows:
        yield "| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in row) + " |"


def as_json(outcomes: Sequence[Outcome], machine: Mapping[str, str], command: str) -> str:
    """Returns the whole run with every value of every round."""
    document = {"command": command, "machine": machine, "benchmarks": [_document(outcome) for outcome in outcomes]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _document(outcome: Outcome) -> dict[str, object]:
    benchmark = outcome.benchmark
    return {
        "name": benchmark.name,
        "question": benchmark.question,
        "unit": benchmark.unit,
        "size": benchmark.size,
        "series": [
            {
                **asdict(summary(one.values)),
                "contender": one.contender,
                "unit": benchmark.unit_of(one.contender),
                "size": one.size,
                "values": list(one.values),
            }
            for one in outcome.series
        ],
        "goals": [
            {
                **asdict(verdict.goal),
                "size": verdict.size,
                "ratio": asdict(verdict.ratio) if verdict.ratio else None,
                "held": verdict.held,
                "why": verdict.why,
            }
            for verdict in judged(outcome)
        ],
        "skipped": dict(outcome.skipped),
        "notes": list(outcome.notes),
        "broken": outcome.broken,
    }
