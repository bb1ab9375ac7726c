"""The run as people see it: live on a terminal, one line each simulated hour elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from msc_authority.cli.output import UNKNOWN, grid, instant, number, percent, text
from msc_loop.run import LoopState

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_CLOCK = slice(11, 19)


def render(state: LoopState, speed: float) -> RenderableType:
    """Returns everything that is known of the run, for a terminal."""
    from rich.console import Group

    parts: list[RenderableType] = [_head(state, speed), _strategies(state), _positions(state), _blocks(state)]
    return Group(*(part for each in parts for part in (each, "")))


def plain_line(state: LoopState) -> str:
    """Returns the run on one line."""
    policy, exchange = policy_of(state), state.exchange or {}
    held = ", ".join(_held(exchange)) or "flat"
    allowed = policy.get("allowed_strategies")
    count = len(allowed) if isinstance(allowed, Sequence) else 0
    return (
        f"{instant(state.now.isoformat())}  v{policy.get('version') or '?'} {policy.get('risk_mode', UNKNOWN)}"
        f"  allowed {count}  equity {_money(state.equity)}  {held}"
        f"  fills {exchange.get('trades', UNKNOWN)}  blocked {state.block_counts.total()}"
    )


def _money(value: object) -> str:
    return UNKNOWN if value is None else f"{Decimal(str(value)):.2f}"


def policy_of(state: LoopState) -> Mapping[str, object]:
    """Returns the policy in force, empty when the authority does not answer or has none yet."""
    found = (state.policy or {}).get("policy")
    return found if isinstance(found, Mapping) else {}


def _head(state: LoopState, speed: float) -> Table:
    policy, exchange = policy_of(state), state.exchange or {}
    table = grid("", "", "", "", header=False)
    table.add_row("time", f"{instant(state.now.isoformat())} x {speed:g}", "policy", _policy_name(state))
    table.add_row(
        "equity",
        f"{_money(state.equity)}, wallet {_money(exchange.get('wallet'))}",
        "limits",
        f"risk {percent(policy.get('max_risk_per_trade'))}, confidence {number(policy.get('global_min_confidence'))}, "
        f"positions {policy.get('max_positions', UNKNOWN)}, day {policy.get('max_daily_trades', UNKNOWN)}",
    )
    if state.url is not None:
        table.add_row("dashboard", text(state.url), "", "")
    table.add_row("fills", text(exchange.get("trades", UNKNOWN)), "positions", ", ".join(_held(exchange)) or "flat")
    return table


def _policy_name(state: LoopState) -> str:
    policy = policy_of(state)
    if not policy:
        return "the authority does not answer"
    return f"v{policy.get('version')} {policy.get('risk_mode')} {policy.get('trading_state')}"


def _held(exchange: Mapping[str, object]) -> list[str]:
    positions = exchange.get("positions")
    return [f"{symbol} {quantity}" for symbol, quantity in positions.items()] if isinstance(positions, Mapping) else []


def _strategies(state: LoopState) -> Table:
    table = grid("strategy", "state", "allowed", "live", "shadow", "score R", right=("live", "shadow", "score R"))
    found = (state.strategies or {}).get("strategies")
    for row in found if isinstance(found, Sequence) else ():
        if isinstance(row, Mapping):
            table.add_row(
                text(row.get("strategy_id", "")),
                text(row.get("state", UNKNOWN)),
                "yes" if row.get("allowed") else "no",
                text(row.get("live_trades", UNKNOWN)),
                text(row.get("shadow_trades", UNKNOWN)),
                number(row.get("score")),
            )
    return table


def _positions(state: LoopState) -> Table:
    table = grid("executor", "policy", "position", "waiting")
    for name, told in sorted(state.executors.items()):
        positions = told.get("positions")
        held = [_trip(one) for one in positions.values()] if isinstance(positions, Mapping) else []
        ready = "" if told.get("ready") else " (comparing)"
        waiting = f"{told.get('waiting_signals')} signals, {told.get('waiting_facts')} facts"
        table.add_row(
            text(name), f"v{told.get('version')} {told.get('tier')}{ready}", text(", ".join(held) or "flat"), waiting
        )
    return table


def _trip(position: object) -> str:
    if not isinstance(position, Mapping):
        return ""
    return f"{position.get('direction')} {position.get('quantity')} by {position.get('strategy') or 'nobody of ours'}"


def _blocks(state: LoopState) -> Table:
    table = grid("blocked at", "symbol", "strategy", "reason")
    for block in reversed(state.blocks):
        at = str(block.get("at", ""))[_CLOCK]
        table.add_row(at, *(text(block.get(name, "")) for name in ("symbol", "strategy", "reason")))
    return table
