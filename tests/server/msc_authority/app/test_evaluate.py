"""Evaluations: what they read, decide, write, and what happens when they cannot."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count

import pytest
from msc_builders import START, ManualClock, a_trade, an_equity_point, at

from msc_authority.adapters.memory import MemoryEvaluationStore, MemoryStore
from msc_authority.app.evaluate import EvaluationFailed, EvaluationOutcome, Evaluator, InvalidMetric
from msc_authority.core.config import DecisionConfig
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.facts import Fact
from msc_authority.core.ledger import Ledger
from msc_authority.core.policy import RiskMode, SystemHealth, TradingState
from msc_authority.ports.evaluations import EvaluationCommit, EvaluationStore, StoredState
from msc_authority.ports.policies import Head
from msc_authority.ports.store import StaleState, StoreUnavailable


class Desk:
    """An evaluator on memory, with time to move and facts to add."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.ids = count(1)

    def evaluator(self, store: EvaluationStore | None = None, valid_for_s: float = 3600) -> Evaluator:
        """Returns a new one, as after a restart."""
        return Evaluator(
            store=store or self.store.evaluations,
            journal=self.store.journal,
            log=self.store.log,
            clock=self.clock,
            config=DecisionConfig(),
            valid_for_s=valid_for_s,
            new_id=lambda: f"evaluation-{next(self.ids)}",
        )

    def evaluate(self, request_id: str = "") -> EvaluationOutcome:
        return self.evaluator().evaluate(trigger="request", request_id=request_id)

    def record(self, *facts: Fact) -> None:
        assert not self.store.journal.record(facts).refused

    def wait(self, minutes: float) -> None:
        self.clock.advance(timedelta(minutes=minutes))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def equity(minute: float, balance: int) -> Fact:
    return an_equity_point(at(minute), wallet_balance=Decimal(balance), unrealized_pnl=Decimal(0))


def test_first_evaluation_of_an_empty_journal_commits_a_defensive_policy_for_nobody(desk: Desk) -> None:
    outcome = desk.evaluate()

    assert outcome.head.ref.version == 1
    assert outcome.entry.committed == outcome.head.ref
    assert outcome.candidate.risk_mode is RiskMode.DEFENSIVE
    assert outcome.candidate.allowed_strategies == ()
    assert outcome.candidate.metrics.system_health is SystemHealth.UNKNOWN


def test_evaluation_that_changes_nothing_renews_the_policy_without_a_new_version(desk: Desk) -> None:
    first = desk.evaluate()
    desk.wait(30)

    second = desk.evaluate()

    assert second.head.ref == first.head.ref
    assert second.entry.committed is None
    assert second.head.evaluated_at == at(30)
    assert len(desk.store.log.page(None, 10)) == 2


def test_changed_facts_commit_the_next_version_and_say_which_fields_changed(desk: Desk) -> None:
    desk.record(equity(-2, 1000))
    desk.evaluate()
    desk.record(equity(5, 800))
    desk.wait(10)

    outcome = desk.evaluate()

    assert outcome.head.ref.version == 2
    assert outcome.candidate.trading_state is TradingState.HALTED
    assert "trading_state" in {change.field for change in outcome.changes}
    assert desk.store.policies.revisions(None, 1)[0].changes == outcome.changes


def test_other_validity_is_published_though_nothing_else_changed(desk: Desk) -> None:
    """Otherwise a longer evaluation period would let the policy run out between two evaluations."""
    desk.evaluate()

    outcome = desk.evaluator(valid_for_s=7200).evaluate(trigger="start")

    assert outcome.head.ref.version == 2
    assert outcome.head.policy is not None
    assert outcome.head.policy.valid_for_s == 7200


def test_preview_says_the_same_as_an_evaluation_and_writes_nothing(desk: Desk) -> None:
    desk.record(equity(-2, 1000), a_trade("T-1", opened_at=at(-5), closed_at=at(-1)))

    preview = desk.evaluator().preview()

    assert desk.store.policies.head().ref.version == 0
    assert desk.store.log.page(None, 10) == []
    assert preview.candidate == desk.evaluate().candidate


def test_same_request_id_returns_the_same_result_for_a_day(desk: Desk) -> None:
    first = desk.evaluate("request-1")
    desk.record(equity(1, 1000), equity(2, 800))
    desk.wait(60 * 23)

    again = desk.evaluate("request-1")

    assert again.entry.evaluation_id == first.entry.evaluation_id
    assert again.candidate == first.candidate
    desk.wait(62)
    assert desk.evaluate("request-1").entry.evaluation_id != first.entry.evaluation_id


def test_restarting_between_evaluations_changes_nothing() -> None:
    def life(*, restarts: bool) -> list[tuple[object, ...]]:
        desk = Desk()
        evaluator = desk.evaluator()
        seen: list[tuple[object, ...]] = []
        for step in range(12):
            minute = 30.0 * step
            desk.record(
                equity(minute, 1000 + 3 * step - 40 * (step == 7)),
                a_trade(f"T-{step}", opened_at=at(minute - 9), closed_at=at(minute), strategy_id=f"S{step % 3}"),
            )
            if restarts:
                evaluator = desk.evaluator()
            outcome = evaluator.evaluate(trigger="request")
            stored = desk.store.evaluations.load()
            assert stored.checkpoint is not None
            seen.append((outcome.entry.verdict, stored.controller, stored.checkpoint.payload))
            desk.wait(30)
        return seen

    assert life(restarts=True) == life(restarts=False)


