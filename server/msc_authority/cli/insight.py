"""`msc strategies`, `msc health` and `msc clients`: what was measured, and who follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import typer

from msc_authority.cli.asking import asking
from msc_authority.cli.errors import ExitCode, command
from msc_authority.cli.options import DEFAULT_TARGET, JsonOption, TargetOption
from msc_authority.cli.output import (
    UNKNOWN,
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
from msc_authority.cli.policy import reasons_text

Document = Mapping[str, object]

_BAD_GRADES = frozenset({"UNKNOWN", "CRITICAL", "POOR", "UNSPECIFIED"})


@command
def strategies(target: TargetOption = DEFAULT_TARGET, as_json: JsonOption = False) -> None:
    """Rank all strategies, best first, with every part of each score (in R: net PnL / risk at entry).

    Exit code 1: none of them may open positions.
    """
    with asking(target) as remote:
        answer = remote.strategies()
    ranking = cast("Sequence[Document]", answer["strategies"])
    if as_json:
        for row in ranking:
            print_json({**row, "as_of": answer["as_of"]})
    elif ranking:
        _show_ranking(ranking, answer["as_of"])
    else:
        typer.echo("No strategy is known yet: msc journal import FILE brings in trades.")
    raise typer.Exit(ExitCode.OK if any(row["allowed"] for row in ranking) else ExitCode.BAD_NEWS)


@command
def health(target: TargetOption = DEFAULT_TARGET, as_json: JsonOption = False) -> None:
    """Show each metric of the last evaluation beside its threshold.

    Exit code 1: the grade is UNKNOWN, CRITICAL or POOR, the newest evaluation failed, or there is none.
    """
    with asking(target) as remote:
        answer = remote.health()
    evaluation = cast("Document | None", answer["evaluation"])
    failure = cast("Document | None", answer["last_failure"])
    if as_json:
        print_json(answer)
    else:
        _show_health(evaluation, failure, answer["next_evaluation_in_s"])
    bad = evaluation is None or failure is not None or evaluation["system_health"] in _BAD_GRADES
    raise typer.Exit(ExitCode.BAD_NEWS if bad else ExitCode.OK)


@command
def clients(target: TargetOption = DEFAULT_TARGET, as_json: JsonOption = False) -> None:
    """List who follows the policy, and which version each acts on.

    Exit code 1: a client that reports is behind the head, or does not trust what it has (its tier is not FRESH). Who
    only watches, as `msc watch` and grpcurl do, says nothing of what it acts on.
    """
    with asking(target) as remote:
        answer = remote.clients()
    fleet = cast("Sequence[Document]", answer["clients"])
    if as_json:
        for entry in fleet:
            print_json(entry)
    elif fleet:
        _show_fleet(fleet)
    else:
        typer.echo("Nobody has reported within the last hour, and nobody watches.")
    raise typer.Exit(ExitCode.OK if all(_is_current(entry) for entry in fleet) else ExitCode.BAD_NEWS)


def metric_table(metrics: Sequence[Document]) -> object:
    """Metrics beside their thresholds, one a line."""
    table = grid(
        "metric", "value", "line", "margin", "n", "pts", "window", right=("value", "line", "margin", "n", "pts")
    )
    for metric in metrics:
        table.add_row(
            text(metric["name"]),
            number(metric["value"], 3) if metric["value"] is not None else UNKNOWN,
            number(metric["threshold"], 2) if metric["threshold"] is not None else "",
            number(metric["margin"], 2) if metric["margin"] is not None else "",
            str(metric["sample_size"]),
            str(metric["warning_points"] or ""),
            text(metric["window"]),
        )
    return table


def _show_ranking(ranking: Sequence[Document], as_of: object) -> None:
    columns = ("#", "strategy", "state", "score", "low10", "mean", "-dd", "-sel", "P>0", "n", "win")
    table = grid(
        *columns, right=[name for name in columns if name not in {"strategy", "state"}], fold=("strategy",), gap=1
    )
    for row in ranking:
        table.add_row(
            str(row["rank"]),
            text(row["strategy_id"]),
            str(row["state"]),
            *(
                number(row[name], 2)
                for name in (
                    "score",
                    "posterior_lower_r",
                    "posterior_mean_r",
                    "drawdown_penalty_r",
                    "selection_penalty_r",
                    "probability_positive",
                )
            ),
            number(row["effective_n"], 0),
            percent(row["winrate_fraction"], 0) if row["winrate_fraction"] is not None else "-",
        )
    out = console()
    out.print(table)
    out.print(
        f"As of {instant(as_of)}. score = low10 (lower 10 % bound of mean R) - dd (own drawdown) - sel (choosing among "
        "many), in R; n = effective trades."
    )
    for row in ranking:
        reason = cast("Document | None", row["reason"])
        may = "" if row["allowed"] else "may NOT open positions; "
        out.print(f"{text(row['strategy_id'])}: {may}{text(reason['text']) if reason else UNKNOWN}")


def _show_health(evaluation: Document | None, failure: Document | None, next_in_s: object) -> None:
    out = console()
    if evaluation is None:
        out.print("There is no evaluation yet: msc evaluate makes the first one.")
    else:
        mode = f"{evaluation['mode_after']} (the grade asks for {evaluation['mode_target']})"
        rows = [
            ("grade", f"{evaluation['system_health']}, warning points: {evaluation['warning_points']}"),
            ("mode", mode),
            ("as of", f"{instant(evaluation['as_of'])}, next evaluation in {duration(next_in_s)}"),
            ("because", text(reasons_text(cast("Sequence[Document]", evaluation["reasons"])))),
        ]
        out.print(fact_table(rows))
        out.print(metric_table(cast("Sequence[Document]", evaluation["metrics"])))
    if failure is not None:
        out.print(f"The newest evaluation FAILED at {instant(failure['as_of'])}: {text(failure['failure'])}")


def _show_fleet(fleet: Sequence[Document]) -> None:
    table = grid("name", "role", "tier", "version", "behind", "watching", "last report", right=("version", "behind"))
    for entry in fleet:
        client, state = _part(entry, "client"), _part(entry, "status")
        table.add_row(
            text(client.get("name") or client.get("instance_id") or UNKNOWN),
            str(client.get("role", UNKNOWN)),
            str(state.get("tier", UNKNOWN)),
            str(_part(state, "applied").get("version", "none")),
            str(entry["versions_behind"]),
            "yes" if entry["watching"] else "no",
            instant(entry["reported_at"]),
        )
    console().print(table)
    for entry in fleet:
        if problem := _part(entry, "status").get("last_error"):
            typer.echo(f"{_part(entry, 'client').get('name')}: {problem}")


def _part(document: Document, name: str) -> Document:
    return cast("Document", document.get(name) or {})


def _is_current(entry: Document) -> bool:
    tier = _part(entry, "status").get("tier", "UNSPECIFIED")
    return tier == "UNSPECIFIED" or (tier == "FRESH" and entry["versions_behind"] == 0)
