"""What holds, whatever happens: a history of commits, and what each client may make of it. Knows no component.

Kept as small as the guarantees of etcd's watch: one history in one order, a place in it for whoever follows it, and
places that only grow. Breaches are kept by name, for what raises in a task may never be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msc_authority.core.policy import Policy as Committed
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.clock import Clock
from msc_authority.ports.operator import ActEntry
from msc_authority.ports.policies import Head
from msc_client import Policy, PolicyView, Ref, Role, SafeDefaults, Tier
from msc_client._messages import SnapshotReason

STALE_AFTER_S = 30.0
LAST_KNOWN_GOOD_S = 900.0
IN_FLIGHT_S = 23.0
"""Longest way of a message that is read: a watchdog's silence (16 s), and a pause too short to be noticed (6 s)."""
ROUNDING_S = 0.01
Key = tuple[int, int]


@dataclass(slots=True, kw_only=True)
class Entry:
    """A revision in the history. `until`: when it ceased to be the head; None: it is."""

    policy: Committed
    valid_until: datetime
    until: float | None = None


@dataclass(slots=True, kw_only=True)
class Follower:
    """One life of a client, as the model sees it. Instants are monotonic seconds."""

    name: str
    role: Role
    floor: Ref | None = None
    """What its file held when it started."""
    applied: Ref | None = None
    told: Ref | None = None
    vouched_at: float | None = None
    """Up to when an authority vouched for the value, in this life or an earlier one."""
    confirmed_at: float | None = None
    """The same, as the head, in this life."""
    before: PolicyView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a person tightened. `until` None: for good."""

    most: dict[str, float]
    benched: str = ""
    reduces: bool = False
    until: datetime | None = None

    @classmethod
    def of(cls, act: ActEntry) -> Word:
        """Returns what an act that tightens says."""
        lasts_s = act.detail["lasts_s"]
        return cls(
            most={name: float(str(value)) for name, value in act.detail.items() if name.startswith("max_")},
            benched=str(act.detail.get("strategy_id", "")),
            reduces=act.act == "REDUCE",
            until=None if lasts_s is None else act.at + timedelta(seconds=float(str(lasts_s))),
        )

    def holds_at(self, at: datetime) -> bool:
        return self.until is None or at < self.until

    def is_obeyed_by(self, policy: Committed) -> bool:
        content = policy.content
        return (
            all(getattr(content.limits, name) <= most for name, most in self.most.items())
            and self.benched not in {grant.strategy_id for grant in content.grants}
            and not (self.reduces and content.trading_state.name == "ACTIVE")
        )


@dataclass(slots=True)
class Reference:
    """The history, and the breaches that were found."""

    clock: Clock
    safe: SafeDefaults = field(default_factory=SafeDefaults)
    entries: dict[Key, Entry] = field(default_factory=dict)
    head: Entry | None = None
    epoch: int = 0
    term: int = 0
    lineage_term: int = 0
    """Terms up to this one are of before the last restore."""
    halted: bool = False
    words: list[Word] = field(default_factory=list)
    """What persons tightened, in whatever lineage: no restore ends it."""
    breaches: list[str] = field(default_factory=list)

    def breach(self, rule: str, text: str) -> None:
        """Keeps that a rule does not hold."""
        self.breaches.append(f"{rule}: {text}")

    def expect(self, holds: bool, rule: str, text: str) -> None:
        """Keeps a breach unless it holds."""
        if not holds:
            self.breach(rule, text)

    # The store

    def began(self, epoch: int) -> None:
        """A store begins."""
        self.epoch = epoch

    def committed(self, head: Head, *, evaluated: bool) -> None:
        """The store took a commit, and this is its head now."""
        policy = head.policy
        if policy is None:
            return
        known = self.entries.get(_key(policy.ref))
        if known is None:
            self._append(policy)
        else:
            self.expect(known.policy.etag == policy.etag, "2 equal is confirmation", f"{policy.ref} was written twice")
            self.expect(known is self.head, "10 reset is explicit", f"{policy.ref} is the head again")
        if evaluated and self.head is not None:
            self.head.valid_until = self.clock.now() + timedelta(seconds=policy.valid_for_s)

    def said(self, act: ActEntry) -> None:
        """The store took what a person did."""
        if act.act in {"HALT", "RESUME"}:
            self.halted = act.act == "HALT"
            self.words = [word for word in self.words if not word.reduces or self.halted]
        elif act.detail.get("loosens") is False:
            self.words.append(Word.of(act))

    def _obeyed(self, policy: Committed) -> None:
        rule, state = "15 no restore loosens what a person tightened", policy.content.trading_state.name
        self.expect(not self.halted or state == "HALTED", rule, f"{policy.ref} is {state}, and a person halted")
        for word in self.words:
            obeyed = not word.holds_at(policy.created_at) or word.is_obeyed_by(policy)
            self.expect(obeyed, rule, f"{policy.ref} does not obey {word}")

    def _append(self, policy: Committed) -> None:
        ref, before = policy.ref, self.head
        expected = before.policy.ref.version + 1 if before else 1
        self.expect(ref == PolicyRef(self.epoch, expected), "10 reset is explicit", f"{ref} follows {before}")
        back = policy.content.rollback_of
        forward = not back or (back < ref.version and (self.epoch, back) in self.entries)
        self.expect(forward, "11 rollback is forward", f"{ref} says that it brings back {back}")
        self._obeyed(policy)
        self._supersede()
        valid_until = policy.created_at + timedelta(seconds=policy.valid_for_s)
        if before is not None:
            # What a person did is as good as the last evaluation.
            valid_until = max(valid_until, before.valid_until)
        self.head = self.entries[_key(ref)] = Entry(policy=policy, valid_until=valid_until)

    def _supersede(self) -> None:
        if self.head is not None:
            self.head.until = self.clock.monotonic()
        self.head = None

    def restored(self, epoch: int) -> None:
        """The store was filled from a backup."""
        self.expect(epoch > self.epoch, "10 reset is explicit", f"restored into epoch {epoch}, not above {self.epoch}")
        self._supersede()
        self.epoch = self.term = self.lineage_term = epoch

    def granted(self, term: int) -> None:
        """The lease was granted, or renewed."""
        self.expect(term >= self.term, "fence", f"term {term} was granted after {self.term}")
        self.term = max(self.term, term)

    def wrote_under(self, term: int | None) -> None:
        """The store took something that was made under a term."""
        self.expect(term in (None, self.term), "fence", f"written under term {term} while {self.term} is granted")

    # Replicas

    def served(self, who: str, head: Head, replica_age_s: float, before: PolicyRef) -> None:
        """A replica serves this, and says how long ago the store confirmed it."""
        self.expect(head.ref >= before, "1 monotone, replica", f"{who} went from {before} back to {head.ref}")
        if head.policy is None:
            return
        entry = self.entries.get(_key(head.ref))
        if entry is None or entry.policy.etag != head.policy.etag:
            self.breach("2 equal is confirmation, replica", f"{who} serves {head.ref}, which nobody committed so")
            return
        confirmed_at = self.clock.monotonic() - replica_age_s
        self.expect(
            entry.until is None or entry.until >= confirmed_at - ROUNDING_S,
            "5 freshness is measured, replica",
            f"{who} vouches for {head.ref} as of {confirmed_at:.2f}; it was superseded at {entry.until}",
        )

    def leading(self, terms: dict[str, int]) -> None:
        """These replicas believe that they lead, under these terms."""
        # Whom a restore has deposed may not know yet. It is the store that keeps it from writing.
        leaders = {who: term for who, term in terms.items() if term > self.lineage_term}
        self.expect(len(leaders) <= 1, "fence", f"{leaders} lead at once")

    # Clients

    def applied(self, who: Follower, ref: Ref, reason: SnapshotReason) -> None:
        """A client replaced what it had."""
        before = who.applied
        self.expect(before is None or ref > before, "1 monotone per client", f"{who.name}: {before} -> {ref}")
        if before is not None and ref.epoch != before.epoch:
            explicit = reason is SnapshotReason.RESET and ref.epoch > before.epoch
            self.expect(explicit, "10 reset is explicit", f"{who.name}: {before} -> {ref} by {reason.name}")
        who.applied = ref

    def told(self, who: Follower, ref: Ref | None) -> None:
        """A client tells its callbacks of a new value."""
        in_order = who.told is None or (ref is not None and ref > who.told)
        self.expect(in_order, "12 callbacks in order", f"{who.name} hears of {ref} after {who.told}")
        who.told = ref

    def skipped(self, who: str, held: Ref | None, ref: Ref, skipped: int) -> None:
        """A stream went on from `held` to `ref`, and said how many versions it left out."""
        missed = 0 if held is None or held.epoch != ref.epoch else ref.version - held.version - 1
        self.expect(skipped == missed, "4 latest, not every", f"{who}: {held} -> {ref} says {skipped} skipped")

    def read(self, who: Follower, view: PolicyView) -> None:
        """A client reads this now."""
        known = self._known(who, view)
        match view.tier:
            case Tier.FRESH if known is not None:
                self._fresh(who, view, known)
            case Tier.STALE if known is not None:
                self._not_aged_out(who, view, known)
            case Tier.SAFE_EXPIRED | Tier.SAFE_NONE:
                self._safe(who, view, known)
            case _:
                self.breach("8 safe is the tightest", f"{who.name} reads {view.tier.name} without a value")
        self._guarded(who, view)
        who.before = view

    def _known(self, who: Follower, view: PolicyView) -> Committed | None:
        if view.ref is None:
            return None
        self.expect(view.ref == who.applied, "3 whole or nothing", f"{who.name} reads {view.ref}, has {who.applied}")
        entry = self.entries.get((view.ref.epoch, view.ref.version))
        if entry is None or entry.policy.etag != view.ref.etag:
            self.breach(
                "2 equal is confirmation", f"{who.name} reads {view.ref} {view.ref.etag}: nobody committed it so"
            )
            return None
        return entry.policy

    def _fresh(self, who: Follower, view: PolicyView, known: Committed) -> None:
        now, entry = self.clock.monotonic(), self.entries[_key(known.ref)]
        self._whole(who, view, known)
        aged_s = now - who.confirmed_at if who.confirmed_at is not None else None
        self.expect(
            aged_s is not None and aged_s <= STALE_AFTER_S + ROUNDING_S,
            "6 stale at 30 s",
            f"{who.name} is FRESH, confirmed {aged_s} s ago",
        )
        gone_s = now - entry.until if entry.until is not None else 0.0
        self.expect(
            gone_s <= STALE_AFTER_S + IN_FLIGHT_S,
            "5 freshness is measured",
            f"{who.name} is FRESH on {known.ref}, superseded {gone_s:.1f} s ago",
        )
        self._not_aged_out(who, view, known)

    def _not_aged_out(self, who: Follower, view: PolicyView, known: Committed) -> None:
        if view.tier is Tier.STALE and who.role is not Role.RISK_GUARD:
            self._whole(who, view, known)
        self.expect(_within(view.policy, known), "8 safe is the tightest", f"{who.name} is looser than {known.ref}")
        aged_s = None if who.vouched_at is None else self.clock.monotonic() - who.vouched_at
        self.expect(
            aged_s is not None and aged_s <= LAST_KNOWN_GOOD_S + ROUNDING_S,
            "7 bounded last known good",
            f"{who.name} is {view.tier.name}, vouched for {aged_s} s ago",
        )
        over_s = (self.clock.now() - self.entries[_key(known.ref)].valid_until).total_seconds()
        self.expect(
            over_s <= IN_FLIGHT_S,
            "7 bounded last known good",
            f"{who.name} is {view.tier.name} on {known.ref}, not valid for {over_s:.1f} s",
        )

    def _safe(self, who: Follower, view: PolicyView, known: Committed | None) -> None:
        rule, policy = "8 safe is the tightest", view.policy
        self.expect(no_looser(policy, self.safe.as_policy()), rule, f"{who.name} is looser than the safe defaults")
        last = known or self._of(who.floor)
        self.expect(last is None or _within(policy, last), rule, f"{who.name} is looser than its last known good")
        self.expect(
            view.exits_allowed and view.entries_until_ns is not None, rule, f"{who.name} allows entries for ever"
        )

    def _guarded(self, who: Follower, view: PolicyView) -> None:
        before = who.before
        if who.role is not Role.RISK_GUARD or before is None or Tier.FRESH in (before.tier, view.tier):
            return
        self.expect(
            no_looser(view.policy, before.policy),
            "9 roles may be stricter",
            f"{who.name} loosened from {before.tier.name} {before.ref} to {view.tier.name} {view.ref}",
        )

    def _whole(self, who: Follower, view: PolicyView, known: Committed) -> None:
        self.expect(_same(view.policy, known), "3 whole or nothing", f"{who.name} has other content as {known.ref}")

    def _of(self, ref: Ref | None) -> Committed | None:
        entry = None if ref is None else self.entries.get((ref.epoch, ref.version))
        return None if entry is None else entry.policy


def no_looser(tight: Policy, than: Policy) -> bool:
    """Whether no limit of the one is looser than the other's."""
    return (
        tight.risk_mode <= than.risk_mode
        and tight.max_risk_per_trade <= than.max_risk_per_trade
        and tight.global_min_confidence >= than.global_min_confidence
        and tight.max_positions <= than.max_positions
        and tight.max_daily_trades <= than.max_daily_trades
        and tight.trading_state >= than.trading_state
    )


