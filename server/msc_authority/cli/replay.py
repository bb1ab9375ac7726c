"""`msc replay`: a journal through the evaluation clock, and the life of the policy it leads to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.loading import load_settings
from msc_authority.cli.options import ConfigOption, JsonOption
from msc_authority.cli.output import console, grid, number, percent, print_json, text
from msc_authority.cli.policy import changes_text

if TYPE_CHECKING:
    from rich.table import Table

    from msc_authority.adapters.journal_files import JournalContent
    from msc_authority.app.replay import ReplayStep
    from msc_authority.core.evaluation import Verdict
    from msc_authority.core.policy import RiskMode

SHOWN_REFUSALS = 20
HOUR = timedelta(hours=1)


@command
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Journal to replay: CSV or JSON lines, plain or .gz.")],
    equity: Annotated[
        list[Path] | None,
        typer.Option("--equity", metavar="FILE", help="More of the journal, such as equity readings."),
    ] = None,
    step_minutes: Annotated[float, typer.Option(min=1, max=1440, help="Time between evaluations.")] = 30,
    every: Annotated[
        bool, typer.Option("--every", help="Show every evaluation, not only those with a change.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a journal through the evaluation clock, without waiting, and show how the policy lives. Stores nothing.

    With --json, one line for each evaluation. The same journal gives the same output, byte for byte. Exit code 1: rows
    of the journal were refused (they are listed on standard error).
    """
    from msc_authority.compose.replay import replay_in_memory

    settings = load_settings(config, {}).settings
    content = _read([file, *(equity or [])])
    life = Life()
    table = _life_table()
    for step in replay_in_memory(content.facts, settings.decision, timedelta(minutes=step_minutes)):
        life.take(step)
        if as_json:
            print_json(step_document(step))
        elif every or step.outcome.changes:
            table.add_row(*_row(step))
    if not as_json:
        console().print(table)
        typer.echo("\n".join(life.summary()))
    refused = _refusals(content, life)
    for line in refused[:SHOWN_REFUSALS]:
        typer.echo(line, err=True)
    if len(refused) > SHOWN_REFUSALS:
        typer.echo(f"... and {len(refused) - SHOWN_REFUSALS} more refused rows", err=True)
    raise typer.Exit(ExitCode.BAD_NEWS if refused else ExitCode.OK)


def _read(paths: Sequence[Path]) -> JournalContent:
    from msc_authority.adapters.clock import SystemClock
    from msc_authority.adapters.journal_files import FileError, load

    try:
        content = load(paths, SystemClock().now())
    except FileError as error:
        raise CommandError(
            str(error), advice="msc journal import --help says what a journal looks like", code=ExitCode.USAGE
        ) from error
    if not content.facts:
        raise CommandError(
            f"{paths[0]} holds no usable fact", advice="msc journal import lists what is wrong with its rows"
        )
    return content


@dataclass(slots=True)
class Life:
    """What a replay added up to."""

    evaluations: int = 0
    facts: int = 0
    version: int = 0
    modes: Counter[str] = field(default_factory=Counter)
    mode_changes: int = 0
    most_increases_in_an_hour: int = 0
    refused: list[str] = field(default_factory=list)
    _increases: deque[datetime] = field(default_factory=deque)

    def take(self, step: ReplayStep) -> None:
        """Counts one evaluation."""
        verdict = verdict_of(step)
        self.evaluations += 1
        self.facts += step.facts - len(step.refused)
        self.version = step.outcome.head.ref.version
        self.modes[verdict.mode_after.name] += 1
        self.refused.extend(f"{fact.id}: {fact.field}: {fact.reason} [{fact.code}]" for fact in step.refused)
        self._count_change(step.as_of, verdict.mode_before, verdict.mode_after)

    def _count_change(self, at: datetime, before: RiskMode | None, after: RiskMode) -> None:
        self.mode_changes += before is not None and before != after
        if before is not None and after > before:
            self._increases.append(at)
        while self._increases and at - self._increases[0] >= HOUR:
            self._increases.popleft()
        self.most_increases_in_an_hour = max(self.most_increases_in_an_hour, len(self._increases))

    def summary(self) -> Iterator[str]:
        """Yields what a person wants to know at the end."""
        shares = ", ".join(
            f"{name} {percent(self.modes[name] / max(1, self.evaluations), 1)}"
            for name in ("DEFENSIVE", "NORMAL", "AGGRESSIVE")
        )
        yield f"\n{self.evaluations} evaluations of {self.facts} facts, {self.version} versions."
        yield f"Time in each mode: {shares} (meant to be below 20 %, 60-70 %, 10-20 %)."
        yield f"{self.mode_changes} mode changes, at most {self.most_increases_in_an_hour} toward risk within an hour."


