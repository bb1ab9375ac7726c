"""The checks of an entry that need no shared state, one function each, in the order in which they are made.

Absolute and cheap ones come first. Each writes what it found and what it wanted, and says why not, or nothing.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msc_client.facts import Side
from msc_client.policy import TradingState
from msc_trading.filters import (
    EXACT,
    notional_breach,
    percent_price_breach,
    plain,
    price_breach,
    quantity_breach,
)
from msc_trading.guard.case import Case, Denial, EntryCheck, Latch
from msc_trading.guard.facts import is_fresh, known
from msc_trading.guard.reasons import ReasonCode
from msc_trading.guard.risk import loss_at_stop
from msc_trading.venue.port import OrderType, SymbolRules

RISK_LIMIT_EXCEEDED: Final = "MSC AI risk per trade limit exceeded"

_ONE: Final = Decimal(1)
_DAY_LATCH: Final = Latch(ReasonCode.DAILY_LOSS)
_STREAK_LATCH: Final = Latch(ReasonCode.LOSS_STREAK)
_STATE_CODES: Final = {
    TradingState.HALTED: ReasonCode.TRADING_HALTED,
    TradingState.REDUCING: ReasonCode.TRADING_REDUCING,
}


def check_trading_state(case: Case) -> Denial | None:
    """Refuses entries when the policy, or somebody here, has stopped the account, the strategy or the symbol."""
    kill, intent = case.facts.kill, case.intent
    state = case.in_force.limits.trading_state
    if kill is not None:
        state = max(state, kill.state_of(intent.strategy_id, intent.symbol))
    # A known stop is the better reason than an unknown one.
    code = _STATE_CODES.get(state) or (ReasonCode.TRADING_STATE_UNKNOWN if kill is None else None)
    case.rows.append(("trading_state", state.name if kill is not None else None, "ACTIVE", code is None))
    if code is None:
        return None
    if code is ReasonCode.TRADING_STATE_UNKNOWN:
        return Denial(code, "the kill latch cannot be read")
    return Denial(code, f"trading is {state.name}: only reductions pass")


def check_clock(case: Case) -> Denial | None:
    """Refuses entries while the venue's clock and ours are apart, or nobody knows."""
    offset_s, limit_s = case.facts.clock_offset_s, case.config.clock_offset_max_s
    passed = offset_s is not None and -limit_s <= offset_s <= limit_s
    case.rows.append(("clock_offset_s", offset_s, limit_s, passed))
    if passed:
        return None
    return Denial(ReasonCode.CLOCK_OFFSET, f"clock offset is {_or_unknown(offset_s)} s, limit {limit_s:g} s")


def check_journal(case: Case) -> Denial | None:
    """Refuses entries that nobody could audit."""
    passed = case.facts.journal_writable is True
    case.rows.append(("journal_writable", case.facts.journal_writable, True, passed))
    return None if passed else Denial(ReasonCode.JOURNAL_UNAVAILABLE, "the journal takes no facts: nothing unaudited")


def check_positions_known(case: Case) -> Denial | None:
    """Refuses entries on top of positions that are not known, or were confirmed too long ago."""
    age_s, limit_s = case.facts.positions_age_s, case.config.positions_age_max_s
    passed = case.facts.positions is not None and is_fresh(age_s, limit_s)
    case.rows.append(("positions_age_s", age_s, limit_s, passed))
    if passed:
        return None
    return Denial(
        ReasonCode.POSITIONS_UNKNOWN, f"positions were confirmed {_or_unknown(age_s)} s ago, limit {limit_s:g} s"
    )


def check_policy(case: Case) -> Denial | None:
    """Refuses entries under a policy that is missing, expired, or older than one seen before."""
    in_force = case.in_force
    view = in_force.view
    denial = None if in_force.regressed else view.entry_denial(case.now_ns)
    passed = denial is None and not in_force.regressed
    case.rows.append(("policy", view.ref, view.tier, passed))
    if in_force.regressed:
        return Denial(ReasonCode.POLICY_REGRESSED, f"policy {view.ref} is older than one that was in force")
    if denial is None:
        return None
    return Denial(ReasonCode(denial), f"policy {view.ref} is {view.tier.name}, and its time for entries is over")


def check_strategy(case: Case) -> Denial | None:
    """Refuses strategies that are not on the list. An empty list is nobody, and so is an empty id."""
    id_ = case.intent.strategy_id
    granted = case.in_force.limits.strategies.get(id_) if id_ else None
    case.rows.append(("strategy", id_, len(case.in_force.limits.strategies), granted is not None))
    if granted is not None:
        case.strategy = granted
        return None
    if not id_:
        return Denial(ReasonCode.STRATEGY_NOT_ALLOWED, "the signal names no strategy")
    return Denial(ReasonCode.STRATEGY_NOT_ALLOWED, f"strategy {id_} not in MSC AI allowed list")


