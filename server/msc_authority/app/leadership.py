"""Keeps the lease that lets exactly one of several authorities evaluate, or follows whoever has it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from msc_authority.app.events import EventBus, LeadershipCause, LeadershipChanged
from msc_authority.app.timing import Cancel, Timer, pause
from msc_authority.app.work import Worker
from msc_authority.ports.clock import Clock
from msc_authority.ports.replicas import Lease, LeaseState
from msc_authority.ports.store import StoreError

_log = logging.getLogger(__name__)

RENEWALS_IN_TTL = 3
MARGIN_FRACTION = 0.1
"""Part of the lease's time before whose end a holder that could not renew steps down, whatever the clocks' drift."""
SOONEST_LOOK_S = 0.05


class NotLeader(Exception):
    """Another replica leads. `address` is where it is reached; empty: nobody leads at the moment."""

    def __init__(self, address: str) -> None:
        text = f"the replica at {address} leads: ask it" if address else "nobody leads at the moment: ask again soon"
        super().__init__(text)
        self.address = address


class Leads(Protocol):
    """Says whether this process may evaluate. See `Leadership`."""

    @property
    def leading(self) -> bool:
        """Whether it may now."""
        ...

    @property
    def leader_address(self) -> str:
        """Where the leader is reached, as far as is known; empty: nobody leads."""
        ...

    def term(self) -> int | None:
        """Returns what an evaluation that begins now is made under. Raises NotLeader."""
        ...

    def fenced(self, term: int | None) -> None:
        """Takes note that the store refused what was made under `term`."""
        ...

    async def changes(self) -> None:
        """Returns when it has begun or ceased to lead."""
        ...


class SoleLeader:
    """Leads without asking anybody: for one process that has its store for itself."""

    leading = True
    leader_address = ""

    def term(self) -> int | None:
        """Returns None: there is no lease."""
        return None

    def fenced(self, term: int | None) -> None:
        """Takes note of what cannot happen: what is made under no term is never refused for it."""

    async def changes(self) -> None:
        """Never returns."""
        await asyncio.get_running_loop().create_future()


@dataclass(frozen=True, slots=True)
class _Mine:
    term: int
    until: float


class Leadership:
    """Asks for the lease again and again. Lives on the event loop; `leading` and `term` may be read from any thread.

    It trusts its own monotonic clock to step down in time, and the store to refuse it where that was too late.
    """

    def __init__(
        self, *, lease: Lease, events: EventBus, clock: Clock, timer: Timer, worker: Worker, holder: str, ttl_s: float
    ) -> None:
        """`holder` names this start of this process. `worker` has one thread, so that what is asked stays in order."""
        self._lease, self._events, self._clock, self._timer, self._worker = lease, events, clock, timer, worker
        self._holder, self._ttl_s = holder, ttl_s
        self._address = ""
        self._mine: _Mine | None = None
        self._disarm: Cancel = _nothing
        self._seen: LeaseState | None = None
        self._error = ""
        self._moved = asyncio.Event()
        self._transitions: Counter[str] = Counter()
        self._answered_at: float | None = None
        self._led_until = clock.monotonic()
        self.commits_fenced = 0
        """How often the store refused what this process was writing because its term was over."""

    @property
    def leading(self) -> bool:
        """Whether this process leads now."""
        mine = self._mine
        return mine is not None and self._clock.monotonic() < mine.until

    @property
    def leader_address(self) -> str:
        """Where the leader is reached, as far as is known; empty: nobody leads."""
        if self.leading:
            return self._address
        return self._seen.address if self._seen is not None and not self._seen.held else ""

    @property
    def leader_id(self) -> str:
        """Names the start of the process that leads, as far as is known; empty: nobody leads."""
        if self.leading:
            return self._holder
        return self._seen.holder if self._seen is not None and not self._seen.held else ""

    @property
    def present_term(self) -> int:
        """The newest term that is known of; 0: none."""
        return self._seen.term if self._seen is not None else 0

    @property
    def transitions(self) -> Mapping[str, int]:
        """How often this process began to lead and why it ceased to, by cause, since it started."""
        return dict(self._transitions)

    @property
    def lease_age_s(self) -> float | None:
        """Seconds since the store was asked who leads, and said so; None: it never did."""
        return None if self._answered_at is None else self._clock.monotonic() - self._answered_at

    @property
    def leaderless_s(self) -> float:
        """Seconds for which nobody has led, as far as is known here."""
        return 0.0 if self.leading else max(0.0, self._clock.monotonic() - self._led_until)

    def stands_at(self, address: str) -> None:
        """Says where this process is reached. Needed before it runs."""
        self._address = address

    def term(self) -> int:
        """Returns the term under which this process leads now.

        Raises:
            NotLeader: it does not.
        """
        mine = self._mine
        if mine is None or self._clock.monotonic() >= mine.until:
            raise NotLeader(self.leader_address)
        return mine.term

    async def changes(self) -> None:
        """Returns when this process has begun or ceased to lead."""
        await self._moved.wait()

    async def run(self) -> None:
        """Renews the lease, or asks for it, until cancelled."""
        while True:
            began = self._clock.monotonic()
            await self.attend()
            spent_s = self._clock.monotonic() - began
            await pause(self._timer, max(SOONEST_LOOK_S, self._look_again_s() - spent_s))

    async def attend(self) -> None:
        """Asks for the lease once."""
        asked_at = self._clock.monotonic()
        ask = partial(self._lease.acquire_or_renew, self._holder, self._address, self._ttl_s)
        try:
            state = await self._worker.run(ask)
        except StoreError as error:
            self._unanswered(error)
            return
        if self._error:
            _log.info("The lease can be asked for again")
        self._error, self._answered_at = "", asked_at
        if state.held:
            self._hold(state, asked_at)
        else:
            self._follow(state)

    async def give_back(self) -> None:
        """Ceases to lead, and lets another begin at once. Nothing may run beside it."""
        mine = self._mine
        if mine is None:
            return
        self._step_down(LeadershipCause.STOPPING, "it is stopping", mine.term)
        try:
            await self._worker.run(partial(self._lease.release, mine.term))
        except StoreError as error:
            _log.warning("The lease could not be given back, another leads within %.1f s: %s", self._ttl_s, error)

    def fenced(self, term: int | None) -> None:
        """Takes note that the store refused what was made under `term`: another leads."""
        self.commits_fenced += 1
        if self._mine is not None and self._mine.term == term:
            self._step_down(
                LeadershipCause.FENCED, "the store refused its commit: another replica has taken over", self._mine.term
            )
        else:
            # It has noticed by itself already, as one does that was paused; that nothing was written is worth a line.
            _log.warning("The store refused what was begun in term %s: another replica has taken over since", term)

    def _look_again_s(self) -> float:
        every_s = self._ttl_s / RENEWALS_IN_TTL
        if self.leading or self._seen is None:
            return every_s
        # Who follows looks when the lease is over, if nobody renews it, and need not lose another third.
        return min(every_s, self._seen.expires_in_s + SOONEST_LOOK_S)

    def _hold(self, state: LeaseState, asked_at: float) -> None:
        until = asked_at + self._ttl_s * (1 - MARGIN_FRACTION)
        before, self._seen = self._mine, state
        if before is not None and not self.leading:
            self._run_out()
            before = None
        if until <= self._clock.monotonic():
            # The answer took longer than the lease lasts.
            return
        self._mine = _Mine(state.term, until)
        self._led_until = until
        self._disarm()
        self._disarm = self._timer.after(until - self._clock.monotonic(), self._check_time)
        if before is None or before.term != state.term:
            self._told(LeadershipCause.BEGAN, state.term)

    def _follow(self, state: LeaseState) -> None:
        before, self._seen = self._seen, state
        if self._mine is not None:
            self._step_down(LeadershipCause.TAKEN_OVER, "another replica has taken over", self._mine.term)
        elif state.holder and (before is None or before.held or before.holder != state.holder):
            self._told(LeadershipCause.FOLLOWS, state.term)
        now = self._clock.monotonic()
        self._led_until = now + state.expires_in_s if state.expires_in_s > 0 else min(self._led_until, now)

    def _unanswered(self, error: StoreError) -> None:
        if not self._error:
            _log.warning("The lease cannot be asked for: %s", error)
        self._error = str(error)

    def _check_time(self) -> None:
        if self._mine is not None and not self.leading:
            self._run_out()

    def _run_out(self) -> None:
        said = f": {self._error}" if self._error else ""
        term = self._mine.term if self._mine is not None else 0
        self._step_down(LeadershipCause.NOT_RENEWED, f"it could not renew its lease in time{said}", term)

    def _step_down(self, cause: LeadershipCause, text: str, term: int) -> None:
        self._disarm()
        self._mine, self._disarm = None, _nothing
        self._led_until = min(self._led_until, self._clock.monotonic())
        self._told(cause, term, text)

    def _told(self, cause: LeadershipCause, term: int, text: str = "") -> None:
        self._transitions[cause] += 1
        self._moved.set()
        self._moved = asyncio.Event()
        self._events.emit(LeadershipChanged(cause=cause, term=term, address=self.leader_address, text=text))


def _nothing() -> None:
    pass
