"""What must hold for every file, every reading, and every burst of changes."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msc_client_harness import until

from msc_client import ClientConfig, Policy, PolicyView, Ref, SafeDefaults, Tier, TradingState
from msc_client._dispatch import Dispatcher
from msc_client._held import Confirmation, bounds_of, held_value, held_without_value, ns
from msc_client._holding import Restored
from msc_client._lkg import LastKnownGood
from msc_client._messages import Freshness, StreamEnd
from msc_client._reporter import Reporter
from msc_client._trouble import Trouble
from msc_client._wire.authority import policy_message
from msc_client._wire.policy import document_from
from msc_client.testing import ManualClock, make_policy
from msc_client.tier import tightened

CONFIG = ClientConfig()
ages = st.floats(0, 10_000)


def saved(clock: ManualClock, policy: Policy) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = LastKnownGood(Path(folder) / "policy.json", clock)
        file.save(restored(clock, policy))
        return file.path.read_bytes()


def restored(clock: ManualClock, policy: Policy) -> Restored:
    return Restored(
        document=document_from(policy_message(policy)),
        policy=policy,
        confirmation=Confirmation(at_ns=clock.monotonic_ns(), freshness=Freshness(replica_age_s=0.0, ttl_s=3600.0)),
    )


def loaded(clock: ManualClock, raw: bytes) -> Restored | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.json"
        path.write_bytes(raw)
        path.chmod(0o600)
        return LastKnownGood(path, clock).load().restored


CLOCK = ManualClock()
WHOLE = saved(CLOCK, make_policy(5))


@given(cut=st.integers(0, len(WHOLE) - 1))
def test_no_torn_file_is_ever_trusted(cut: int) -> None:
    assert loaded(CLOCK, WHOLE[:cut]) is None


@given(at=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_never_changes_what_a_file_says(at: int, bit: int) -> None:
    flipped = bytearray(WHOLE)
    flipped[at] ^= 1 << bit
    value = loaded(CLOCK, bytes(flipped))
    # A flip may fall on white space between fields; what it says is the same then.
    assert value is None or (value.policy, value.confirmation) == (make_policy(5), restored(CLOCK, make_policy(5))[2])


@given(raw=st.binary(max_size=300))
def test_no_bytes_on_disk_make_it_raise(raw: bytes) -> None:
    assert loaded(CLOCK, raw) is None


@given(versions=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9)), min_size=1, max_size=12))
@settings(max_examples=40)
def test_the_file_holds_the_newest_revision_whatever_the_order(versions: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = LastKnownGood(Path(folder) / "policy.json", CLOCK)
        for epoch, version in versions:
            file.save(restored(CLOCK, make_policy(version, epoch=epoch)))
        value = file.load().restored
    assert value is not None
    assert value.policy.ref == Ref(*max(versions))


@given(
    replica_age_s=ages,
    ttl_s=st.floats(-100, 10_000),
    confirmed=st.booleans(),
    trading=st.sampled_from(TradingState),
    later_s=st.lists(ages, min_size=2, max_size=6),
)
def test_age_alone_only_ever_tightens(
    replica_age_s: float, ttl_s: float, confirmed: bool, trading: TradingState, later_s: list[float]
) -> None:
    start_ns = ns(1_000_000)
    confirmation = Confirmation(at_ns=start_ns, freshness=Freshness(replica_age_s=replica_age_s, ttl_s=ttl_s))
    policy = make_policy(5, trading_state=trading)
    held = held_value(policy, bounds_of(confirmation, CONFIG), safe=SafeDefaults(), config=CONFIG, confirmed=confirmed)
    views = [held.at(start_ns + ns(later)) for later in sorted(later_s)]
    order = [Tier.FRESH, Tier.STALE, Tier.SAFE_EXPIRED]
    assert [order.index(view.tier) for view in views] == sorted(order.index(view.tier) for view in views)
    for before, after in pairwise(views):
        assert after.policy == tightened(after.policy, before.policy)
    entries = [view.entries_allowed(start_ns + ns(later)) for view, later in zip(views, sorted(later_s), strict=True)]
    assert entries == sorted(entries, reverse=True)
    if not confirmed:
        assert views[0].tier is not Tier.FRESH


@given(age_s=ages, replica_age_s=st.floats(0, 1000))
def test_the_tier_is_what_the_contract_says_of_the_age(age_s: float, replica_age_s: float) -> None:
    start_ns = ns(1_000_000)
    confirmation = Confirmation(at_ns=start_ns, freshness=Freshness(replica_age_s=replica_age_s, ttl_s=3600.0))
    held = held_value(
        make_policy(5), bounds_of(confirmation, CONFIG), safe=SafeDefaults(), config=CONFIG, confirmed=True
    )
    total_ns = ns(age_s) + ns(replica_age_s)
    if total_ns > ns(900) or ns(age_s) >= ns(3600):
        expected = Tier.SAFE_EXPIRED
    else:
        expected = Tier.STALE if total_ns > ns(30) else Tier.FRESH
    assert held.at(start_ns + ns(age_s)).tier is expected


@given(trading=st.sampled_from(TradingState), later_s=ages)
def test_a_kill_on_disk_holds_even_when_the_file_is_too_old(trading: TradingState, later_s: float) -> None:
    held = held_without_value(SafeDefaults(), CONFIG, since_ns=0, last=make_policy(5, trading_state=trading))
    view = held.at(ns(later_s))
    assert view.policy.trading_state is trading
    assert view.entries_allowed(ns(later_s)) == (trading is TradingState.ACTIVE and later_s < 300)


@given(burst=st.lists(st.integers(1, 50), min_size=1, max_size=30, unique=True))
@settings(max_examples=25)
def test_every_burst_is_seen_in_order_and_ends_with_the_newest(burst: list[int]) -> None:
    clock, seen = ManualClock(), list[int]()
    dispatcher = Dispatcher(config=CONFIG, clock=clock)
    dispatcher.subscribe(lambda view: seen.append(view.policy.ref.version))
    dispatcher.start()
    for version in sorted(burst):
        dispatcher.put(view_of(version))
    until(lambda: seen and seen[-1] == max(burst))
    dispatcher.close(10)
    assert seen == sorted(set(seen))
    assert set(seen) <= set(burst)


def view_of(version: int) -> PolicyView:
    policy = make_policy(version)
    return PolicyView(policy=policy, tier=Tier.FRESH, ref=policy.ref, as_of_ns=0, entries_until_ns=None)


def test_what_is_pending_at_the_end_is_still_delivered() -> None:
    seen: list[int] = []
    dispatcher = Dispatcher(config=CONFIG, clock=ManualClock())
    dispatcher.subscribe(lambda view: seen.append(view.policy.ref.version))
    dispatcher.put(view_of(7))
    dispatcher.start()
    dispatcher.close(10)
    assert seen == [7]


@given(events=st.lists(st.sampled_from(["soon", "sent", "wanted"]), max_size=30), gap_s=st.floats(0, 3))
def test_reports_are_never_more_than_one_a_second(events: list[str], gap_s: float) -> None:
    clock = ManualClock()
    reporter = Reporter(CONFIG, clock.uniform)
    sent: list[int] = []
    for event in events:
        clock.advance(gap_s)
        now_ns = clock.monotonic_ns()
        if event == "soon":
            reporter.soon(now_ns)
        elif event == "wanted":
            reporter.wanted(0.001)
        if now_ns >= reporter.due_ns:
            sent.append(now_ns)
            reporter.sent(now_ns)
    assert all(later - earlier >= 0.9e9 for earlier, later in pairwise(sent))


@given(
    ends=st.lists(
        st.builds(
            StreamEnd,
            code=st.sampled_from(["OK", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"]),
            detail=st.sampled_from(["", "too_many_pings"]),
            reason=st.sampled_from(["", "REPLICA_BEHIND", "EPOCH_SUPERSEDED"]),
        ),
        max_size=60,
    )
)
def test_an_outage_is_never_a_flood_of_lines(ends: list[StreamEnd]) -> None:
    trouble = Trouble()
    said = [
        line
        for number, end in enumerate(ends)
        for line in trouble.ended(end, str(end), 1.0, Ref(1, 5), ns(number))
        if line.event != "replica_behind" or line.level > 10
    ]
    assert len(said) <= 5 + 1 + len(ends) // 10
    assert len({line.text for line in said}) == len(said)
