"""When "no such order" means that there is none. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from msc_trading.executor.config import ExecutorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """What is known of an order that nobody has seen. `sent_at` and `absent_at` are monotonic seconds."""

    sent_at: float
    absent_at: float | None = None
    conclusive: bool = False


def missed(absence: Absence, *, now: float, config: ExecutorConfig) -> Absence:
    """Takes in one answer "no such order", of `now`.

    The venue refuses a request that is older than the receive window. Only an answer that came later than that, and a
    second one some time after it, prove that the order will never exist; earlier answers prove nothing.
    """
    if now <= absence.sent_at + config.recv_window_s + config.absent_margin_s:
        return absence
    if absence.absent_at is None:
        return replace(absence, absent_at=now)
    return replace(absence, conclusive=now - absence.absent_at >= config.absent_gap_s)
