"""What a person does to the policy: `halt`, `reduce`, `resume`, `pin`, `limit`, `bench`, `retire`, `reinstate`,
`rollback`, `lift`, and `overrides`, which lists what is in force.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from msc_authority.cli.asking import asking
from msc_authority.cli.durations import seconds_of
from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.operate_acting import Wish, carry_out, lift_it
from msc_authority.cli.operate_text import overrides_table
from msc_authority.cli.options import DEFAULT_TARGET, JsonOption, TargetOption
from msc_authority.cli.output import console, print_json

Reason = Annotated[str, typer.Option("--reason", help="Why. It goes into the policy, the history and the audit log.")]
Actor = Annotated[
    str, typer.Option("--actor", help="A note behind the name the authority knows. Default: your name on this machine.")
]
For = Annotated[str | None, typer.Option("--for", metavar="DURATION", help="How long: 90s, 30m, 1h30m, 2d.")]
Loosening = Annotated[
    bool,
    typer.Option("--allow-loosening", help="It may allow more than the controller does, for 1 h unless --for says."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would change; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether to do it.")]
Strategy = Annotated[str, typer.Argument(metavar="STRATEGY", help="The strategy's id.")]


class Mode(StrEnum):
    """The risk modes, as people write them."""

    DEFENSIVE = "defensive"
    NORMAL = "normal"
    AGGRESSIVE = "aggressive"


@command
def halt(
    reason: Reason,
    actor: Actor = "",
    dry_run: DryRun = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """Stop trading at once: HALTED until msc resume. Exits and reductions stay allowed."""
    carry_out(Wish(action="halt", reason=reason, actor=actor, dry_run=dry_run, as_json=as_json), target)


@command
def reduce(
    reason: Reason,
    lasts: For = None,
    actor: Actor = "",
    dry_run: DryRun = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """Stop entries at once: REDUCING until msc resume or msc lift."""
    wish = Wish(action="reduce", lasts_s=_lasts(lasts), reason=reason, actor=actor, dry_run=dry_run, as_json=as_json)
    carry_out(wish, target)


@command
def resume(
    reason: Reason,
    yes: Yes = False,
    actor: Actor = "",
    dry_run: DryRun = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """End a halt, and every reduction by a person. Asks before it does.

    The drawdown that halts is measured anew from now. After a halt, trading is REDUCING until the evaluation that
    follows at once: it allows entries again, if the drawdown does.
    """
    wish = Wish(action="resume", asks=not yes, reason=reason, actor=actor, dry_run=dry_run, as_json=as_json)
    carry_out(wish, target)


@command
def pin(  # noqa: PLR0917 - each is an option of the command, given by name
    mode: Annotated[Mode, typer.Argument(help="The mode.", case_sensitive=False)],
    reason: Reason,
    lasts: For = None,
    allow_loosening: Loosening = False,
    yes: Yes = False,
    actor: Actor = "",
    dry_run: DryRun = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """Allow no more than a mode does; with --allow-loosening exactly what it does, and asks before."""
    wish = Wish(
        action="pin_mode",
        fields={"risk_mode": f"RISK_MODE_{mode.name}", "allow_loosening": allow_loosening},
        lasts_s=_lasts(lasts),
        asks=allow_loosening and not yes,
        reason=reason,
        actor=actor,
        dry_run=dry_run,
        as_json=as_json,
    )
    carry_out(wish, target)


@command
def limit(  # noqa: PLR0917 - each is an option of the command, given by name
    reason: Reason,
    max_risk_per_trade: Annotated[
        str | None, typer.Option(metavar="FRACTION", help="Largest risk of a trade: 0.005, or 0.5%.")
    ] = None,
    min_confidence: Annotated[
        str | None, typer.Option(metavar="FRACTION", help="Smallest confidence of a signal: 0.7, or 70%.")
    ] = None,
    max_positions: Annotated[int | None, typer.Option(min=1, help="Most positions open at once.")] = None,
    max_daily_trades: Annotated[int | None, typer.Option(min=1, help="Most entries in one UTC day.")] = None,
    lasts: For = None,
    allow_loosening: Loosening = False,
    yes: Yes = False,
    actor: Actor = "",
    dry_run: DryRun = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """Tighten limits; with --allow-loosening set them, and asks before."""
    given = {
        "max_risk_per_trade": _fraction(max_risk_per_trade, "--max-risk-per-trade"),
        "global_min_confidence": _fraction(min_confidence, "--min-confidence"),
        "max_positions": max_positions,
        "max_daily_trades": max_daily_trades,
    }
    limits = {name: value for name, value in given.items() if value is not None}
    if not limits:
        raise CommandError(
            "no limit is given", advice="name one, such as --max-risk-per-trade 0.5%", code=ExitCode.USAGE
        )
    wish = Wish(
        action="set_limits",
        fields={"limits": limits, "allow_loosening": allow_loosening},
        lasts_s=_lasts(lasts),
        asks=allow_loosening and not yes,
        reason=reason,
        actor=actor,
        dry_run=dry_run,
        as_json=as_json,
    )
    carry_out(wish, target)


@command
def bench(
    strategy: Strategy,
    reason: Reason,
    lasts: For = None,
    actor: Actor = "",
    dry_run: DryRun = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """Take a strategy off the list at once, for a time or until msc lift."""
    wish = Wish(
        action="bench",
        fields={"strategy_id": strategy},
        lasts_s=_lasts(lasts),
        reason=reason,
        actor=actor,
        dry_run=dry_run,
        as_json=as_json,
    )
    carry_out(wish, target)


@command
def retire(
    strategy: Strategy,
    reason: Reason,
    actor: Actor = "",
    dry_run: DryRun = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """Take a strategy out of service until msc reinstate."""
    wish = Wish(
        action="retire",
        fields={"strategy_id": strategy},
        reason=reason,
        actor=actor,
        dry_run=dry_run,
        as_json=as_json,
    )
    carry_out(wish, target)


@command
def reinstate(
    strategy: Strategy,
    reason: Reason,
    actor: Actor = "",
    dry_run: DryRun = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """Bring a retired strategy back to the bench. It proves itself on paper before it trades."""
    wish = Wish(
        action="reinstate",
        fields={"strategy_id": strategy},
        reason=reason,
        actor=actor,
        dry_run=dry_run,
        as_json=as_json,
    )
    carry_out(wish, target)


@command
def rollback(  # noqa: PLR0917 - each is an option of the command, given by name
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="The version, as msc history lists it.")],
    reason: Reason,
    lasts: For = None,
    allow_loosening: Loosening = False,
    yes: Yes = False,
    actor: Actor = "",
    dry_run: DryRun = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """Allow no more than an earlier version did, under a new version; with --allow-loosening exactly what it did."""
    wish = Wish(
        action="rollback",
        fields={"version": version, "allow_loosening": allow_loosening},
        lasts_s=_lasts(lasts),
        asks=allow_loosening and not yes,
        reason=reason,
        actor=actor,
        dry_run=dry_run,
        as_json=as_json,
    )
    carry_out(wish, target)


@command
def lift(
    override_id: Annotated[str, typer.Argument(metavar="ID", help="The override's id, as msc overrides lists it.")],
    reason: Reason,
    actor: Actor = "",
    dry_run: DryRun = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """End an override before its time."""
    wish = Wish(action="lift", reason=reason, actor=actor, dry_run=dry_run, as_json=as_json)
    lift_it(override_id, wish, target)


@command
def overrides(target: TargetOption = DEFAULT_TARGET, as_json: JsonOption = False) -> None:
    """List what persons have put in force, the oldest first."""
    with asking(target) as remote:
        answer = remote.overrides()
    if as_json:
        print_json(answer)
        return
    found = answer["overrides"]
    if not found:
        typer.echo("None: the policy is what the controller allows.")
    else:
        console().print(overrides_table(found))


def _lasts(text: str | None) -> float | None:
    return seconds_of(text, "--for")


def _fraction(text: str | None, option: str) -> float | None:
    if text is None:
        return None
    number = text.strip()
    try:
        return float(number[:-1]) / 100 if number.endswith("%") else float(number)
    except ValueError as error:
        raise CommandError(
            f"{option} {text!r} is no fraction", advice="write it as 0.005 or 0.5%", code=ExitCode.USAGE
        ) from error
