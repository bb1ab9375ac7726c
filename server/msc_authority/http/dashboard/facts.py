"""Everything one look at the authority gives, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from msc_authority.app.alerts.values import Alert
from msc_authority.app.broker import Current, Freshness
from msc_authority.app.insight import Evaluations, Insight
from msc_authority.app.modes import ModeSpan
from msc_authority.app.observation import Observation
from msc_authority.app.trace import EquityTrace
from msc_authority.core.evaluation import StrategyRanking
from msc_authority.core.overrides import Override
from msc_authority.ports.policies import Revision

REVISIONS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What only the store knows: it changes with an evaluation, and is read once for all pages.

    `trouble` says why it could not be read; then the rest is what was read before.
    """

    evaluations: Evaluations = field(default_factory=lambda: Evaluations(latest=None, failure=None))
    revisions: tuple[Revision, ...] = ()
    rankings: tuple[StrategyRanking, ...] = ()
    ranked_at: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The authority at one instant."""

    current: Current
    freshness: Freshness
    next_evaluation_in_s: float
    observation: Observation
    alerts: tuple[Alert, ...]
    trace: EquityTrace
    spans: tuple[ModeSpan, ...]
    overrides: tuple[Override, ...]
    kept: Kept


def look(insight: Insight, kept: Kept) -> Facts:
    """Returns what the authority is like now. From memory; never waits."""
    return Facts(
        current=insight.current,
        freshness=insight.freshness(),
        next_evaluation_in_s=insight.next_evaluation_in_s(),
        observation=insight.observation,
        alerts=insight.alerts,
        trace=insight.trace,
        spans=insight.mode_spans,
        overrides=insight.overrides,
        kept=kept,
    )


async def read_kept(insight: Insight) -> Kept:
    """Returns what the store knows. Raises StoreUnavailable."""
    evaluations = await insight.evaluations()
    revisions = await insight.history(None, REVISIONS_SHOWN)
    rankings, ranked_at = await insight.strategies()
    return Kept(evaluations=evaluations, revisions=tuple(revisions), rankings=tuple(rankings), ranked_at=ranked_at)
