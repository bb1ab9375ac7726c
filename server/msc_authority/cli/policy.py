"""`msc status` and `msc history`: the policy in force, and those before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, cast

import typer

from msc_authority.cli.asking import asking
from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.options import DEFAULT_TARGET, JsonOption, TargetOption
from msc_authority.cli.output import (
    console,
    duration,
    fact_table,
    grid,
    instant,
    number,
    percent,
    print_json,
    text,
)

if TYPE_CHECKING:
    from msc_authority.rpc.plain import Plain
    from msc_authority.rpc.remote import Remote

Document = Mapping[str, object]


@command
def status(
    version: Annotated[int, typer.Option(min=0, help="One version of the current epoch. 0: the policy in force.")] = 0,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """Show the policy in force, and how fresh it is.

    Exit code 1: there is no policy yet, or its validity is used up.
    """
    answer = _asked(target, version)
    policy = cast("dict[str, object]", answer["policy"])
    freshness = cast("dict[str, object]", answer["freshness"] or {})
    if as_json:
        print_json({**policy, **{key: answer[key] for key in ("head", "freshness", "server_time", "replicas")}})
    else:
        _show(policy, freshness, cast("Sequence[Document]", answer["replicas"]))
    expired = version == 0 and _used_up(freshness.get("ttl_s"))
    raise typer.Exit(ExitCode.BAD_NEWS if expired else ExitCode.OK)


def _asked(target: str, version: int) -> Plain:
    from msc_authority.rpc.remote_error import RemoteError

    with asking(target) as remote:
        try:
            return {**remote.policy(version), "replicas": _replicas(remote)}
        except RemoteError as error:
            if version or error.reason != "POLICY_NOT_FOUND":
                raise
            advice = "msc evaluate makes the first one, and an empty journal makes it DEFENSIVE"
            raise CommandError("there is no policy yet", advice=advice, reason=error.reason) from error


def _replicas(remote: Remote) -> object:
    from msc_authority.rpc.remote_error import RemoteError

    try:
        return remote.health()["replicas"]
    except RemoteError:
        # The policy is served from memory, this is not: a database that is away hides nothing but who is there.
        return []


@command
def history(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, newest first.")] = 20,
    evaluations: Annotated[
        bool, typer.Option("--evaluations", help="Evaluations instead: also those that changed nothing, or failed.")
    ] = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """List past policies and what each one changed, newest first."""
    with asking(target) as remote:
        rows = list(remote.evaluations(limit) if evaluations else remote.revisions(limit))
    if as_json:
        for row in rows:
            print_json(row)
    elif not rows:
        typer.echo("There is none yet: msc evaluate makes the first one.")
    else:
        console().print(_evaluation_table(rows) if evaluations else _revision_table(rows))


def policy_facts(policy: Document) -> list[tuple[str, str]]:
    """The lines that describe a policy to a person."""
    metrics = cast("Document", policy["evaluation_metrics"] or {})
    return [
        ("risk mode", f"{policy['risk_mode']}, trading {policy['trading_state']}"),
        ("risk per trade", f"at most {percent(policy['max_risk_per_trade'])} of equity"),
        ("confidence", f"at least {number(policy['global_min_confidence'])}"),
        ("positions", f"at most {policy['max_positions']}"),
        ("daily trades", f"at most {policy['max_daily_trades']}"),
        ("strategies", text(strategies_text(policy))),
        ("health", metrics_text(metrics)),
    ]


def strategies_text(policy: Document) -> str:
    """The allowed strategies, best first, with what is special about each; nobody when the list is empty."""
    grants = cast("Sequence[Document]", policy["strategy_grants"])
    special = {str(grant["strategy_id"]): _grant_text(grant) for grant in grants}
    allowed = cast("Sequence[str]", policy["allowed_strategies"])
    return ", ".join(f"{name}{special.get(name, '')}" for name in allowed) or "NOBODY may open positions"


def metrics_text(metrics: Document) -> str:
    """What a policy was decided from, on one line."""
    n = metrics.get("trades_n")
    return ", ".join(
        (
            f"{metrics.get('system_health', 'UNKNOWN')}: drawdown {number(metrics.get('system_drawdown'), 2, ' %')}",
            f"win rate {percent(metrics.get('global_winrate'), 1)}{f' of {n}' if n is not None else ''}",
            f"slope {number(metrics.get('equity_slope'), 2, ' %/d')}",
        )
    )


def changes_text(changes: Iterable[Document]) -> str:
    """What changed, field by field."""
    shown = {str(change["field"]): change for change in changes}
    if "allowed_strategies" in shown:
        # The grants repeat the list; the whole of both is in the JSON.
        shown.pop("strategy_grants", None)
    return "; ".join(_change_text(name, str(change["before"]), str(change["after"])) for name, change in shown.items())


def _change_text(name: str, before: str, after: str) -> str:
    if name != "allowed_strategies" or not before:
        return f"{name}: {before or 'none'} → {after or 'none'}"
    old, new = before.split(", "), [item for item in after.split(", ") if item]
    steps = [f"+{item}" for item in new if item not in old] + [f"-{item}" for item in old if item not in new]
    return f"strategies: {' '.join(steps) or 'order ' + after}{'' if new else ' (NOBODY left)'}"


def reasons_text(reasons: Iterable[Document]) -> str:
    """Why, sentence by sentence."""
    return "; ".join(str(reason["text"]) for reason in reasons)


def _grant_text(grant: Document) -> str:
    if grant["state"] == "ACTIVE" and grant["risk_multiplier"] == 1.0:
        return ""
    return f" ({str(grant['state']).lower()}, risk ×{number(grant['risk_multiplier'])})"


def replica_rows(replicas: Sequence[Document]) -> list[tuple[str, str]]:
    """The lines about several authorities; none for one that is alone."""
    if len(replicas) < 2:
        return []
    leader = next((str(replica["address"]) for replica in replicas if replica["leads"]), "NONE: nobody evaluates")
    here = [
        f"{replica['address']} ({replica['watchers']} watching, heard of {duration(replica['seen_ago_s'])} ago)"
        f"{' - this one' if replica['answering'] else ''}"
        for replica in replicas
    ]
    return [
        ("leader", text(leader)),
        *(("replicas" if position == 0 else "", text(line)) for position, line in enumerate(here)),
    ]


def _show(policy: Document, freshness: Document, replicas: Sequence[Document]) -> None:
    reasons = cast("Sequence[Document]", policy["reasons"])
    ttl = freshness.get("ttl_s")
    validity = "USED UP: evaluations are missing" if _used_up(ttl) else f"valid another {duration(ttl)}"
    rows = [
        ("policy", f"version {policy['version']}, epoch {policy['epoch']}, by {text(policy['author'])}"),
        ("committed", instant(policy["created_at"])),
        *policy_facts(policy),
        ("freshness", f"confirmed {duration(freshness.get('replica_age_s'))} ago, {validity}"),
        *(("because" if position == 0 else "", text(reason["text"])) for position, reason in enumerate(reasons)),
        *replica_rows(replicas),
    ]
    console().print(fact_table(rows))


def _used_up(ttl_s: object) -> bool:
    return isinstance(ttl_s, int | float) and ttl_s <= 0


def _revision_table(rows: Sequence[Document]) -> object:
    table = grid("version", "committed", "mode", "what changed, and why", right=("version",))
    for row in rows:
        changes = changes_text(cast("Sequence[Document]", row["changes"]))
        reasons = reasons_text(cast("Sequence[Document]", row["reasons"]))
        table.add_row(
            str(row["version"]), instant(row["created_at"]), str(row["risk_mode"]), text(f"{changes} ({reasons})")
        )
    return table


def _evaluation_table(rows: Sequence[Document]) -> object:
    table = grid("as of", "by", "grade", "mode", "outcome")
    for row in rows:
        before, after = row["mode_before"], row["mode_after"]
        mode = str(after) if before in (after, "UNSPECIFIED") else f"{before} → {after}"
        grade = str(row["system_health"])
        if row["failure"]:
            # Nothing was decided: there is neither.
            grade = mode = "-"
        committed = f"version {row['committed_version']}: " if row["committed_version"] else ""
        outcome = (
            f"FAILED: {row['failure']}"
            if row["failure"]
            else committed + reasons_text(cast("Sequence[Document]", row["reasons"]))
        )
        table.add_row(instant(row["as_of"]), text(row["trigger"]), grade, mode, text(outcome))
    return table
