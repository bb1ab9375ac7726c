"""What the dashboard looks at: whole and plain values, each with overrides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msc_builders import START, a_content, a_ranking, an_entry, changed
from msc_live import a_policy
from msc_observed import StillInsight, an_observation

from msc_authority.app.broker import Current, Freshness
from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.insight import Evaluations
from msc_authority.app.modes import ModeSpan
from msc_authority.app.trace import EquityTrace
from msc_authority.core.evaluation import StrategyRanking, SuppliedMetrics
from msc_authority.core.policy import PolicyContent, PolicyRef, RiskMode, TradingState, changes_between
from msc_authority.http.dashboard.facts import Facts, Kept
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.ports.policies import Head, Revision


def head_of(content: PolicyContent, version: int = 1) -> Head:
    """A head evaluated at START."""
    policy = a_policy(version, content=content)
    return Head(ref=policy.ref, policy=policy, evaluated_at=START)


def no_head() -> Head:
    """The head of an empty store."""
    return Head(ref=PolicyRef(7, 0), policy=None, evaluated_at=None)


def facts(head: Head | None = None, **overrides: object) -> Facts:
    """A calm day; what is observed is observed of the same head."""
    head = head or head_of(a_content())
    found = Facts(
        current=Current(head=head, changed_fields=(), confirmed_at=1600.0),
        freshness=Freshness(replica_age_s=0.4, ttl_s=3000.0 if head.policy else None),
        next_evaluation_in_s=1200.0,
        observation=an_observation(head=head),
        alerts=(),
        trace=EquityTrace(),
        spans=(),
        overrides=(),
        kept=Kept(),
    )
    return changed(found, overrides)


def kept(entry: EvaluationEntry | None = None, **overrides: object) -> Kept:
    """What the store knows after an evaluation."""
    found = Kept(
        evaluations=Evaluations(latest=entry or an_entry(), failure=None),
        rankings=(a_ranking(),),
        ranked_at=START,
    )
    return changed(found, overrides)


def a_revision(version: int, content: PolicyContent, before: PolicyContent | None = None) -> Revision:
    """A policy in history."""
    return Revision(policy=a_policy(version, content=content), changes=changes_between(before, content))


def a_span(since: datetime, mode: RiskMode = RiskMode.NORMAL, version: int = 1) -> ModeSpan:
    """A revision in force from an instant on."""
    return ModeSpan(since=since, ref=PolicyRef(7, version), risk_mode=mode, trading_state=TradingState.ACTIVE)


@dataclass
class AskedInsight(StillInsight):
    """Answers set by hand, also of history and of evaluations. Counts how often the store was read."""

    revisions: Sequence[Revision] = ()
    rankings: Sequence[StrategyRanking] = ()
    outcome: EvaluationOutcome | None = None
    judged: list[SuppliedMetrics] = field(default_factory=list)
    reads: int = 0

    async def evaluations(self) -> Evaluations:
        self.reads += 1
        return await super().evaluations()

    async def history(self, before: PolicyRef | None, limit: int) -> list[Revision]:
        return list(self.revisions)[:limit]

    async def strategies(self) -> tuple[list[StrategyRanking], datetime | None]:
        return list(self.rankings), START if self.rankings else None

    async def evaluate(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        return self._answer()

    async def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        self.judged.append(supplied)
        return self._answer()

    def _answer(self) -> EvaluationOutcome:
        if self.error:
            raise self.error
        assert self.outcome is not None
        return self.outcome
