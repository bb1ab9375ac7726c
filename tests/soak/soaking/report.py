"""Says what came out: as a table, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from rich.table import Table

from soaking.values import QUANTITIES, Record, Sample
from soaking.verdict import Finding, Verdict


def table(verdict: Verdict) -> Table:
    """Returns the findings, a line each."""
    made = Table(title="Memory in MiB; growth is the median slope behind the warm-up", title_justify="left")
    made.add_column("")
    for name in ("rest before", "load: first", "last", "highest", "growth / h", "let pass", "rest after", ""):
        made.add_column(name, justify="right")
    for finding in verdict.findings:
        made.add_row(*_row(finding))
    return made


def _row(finding: Finding) -> tuple[str, ...]:
    numbers = (finding.rest_before, finding.first, finding.last, finding.highest, finding.per_hour)
    verdict = "[red]bad[/red]" if finding.complaint else "[green]good[/green]"
    limit = f"{finding.quantity.per_hour:g}"
    return (finding.quantity.name, *map(_text, numbers), limit, _text(finding.rest_after), verdict)


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}" if value % 1 else f"{value:,.0f}"


def now(what: str, seen: Sample | None, before: Mapping[str, float]) -> Table:
    """Returns what is shown while it runs."""
    made = Table(title=what, title_justify="left")
    for name in ("", "at rest", "now"):
        made.add_column(name, justify="left" if not name else "right")
    values = seen.values if seen else {}
    for quantity in QUANTITIES:
        made.add_row(quantity.name, _text(before.get(quantity.name)), _text(values.get(quantity.name)))
    return made


def as_json(
    record: Record, verdict: Verdict, done: Mapping[str, int], tally: Mapping[str, int], facts: Mapping[str, str]
) -> str:
    """Returns everything."""
    document = {
        "machine": dict(facts),
        "good": not verdict.complaints,
        "complaints": verdict.complaints,
        "findings": [asdict(finding) for finding in verdict.findings],
        "authority": dict(done),
        "load": dict(tally),
        "samples": asdict(record),
    }
    return json.dumps(document, indent=1)
