"""What was in force when: spans of history, and the share of time in each mode."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from msc_authority.app.events import Event, EventBus, PolicyPublished
from msc_authority.app.observation import ModeShares
from msc_authority.app.timing import Timer, pause
from msc_authority.app.work import Worker
from msc_authority.core.policy import Policy, PolicyRef, RiskMode, TradingState
from msc_authority.ports.clock import Clock
from msc_authority.ports.policies import PolicyStore
from msc_authority.ports.store import StoreError

_log = logging.getLogger(__name__)

HISTORY = timedelta(days=30)
MAX_SPANS = 2000
MAX_REVISIONS = 5000
"""Most revisions looked at for the beginning of what is in force."""
RETRY_AFTER_S = 1.0
_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSpan:
    """One revision and since when it was in force. It lasts until the next span begins."""

    since: datetime
    ref: PolicyRef
    risk_mode: RiskMode
    trading_state: TradingState


Spans = tuple[ModeSpan, ...]


def span_of(policy: Policy) -> ModeSpan:
    """Returns the span that begins with a revision."""
    content = policy.content
    return ModeSpan(
        since=policy.created_at, ref=policy.ref, risk_mode=content.risk_mode, trading_state=content.trading_state
    )


def followed_by(spans: Spans, span: ModeSpan) -> Spans:
    """Returns the spans with one more. The newest revision rules from its instant on, also if the clock has stepped
    back: what would begin behind it is gone.
    """
    kept = spans
    while kept and kept[-1].since > span.since:
        kept = kept[:-1]
    return (*kept, span)


def in_order(spans: Iterable[ModeSpan]) -> Spans:
    """Returns spans, oldest revision first, as they followed each other."""
    ordered: list[ModeSpan] = []
    for span in spans:
        while ordered and ordered[-1].since > span.since:
            ordered.pop()
        ordered.append(span)
    return tuple(ordered)


def shown(spans: Spans, since: datetime) -> Spans:
    """Returns what was in force from `since` on, a bounded number.

    Beyond the bound, the oldest that changed neither mode nor trading state are left out first: the same stays in
    force without them.
    """
    first = max((number for number, span in enumerate(spans) if span.since <= since), default=0)
    kept = list(spans[first:])
    surplus = len(kept) - MAX_SPANS
    if surplus > 0:
        silent = [right for left, right in pairwise(kept) if _in_force(left) == _in_force(right)][:surplus]
        left_out = {span.ref for span in silent}
        kept = [span for span in kept if span.ref not in left_out][-MAX_SPANS:]
    return tuple(kept)


def shares(spans: Sequence[ModeSpan], since: datetime, now: datetime) -> ModeShares:
    """Returns the seconds spent in each mode from `since`, or from the first span if that is later, to `now`."""
    if spans and since < spans[0].since <= now:
        since = spans[0].since
    seconds: dict[RiskMode, float] = {}
    ends = [*(span.since for span in spans[1:]), now]
    for span, end in zip(spans, ends, strict=False):
        lasted = (min(end, now) - max(span.since, since)).total_seconds()
        if lasted > 0.0:
            seconds[span.risk_mode] = seconds.get(span.risk_mode, 0.0) + lasted
    return ModeShares(since=since, seconds=seconds)


def changes_within(spans: Sequence[ModeSpan], since: datetime, now: datetime) -> int:
    """Returns how often the risk mode changed later than `since`, up to `now`. The first policy ever is no change."""
    changes = (right for left, right in pairwise(spans) if left.risk_mode is not right.risk_mode)
    return sum(since < span.since <= now for span in changes)


def since_when(spans: Sequence[ModeSpan], of: Callable[[ModeSpan], object]) -> datetime | None:
    """Returns since when what `of` reads is as in the newest span, or None without spans."""
    if not spans:
        return None
    first = spans[-1]
    for span in reversed(spans):
        if of(span) != of(first):
            break
        first = span
    return first.since


class ModeTimeline:
    """The spans of the last days: read once from history, then told by events. Lives on the event loop.

    What it says may be read from any thread.
    """

    def __init__(self, *, store: PolicyStore, events: EventBus, clock: Clock, timer: Timer, worker: Worker) -> None:
        """`worker` reads history. Follows the events from now on."""
        self._store, self._clock, self._timer, self._worker = store, clock, timer, worker
        self._spans: Spans = ()
        self._risk_mode_since: datetime | None = None
        self._trading_state_since: datetime | None = None
        self._incomplete = asyncio.Event()
        self._incomplete.set()
        self._complained = False
        events.subscribe(self._hear, patient=True)

    async def run(self) -> None:
        """Reads history, and again whenever a revision was missed, until cancelled."""
        while True:
            await self._incomplete.wait()
            if not await self.load():
                await pause(self._timer, RETRY_AFTER_S)

    @property
    def spans(self) -> tuple[ModeSpan, ...]:
        """What was in force over the last 30 days, oldest first."""
        return self._spans

    @property
    def risk_mode_since(self) -> datetime | None:
        """Since when the risk mode is what it is, as far as history is known; None: there is no policy."""
        return self._risk_mode_since

    @property
    def trading_state_since(self) -> datetime | None:
        """Since when the trading state is what it is, as far as history is known; None: there is no policy."""
        return self._trading_state_since

    def shares(self, now: datetime, over: timedelta = HISTORY) -> ModeShares:
        """Returns the seconds spent in each mode over so long before `now`."""
        return shares(self._spans, now - over, now)

    def changes_within(self, now: datetime, span: timedelta) -> int:
        """Returns how often the risk mode changed in the time before `now`."""
        return changes_within(self._spans, now - span, now)

    async def load(self) -> bool:
        """Reads history once. Returns whether the store answered; what is known stays if it did not."""
        self._incomplete.clear()
        since = self._clock.now() - HISTORY
        try:
            loaded = await self._worker.run(lambda: _read(self._store, since))
        except StoreError as error:
            self._incomplete.set()
            self._complain(error)
            return False
        for span in self._spans:
            if not loaded or span.ref > loaded[-1].ref:
                loaded = followed_by(loaded, span)
        self._spans = shown(loaded, since)
        self._risk_mode_since = since_when(loaded, _risk_mode)
        self._trading_state_since = since_when(loaded, _trading_state)
        if self._complained:
            _log.info("The history of policies can be read again")
            self._complained = False
        return True

    def _hear(self, event: Event) -> None:
        if not isinstance(event, PolicyPublished):
            return
        span, last = span_of(event.after), self._spans[-1] if self._spans else None
        follows_history = last is not None and event.before is not None and event.before.ref == last.ref
        next_in_line = event.before is not None and PolicyRef(span.ref.epoch, span.ref.version - 1) == event.before.ref
        if not follows_history or not next_in_line:
            self._incomplete.set()
        if last is None or last.risk_mode is not span.risk_mode:
            self._risk_mode_since = span.since
        if last is None or last.trading_state is not span.trading_state:
            self._trading_state_since = span.since
        self._spans = shown(followed_by(self._spans, span), self._clock.now() - HISTORY)

    def _complain(self, error: StoreError) -> None:
        level = logging.DEBUG if self._complained else logging.WARNING
        _log.log(level, "The history of policies cannot be read, what is known of it stays: %s", error)
        self._complained = True


def _read(store: PolicyStore, since: datetime) -> Spans:
    # Back to the revision that was in force at `since`, and on to where the present mode and state began.
    newest_first: list[ModeSpan] = []
    before: PolicyRef | None = None
    while len(newest_first) < MAX_REVISIONS:
        page = store.revisions(before, _PAGE)
        newest_first += [span_of(revision.policy) for revision in page]
        if len(page) < _PAGE or _is_enough(newest_first, since):
            break
        before = page[-1].policy.ref
    return in_order(reversed(newest_first))


def _is_enough(newest_first: Sequence[ModeSpan], since: datetime) -> bool:
    newest = newest_first[0]
    return (
        newest_first[-1].since <= since
        and any(span.risk_mode is not newest.risk_mode for span in newest_first)
        and any(span.trading_state is not newest.trading_state for span in newest_first)
    )


def _in_force(span: ModeSpan) -> tuple[RiskMode, TradingState]:
    return span.risk_mode, span.trading_state


def _risk_mode(span: ModeSpan) -> RiskMode:
    return span.risk_mode


def _trading_state(span: ModeSpan) -> TradingState:
    return span.trading_state