def test_evaluator_overtaken_by_others_and_by_a_late_fact_goes_on_from_what_is_stored(desk: Desk) -> None:
    rivals = Interfering(desk, times=0)
    evaluator = desk.evaluator(rivals)  # type: ignore[arg-type]  # forwards the rest by name
    for step in range(6):
        closed = 10 * step + 5 - 30 * (step == 4)
        desk.record(a_trade(f"T-{step}", opened_at=at(closed - 9), closed_at=at(closed)))
        desk.wait(10)
        evaluator.preview()
        rivals.times = int(step == 3)
        evaluator.evaluate(trigger="request")

    stored = desk.store.evaluations.load().checkpoint

    assert stored is not None
    whole = Ledger.empty(DecisionConfig())
    whole.fold(desk.store.journal.evidence_after(None, desk.store.journal.end()))
    assert stored.payload == whole.encode()


def test_what_if_answers_from_supplied_metrics_and_writes_nothing(desk: Desk) -> None:
    outcome = desk.evaluator().what_if(SuppliedMetrics(drawdown_pct=4.0, winrate_fraction=0.45))

    assert outcome.candidate.risk_mode is RiskMode.DEFENSIVE
    assert outcome.candidate.limits.max_risk_per_trade == 0.003
    assert desk.store.policies.head().ref.version == 0


def test_what_if_names_the_metric_that_makes_no_sense(desk: Desk) -> None:
    with pytest.raises(InvalidMetric) as refused:
        desk.evaluator().what_if(SuppliedMetrics(drawdown_pct=float("nan")))

    assert refused.value.field == "drawdown_pct"
    assert refused.value.problem


class Interfering:
    """Another evaluator that is faster, `times` times."""

    def __init__(self, desk: Desk, times: int) -> None:
        self._inner: MemoryEvaluationStore = desk.store.evaluations
        self.times = times

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def commit(self, commit: EvaluationCommit, expected: StoredState) -> Head:
        if self.times:
            self.times -= 1
            rival = replace(commit, entry=replace(commit.entry, evaluation_id=f"rival-{self.times}"))
            self._inner.commit(rival, self._inner.load())
        return self._inner.commit(commit, expected)


def test_evaluation_overtaken_by_another_evaluates_again_on_top_of_it(desk: Desk) -> None:
    store: EvaluationStore = Interfering(desk, times=2)  # type: ignore[assignment]  # forwards the rest by name

    outcome = desk.evaluator(store).evaluate(trigger="request")

    assert outcome.head.ref.version == 1
    assert [entry.evaluation_id for entry in desk.store.log.page(None, 10)] == ["evaluation-1", "rival-0", "rival-1"]


def test_request_that_another_replica_answered_meanwhile_returns_that_answer(desk: Desk) -> None:
    store: EvaluationStore = Interfering(desk, times=1)  # type: ignore[assignment]  # forwards the rest by name

    outcome = desk.evaluator(store).evaluate(trigger="request", request_id="request-1")

    assert outcome.entry.evaluation_id == "rival-0"
    assert len(desk.store.log.page(None, 10)) == 1


def test_evaluation_that_is_always_overtaken_fails_and_says_so(desk: Desk) -> None:
    store: EvaluationStore = Interfering(desk, times=99)  # type: ignore[assignment]  # forwards the rest by name

    with pytest.raises(EvaluationFailed) as failed:
        desk.evaluator(store).evaluate(trigger="request")

    assert isinstance(failed.value.__cause__, StaleState)


class Broken:
    """A store that cannot load, or cannot commit."""

    def __init__(self, desk: Desk, *, load: Exception | None = None, commit: Exception | None = None) -> None:
        self._inner: MemoryEvaluationStore = desk.store.evaluations
        self._load, self._commit = load, commit

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def load(self) -> StoredState:
        if self._load:
            raise self._load
        return self._inner.load()

    def commit(self, commit: EvaluationCommit, expected: StoredState) -> Head:
        if self._commit:
            raise self._commit
        return self._inner.commit(commit, expected)


def test_failed_evaluation_keeps_the_policy_and_is_kept_itself(desk: Desk) -> None:
    kept = desk.evaluate().head
    store: EvaluationStore = Broken(desk, load=RuntimeError("no such thing"))  # type: ignore[assignment]

    with pytest.raises(EvaluationFailed, match="no such thing"):
        desk.evaluator(store).evaluate(trigger="schedule")

    assert desk.store.policies.head() == kept
    failure = desk.store.log.latest_failure()
    assert failure is not None
    assert (failure.trigger, failure.failure) == ("schedule", "RuntimeError: no such thing")
    desk.evaluate()
    assert desk.store.log.latest_failure() is None


def test_store_that_is_away_is_told_apart_from_a_failure(desk: Desk) -> None:
    store: EvaluationStore = Broken(desk, commit=StoreUnavailable("locked"))  # type: ignore[assignment]

    with pytest.raises(StoreUnavailable):
        desk.evaluator(store).evaluate(trigger="request")


def test_evaluations_of_several_threads_are_made_one_at_a_time(desk: Desk) -> None:
    evaluator, outcomes = desk.evaluator(), []
    threads = [
        threading.Thread(target=lambda: outcomes.append(evaluator.evaluate(trigger="request"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(outcomes) == 8
    assert [entry.sequence for entry in desk.store.log.page(None, 20)] == list(range(8, 0, -1))
    assert desk.store.policies.head().ref.version == 1


def test_rewind_points_are_kept_once_an_hour(desk: Desk) -> None:
    for _ in range(5):
        desk.evaluate()
        desk.wait(30)

    point = desk.store.evaluations.rewind_point(START + timedelta(days=1))

    assert point is not None
    assert point.watermark == at(90), "12:00, the first evaluation of the newest hour"
