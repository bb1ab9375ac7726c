"""The report of a run as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from msc_client import RiskMode
from msc_loop.audit import AuditResult
from msc_loop.completeness import Completeness
from msc_loop.report import RunReport

_NAME: Final = 30
_CELL: Final = 18
_WIDTH: Final = 100
_LAST_CHANGES: Final = 12
_SHOWN_VIOLATIONS: Final = 20


def report_text(report: RunReport) -> str:
    """Returns the report in lines; only those of policies are cut where they are long."""
    parts = (_head(report), _table(report), _strategies(report), _changes(report), _proofs(report))
    return "\n\n".join("\n".join(part) for part in parts)


def _head(report: RunReport) -> Iterator[str]:
    began, ended = report.began_at, report.ended_at
    yield f"Loop {began:%Y-%m-%d %H:%M} to {ended:%Y-%m-%d %H:%M} UTC, simulated: {report.why}"
    days = (ended - began).total_seconds() / 86_400
    yield f"{', '.join(report.symbols)}: {days:.2f} days in {report.real_s:.0f} s, {report.speed:.0f} times real time"


def _table(report: RunReport) -> Iterator[str]:
    without = report.without
    yield _row("", "this run", "fixed NORMAL *")
    yield _row("starting equity", _money(report.starting_equity), _money(report.starting_equity))
    yield _row("final equity", _money(report.final_equity), _money(report.starting_equity + without.net_pnl))
    yield _row("net PnL of closed trades", _money(report.net_pnl), _money(without.net_pnl))
    yield _row("fees", _money(report.fees), _money(without.fees))
    yield _row("max drawdown", _percent(report.max_drawdown_pct), _percent(without.max_drawdown_pct))
    yield _row("trades", str(report.trades), str(without.trades))
    yield _row("  won", str(report.wins))
    yield _row("shadow trades", str(report.shadow_trades))
    yield _row("policy versions", str(report.revisions), "1")
    total = sum(report.minutes_in_mode.values())
    for mode in RiskMode:
        minutes = report.minutes_in_mode.get(mode, 0.0)
        share = f"{minutes / total:.1%}" if total else "unknown"
        yield _row(f"time in {mode.name}", share, "100.0%" if mode is RiskMode.NORMAL else "0.0%")
    yield _row("blocked", str(sum(report.blocks.values())))
    for reason, count in report.blocks.items():
        yield _row(f"  {reason}", str(count))
    yield "* the same strategies on the same candles without the controller: a backtest, so no slippage and no funding"


def _strategies(report: RunReport) -> Iterator[str]:
    yield f"{'strategy':<16}{'trades':>8}{'net PnL':>14}{'shadow':>8}{'blocked':>9}"
    for name, one in report.strategies.items():
        yield f"{name:<16}{one.trades:>8}{_money(one.net_pnl):>14}{one.shadow_trades:>8}{one.blocked:>9}"


def _changes(report: RunReport) -> Iterator[str]:
    skipped = len(report.changes) - _LAST_CHANGES
    yield "policies" + (f", the last {_LAST_CHANGES} of {len(report.changes)}" if skipped > 0 else "")
    for line in report.changes[-_LAST_CHANGES:]:
        yield f"  {line}"[:_WIDTH]


def _proofs(report: RunReport) -> Iterator[str]:
    yield from audit_lines(report.audit)
    yield from completeness_lines(report.completeness)
    if report.restarts:
        yield f"Processes that died and were started again: {report.restarts}"
    if report.undelivered:
        yield f"Facts that did not reach the authority: {report.undelivered}"


def audit_lines(result: AuditResult) -> Iterator[str]:
    """Yields what an audit found: a sentence, and a line for each violation."""
    verdict = "no violation" if result.is_clean else f"{len(result.violations)} VIOLATIONS"
    yield (
        f"Audit: {verdict}; {result.entries} entries and {result.reductions} reductions sent, "
        f"{result.refusals} refused, {result.revisions} revisions"
    )
    yield (
        f"  grace for a replaced policy {result.grace_s:g} s of the journal's time, {result.latest_s:.1f} s needed; "
        f"{result.degraded} decisions degraded"
    )
    for found in result.violations[:_SHOWN_VIOLATIONS]:
        yield f"  {found.rule} {found.at:%m-%d %H:%M:%S} {found.client_order_id or found.event_id}: {found.text}"
    if len(result.violations) > _SHOWN_VIOLATIONS:
        yield f"  and {len(result.violations) - _SHOWN_VIOLATIONS} more; --json lists them all"


def completeness_lines(found: Completeness) -> Iterator[str]:
    """Yields how the journal's fills compare with the exchange's."""
    verdict = "equal" if found.is_complete else "DIFFERENT"
    yield f"Fills: {found.at_exchange} at the exchange, {found.in_journal} in the journal: {verdict}"
    for name, ids in (
        ("missing", found.missing),
        ("unexplained", found.unexplained),
        ("with other numbers", found.different),
    ):
        if ids:
            yield f"  {name}: {', '.join(ids[:10])}"


def audit_document(result: AuditResult) -> dict[str, object]:
    """The audit as JSON takes it."""
    return {
        "clean": result.is_clean,
        "revisions": result.revisions,
        "entries": result.entries,
        "reductions": result.reductions,
        "refusals": result.refusals,
        "degraded": result.degraded,
        "grace_s": result.grace_s,
        "latest_s": result.latest_s,
        "violations": [
            {
                "rule": found.rule.value,
                "event_id": found.event_id,
                "client_order_id": found.client_order_id,
                "at": found.at.isoformat(),
                "text": found.text,
            }
            for found in result.violations
        ],
    }


def report_document(report: RunReport) -> dict[str, object]:
    """The report as JSON takes it. Money as strings, instants in ISO 8601."""
    fills = report.completeness
    return {
        "began_at": report.began_at.isoformat(),
        "ended_at": report.ended_at.isoformat(),
        "why": report.why,
        "real_s": report.real_s,
        "speed": report.speed,
        "symbols": list(report.symbols),
        "minutes_in_mode": {mode.name: minutes for mode, minutes in report.minutes_in_mode.items()},
        "policy_versions": report.revisions,
        "policies": list(report.changes),
        "blocks": dict(report.blocks),
        "trades": report.trades,
        "wins": report.wins,
        "shadow_trades": report.shadow_trades,
        "net_pnl": str(report.net_pnl),
        "fees": str(report.fees),
        "starting_equity": str(report.starting_equity),
        "final_equity": str(report.final_equity),
        "max_drawdown_pct": report.max_drawdown_pct,
        "restarts": report.restarts,
        "undelivered": report.undelivered,
        "without": {
            "trades": report.without.trades,
            "net_pnl": str(report.without.net_pnl),
            "fees": str(report.without.fees),
            "max_drawdown_pct": report.without.max_drawdown_pct,
        },
        "audit": audit_document(report.audit),
        "fills": {
            "at_exchange": fills.at_exchange,
            "in_journal": fills.in_journal,
            "missing": list(fills.missing),
            "unexplained": list(fills.unexplained),
            "different": list(fills.different),
        },
        "good": report.is_good,
    }


def _row(name: str, *cells: str) -> str:
    return (f"{name:<{_NAME}}" + "".join(f"{cell:>{_CELL}}" for cell in cells)).rstrip()


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _percent(number: float | None) -> str:
    return "unknown" if number is None else f"{number:.2f} %"
