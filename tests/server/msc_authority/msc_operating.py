"""An operator beside the real evaluator, on any store, after a few good hours: NORMAL, and two strategies on trial."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from msc_builders import START, ManualClock, Store, a_trade, an_equity_point

from msc_authority.adapters.memory import MemoryStore
from msc_authority.app.evaluate import EvaluationOutcome, Evaluator
from msc_authority.app.operate import Operator
from msc_authority.core.config import DecisionConfig
from msc_authority.core.facts import Fact
from msc_authority.core.policy import PolicyContent
from msc_authority.core.state import ControllerState
from msc_authority.ports.evaluations import EvaluationStore

VALID_FOR_S = 3600.0
HALF_HOUR = timedelta(minutes=30)


def good_hours(count: int, start: datetime = START) -> list[Fact]:
    """A trade of each of two strategies and a reading of the account every half hour; two of three trades win."""
    facts: list[Fact] = [an_equity_point(start, wallet_balance=Decimal(100_000), unrealized_pnl=Decimal(0))]
    balance = Decimal(100_000)
    for number in range(1, 2 * count + 1):
        at = start + number * HALF_HOUR
        for strategy_id in ("TREND", "RANGE"):
            pnl = Decimal(-40 if number % 3 == 0 else 50)
            balance += pnl
            facts.append(_trade(f"{strategy_id}-{number}", strategy_id, at, pnl))
        facts.append(an_equity_point(at, wallet_balance=balance, unrealized_pnl=Decimal(0)))
    return facts


def _trade(trade_id: str, strategy_id: str, at: datetime, pnl: Decimal) -> Fact:
    return a_trade(
        trade_id,
        strategy_id=strategy_id,
        opened_at=at - timedelta(minutes=9),
        closed_at=at,
        gross_pnl=pnl,
        fees=Decimal(0),
        funding=Decimal(0),
        net_pnl=pnl,
    )


class Operating:
    """What persons do is done by `operator`, what evaluations do by `evaluator`; time moves when told."""

    def __init__(self, clock: ManualClock | None = None, store: Store | None = None) -> None:
        self.clock = clock or ManualClock()
        self.store = store or MemoryStore(self.clock)
        self.build()

    def build(self, evaluations: EvaluationStore | None = None, new_id: Callable[[], str] | None = None) -> None:
        """Makes both anew on the store, as a restart does. The operator commits to `evaluations`, if given."""
        ids, config = itertools.count(1), DecisionConfig()
        new_id = new_id or (lambda: f"{next(ids):08x}-{id(ids)}")

        self.evaluator = Evaluator(
            store=self.store.evaluations,
            journal=self.store.journal,
            log=self.store.log,
            clock=self.clock,
            config=config,
            valid_for_s=VALID_FOR_S,
            new_id=new_id,
        )
        self.operator = Operator(
            store=evaluations or self.store.evaluations,
            policies=self.store.policies,
            journal=self.store.journal,
            log=self.store.acts,
            clock=self.clock,
            config=config,
            valid_for_s=VALID_FOR_S,
            new_id=new_id,
        )

    def after_good_hours(self, count: int = 4) -> Operating:
        """Lives through good hours, an evaluation every half hour."""
        self.store.journal.record(good_hours(count))
        for _ in range(2 * count + 1):
            self.evaluate()
            self.clock.advance(HALF_HOUR)
        self.clock.instant -= HALF_HOUR
        return self

    def evaluate(self) -> EvaluationOutcome:
        """One evaluation, as of now."""
        return self.evaluator.evaluate(trigger="test")

    @property
    def content(self) -> PolicyContent:
        """What the policy in force says."""
        policy = self.store.policies.head().policy
        assert policy is not None
        return policy.content

    @property
    def version(self) -> int:
        """The version in force."""
        return self.store.policies.head().ref.version

    @property
    def state(self) -> ControllerState:
        """What the controller remembers."""
        payload = self.store.evaluations.controller().payload
        assert payload is not None
        return ControllerState.decode(payload)
