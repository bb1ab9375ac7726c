"""Once a day: lets go of what is old, and follows the chain of the audit log. On the leader only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from msc_authority.app.production import UpkeepSigns
from msc_authority.app.retention import BATCH_ROWS, KindPlan, Pruner
from msc_authority.app.timing import Timer, pause
from msc_authority.app.work import Worker, unless_stopped
from msc_authority.core.audit_chain import Anchor, Verification, verify
from msc_authority.ports.audit import AuditLog
from msc_authority.ports.clock import Clock
from msc_authority.ports.store import StoreError

_log = logging.getLogger(__name__)

ACTOR = "authority"
BACKUP = "backup"
"""The action of the audit log's row that each backup leaves."""
LOOK_FOR_BACKUP_S = 60.0
FIRST_AFTER_S = 600.0
EVERY_S = 86_400.0
AGAIN_AFTER_S = 3_600.0
"""While the store does not answer, or another authority leads."""
BETWEEN_BATCHES_S = 0.05
"""So that whoever else writes has most of the time to itself."""


class Upkeep:
    """Does it, until cancelled. Lives on the event loop; the worker blocks."""

    def __init__(
        self,
        *,
        pruner: Pruner,
        audit: AuditLog,
        clock: Clock,
        timer: Timer,
        worker: Worker,
        leading: Callable[[], bool],
        stopping: Callable[[], bool],
    ) -> None:
        """`leading` says whether this authority is the one to do it. `worker` needs one thread, of its own; what takes
        long on it is given up once `stopping` says so.
        """
        self._pruner, self._audit, self._clock, self._timer, self._worker = pruner, audit, clock, timer, worker
        self._leading, self._stopping = leading, stopping
        self._kept: Anchor | None = None
        self.rounds = 0
        """How often it was done since the start."""
        self.pruned_rows = 0
        """Rows removed since the start."""
        self.failures = 0
        """How often the store did not let it be done."""
        self.audit_damage = ""
        """Where the chain did not hold when it was followed last, in words; empty: it held."""
        self._audit_rows: int | None = None
        self._done_at: float | None = None
        self._backup_at: datetime | None = None

    @property
    def audit_broken(self) -> bool:
        """Whether the chain did not hold when it was followed last."""
        return bool(self.audit_damage)

    def signs(self) -> UpkeepSigns:
        """Returns what became of it."""
        return UpkeepSigns(
            rounds=self.rounds,
            failures=self.failures,
            pruned_rows=self.pruned_rows,
            done_ago_s=None if self._done_at is None else self._clock.monotonic() - self._done_at,
            audit_rows=self._audit_rows,
            audit_damage=self.audit_damage,
            backup_ago_s=self._backup_ago_s(),
        )

    def _backup_ago_s(self) -> float | None:
        # By the clock on the wall: whoever made it is another process, perhaps before this one began.
        return None if self._backup_at is None else max(0.0, (self._clock.now() - self._backup_at).total_seconds())

    async def follow_backups(self) -> None:
        """Looks each minute when the last backup was made, until cancelled. On every authority."""
        while True:
            try:
                row = await self._worker.run(lambda: self._audit.newest_of(BACKUP))
                self._backup_at = row.at if row is not None else None
            except StoreError as error:
                _log.debug("When the last backup was made cannot be read: %s", error)
            await pause(self._timer, LOOK_FOR_BACKUP_S)

    async def run(self) -> None:
        """Begins some minutes after the start, so that nobody who starts waits for it."""
        delay_s = FIRST_AFTER_S
        while True:
            await pause(self._timer, delay_s)
            delay_s = EVERY_S if self._leading() and await self.once() else AGAIN_AFTER_S

    async def once(self) -> bool:
        """Does it now. Returns whether the store let it be done."""
        try:
            await self._prune()
            await self._follow()
        except StoreError as error:
            _log.warning("The daily upkeep could not be done and is tried again in an hour: %s", error)
            self.failures += 1
            return False
        self.rounds += 1
        self._done_at = self._clock.monotonic()
        return True

    async def _prune(self) -> None:
        plans = await self._worker.run(lambda: self._pruner.prepare(ACTOR))
        for plan in plans:
            if plan.held_back:
                _log.info("Of %s, nothing later goes: %s", plan.kind, plan.held_back)
            await self._prune_kind(plan)

    async def _prune_kind(self, plan: KindPlan) -> None:
        rows, gone = 0, BATCH_ROWS
        while gone == BATCH_ROWS:
            gone = await self._worker.run(lambda: self._pruner.prune_batch(plan.kind))
            rows += gone
            await pause(self._timer, BETWEEN_BATCHES_S)
        self.pruned_rows += rows
        if rows:
            _log.info("Pruned %d rows of %s, up to %s", rows, plan.kind, plan.upto)

    async def _follow(self) -> None:
        verified = await self._worker.run(self._verified)
        broken = verified.broken
        if broken is not None:
            _log.critical(
                "The audit log is broken at row %d (%s): %s; see msc audit verify",
                broken.sequence,
                broken.damage,
                broken.text,
            )
        elif verified.newest is not None:
            self._kept = verified.newest
            # The line is an anchor: wherever logs are kept, it shows later what was done to the log of the database.
            _log.info("The audit log is intact: %d rows, anchor %s", verified.rows, verified.newest)
        self._audit_rows = verified.rows
        self.audit_damage = f"row {broken.sequence} ({broken.damage}): {broken.text}" if broken is not None else ""

    def _verified(self) -> Verification:
        rows = unless_stopped(self._audit.rows_after(None), self._stopping)
        return verify(rows, anchors=(self._kept,) if self._kept else ())