def check_confidence(case: Case) -> Denial | None:
    """Refuses signals that are less sure than the policy, the strategy's or the symbol's floor asks. Equal passes."""
    intent, config = case.intent, case.config
    floor = max(
        case.in_force.limits.min_confidence,
        config.strategy_min_confidence.get(intent.strategy_id, 0.0),
        config.symbol_min_confidence.get(intent.symbol, 0.0),
    )
    passed = intent.confidence is not None and intent.confidence >= floor
    case.rows.append(("confidence", intent.confidence, floor, passed))
    if passed:
        return None
    return Denial(ReasonCode.CONFIDENCE_TOO_LOW, f"confidence {_or_unknown(intent.confidence)} is below {floor:g}")


def check_symbol(case: Case) -> Denial | None:
    """Refuses symbols that do not trade, are locked, or cool down."""
    symbol, locks = case.intent.symbol, case.facts.locks
    problem = _symbol_problem(case.rules, locks is None)
    if problem is None and locks is not None and symbol in locks:
        until = locks[symbol]
        if until is None or case.facts.now < until:
            problem = f"is locked until {'somebody lifts it' if until is None else until.isoformat()}"
    case.rows.append(("symbol", problem or "open", "open", problem is None))
    return None if problem is None else Denial(ReasonCode.SYMBOL_LOCKED, f"{symbol} {problem}")


def _symbol_problem(rules: SymbolRules, locks_unknown: bool) -> str | None:
    if not rules.trading:
        return "is not trading at the venue"
    return "may be locked: the locks cannot be read" if locks_unknown else None


def check_price(case: Case) -> Denial | None:
    """Refuses entries without a fresh reference price, or priced far from it."""
    facts, config = case.facts, case.config
    reference = known(facts.reference_price)
    passed = reference is not None and reference > 0
    passed = passed and is_fresh(facts.reference_price_age_s, config.price_age_max_s)
    case.rows.append(("price_age_s", facts.reference_price_age_s, config.price_age_max_s, passed))
    if not passed or reference is None:
        return Denial(
            ReasonCode.PRICE_STALE,
            f"reference price is {_or_unknown(facts.reference_price_age_s)} s old, limit {config.price_age_max_s:g} s",
        )
    case.reference = reference
    case.entry_price = case.intent.price if case.intent.price is not None else reference
    return _check_collar(case, reference)


def _check_collar(case: Case, reference: Decimal) -> Denial | None:
    asked = case.intent.price if case.intent.price is not None else case.intent.ref_price
    if asked is None:
        return None
    away, limit = EXACT.subtract(asked, reference).copy_abs(), EXACT.multiply(reference, case.config.collar_fraction)
    case.rows.append(("price_collar", away, limit, away <= limit))
    if away <= limit:
        return None
    return Denial(
        ReasonCode.PRICE_COLLAR, f"price {plain(asked)} is {plain(away)} from {plain(reference)}, limit {plain(limit)}"
    )


def check_filters(case: Case) -> Denial | None:
    """Refuses what the venue would refuse: lots, ticks, range, percent price, and less than its smallest notional."""
    intent, rules = case.intent, case.rules
    case.notional = EXACT.multiply(intent.quantity, case.entry_price)
    breach = quantity_breach(intent.quantity, rules, intent.order_type)
    if breach is None and intent.price is not None:
        breach = price_breach(intent.price, rules)
        breach = breach or percent_price_breach(intent.side, intent.price, case.reference, rules)
    breach = breach or notional_breach(case.notional, rules)
    if breach is None:
        case.rows.append(("filters", case.notional, rules.min_notional, True))
        return None
    case.rows.append((breach.code.name.lower(), breach.value, breach.limit, False))
    return Denial(ReasonCode(breach.code), breach.text)


def check_size(case: Case) -> Denial | None:
    """Refuses what is too large for one order, whatever its risk."""
    notional, limit = case.notional, case.config.max_order_notional
    case.rows.append(("notional", notional, limit, notional <= limit))
    if notional > limit:
        return Denial(ReasonCode.MAX_NOTIONAL, f"notional current={plain(notional)} limit={plain(limit)}")
    most = case.config.max_order_quantity.get(case.intent.symbol)
    if most is None:
        return None
    case.rows.append(("quantity", case.intent.quantity, most, case.intent.quantity <= most))
    if case.intent.quantity <= most:
        return None
    return Denial(ReasonCode.MAX_QTY, f"quantity current={plain(case.intent.quantity)} limit={plain(most)}")