def verdict_of(step: ReplayStep) -> Verdict:
    """The verdict of a step; a replay stops at the first evaluation that fails, so there is one."""
    verdict = step.outcome.entry.verdict
    if verdict is None:
        raise AssertionError(f"evaluation {step.number} has no verdict")
    return verdict


def step_document(step: ReplayStep) -> dict[str, object]:
    """One evaluation of a replay as JSON knows it, in the commission's names and units."""
    verdict, content = verdict_of(step), step.outcome.candidate
    return {
        "as_of": step.as_of.isoformat().replace("+00:00", "Z"),
        "version": step.outcome.head.ref.version,
        "committed": step.outcome.entry.committed is not None,
        "risk_mode": content.risk_mode.name,
        "trading_state": content.trading_state.name,
        "allowed_strategies": list(content.allowed_strategies),
        **asdict(content.limits),
        "evaluation_metrics": asdict(content.metrics),
        "strategy_grants": [asdict(grant) for grant in content.grants],
        "mode_before": verdict.mode_before.name if verdict.mode_before else None,
        "mode_target": verdict.mode_target.name,
        "reasons": [asdict(reason) for reason in verdict.reasons],
        "changes": [asdict(change) for change in step.outcome.changes],
        "transitions": [_transition(verdict, position) for position in range(len(verdict.transitions))],
        "warning_points": verdict.warning_points,
        "facts": step.facts,
        "refused": [asdict(fact) for fact in step.refused],
    }


def _transition(verdict: Verdict, position: int) -> dict[str, object]:
    transition = verdict.transitions[position]
    before = transition.before.value if transition.before else None
    return {
        "strategy_id": transition.strategy_id,
        "before": before,
        "after": transition.after.value,
        "reason": transition.reason.text,
    }


def _life_table() -> Table:
    return grid("as of", "ver", "mode", "grade", "dd %", "win", "what changed, and why", right=("ver", "dd %", "win"))


def _row(step: ReplayStep) -> tuple[str, ...]:
    verdict, content = verdict_of(step), step.outcome.candidate
    metrics = content.metrics
    return (
        f"{step.as_of:%Y-%m-%d %H:%M}Z",
        str(step.outcome.head.ref.version),
        content.risk_mode.name,
        metrics.system_health.value,
        number(metrics.system_drawdown) if metrics.system_drawdown is not None else "-",
        percent(metrics.global_winrate, 0) if metrics.global_winrate is not None else "-",
        text(_story(step, verdict)),
    )


def _story(step: ReplayStep, verdict: Verdict) -> str:
    changes: list[Mapping[str, object]] = [asdict(change) for change in step.outcome.changes]
    if verdict.mode_before != verdict.mode_after:
        before = verdict.mode_before.name if verdict.mode_before else "none"
        because = "; ".join(reason.text for reason in verdict.reasons)
        return f"{before} → {verdict.mode_after.name}: {because}"
    return changes_text(changes) or "no change"


def _refusals(content: JournalContent, life: Life) -> list[str]:
    rows = [
        f"{row.path.name} line {row.number}: {row.refusal.field}: {row.refusal.reason} [{row.refusal.code}]"
        for row in content.refused
    ]
    return rows + life.refused
