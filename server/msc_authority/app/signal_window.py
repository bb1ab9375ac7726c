"""Counts what became of entry signals: since the start, and within the last hour. Bounded, whatever is journalled."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msc_authority.app.signals import BlockedSignal, SignalActivity, SignalTally
from msc_authority.app.tidy import tidy
from msc_authority.core.facts import Execution
from msc_authority.core.raw_row import MAX_AHEAD
from msc_authority.ports.journal import JournalledExecution

WINDOW = timedelta(hours=1)
MAX_RECENT = 100
MAX_STRATEGIES = 500
MAX_CODES = 100
MAX_SENTENCES = 20
"""Reasons that are sentences, not codes. They may hold numbers and so be new each time: they do not crowd out codes."""
MAX_PAIRS = 2000
OTHER = "other"
NOT_SAID = "(none)"

BLOCKED = "BLOCKED"
_CAME_THROUGH = frozenset({"NEW", "REJECTED"})
"""What becomes first of a signal that was acted upon: the venue took the order, or certainly did not."""
_SLOT_S = 30
_MAX_NAME_CHARS = 128
_MAX_REASON_CHARS = 64
_MAX_TEXT_CHARS = 300
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)

Counted = tuple[int, str, str | None]
"""Slot of time, strategy, and the reason of a block; None: the signal came through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A block and its place in the order of arrival."""

    sequence: int
    signal: BlockedSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What a page of execution reports says about entry signals. `blocked`: the newest ones, in order of arrival."""

    counts: Counter[Counted]
    blocked: tuple[Arrival, ...]


def digest(page: Sequence[JournalledExecution]) -> Digest:
    """Returns what `page` says about entry signals."""
    entries = [report for report in page if _is_signal(report.execution)]
    counts = Counter(map(_counted, entries))
    blocked = [report for report in entries if report.execution.status == BLOCKED]
    newest = sorted(blocked, key=lambda report: report.execution.at)[-MAX_RECENT:]
    arrivals = [Arrival(sequence=report.sequence, signal=_block(report.execution)) for report in newest]
    return Digest(counts=counts, blocked=tuple(sorted(arrivals, key=lambda arrival: arrival.sequence)))


class SignalWindow:
    """Counters since the start and a sliding hour of the authority's clock, which moves in steps of half a minute.

    Strategies, reasons and pairs of them beyond their bounds are counted under "other".
    """

    def __init__(self) -> None:
        """Starts at zero."""
        self._strategies = _Names(MAX_STRATEGIES)
        self._codes = _Names(MAX_CODES)
        self._sentences = _Names(MAX_SENTENCES)
        self._pairs: set[tuple[str, str]] = set()
        self._since_start = _Counts()
        self._last_hour = _Counts()
        self._slots: dict[int, _Counts] = {}
        self._recent: list[Arrival] = []

    def take(self, news: Digest, now: datetime, *, since_start: bool) -> tuple[BlockedSignal, ...]:
        """Counts; returns those blocks of the last hour that are news, in order of arrival.

        `since_start` False: the reports were there before this process, and are counted in the last hour only.
        """
        self._forget(now)
        slots = range(_slot(now - WINDOW), _slot(now + MAX_AHEAD) + 1)
        for (slot, strategy, reason), count in news.counts.items():
            key = self._bounded(strategy, reason)
            if since_start:
                self._since_start.add(key, count)
            if slot in slots:
                self._last_hour.add(key, count)
                self._slots.setdefault(slot, _Counts()).add(key, count)
        timely = [arrival for arrival in news.blocked if _slot(arrival.signal.at) in slots]
        shown = [arrival for arrival in news.blocked if _slot(arrival.signal.at) < slots.stop]
        self._keep(shown if since_start else timely)
        return tuple(arrival.signal for arrival in timely) if since_start else ()

    def snapshot(self, now: datetime) -> SignalActivity:
        """Returns the counts as of `now`."""
        self._forget(now)
        return SignalActivity(
            since_start=self._since_start.tally(),
            last_hour=self._last_hour.tally(),
            recent=tuple(arrival.signal for arrival in self._recent),
        )

    def _bounded(self, strategy: str, reason: str | None) -> tuple[str, str | None]:
        strategy = self._strategies.known(strategy)
        if reason is None:
            return strategy, None
        pair = (strategy, (self._codes if _CODE.fullmatch(reason) else self._sentences).known(reason))
        if pair not in self._pairs:
            if len(self._pairs) >= MAX_PAIRS:
                return strategy, OTHER
            self._pairs.add(pair)
        return pair

    def _keep(self, arrivals: Sequence[Arrival]) -> None:
        if arrivals:
            newest_first = sorted((*self._recent, *arrivals), key=_instant_and_place, reverse=True)
            self._recent = newest_first[:MAX_RECENT]

    def _forget(self, now: datetime) -> None:
        oldest = _slot(now - WINDOW)
        for slot in [slot for slot in self._slots if slot < oldest]:
            self._last_hour.subtract(self._slots.pop(slot))


class _Counts:
    __slots__ = ("_blocked", "_seen")

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._blocked: Counter[tuple[str, str]] = Counter()

    def add(self, key: tuple[str, str | None], count: int) -> None:
        strategy, reason = key
        self._seen[strategy] += count
        if reason is not None:
            self._blocked[strategy, reason] += count

    def subtract(self, other: _Counts) -> None:
        # Counter's own operator leaves out what is not above zero.
        self._seen -= other._seen
        self._blocked -= other._blocked

    def tally(self) -> SignalTally:
        return SignalTally(seen=dict(self._seen), blocked=dict(self._blocked))


class _Names:
    """The first so many names that come; the rest is "other"."""

    __slots__ = ("_known", "_most")

    def __init__(self, most: int) -> None:
        self._known: set[str] = set()
        self._most = most

    def known(self, name: str) -> str:
        if name in self._known:
            return name
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name


def _is_signal(execution: Execution) -> bool:
    return not execution.reduce_only and (execution.status == BLOCKED or execution.status in _CAME_THROUGH)


def _counted(report: JournalledExecution) -> Counted:
    execution = report.execution
    reason = _reason(execution) if execution.status == BLOCKED else None
    return _slot(execution.at), _name(execution.strategy_id), reason


def _slot(at: datetime) -> int:
    return int(at.timestamp() // _SLOT_S)


def _instant_and_place(arrival: Arrival) -> tuple[datetime, int]:
    return arrival.signal.at, arrival.sequence


def _name(text: str) -> str:
    return tidy(text, _MAX_NAME_CHARS) or NOT_SAID


def _reason(execution: Execution) -> str:
    return tidy(execution.reason, _MAX_REASON_CHARS) or NOT_SAID


def _block(execution: Execution) -> BlockedSignal:
    return BlockedSignal(
        at=execution.at,
        strategy_id=_name(execution.strategy_id),
        symbol=_name(execution.symbol),
        side=execution.side.value,
        reason=_reason(execution),
        text=_sentence(execution.detail_json),
        executor=_name(execution.executor),
        policy_version=execution.policy_version,
    )


def _sentence(detail_json: str) -> str:
    """Returns the sentence in the record of a decision, empty where there is none."""
    try:
        detail = json.loads(detail_json) if detail_json else None
    except (ValueError, RecursionError):
        # Whoever wrote it past the service's checks: the row counts all the same.
        return ""
    text = detail.get("text") if isinstance(detail, dict) else None
    return tidy(text, _MAX_TEXT_CHARS) if isinstance(text, str) else ""
