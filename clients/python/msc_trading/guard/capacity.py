"""The counted limits: what an entry would take, what is in use, and whether it fits. Pure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple

from msc_trading.filters import EXACT, plain
from msc_trading.guard.case import Case, Denial, Latch
from msc_trading.guard.reasons import ReasonCode

POSITION_LIMIT_EXCEEDED: Final = "MSC AI position limit exceeded"
DAILY_TRADE_LIMIT_EXCEEDED: Final = "MSC AI daily trade limit exceeded"

_add, _multiply = EXACT.add, EXACT.multiply


class Usage(NamedTuple):
    """How much is in use at the instant of a grant, as far as it concerns one intent.

    Positions are symbols. `strategy_positions` and `strategy_daily` are those of the intent's strategy (None: it has
    no limit of its own). Exposures are in quote currency. `daily_used` and `open_risk` None: unknown.
    """

    confirmed: int
    reserved: int
    holds_slot: bool
    opposed: bool
    daily_used: int | None
    strategy_positions: int | None
    strategy_holds: bool
    strategy_daily: int | None
    symbol_exposure: Decimal
    gross_exposure: Decimal
    open_risk: Decimal | None
    repeats: int
    orders: int


def _repeats(case: Case, usage: Usage) -> Denial | None:
    strategy_id, limit = case.intent.strategy_id, case.config.repeat_max
    latched = bool(case.latches) and Latch(ReasonCode.REPEAT_THROTTLE, strategy_id) in case.latches
    passed = not latched and usage.repeats < limit
    case.rows.append(("repeats", usage.repeats, limit, passed))
    if passed:
        return None
    latch = Latch(ReasonCode.REPEAT_THROTTLE, strategy_id)
    if latched:
        return Denial(latch.code, f"strategy {strategy_id} is latched until a person clears it")
    within = f"within {case.config.repeat_window_s:g} s"
    return Denial(latch.code, f"same entry current={usage.repeats + 1} limit={limit} {within}", latch)


def _opposing_entry(case: Case, usage: Usage) -> Denial | None:
    case.rows.append(("opposing_entry", usage.opposed, False, not usage.opposed))
    if not usage.opposed:
        return None
    return Denial(ReasonCode.FLIP_NOT_ALLOWED, f"an entry on the other side of {case.intent.symbol} is under way")


def _positions(case: Case, usage: Usage) -> Denial | None:
    limit, current = case.in_force.limits.max_positions, usage.confirmed + usage.reserved
    # More than the limit in use means that it was lowered: nothing is closed for that, and nothing grows either.
    passed = current < limit or (usage.holds_slot and current == limit)
    case.rows.append(("positions", current, limit, passed))
    if passed:
        return None
    return Denial(ReasonCode.MAX_POSITIONS, f"positions current={current} limit={limit}", said=POSITION_LIMIT_EXCEEDED)


def _strategy_positions(case: Case, usage: Usage) -> Denial | None:
    limit, current = case.strategy.max_positions, usage.strategy_positions
    if limit is None or current is None:
        return None
    passed = current < limit or (usage.strategy_holds and current == limit)
    case.rows.append(("strategy_positions", current, limit, passed))
    text = f"strategy {case.intent.strategy_id} positions current={current} limit={limit}"
    return None if passed else Denial(ReasonCode.STRATEGY_CAP, text)


def _daily_trades(case: Case, usage: Usage) -> Denial | None:
    limit, used = case.in_force.limits.max_daily_trades, usage.daily_used
    passed = used is not None and used < limit
    case.rows.append(("daily_trades", used, limit, passed))
    if passed:
        return None
    if used is None:
        return Denial(ReasonCode.MAX_DAILY_TRADES, "today's entries are not counted yet: rebuild the day first")
    text = f"daily trades current={used} limit={limit}"
    return Denial(ReasonCode.MAX_DAILY_TRADES, text, said=DAILY_TRADE_LIMIT_EXCEEDED)


def _strategy_daily_trades(case: Case, usage: Usage) -> Denial | None:
    limit, used = case.strategy.max_daily_trades, usage.strategy_daily
    if limit is None or used is None:
        return None
    case.rows.append(("strategy_daily_trades", used, limit, used < limit))
    text = f"strategy {case.intent.strategy_id} daily trades current={used} limit={limit}"
    return None if used < limit else Denial(ReasonCode.STRATEGY_CAP, text)


def _symbol_exposure(case: Case, usage: Usage) -> Denial | None:
    limit = EXACT.multiply(case.equity, case.config.max_symbol_leverage)
    return _exposure(case, "symbol_exposure", usage.symbol_exposure, limit)


def _gross_exposure(case: Case, usage: Usage) -> Denial | None:
    limit = EXACT.multiply(case.equity, case.config.max_gross_leverage)
    return _exposure(case, "gross_exposure", usage.gross_exposure, limit)


def _exposure(case: Case, name: str, used: Decimal, limit: Decimal) -> Denial | None:
    after = EXACT.add(used, case.notional)
    case.rows.append((name, after, limit, after <= limit))
    if after <= limit:
        return None
    what = name.replace("_", " ")
    return Denial(
        ReasonCode.MAX_EXPOSURE, f"{what} current={plain(used)} with this={plain(after)} limit={plain(limit)}"
    )


def _open_risk(case: Case, usage: Usage) -> Denial | None:
    fraction = case.config.max_open_risk_fraction
    if fraction is None:
        return None
    limit = EXACT.multiply(case.equity, fraction)
    after = None if usage.open_risk is None else EXACT.add(usage.open_risk, case.risk_amount)
    passed = after is not None and after <= limit
    case.rows.append(("open_risk", after, limit, passed))
    if passed:
        return None
    with_this = "unknown" if after is None else plain(after)
    return Denial(ReasonCode.MAX_OPEN_RISK, f"open risk with this={with_this} limit={plain(limit)}")


def _order_rate(case: Case, usage: Usage) -> Denial | None:
    limit = case.config.entry_orders_per_10s
    case.rows.append(("entry_orders_10s", usage.orders, limit, usage.orders < limit))
    if usage.orders < limit:
        return None
    return Denial(ReasonCode.RATE_LIMIT, f"entries in 10 s current={usage.orders} limit={limit}")


CAPACITY_CHECKS: Final[tuple[Callable[[Case, Usage], Denial | None], ...]] = (
    _repeats,
    _opposing_entry,
    _positions,
    _strategy_positions,
    _daily_trades,
    _strategy_daily_trades,
    _symbol_exposure,
    _gross_exposure,
    _open_risk,
    _order_rate,
)
"""Every counted limit of an entry, in order."""


def capacity_denial(case: Case, usage: Usage) -> Denial | None:
    """Returns which counted limit has no room for an entry, or None."""
    for check in CAPACITY_CHECKS:
        denial = check(case, usage)
        if denial is not None:
            return denial
    return None


def fits(case: Case, usage: Usage) -> bool:
    """Tells whether there is room for an entry that nothing is latched against: whether `capacity_denial` is None."""
    limits, strategy, config = case.in_force.limits, case.strategy, case.config
    equity, notional = case.equity, case.notional
    current, used = usage.confirmed + usage.reserved, usage.daily_used
    return (
        usage.repeats < config.repeat_max
        and not usage.opposed
        and (current < limits.max_positions or (usage.holds_slot and current == limits.max_positions))
        and used is not None
        and used < limits.max_daily_trades
        and usage.orders < config.entry_orders_per_10s
        and _add(usage.symbol_exposure, notional) <= _multiply(equity, config.max_symbol_leverage)
        and _add(usage.gross_exposure, notional) <= _multiply(equity, config.max_gross_leverage)
        # What most entries have no limit of.
        and (config.max_open_risk_fraction is None or _open_risk(case, usage) is None)
        and (strategy.max_positions is None or _strategy_positions(case, usage) is None)
        and (strategy.max_daily_trades is None or _strategy_daily_trades(case, usage) is None)
    )
