"""What the reader sees: three views and the two instants between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from msc_client._messages import Freshness
from msc_client.config import ClientConfig
from msc_client.policy import Policy, Ref
from msc_client.tier import SafeDefaults, Tier, tightened, tighter_of
from msc_client.view import PolicyView

_NEVER_NS = -1


def ns(seconds: float) -> int:
    """Returns seconds as nanoseconds."""
    return round(seconds * 1_000_000_000)


class Readable(Protocol):
    """What a read needs: two comparisons, and a cold path behind them."""

    @property
    def fresh_until_ns(self) -> int:
        """Up to and including this instant the value is FRESH."""
        ...

    @property
    def good_until_ns(self) -> int:
        """Up to and including this instant it is STALE."""
        ...

    @property
    def fresh(self) -> PolicyView:
        """What is returned while FRESH."""
        ...

    @property
    def stale(self) -> PolicyView:
        """What is returned while STALE."""
        ...

    def lapsed(self) -> PolicyView:
        """Returns what holds after that."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One confirmation, made ready for reading. Replaced as a whole, never changed."""

    fresh_until_ns: int
    good_until_ns: int
    fresh: PolicyView
    stale: PolicyView
    safe: PolicyView

    def lapsed(self) -> PolicyView:
        """Returns the SAFE view."""
        return self.safe

    def at(self, now_ns: int) -> PolicyView:
        """Returns the view of an instant."""
        if now_ns <= self.fresh_until_ns:
            return self.fresh
        return self.stale if now_ns <= self.good_until_ns else self.safe


class InheritedHeld:
    """What a forked child reads from at first: both instants are past, so its first read opens a watch of its own."""

    fresh_until_ns = _NEVER_NS
    good_until_ns = _NEVER_NS

    def __init__(self, held: Held, reopen: Callable[[], PolicyView]) -> None:
        self.fresh = held.fresh
        self.stale = held.stale
        self._reopen = reopen

    def lapsed(self) -> PolicyView:
        """Opens the watch, and returns the value of before, with its tier by age."""
        return self._reopen()


class Confirmation(NamedTuple):
    """When the authority last vouched for the value, by receipt, and how far it could."""

    at_ns: int
    freshness: Freshness

    @property
    def as_of_ns(self) -> int:
        """The instant up to which it vouched: receipt less the replica's own age."""
        return self.at_ns - ns(self.freshness.replica_age_s)


class Bounds(NamedTuple):
    """The instants at which a confirmation stops being enough."""

    as_of_ns: int
    stale_ns: int
    safe_ns: int
    ttl_ns: int


def bounds_of(confirmation: Confirmation, config: ClientConfig) -> Bounds:
    """Returns when the value turns STALE and SAFE, and when its validity ends."""
    as_of_ns = confirmation.as_of_ns
    # One nanosecond less: a validity that is used up at an instant is not valid at it.
    ttl_ns = confirmation.at_ns + ns(min(confirmation.freshness.ttl_s, config.policy_ttl_s)) - 1
    safe_ns = min(as_of_ns + ns(config.last_known_good_max_s), ttl_ns)
    return Bounds(
        as_of_ns=as_of_ns, stale_ns=min(as_of_ns + ns(config.stale_after_s), safe_ns), safe_ns=safe_ns, ttl_ns=ttl_ns
    )


def held_without_value(safe: SafeDefaults, config: ClientConfig, *, since_ns: int, last: Policy | None = None) -> Held:
    """Returns what is read before there is a usable value. Nothing in it is looser than `last` (too old to use)."""
    policy = safe.as_policy()
    if last is not None:
        policy = tighter_of(policy, last)
    view = PolicyView(
        policy=policy,
        tier=Tier.SAFE_NONE,
        ref=None,
        as_of_ns=None,
        entries_until_ns=_entries_until_ns(since_ns, config),
    )
    return Held(fresh_until_ns=_NEVER_NS, good_until_ns=_NEVER_NS, fresh=view, stale=view, safe=view)


def held_value(
    policy: Policy,
    bounds: Bounds,
    *,
    safe: SafeDefaults,
    config: ClientConfig,
    confirmed: bool,
    never_looser_than: Policy | None = None,
) -> Held:
    """Returns what is read of a value. An unconfirmed one (from disk) is never FRESH.

    `never_looser_than` bounds the value while it is not FRESH: for a role that may tighten but not loosen then.
    """
    known_good = policy if never_looser_than is None else tighter_of(policy, never_looser_than)
    return Held(
        fresh_until_ns=bounds.stale_ns if confirmed else _NEVER_NS,
        good_until_ns=bounds.safe_ns,
        fresh=_view(policy, Tier.FRESH, bounds),
        stale=_view(known_good, Tier.STALE, bounds),
        safe=replace(
            _view(tightened(known_good, safe), Tier.SAFE_EXPIRED, bounds),
            entries_until_ns=_entries_until_ns(bounds.safe_ns, config),
        ),
    )


def _view(policy: Policy, tier: Tier, bounds: Bounds) -> PolicyView:
    ref: Ref = policy.ref
    return PolicyView(policy=policy, tier=tier, ref=ref, as_of_ns=bounds.as_of_ns, entries_until_ns=None)


def _entries_until_ns(since_ns: int, config: ClientConfig) -> int | None:
    return None if config.safe_entries_s < 0 else since_ns + ns(config.safe_entries_s)