def check_risk(case: Case) -> Denial | None:
    """Refuses what would lose too much of the equity at its stop, fees included. Equal passes."""
    denial = _check_equity(case)
    if denial is not None:
        return denial
    entry, strategy = case.entry_price, case.strategy
    stop = _stop(case, entry)
    if stop is None:
        case.rows.append(("risk", None, strategy.max_risk, False))
        return Denial(ReasonCode.RISK_PER_TRADE, "no usable stop: the risk of the entry is unknown")
    fraction = EXACT.multiply(strategy.max_risk, case.config.symbol_risk_multiplier.get(case.intent.symbol, _ONE))
    limit = EXACT.multiply(case.equity, fraction)
    risk = loss_at_stop(quantity=case.intent.quantity, entry=entry, stop=stop, fee_rate=case.config.fee_rate)
    case.risk_amount = risk
    case.rows.append(("risk", risk, limit, risk <= limit))
    if risk <= limit:
        return None
    return Denial(
        ReasonCode.RISK_PER_TRADE,
        f"risk current={risk / case.equity:.4%} limit={fraction:.4%} of equity {plain(case.equity)}",
        said=RISK_LIMIT_EXCEEDED,
    )


def _check_equity(case: Case) -> Denial | None:
    facts, limit_s = case.facts, case.config.equity_age_max_s
    equity = known(facts.equity)
    usable = equity is not None and equity > 0 and is_fresh(facts.equity_age_s, limit_s)
    case.rows.append(("equity_age_s", facts.equity_age_s, limit_s, usable))
    if usable and equity is not None:
        case.equity = equity
        return None
    text = f"equity {_or_unknown(equity)} is {_or_unknown(facts.equity_age_s)} s old, limit {limit_s:g} s"
    return Denial(ReasonCode.EQUITY_UNKNOWN, text)


def _stop(case: Case, entry: Decimal) -> Decimal | None:
    buying = case.intent.side is Side.BUY
    stop, assumed = case.intent.stop_price, case.config.assumed_stop_fraction
    if stop is None:
        if assumed is None:
            return None
        distance = EXACT.multiply(entry, assumed)
        return EXACT.subtract(entry, distance) if buying else EXACT.add(entry, distance)
    # The price may have run past the stop since the signal: then nothing is protected.
    return stop if (stop < entry if buying else stop > entry) else None


def check_losses(case: Case) -> Denial | None:
    """Refuses entries after too much loss in a day or too many in a row. Both latch: midnight does not clear them."""
    return _check_latched(case) or _check_day(case) or _check_streak(case)


def _check_latched(case: Case) -> Denial | None:
    for latch in (_DAY_LATCH, _STREAK_LATCH) if case.latches else ():
        if latch in case.latches:
            case.rows.append((f"{latch.code.value.lower()}_latch", True, False, False))
            return Denial(latch.code, "latched until a person clears it")
    return None


def _check_day(case: Case) -> Denial | None:
    pnl, equity = known(case.facts.day_pnl), case.equity
    if pnl is None:
        case.rows.append(("day_pnl", None, None, False))
        return Denial(ReasonCode.DAILY_LOSS, "the day's PnL is unknown")
    # What the day began with: today's result is already part of the equity.
    limit = EXACT.multiply(EXACT.subtract(equity, pnl), case.config.max_day_loss_fraction).copy_negate()
    case.rows.append(("day_pnl", pnl, limit, pnl > limit))
    if pnl > limit:
        return None
    text = f"day PnL current={plain(pnl)} limit={plain(limit)}"
    return Denial(ReasonCode.DAILY_LOSS, text, _DAY_LATCH)


def _check_streak(case: Case) -> Denial | None:
    streak, limit = case.facts.losing_streak, case.config.max_losing_streak
    passed = streak is not None and streak < limit
    case.rows.append(("losing_streak", streak, limit, passed))
    if passed:
        return None
    if streak is None:
        return Denial(ReasonCode.LOSS_STREAK, "the losing streak is unknown")
    text = f"losing streak current={streak} limit={limit}"
    return Denial(ReasonCode.LOSS_STREAK, text, _STREAK_LATCH)


def _or_unknown(number: float | Decimal | None) -> str:
    return "unknown" if number is None else f"{number:g}"


ENTRY_CHECKS: Final[tuple[EntryCheck, ...]] = (
    check_trading_state,
    check_clock,
    check_journal,
    check_positions_known,
    check_policy,
    check_strategy,
    check_confidence,
    check_symbol,
    check_price,
    check_filters,
    check_size,
    check_risk,
    check_losses,
)
"""Every check of an entry before the counted limits, in order."""


def first_denial(case: Case) -> Denial | None:
    """Returns why an entry is refused by what needs no counting, or None."""
    for check in ENTRY_CHECKS:
        denial = check(case)
        if denial is not None:
            return denial
    return None


def reduce_denial(case: Case) -> Denial | None:
    """Returns which filter a reducing order breaks. What the venue exempts or only it can know is not asked."""
    intent, rules = case.intent, case.facts.rules
    if rules is None or rules.symbol != intent.symbol:
        case.rows.append(("filters", None, None, True))
        return None
    breach = None if intent.close_position else quantity_breach(intent.quantity, rules, intent.order_type)
    if breach is None and intent.price is not None and intent.order_type is OrderType.LIMIT:
        breach = price_breach(intent.price, rules)
    case.rows.append(("filters", intent.quantity, rules.step_size, breach is None))
    return None if breach is None else Denial(ReasonCode(breach.code), breach.text)
