"""What executors did with signals: how many were blocked, why, whose, and the newest of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from msc_authority.app.signals import BlockedSignal, SignalActivity
from msc_authority.http.dashboard.policy_view import Instant
from msc_authority.http.dashboard.text import clock_time, day_and_time, iso, percent, words

BARS_SHOWN = 8
RECENT_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A count beside the greatest of its chart. `fraction` is the share of that."""

    label: str
    count: int
    fraction: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A signal that was not traded."""

    at: Instant
    strategy_id: str
    symbol: str
    side: str
    reason: str
    text: str
    executor: str
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Signals of the last hour, and the newest blocks."""

    seen: int
    blocked: int
    share: str
    total_seen: int
    total_blocked: int
    by_reason: tuple[Bar, ...]
    by_strategy: tuple[Bar, ...]
    recent: tuple[Block, ...]


def activity(signals: SignalActivity) -> Activity:
    """Returns what executors did."""
    hour = signals.last_hour
    by_reason: Counter[str] = Counter()
    by_strategy: Counter[str] = Counter()
    for (strategy_id, reason), count in hour.blocked.items():
        by_reason[words(reason)] += count
        by_strategy[strategy_id] += count
    return Activity(
        seen=hour.seen_total,
        blocked=hour.blocked_total,
        share=percent(hour.blocked_fraction, 0) if hour.seen_total else "none yet",
        total_seen=signals.since_start.seen_total,
        total_blocked=signals.since_start.blocked_total,
        by_reason=bars(by_reason),
        by_strategy=bars(by_strategy, of=hour.seen),
        recent=tuple(_block(signal) for signal in signals.recent[:RECENT_SHOWN]),
    )


def bars(counts: Mapping[str, int], of: Mapping[str, int] | None = None) -> tuple[Bar, ...]:
    """Returns the counts, greatest first; the rest as one. `of` says what each is a part of."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ordered[:BARS_SHOWN], ordered[BARS_SHOWN:]
    if rest:
        shown.append((f"{len(rest)} others", sum(count for _, count in rest)))
    greatest = max((count for _, count in shown), default=1)
    return tuple(
        Bar(label=label, count=count, fraction=round(count / greatest, 3), note=_part(label, of))
        for label, count in shown
    )


def _part(label: str, of: Mapping[str, int] | None) -> str:
    return f"of {of[label]:,}" if of and label in of else ""


def _block(signal: BlockedSignal) -> Block:
    return Block(
        at=Instant(text=f"{day_and_time(signal.at)[:-5]}{clock_time(signal.at)}", iso=iso(signal.at)),
        strategy_id=signal.strategy_id,
        symbol=signal.symbol,
        side=signal.side,
        reason=words(signal.reason),
        text=signal.text,
        executor=signal.executor,
        policy=f"v{signal.policy_version}" if signal.policy_version else "none",
    )
