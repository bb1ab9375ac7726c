"""What people and programs may ask about the authority. Safe to call from any thread and any event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from msc_authority.app.acts import Act
from msc_authority.app.alerts.links import Links
from msc_authority.app.alerts.values import Alert
from msc_authority.app.broker import Current, Freshness
from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.events import Listener
from msc_authority.app.modes import ModeSpan
from msc_authority.app.observation import Observation
from msc_authority.app.operate import ActOutcome
from msc_authority.app.trace import EquityTrace
from msc_authority.core.evaluation import StrategyRanking, SuppliedMetrics
from msc_authority.core.overrides import Override
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.ports.policies import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluations:
    """The newest evaluation that succeeded, and the newest of all if that one failed."""

    latest: EvaluationEntry | None
    failure: EvaluationEntry | None


class Insight(Protocol):
    """Answers. What returns at once is from memory; what is awaited asks the store or the authority's event loop."""

    @property
    def current(self) -> Current:
        """The head as it is served now."""
        ...

    def freshness(self) -> Freshness:
        """How far the head can be vouched for now."""
        ...

    def next_evaluation_in_s(self) -> float:
        """Seconds until the next scheduled evaluation."""
        ...

    @property
    def observation(self) -> Observation:
        """The newest observation, at most about a second old."""
        ...

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Alerts: firing first, critical before warning, then pending, then resolved lately; newest first in each."""
        ...

    @property
    def links(self) -> Links:
        """Where alerts say that more is to be read."""
        ...

    @property
    def trace(self) -> EquityTrace:
        """Equity, drawdown and each strategy's result over the last days, at most a few seconds old."""
        ...

    @property
    def mode_spans(self) -> tuple[ModeSpan, ...]:
        """What was in force over the same days, oldest first."""
        ...

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What persons have put in force, the oldest first, at most a few seconds old."""
        ...

    async def evaluations(self) -> Evaluations:
        """Raises StoreUnavailable."""
        ...

    async def history(self, before: PolicyRef | None, limit: int) -> list[Revision]:
        """Revisions older than `before` (None: from the newest), newest first. Raises StoreUnavailable."""
        ...

    async def strategies(self) -> tuple[list[StrategyRanking], datetime | None]:
        """The ranking of the newest evaluation and its instant. Raises StoreUnavailable."""
        ...

    async def evaluate(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        """Evaluates now and commits. Raises TooManyEvaluations, EvaluationFailed, StoreUnavailable."""
        ...

    async def evaluated_behind_acts(self) -> EvaluationOutcome | None:
        """Returns what the evaluation behind the newest act came to, once it is made; None: there was no act here.
        Raises as `evaluate` does.
        """
        ...

    async def preview(self, *, requested_by: str, reason: str) -> EvaluationOutcome:
        """Says what an evaluation would decide now. Writes nothing. Raises StoreUnavailable."""
        ...

    async def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        """Judges supplied metrics. Writes nothing. Raises InvalidMetric, StoreUnavailable."""
        ...

    async def overrides_now(self) -> tuple[Override, ...]:
        """What persons have put in force, as the store has it. Raises StateUnreadable, StoreUnavailable, Draining."""
        ...

    async def act(self, act: Act, *, actor: str, reason: str, request_id: str) -> ActOutcome:
        """Does what a person says, at once. Raises ActRefused in its kinds, TooManyActs, StoreError, Draining."""
        ...

    async def preview_act(self, act: Act, *, actor: str, reason: str) -> ActOutcome:
        """Says what it would come to. Writes nothing. Raises as `act` does."""
        ...

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls `listener` with every later event, on the authority's thread. Returns what ends that."""
        ...
