"""What came out, as tables for people and as JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from drilling.drill import Outcome
from drilling.verdict import Spread, spread

SENTENCES_SHOWN = 12


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Prints what every scenario came to, what was measured, and what was not as it should be."""
    clients = Table(title="What clients went through", title_justify="left")
    for column in ("scenario", "took s", "clients", "applied", "versions", "violations", "left FRESH", "longest s"):
        clients.add_column(column, justify="left" if column == "scenario" else "right")
    for column in ("request to applied, median ms", "99 % ms", "longest ms"):
        clients.add_column(column, justify="right")
    for outcome in outcomes:
        clients.add_row(*_client_row(outcome))
    measured = Table(title="What was measured", title_justify="left")
    for column in ("scenario", "what", "times", "median s", "longest s"):
        measured.add_column(column, justify="left" if column in {"scenario", "what"} else "right")
    for outcome in outcomes:
        for row in _measured_rows(outcome):
            measured.add_row(*row)
    console.print(clients)
    console.print(measured)
    for line in sentences(outcomes):
        console.print(line, highlight=False, markup=False)


def _client_row(outcome: Outcome) -> list[str]:
    verdict = outcome.verdict
    if verdict is None:
        return [outcome.scenario, f"{outcome.took_s:.0f}", *["-"] * 9]
    latency = verdict.latency or Spread(count=0, median=math.nan, p99=math.nan, longest=math.nan)
    return [
        outcome.scenario,
        f"{outcome.took_s:.0f}",
        f"{verdict.clients}",
        f"{verdict.applied:,}",
        f"{verdict.versions:,}",
        f"{len(verdict.violations)}",
        f"{verdict.left_fresh}",
        f"{verdict.longest_absence_s:.1f}",
        *(f"{seconds * 1000:,.0f}" for seconds in (latency.median, latency.p99, latency.longest)),
    ]


def _measured_rows(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    for what, values in outcome.series.items():
        if taken := spread(values):
            yield outcome.scenario, what, f"{taken.count}", f"{taken.median:.2f}", f"{taken.longest:.2f}"
    for what, count in outcome.counts.items():
        yield outcome.scenario, what, f"{count}", "", ""


def sentences(outcomes: Sequence[Outcome]) -> list[str]:
    """Returns what was not as it should be, or that all was, and what is to be known besides."""
    said: list[str] = []
    for outcome in outcomes:
        wrong = [*(outcome.verdict.violations if outcome.verdict else ()), *outcome.failures]
        said += [f"{outcome.scenario}: WRONG: {text}" for text in wrong[:SENTENCES_SHOWN]]
        if len(wrong) > SENTENCES_SHOWN:
            said.append(f"{outcome.scenario}: WRONG: and {len(wrong) - SENTENCES_SHOWN} more")
        said += [f"{outcome.scenario}: {text}" for text in outcome.notes]
        if outcome.interrupted:
            said.append(f"{outcome.scenario}: interrupted, and not judged")
    if outcomes and all(outcome.good for outcome in outcomes):
        said.append("All as it should be: nobody went back, no version had two contents, everybody ended FRESH.")
    return said


def as_json(outcomes: Sequence[Outcome]) -> str:
    """Returns everything."""
    return json.dumps([_document(outcome) for outcome in outcomes], indent=2) + "\n"


def _document(outcome: Outcome) -> dict[str, object]:
    verdict = outcome.verdict
    absent = [
        {"client": one.client, "seconds": None if one.over_ns is None else (one.over_ns - one.began_ns) / 1e9}
        for one in (verdict.absences if verdict else ())
    ]
    return {
        "scenario": outcome.scenario,
        "good": outcome.good,
        "interrupted": outcome.interrupted,
        "took_s": outcome.took_s,
        "clients": verdict.clients if verdict else None,
        "applied": verdict.applied if verdict else None,
        "versions": verdict.versions if verdict else None,
        "violations": list(verdict.violations) if verdict else None,
        "left_fresh": verdict.left_fresh if verdict else None,
        "absences": absent,
        "request_to_applied_s": asdict(verdict.latency) if verdict and verdict.latency else None,
        "measured_s": {what: list(values) for what, values in outcome.series.items()},
        "counts": dict(outcome.counts),
        "failures": list(outcome.failures),
        "notes": list(outcome.notes),
    }
