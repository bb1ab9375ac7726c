"""What holds for the guard whatever comes: no growth under a policy that is past its time, and always a way out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from guard_builders import AT, Desk, facts, intent, position, positions, reduce_intent
from hypothesis import given
from hypothesis import strategies as st

from msc_client.facts import Side
from msc_client.policy import Policy, StrategyGrant, StrategyState, TradingState
from msc_client.testing import make_policy
from msc_client.tier import Tier, tighter_of
from msc_trading.guard import ConfirmedPositions, GuardFacts, KillState, Lane
from msc_trading.venue.port import OrderType

D = Decimal
NAN = float("nan")
AGES = st.sampled_from([None, NAN, -1.0, 0.0, 4.0, 59.0, 61.0, 1e9])
NUMBERS = st.sampled_from([None, D("NaN"), D("Infinity"), D(-600), D(0), D(1), D(10_000), D(40_000)])
STATES = st.sampled_from(TradingState)
GRANTS = st.builds(
    StrategyGrant,
    strategy_id=st.just("TREND_001"),
    state=st.sampled_from(StrategyState),
    risk_multiplier=st.sampled_from([0.25, 0.5, 1.0]),
    max_positions=st.integers(0, 2),
    max_daily_trades_fraction=st.sampled_from([0.1, 0.5, 1.0]),
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    strategies = draw(st.sampled_from([(), ("TREND_001",), ("TREND_001", "MOMENTUM_002")]))
    return make_policy(
        draw(st.integers(1, 9)),
        strategies=strategies,
        strategy_grants=(draw(GRANTS),) if strategies else (),
        max_risk_per_trade=draw(st.sampled_from([0.0, 0.003, 0.0075, 0.015])),
        global_min_confidence=draw(st.sampled_from([0.5, 0.65, 0.7, 0.71])),
        max_positions=draw(st.integers(0, 4)),
        max_daily_trades=draw(st.integers(0, 40)),
        trading_state=draw(st.sampled_from([TradingState.ACTIVE] * 3 + list(TradingState))),
    )


@st.composite
def known(draw: st.DrawFn, symbol: str = "BTCUSDT") -> GuardFacts:
    """Facts of which anything may be missing, old, or no number at all."""
    return facts(
        symbol,
        positions_age_s=draw(AGES),
        equity=draw(NUMBERS),
        equity_age_s=draw(AGES),
        day_pnl=draw(NUMBERS),
        losing_streak=draw(st.sampled_from([None, 0, 99])),
        open_risk=draw(NUMBERS),
        reference_price=draw(NUMBERS),
        reference_price_age_s=draw(AGES),
        clock_offset_s=draw(AGES),
        journal_writable=draw(st.sampled_from([None, False, True])),
        kill=draw(st.one_of(st.none(), st.builds(KillState, account=STATES))),
        locks=draw(st.sampled_from([None, {}, {symbol: None}])),
        strategy_symbols=draw(st.sampled_from([None, {}])),
    )


@given(policies(), st.sampled_from(Tier), known(), st.sampled_from([D("0.001"), D("0.3"), D("0.5")]), st.booleans())
def test_a_reduction_passes_whatever_is_wrong(
    policy: Policy, tier: Tier, what: GuardFacts, quantity: Decimal, flat: bool
) -> None:
    desk = Desk(policy, rebuilt=False, max_order_notional=D(1), entry_orders_per_10s=1)
    desk.bench.set(policy, tier, entries_until_ns=0)
    held = None if flat else positions(position(quantity="0.5"))

    decision = desk.ask(reduce_intent(quantity=quantity), replace(what, positions=held))

    assert (decision.allowed, decision.lane) == (True, Lane.REDUCE), decision.text


@given(policies(), st.sampled_from([Tier.SAFE_EXPIRED, Tier.SAFE_NONE]), st.integers(0, 10**15))
def test_nothing_grows_once_the_time_of_a_safe_policy_is_over(policy: Policy, tier: Tier, over_ns: int) -> None:
    desk = Desk()
    desk.bench.set(policy, tier, entries_until_ns=desk.bench.now_ns() - over_ns)

    assert not desk.ask().allowed


@given(policies(), st.integers(1, 8))
def test_nothing_grows_under_a_policy_that_is_older_than_one_seen(policy: Policy, back: int) -> None:
    desk = Desk(make_policy(policy.ref.version + back, strategies=()))
    desk.ask()
    desk.bench.set(policy)

    assert not desk.ask().allowed


WRONG: dict[str, list[object]] = {
    "positions_age_s": [None, NAN, -1.0, 61.0],
    "positions": [None],
    "equity": [None, D("NaN"), D("Infinity"), D(0), D(-1)],
    "equity_age_s": [None, NAN, -1.0, 61.0],
    "day_pnl": [None, D("NaN"), D(-600)],
    "losing_streak": [None, 10],
    "reference_price": [None, D("NaN"), D(0)],
    "reference_price_age_s": [None, NAN, 5.1],
    "clock_offset_s": [None, NAN, 1.1, -1.1],
    "journal_writable": [None, False],
    "kill": [None, KillState(account=TradingState.HALTED)],
    "locks": [None, {"BTCUSDT": None}],
    "rules": [None],
}


@given(st.sets(st.sampled_from(sorted(WRONG)), max_size=3), st.data())
def test_nothing_grows_unless_everything_is_known(fields: set[str], data: st.DataObject) -> None:
    wrong = {field: data.draw(st.sampled_from(WRONG[field])) for field in fields}

    assert Desk().ask(known=facts(**wrong)).allowed is (not wrong)


@given(policies(), policies())
def test_a_tighter_policy_allows_nothing_that_a_looser_one_refuses(policy: Policy, other: Policy) -> None:
    tighter = tighter_of(policy, other)
    asked = intent(quantity=D("0.02"))

    under_tighter, under_looser = Desk(tighter).ask(asked), Desk(policy).ask(asked)

    assert not under_tighter.allowed or under_looser.allowed, under_looser.text


@given(policies(), policies(), st.sampled_from([Tier.STALE, Tier.SAFE_EXPIRED]))
def test_what_nobody_vouches_for_is_never_looser_than_what_was_fresh(fresh: Policy, stale: Policy, tier: Tier) -> None:
    fresh, stale = replace(fresh, ref=replace(fresh.ref, version=1)), replace(stale, ref=replace(stale.ref, version=2))
    asked = intent(quantity=D("0.02"))
    desk = Desk(fresh)
    desk.ask(intent(strategy_id="NOBODY"))
    desk.bench.set(stale, tier)

    assert not desk.ask(asked).allowed or Desk(fresh).ask(asked).allowed


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "sent", "bind", "fill", "reject", "end", "unknown", "settle", "release"]),
        st.integers(0, 7),
    ),
    max_size=60,
)


@given(STEPS)
def test_however_orders_go_the_limits_hold(steps: list[tuple[str, int]]) -> None:
    desk = Desk(make_policy(max_positions=3, max_daily_trades=9), repeat_max=1_000)
    held: dict[str, Decimal] = {}
    accepted: set[str] = set()
    ids: dict[int, str] = {}

    for number, (step, symbol_number) in enumerate(steps):
        symbol, id_ = f"S{symbol_number}USDT", ids.get(symbol_number, "nobody")
        order = desk.guard.reservation(id_)
        if step == "ask":
            asked = intent(symbol=symbol, quantity=D("0.003"), client_order_id=f"e-{number}")
            now_held = ConfirmedPositions.of(position(name, str(size), "40000") for name, size in held.items())
            if desk.ask(asked, facts(symbol, positions=now_held)).allowed:
                ids[symbol_number] = asked.client_order_id
        elif step == "fill" and order is not None and order.is_live and order.state != "FILLED":
            desk.guard.filled(id_, order.quantity)
            accepted.add(id_)
            held[symbol] = held.get(symbol, D(0)) + order.quantity
        elif step == "bind" and order is not None and order.is_live:
            desk.guard.bind(id_, "o")
            accepted.add(id_)
        elif step not in ("fill", "bind"):
            calls = {
                "sent": desk.guard.sent,
                "reject": desk.guard.rejected,
                "end": desk.guard.ended,
                "unknown": desk.guard.unknown,
                "settle": desk.guard.settled,
                "release": desk.guard.release,
            }
            calls[step](id_)

        live = desk.guard.live()
        assert len(set(held) | {entry.symbol for entry in live}) <= 3
        assert len(accepted | {entry.client_order_id for entry in live}) <= 9


@given(
    st.sampled_from(Side),
    st.sampled_from(OrderType),
    st.decimals("0.001", "2", places=3),
    st.decimals("-1", "1", places=3),
    st.booleans(),
)
def test_no_order_that_passes_can_turn_a_position_round(
    side: Side, order_type: OrderType, quantity: Decimal, held: Decimal, reduce_only: bool
) -> None:
    asked = intent(
        side=side,
        order_type=order_type,
        price=D(40_000) if order_type is OrderType.LIMIT else None,
        stop_price=D(39_999) if side is Side.BUY else D(40_001),
        quantity=quantity,
        reduce_only=reduce_only,
        signal_at=AT,
    )
    signed = quantity if side is Side.BUY else -quantity

    decision = Desk(max_order_notional=D(10**9)).ask(asked, facts(positions=positions(position(quantity=str(held)))))

    if decision.allowed and held:
        after = held + signed
        assert after * held > 0 or (after == 0 and reduce_only)
    if decision.allowed and reduce_only:
        assert abs(held + signed) < abs(held)
