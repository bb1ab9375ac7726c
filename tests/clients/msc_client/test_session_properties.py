"""Whatever happens in whatever order: the session stays in a known state, never goes back, never loosens when blind."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from msc_client import ClientConfig, ConnectionState, Policy, PolicyInvalid, Ref, RiskMode, Role, SafeDefaults, Tier
from msc_client import TradingState as Trading
from msc_client._backoff import backoff_bounds_s
from msc_client._events import (
    CancelStream,
    Close,
    Effect,
    Ended,
    Event,
    Forked,
    OpenStream,
    Paused,
    ReaderDied,
    Received,
    Start,
    Swap,
    Tick,
)
from msc_client._messages import (
    Document,
    Freshness,
    Garbled,
    Goodbye,
    Heartbeat,
    Snapshot,
    SnapshotReason,
    StreamEnd,
    StreamInfo,
    Unchanged,
    Unknown,
    WatchMessage,
)
from msc_client._session import Session
from msc_client._states import TRANSITIONS
from msc_client.testing import ManualClock, make_policy
from msc_client.tier import tightened, tighter_of

IDS = ("A", "B", "C", "D")

policies = st.builds(
    lambda epoch, version, etag, strategies, mode, risk, confidence, positions, trades, trading: make_policy(
        version,
        epoch=epoch,
        etag=f'"{epoch}-{version}{etag}"',
        strategies=tuple(strategies),
        risk_mode=mode,
        max_risk_per_trade=risk,
        global_min_confidence=confidence,
        max_positions=positions,
        max_daily_trades=trades,
        trading_state=trading,
    ),
    st.integers(1, 3),
    st.integers(1, 6),
    # The same reference now and then names another content: two writers.
    st.sampled_from(["", "", "", "x"]),
    st.lists(st.sampled_from(IDS), unique=True),
    st.sampled_from(RiskMode),
    st.floats(0, 1),
    st.floats(0.01, 1),
    st.integers(0, 20),
    st.integers(0, 60),
    st.sampled_from(Trading),
)
freshnesses = st.none() | st.builds(
    Freshness,
    replica_age_s=st.sampled_from([0.0, 1.0, 16.0, 40.0, 1000.0]),
    ttl_s=st.sampled_from([-1.0, 0.0, 90.0, 3600.0]),
)
codes = st.sampled_from(["OK", "UNAVAILABLE", "PERMISSION_DENIED", "FAILED_PRECONDITION", "RESOURCE_EXHAUSTED"])
reasons = st.sampled_from(["", "REPLICA_BEHIND", "EPOCH_SUPERSEDED"])


def is_no_looser(tight: Policy, than: Policy) -> bool:
    return (
        tight.risk_mode <= than.risk_mode
        and tight.max_risk_per_trade <= than.max_risk_per_trade
        and tight.global_min_confidence >= than.global_min_confidence
        and tight.max_positions <= than.max_positions
        and tight.max_daily_trades <= than.max_daily_trades
        and tight.trading_state >= than.trading_state
        and tight.allowed <= than.allowed
    )


class AnyOrder(RuleBasedStateMachine):
    """Feeds a session whatever may happen, and keeps what a shell would have open."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(draw=0.5)
        self.session = Session(
            config=ClientConfig(),
            safe=SafeDefaults(),
            role=Role.EXECUTOR,
            uniform=self.clock.uniform,
            now_ns=self.clock.monotonic_ns(),
        )
        self.held = self.session.held
        self.open: set[int] = set()
        self.opened = 0
        self.highest: Ref | None = None
        self.applied: Policy | None = None

    def feed(self, event: Event) -> None:
        before = self.session.state
        effects = self.session.handle(event, self.clock.monotonic_ns())
        if self.session.state is not before:
            targets = {target for (state, _), target in TRANSITIONS.items() if state is before}
            # One event may take two steps: a first message that is a goodbye, for one.
            onward = {target for (state, _), target in TRANSITIONS.items() if state in targets}
            assert self.session.state in targets | onward
        for effect in effects:
            self.carry_out(effect)

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case OpenStream(stream=stream, known=known):
                assert stream == self.opened + 1
                assert known == self.session.applied
                self.opened = stream
                self.open.add(stream)
            case CancelStream(stream=stream):
                self.open.discard(stream)
            case Swap(held=held):
                self.held = held
            case _:
                pass

    def message(self, event: object, head: Ref | None, freshness: Freshness | None, which: int) -> None:
        assert isinstance(event, Snapshot | Unchanged | Heartbeat | Goodbye | Unknown)
        info = StreamInfo(server_id="r", heartbeat_interval_s=5.0)
        message = WatchMessage(head=head, freshness=freshness, event=event, info=info, size_bytes=100)
        self.feed(Received(stream=max(1, self.opened - which), message=message))

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 5.0, 11.0, 17.0, 31.0, 301.0, 901.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.feed(Tick())

    @rule()
    def start(self) -> None:
        self.feed(Start())

    @rule(policy=policies, freshness=freshnesses, which=st.integers(0, 1), is_head=st.booleans())
    def snapshot(self, policy: Policy, freshness: Freshness | None, which: int, is_head: bool) -> None:
        document = Document(ref=policy.ref, policy=policy, raw=b"")
        head = policy.ref if is_head else Ref(policy.ref.epoch, policy.ref.version + 1, '"later"')
        self.message(Snapshot(document=document, reason=SnapshotReason.UPDATE), head, freshness, which)

    @rule(epoch=st.integers(1, 3), version=st.integers(1, 6), which=st.integers(0, 1))
    def invalid_snapshot(self, epoch: int, version: int, which: int) -> None:
        ref = Ref(epoch, version, f'"{epoch}-{version}"')
        document = Document(ref=ref, policy=PolicyInvalid("risk_mode", "unknown value 9"), raw=b"")
        event = Snapshot(document=document, reason=SnapshotReason.UPDATE)
        self.message(event, ref, Freshness(replica_age_s=0, ttl_s=3600), which)

    @rule(
        event=st.sampled_from([Heartbeat(), Unchanged(), Unknown()]),
        epoch=st.integers(1, 3),
        version=st.integers(0, 6),
        freshness=freshnesses,
        which=st.integers(0, 1),
    )
    def sign_of_life(self, event: object, epoch: int, version: int, freshness: Freshness | None, which: int) -> None:
        self.message(event, Ref(epoch, version, f'"{epoch}-{version}"'), freshness, which)

    @rule(after_s=st.sampled_from([0.0, 5.0, 1e9]), which=st.integers(0, 1))
    def goodbye(self, after_s: float, which: int) -> None:
        self.message(Goodbye(reason="DRAINING", reconnect_after_s=after_s), None, None, which)

    @rule(which=st.integers(0, 1))
    def garbled(self, which: int) -> None:
        self.feed(Received(stream=max(1, self.opened - which), message=Garbled(problem="no message")))

    @rule(code=codes, reason=reasons, which=st.integers(0, 1), retry_after_s=st.sampled_from([None, 1.0, 1e9]))
    def end(self, code: str, reason: str, which: int, retry_after_s: float | None) -> None:
        stream = max(1, self.opened - which)
        self.open.discard(stream)
        self.feed(Ended(stream=stream, end=StreamEnd(code=code, reason=reason, retry_after_s=retry_after_s)))

    @rule(which=st.integers(0, 1))
    def reader_dies(self, which: int) -> None:
        stream = max(1, self.opened - which)
        self.feed(ReaderDied(stream=stream))
        self.open.discard(stream)

    @rule()
    def pause(self) -> None:
        self.clock.advance(47)
        self.feed(Paused(seconds=47))

    @rule()
    def fork(self) -> None:
        self.feed(Forked())
        if self.session.state is ConnectionState.FORKED:
            self.open.clear()

    @precondition(lambda self: self.opened > 20)
    @rule()
    def close(self) -> None:
        self.feed(Close())

    @invariant()
    def the_applied_reference_never_decreases(self) -> None:
        applied = self.session.applied
        if self.highest is not None:
            assert applied is not None
            assert applied >= self.highest
        self.highest = applied

    @invariant()
    def what_is_open_is_what_the_session_believes_to_be_open(self) -> None:
        assert self.open == set(self.session.open_streams)
        assert len(self.open) <= 2

    @invariant()
    def something_is_always_under_way(self) -> None:
        waits = self.session.next_due_ns is not None
        idle = self.session.state in (ConnectionState.NEW, ConnectionState.FORKED, ConnectionState.CLOSED)
        assert waits is not idle

    @invariant()
    def it_waits_no_longer_than_it_may(self) -> None:
        due_ns = self.session.next_due_ns
        if due_ns is not None and self.session.state is ConnectionState.BACKOFF:
            # The longest: a hint of 60 s with a wait on top, or a reader that keeps dying.
            assert due_ns - self.clock.monotonic_ns() <= 75e9

    @invariant()
    def what_readers_see_is_what_the_session_holds(self) -> None:
        now_ns = self.clock.monotonic_ns()
        assert self.held.at(now_ns) == self.session.held.at(now_ns)

    @invariant()
    def worse_than_stale_is_never_looser(self) -> None:
        view = self.held.at(self.clock.monotonic_ns())
        last = self.session.holding.policy
        if view.tier is Tier.SAFE_EXPIRED:
            assert last is not None
            assert is_no_looser(view.policy, last)
            assert is_no_looser(view.policy, tightened(last, SafeDefaults()))
        elif view.tier is Tier.SAFE_NONE:
            assert view.policy.allowed == frozenset()
        assert view.exits_allowed

    @invariant()
    def the_kill_state_is_never_loosened(self) -> None:
        last = self.session.holding.policy
        if last is not None:
            assert self.held.at(self.clock.monotonic_ns()).policy.trading_state >= last.trading_state

    @invariant()
    def the_tier_only_gets_worse_by_itself(self) -> None:
        order = [Tier.FRESH, Tier.STALE, Tier.SAFE_EXPIRED]
        now_ns = self.clock.monotonic_ns()
        tiers = [self.held.at(now_ns + round(later * 1e9)).tier for later in (0, 10, 40, 400, 1000, 4000)]
        if Tier.SAFE_NONE not in tiers:
            ranks = [order.index(tier) for tier in tiers]
            assert ranks == sorted(ranks)
            assert tiers[-1] is Tier.SAFE_EXPIRED


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=120, stateful_step_count=40)


@given(one=policies, other=policies)
def test_the_tighter_of_two_policies_is_no_looser_than_either(one: Policy, other: Policy) -> None:
    tight = tighter_of(one, other)
    assert is_no_looser(tight, one)
    assert is_no_looser(tight, other)
    assert tuple(grant.strategy_id for grant in tight.strategy_grants) == tight.allowed_strategies


@given(one=policies, other=policies)
def test_tightening_twice_is_tightening_once(one: Policy, other: Policy) -> None:
    assert tighter_of(tighter_of(one, other), other) == tighter_of(one, other)


@given(attempt=st.integers(0, 10_000))
def test_waits_stay_between_floor_and_longest_and_never_shrink(attempt: int) -> None:
    low, high = backoff_bounds_s(attempt, ClientConfig())
    assert 0 < low <= high <= 5.0
    assert backoff_bounds_s(attempt + 1, ClientConfig())[1] >= high
