"""Keeps the head confirmed, and watches whether the authority is in a state to be trusted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from msc_authority.app.broker import Broker, Current
from msc_authority.app.events import EventBus, HeadConfirmed, HeadUnconfirmed, name_of
from msc_authority.app.timing import Timer, pause
from msc_authority.app.work import Worker
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.clock import Clock
from msc_authority.ports.policies import PolicyStore
from msc_authority.ports.store import StoreError

_log = logging.getLogger(__name__)

CONFIRM_PERIOD_S = 1.0
PULSE_PERIOD_S = 1.0
UNCONFIRMED_AFTER_S = 15.0
MAX_LOOP_LAG_S = 1.0
MAX_WRITE_PENDING_S = 10.0


def read_current(store: PolicyStore, clock: Clock) -> Current:
    """Returns what the store says is the head. Blocking.

    Raises:
        StoreUnavailable: the store cannot be reached.
    """
    confirmed_at = clock.monotonic()
    head = store.head()
    return Current(head=head, changed_fields=changed_fields(store, head.ref.version), confirmed_at=confirmed_at)


def changed_fields(store: PolicyStore, version: int) -> tuple[str, ...]:
    """Returns the fields by which the newest revision differs from the one before, none if it is not `version`."""
    newest = store.revisions(None, 1)
    if not newest or newest[0].policy.ref.version != version:
        return ()
    return tuple(change.field for change in newest[0].changes)


class HeadKeeper:
    """Confirms the head against the store, and so picks up what another process has committed."""

    def __init__(self, *, store: PolicyStore, broker: Broker, worker: Worker, clock: Clock, timer: Timer) -> None:
        """`worker` runs the reads."""
        self._store, self._broker, self._worker = store, broker, worker
        self._clock, self._timer = clock, timer
        self._complained = False
        self._poked = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Confirms every second and whenever poked, until cancelled. A store that does not answer lets the head age."""
        self._loop = asyncio.get_running_loop()
        while True:
            await self._due()
            await self.confirm()

    def poke(self, ref: PolicyRef | None = None) -> None:
        """Has the head read at once; a `ref` that is served already is no news. May be called from any thread."""
        if self._loop is None or (ref is not None and ref <= self._broker.current.head.ref):
            return
        with contextlib.suppress(RuntimeError):  # The loop is closed: there is nobody left to wake.
            self._loop.call_soon_threadsafe(self._poked.set)

    async def _due(self) -> None:
        cancel = self._timer.after(CONFIRM_PERIOD_S, self._poked.set)
        try:
            await self._poked.wait()
        finally:
            cancel()
        self._poked.clear()

    async def confirm(self) -> bool:
        """Reads the head once. Returns whether it could be confirmed."""
        served = self._broker.current.head.ref
        try:
            confirmed = await self._worker.run(self._read)
        except StoreError as error:
            return self._complain("The head cannot be read: %s", error)
        if not self._broker.publish(
            confirmed.head, confirmed_at=confirmed.confirmed_at, changed_fields=confirmed.changed_fields
        ):
            return self._refused(confirmed.head.ref, served)
        self._complained = False
        return True

    def _refused(self, read: PolicyRef, served: PolicyRef) -> bool:
        if read >= served and self._broker.current.head.ref != served:
            # Something newer overtook this read.
            return False
        return self._complain("The store's head %s does not confirm ours, %s", name_of(read), name_of(served))

    def _read(self) -> Current:
        confirmed_at = self._clock.monotonic()
        head = self._store.head()
        known = head.ref == self._broker.current.head.ref
        changed = () if known else changed_fields(self._store, head.ref.version)
        return Current(head=head, changed_fields=changed, confirmed_at=confirmed_at)

    def _complain(self, text: str, *args: object) -> bool:
        level = logging.DEBUG if self._complained else logging.WARNING
        _log.log(level, text, *args)
        self._complained = True
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class VitalSigns:
    """Whether the head can be vouched for (`fresh`), and whether the process is up and not about to stop (`up`)."""

    fresh: bool
    up: bool


class Vitals:
    """Feels the pulse once a second: age of the head, lag of the event loop, stuck writes."""

    def __init__(
        self,
        *,
        broker: Broker,
        events: EventBus,
        clock: Clock,
        timer: Timer,
        tell: Callable[[VitalSigns], None],
    ) -> None:
        """`tell` is given the signs at every pulse."""
        self._broker, self._events, self._clock, self._timer = broker, events, clock, timer
        self._tell = tell
        self._unconfirmed_since: float | None = None
        self.loop_lag_s = 0.0
        """How late the event loop was at the last pulse."""
        self.loop_tasks: int | None = None
        """Tasks on the event loop at the last pulse; None: there was none yet."""

    async def run(self) -> None:
        """Feels the pulse until cancelled."""
        while True:
            due = self._clock.monotonic() + PULSE_PERIOD_S
            await pause(self._timer, PULSE_PERIOD_S)
            self.loop_tasks = len(asyncio.all_tasks())
            self.pulse(lag_s=self._clock.monotonic() - due)

    def pulse(self, *, lag_s: float) -> None:
        """Looks once; the event loop was `lag_s` late."""
        self.loop_lag_s = lag_s
        if lag_s > MAX_LOOP_LAG_S:
            _log.warning("The event loop was held up for %.1f s", lag_s)
        self._watch_head()
        self._broker.end_slow(MAX_WRITE_PENDING_S)
        up = not self._broker.draining
        confirmed = self._unconfirmed_since is None
        self._tell(VitalSigns(fresh=up and confirmed and lag_s <= MAX_LOOP_LAG_S, up=up))

    def _watch_head(self) -> None:
        current, age = self._broker.current, self._broker.freshness().replica_age_s
        if age > UNCONFIRMED_AFTER_S and self._unconfirmed_since is None:
            self._unconfirmed_since = current.confirmed_at
            self._events.emit(HeadUnconfirmed(ref=current.head.ref, age_s=age))
        elif age <= UNCONFIRMED_AFTER_S and self._unconfirmed_since is not None:
            outage = current.confirmed_at - self._unconfirmed_since
            self._unconfirmed_since = None
            self._events.emit(HeadConfirmed(ref=current.head.ref, outage_s=outage))
