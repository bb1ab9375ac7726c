"""`msc evaluate`: evaluates now, or says what an evaluation would decide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Annotated, cast

import typer

from msc_authority.cli.asking import acting, asking
from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.insight import metric_table
from msc_authority.cli.options import DEFAULT_TARGET, JsonOption, TargetOption
from msc_authority.cli.output import console, fact_table, print_json, text
from msc_authority.cli.policy import changes_text, policy_facts

Document = Mapping[str, object]


@command
def evaluate(  # noqa: PLR0917 - each is an option of the command, given by name
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be decided; write nothing.")] = False,
    drawdown_pct: Annotated[float | None, typer.Option(help="What if: drawdown, in percent.")] = None,
    winrate: Annotated[float | None, typer.Option(help="What if: win rate, as a fraction (0.60).")] = None,
    trades: Annotated[int | None, typer.Option(help="What if: decided trades behind the win rate.")] = None,
    slope_pct_per_day: Annotated[float | None, typer.Option(help="What if: equity slope, percent a day.")] = None,
    loss_streak: Annotated[int | None, typer.Option(help="What if: losing trades in a row.")] = None,
    days_without_profit: Annotated[float | None, typer.Option(help="What if: days since a profitable trade.")] = None,
    expectancy: Annotated[
        float | None, typer.Option(help="What if: mean net PnL of a trade; its sign matters.")
    ] = None,
    volatility_ratio: Annotated[float | None, typer.Option(help="What if: volatility / its own median.")] = None,
    request_id: Annotated[
        str, typer.Option(help="The same id returns the same result for 24 h, however often it is sent.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; goes into the audit log.")] = "",
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """Evaluate the journal now. Given metrics, say what the policy would be under them, and write nothing.

    A metric that is not given is left out of account.
    """
    supplied = {
        "drawdown_pct": drawdown_pct,
        "winrate_fraction": winrate,
        "trades_n": trades,
        "slope_pct_per_day": slope_pct_per_day,
        "loss_streak": loss_streak,
        "days_without_profit": days_without_profit,
        "expectancy": expectancy,
        "volatility_ratio": volatility_ratio,
    }
    what_if = {name: value for name, value in supplied.items() if value is not None}
    _check(what_if)
    from msc_authority.rpc.remote import EVALUATION_DEADLINE_S

    writes = not (dry_run or what_if)
    with asking(target) as remote, acting(EVALUATION_DEADLINE_S, look="msc status") if writes else nullcontext():
        answer = remote.evaluate(request_id=request_id, dry_run=dry_run, reason=reason, what_if=what_if or None)
    if as_json:
        print_json(answer)
    else:
        _show(answer, written=writes)
    failed = cast("Document", answer["evaluation"] or {}).get("failure")
    raise typer.Exit(ExitCode.BAD_NEWS if failed else ExitCode.OK)


def _check(what_if: Mapping[str, float | int]) -> None:
    for name, value in what_if.items():
        option = {"winrate_fraction": "winrate", "trades_n": "trades"}.get(name, name.replace("_", "-"))
        if not math.isfinite(value):
            raise CommandError(
                f"--{option} must be a finite number", advice="leave it out if it is unknown", code=ExitCode.USAGE
            )
        if isinstance(value, int) and not 0 <= value < 2**32:
            raise CommandError(f"--{option} must be between 0 and {2**32 - 1}", code=ExitCode.USAGE)


def _show(answer: Document, *, written: bool) -> None:
    evaluation = cast("Document", answer["evaluation"])
    candidate = cast("Document", answer["candidate"])
    reasons = cast("Sequence[Document]", evaluation["reasons"])
    rows = [
        ("grade", f"{evaluation['system_health']}, warning points: {evaluation['warning_points']}"),
        ("mode", f"{_mode_text(evaluation)}"),
        *policy_facts(candidate)[1:6],
        *(("because" if position == 0 else "", text(reason["text"])) for position, reason in enumerate(reasons)),
        ("outcome", text(_outcome(answer, written=written))),
    ]
    out = console()
    out.print(fact_table(rows))
    out.print(metric_table(cast("Sequence[Document]", evaluation["metrics"])))


def _mode_text(evaluation: Document) -> str:
    before, after, wanted = (evaluation[name] for name in ("mode_before", "mode_after", "mode_target"))
    change = f"{after}" if before in (after, "UNSPECIFIED") else f"{before} → {after}"
    return change if wanted == after else f"{change} (the grade asks for {wanted}; hysteresis holds it back)"


def _outcome(answer: Document, *, written: bool) -> str:
    changes = changes_text(cast("Sequence[Document]", answer["changes"]))
    if not written:
        return f"nothing was written; it would change {changes}" if changes else "nothing was written, nor would change"
    if not answer["committed"]:
        return "confirmed; nothing changed"
    head = cast("Document", answer["head"])
    return f"committed version {head['version']}: {changes}"
