"""What a read returns: one immutable value with its tier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msc_client.policy import Policy, Ref, TradingState
from msc_client.tier import Tier

EntryDenial = Literal["TRADING_HALTED", "TRADING_REDUCING", "POLICY_EXPIRED", "POLICY_MISSING"]
"""Why no position may be opened at all, whatever the strategy."""

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """The policy in force for one decision, all of it from one commit, and how far it can be trusted.

    `ref` is the revision it comes from, None when there is none. `as_of_ns` is the instant up to which the authority
    vouched for it, on the source's own monotonic clock (None: never). `entries_until_ns` is when entries end in a
    SAFE tier (None: they do not).
    """

    policy: Policy
    tier: Tier
    ref: Ref | None
    as_of_ns: int | None
    entries_until_ns: int | None

    def entry_denial(self, now_ns: int) -> EntryDenial | None:
        """Returns why no position may be opened at `now_ns` (the source's `now_ns()`), or None when one may."""
        if self.policy.trading_state is not TradingState.ACTIVE:
            return "TRADING_REDUCING" if self.policy.trading_state is TradingState.REDUCING else "TRADING_HALTED"
        if self.entries_until_ns is not None and now_ns >= self.entries_until_ns:
            return "POLICY_MISSING" if self.tier is Tier.SAFE_NONE else "POLICY_EXPIRED"
        return None

    def entries_allowed(self, now_ns: int) -> bool:
        """Tells whether positions may be opened at all at `now_ns`, within the policy's limits."""
        return self.entry_denial(now_ns) is None

    @property
    def exits_allowed(self) -> bool:
        """True: nothing in a policy ever stops an exit or a reduction."""
        return True

    def age_s(self, now_ns: int) -> float | None:
        """Returns the seconds since the authority vouched for the value, or None when it never did."""
        return None if self.as_of_ns is None else (now_ns - self.as_of_ns) / _NS
