"""An evaluator that changes the policy every time. All that comes after its decision is the product's own."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace

from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.core.evaluation import SuppliedMetrics, Verdict
from msc_authority.core.policy import (
    Limits,
    PolicyContent,
    PolicyMetrics,
    Reason,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
    changes_between,
)
from msc_authority.ports.clock import Clock
from msc_authority.ports.evaluations import EvaluationCommit, EvaluationEntry, EvaluationStore
from msc_authority.ports.journal import JournalCursor, LedgerCheckpoint
from msc_authority.ports.policies import Head

STRATEGIES = tuple(f"TREND_{number:03d}" for number in range(1, 11))
VALID_FOR_S = 86_400.0
MAX_POSITIONS = (9, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """When a commit began, and when the store said that it is durable, on the machine's monotonic clock."""

    version: int
    began_ns: int
    committed_ns: int


class AlternatingEvaluator:
    """Commits another policy each time, through the store it is given: durably, and with its evaluation."""

    def __init__(self, store: EvaluationStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self.stamps = Stamps(version=0, began_ns=0, committed_ns=0)

    def evaluate(
        self, *, trigger: str, request_id: str = "", requested_by: str = "", reason: str = ""
    ) -> EvaluationOutcome:
        """Commits the next policy and returns it."""
        stored = self._store.load()
        content = content_of(stored.head.ref.version + 1)
        before = stored.head.policy.content if stored.head.policy else None
        entry = EvaluationEntry(
            evaluation_id=uuid.uuid4().hex,
            trigger=trigger,
            started_at=self._clock.now(),
            duration_s=0.0,
            verdict=self._verdict(content),
            request_id=request_id,
            requested_by=requested_by,
            reason=reason,
            changes=changes_between(before, content),
        )
        began = time.monotonic_ns()
        head = self._store.commit(self._commit(entry, content), stored)
        self.stamps = Stamps(version=head.ref.version, began_ns=began, committed_ns=time.monotonic_ns())
        return self._outcome(replace(entry, committed=head.ref), content, head)

    def preview(self, *, requested_by: str = "", reason: str = "") -> EvaluationOutcome:
        """Returns the next policy and writes nothing."""
        return self._unwritten("preview")

    def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        """Returns the next policy and writes nothing."""
        return self._unwritten("what_if")

    def _unwritten(self, trigger: str) -> EvaluationOutcome:
        head = self._store.load().head
        content = content_of(head.ref.version + 1)
        entry = EvaluationEntry(
            evaluation_id=uuid.uuid4().hex,
            trigger=trigger,
            started_at=self._clock.now(),
            duration_s=0.0,
            verdict=self._verdict(content),
        )
        return self._outcome(entry, content, head)

    def _outcome(self, entry: EvaluationEntry, content: PolicyContent, head: Head) -> EvaluationOutcome:
        return EvaluationOutcome(entry=entry, candidate=content, changes=entry.changes, head=head)

    def _verdict(self, content: PolicyContent) -> Verdict:
        return Verdict(
            as_of=self._clock.now(),
            system_health=SystemHealth.NORMAL,
            warning_points=0,
            mode_before=RiskMode.NORMAL,
            mode_target=RiskMode.NORMAL,
            mode_after=RiskMode.NORMAL,
            metrics=(),
            reasons=content.reasons,
            candidate=content,
            strategies=(),
            transitions=(),
        )

    def _commit(self, entry: EvaluationEntry, content: PolicyContent) -> EvaluationCommit:
        return EvaluationCommit(
            entry=entry,
            publish=content,
            valid_for_s=VALID_FOR_S,
            controller=b"{}",
            checkpoint=LedgerCheckpoint(watermark=self._clock.now(), cursor=JournalCursor(), payload=b""),
            keep_as_rewind_point=False,
        )


def content_of(version: int) -> PolicyContent:
    """Returns a policy of usual size for ten strategies, different from the one of the version before."""
    return PolicyContent(
        risk_mode=RiskMode.NORMAL,
        trading_state=TradingState.ACTIVE,
        limits=Limits(
            max_risk_per_trade=0.0075,
            global_min_confidence=0.60,
            max_positions=MAX_POSITIONS[version % 2],
            max_daily_trades=30,
        ),
        grants=tuple(
            StrategyGrant(
                strategy_id=name,
                state=StrategyState.ACTIVE,
                risk_multiplier=1.0,
                max_positions=0,
                max_daily_trades_fraction=1.0,
            )
            for name in STRATEGIES
        ),
        metrics=PolicyMetrics(
            system_drawdown=3.2,
            global_winrate=0.56,
            equity_slope=0.4,
            system_health=SystemHealth.NORMAL,
            trades_n=240,
            equity_source="account",
        ),
        reasons=(
            Reason(
                code="DRAWDOWN_WITHIN_BOUNDS",
                text="drawdown 3.2 % is below 5 %",
                metric="system_drawdown",
                value=3.2,
                threshold=5.0,
            ),
        ),
    )