_STATES = ("ACTIVE", "REDUCING", "HALTED")
_MODES = ("DEFENSIVE", "NORMAL", "AGGRESSIVE")


def _within(read: Policy, known: Committed) -> bool:
    content, limits = known.content, known.content.limits
    return (
        _MODES.index(read.risk_mode.name) <= _MODES.index(content.risk_mode.name)
        and _STATES.index(read.trading_state.name) >= _STATES.index(content.trading_state.name)
        and read.max_risk_per_trade <= limits.max_risk_per_trade
        and read.global_min_confidence >= limits.global_min_confidence
        and read.max_positions <= limits.max_positions
        and read.max_daily_trades <= limits.max_daily_trades
        and read.allowed <= {grant.strategy_id for grant in content.grants}
    )


def _same(read: Policy, known: Committed) -> bool:
    content, limits = known.content, known.content.limits
    ids = [grant.strategy_id for grant in content.grants]
    return (
        (read.risk_mode.name, read.trading_state.name) == (content.risk_mode.name, content.trading_state.name)
        and (read.max_risk_per_trade, read.global_min_confidence)
        == (limits.max_risk_per_trade, limits.global_min_confidence)
        and (read.max_positions, read.max_daily_trades) == (limits.max_positions, limits.max_daily_trades)
        and sorted(read.allowed_strategies) == sorted(ids)
        and read.rollback_of == content.rollback_of
    )


def _key(ref: PolicyRef) -> Key:
    return ref.epoch, ref.version
