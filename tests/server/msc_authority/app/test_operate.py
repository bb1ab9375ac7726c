"""What a person says is done at once: in one commit, whatever state evaluations are in, once however often asked."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from msc_builders import ManualClock, a_commit
from msc_operating import HALF_HOUR, VALID_FOR_S, Operating

from msc_authority.adapters.sql import open_store
from msc_authority.app.acts import Act, Halt, Lift, Place, Reinstate, Resume, Retire, RollBack
from msc_authority.app.operate import (
    LedgerUnreadable,
    RequestIdReused,
    RevisionUnknown,
    StateUnreadable,
)
from msc_authority.core.operator_acts import LooseningNotAllowed, NothingToResume, OverrideNotFound
from msc_authority.core.overrides import Bench, PinMode, Reduce, SetLimits
from msc_authority.core.policy import RiskMode, StrategyState, SystemHealth, TradingState
from msc_authority.ports.evaluations import StoredState
from msc_authority.ports.operator import OverrideCommit
from msc_authority.ports.store import StaleState, StoreUnavailable

DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode
ACTIVE, REDUCING, HALTED = TradingState
HOUR = timedelta(hours=1)


@pytest.fixture(name="scene")
def a_scene() -> Operating:
    return Operating().after_good_hours()


def test_a_halt_is_published_at_once_by_its_author_with_its_reason(scene: Operating) -> None:
    before = scene.content

    outcome = scene.operator.act(Halt(), "alice", "exchange incident")

    assert outcome.head == scene.store.policies.head()
    assert outcome.entry.committed == outcome.head.ref
    assert [(change.field, change.after) for change in outcome.entry.changes] == [("trading_state", "HALTED")]
    assert scene.content.author == "operator:alice"
    assert scene.content.reasons[0].text == "HALTED by alice: exchange incident"
    assert replace(scene.content, trading_state=ACTIVE, author="evaluator", reasons=before.reasons) == before


def test_a_halt_outlives_evaluations_and_restarts(scene: Operating) -> None:
    scene.operator.act(Halt(), "alice", "exchange incident")
    scene.build()
    scene.clock.advance(HALF_HOUR)

    outcome = scene.evaluate()

    assert outcome.candidate.trading_state is HALTED
    assert outcome.head.ref.version == scene.version


def test_an_evaluation_that_began_before_a_halt_does_not_undo_it(scene: Operating) -> None:
    began = scene.store.evaluations.load()
    scene.operator.act(Halt(), "alice", "exchange incident")

    with pytest.raises(StaleState):
        scene.store.evaluations.commit(a_commit(), began)
    assert scene.evaluate().candidate.trading_state is HALTED


def test_a_resume_goes_on_reducing_until_the_evaluation_behind_it(scene: Operating) -> None:
    scene.operator.act(Halt(), "alice", "exchange incident")

    scene.operator.act(Resume(), "bob", "all is well")

    assert scene.content.trading_state is REDUCING
    assert scene.content.reasons[0].text == "resumed by bob: all is well"
    assert "OPERATOR_HALT" not in [reason.code for reason in scene.content.reasons]
    assert scene.evaluate().candidate.trading_state is ACTIVE


def test_a_resume_ends_reductions_exactly(scene: Operating) -> None:
    before = scene.content
    scene.operator.act(Place(sets=Reduce()), "alice", "exchange incident")
    assert scene.content.trading_state is REDUCING
    scene.clock.advance(HOUR)
    scene.evaluate()
    assert scene.content.trading_state is REDUCING

    outcome = scene.operator.act(Resume(), "bob", "all is well")

    assert outcome.overrides == ()
    assert scene.content.trading_state is before.trading_state
    assert scene.content.grants == before.grants


def test_what_no_person_holds_back_cannot_be_resumed_and_nothing_is_written(scene: Operating) -> None:
    version = scene.version

    with pytest.raises(NothingToResume):
        scene.operator.act(Resume(), "bob", "all is well")

    assert scene.version == version
    assert scene.store.acts.page(None, 10) == []


def test_a_resume_that_cannot_read_the_journal_says_so_and_leaves_the_halt(
    scene: Operating, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.operator.act(Halt(), "alice", "exchange incident")

    def broken() -> object:
        raise StoreUnavailable("journal")

    monkeypatch.setattr(scene.store.journal, "end", broken)
    with pytest.raises(LedgerUnreadable, match="trading stays HALTED"):
        scene.operator.act(Resume(), "bob", "all is well")

    assert scene.content.trading_state is HALTED


def test_a_halt_needs_neither_the_journal_nor_an_evaluation_that_works(
    scene: Operating, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise StoreUnavailable("journal")

    for name in ("end", "evidence_after", "earliest_between", "newest_fact_at"):
        monkeypatch.setattr(scene.store.journal, name, broken)
    with pytest.raises(StoreUnavailable):
        scene.evaluate()

    assert scene.operator.act(Halt(), "alice", "exchange incident").content is not None
    assert scene.content.trading_state is HALTED


def test_before_any_policy_a_halt_publishes_built_in_limits_that_allow_nobody() -> None:
    scene = Operating()

    outcome = scene.operator.act(Halt(), "alice", "not today")

    assert outcome.before is not None
    assert (outcome.before.version, outcome.head.ref.version) == (0, 1)
    content = scene.content
    assert (content.risk_mode, content.trading_state, content.grants) == (DEFENSIVE, HALTED, ())
    assert (content.limits.max_risk_per_trade, content.limits.global_min_confidence) == (0.003, 0.7)
    assert (content.metrics.system_health, content.metrics.equity_source) == (SystemHealth.UNKNOWN, "none")
    assert outcome.head.evaluated_at is None
    scene.after_good_hours(1)
    assert scene.content.trading_state is HALTED


def test_what_was_reduced_before_any_policy_is_lifted_to_what_an_unevaluated_system_may_do() -> None:
    scene = Operating()
    placed = scene.operator.act(Place(sets=Reduce()), "alice", "not today")
    assert scene.content.trading_state is REDUCING
    assert placed.override is not None

    scene.operator.act(Lift(override_id=placed.override.override_id), "alice", "go")

    assert (scene.content.trading_state, scene.content.grants) == (ACTIVE, ())


def test_after_a_restore_nobody_is_allowed_until_an_evaluation(tmp_path: object) -> None:
    scene = Operating()
    with open_store(f"sqlite:///{tmp_path}/msc.db", scene.clock) as store:
        scene.store = store
        scene.build()
        scene.after_good_hours()
        store.bump_epoch("ops", "restored")

        scene.operator.act(Place(sets=Reduce()), "alice", "look first")

        assert (scene.version, scene.content.grants, scene.content.risk_mode) == (1, (), DEFENSIVE)
        assert len(scene.evaluate().candidate.grants) == 2


def test_a_pin_changes_what_is_published_and_not_what_the_controller_goes_by(scene: Operating) -> None:
    state = scene.state

    scene.operator.act(Place(sets=PinMode(mode=DEFENSIVE)), "alice", "news at noon")

    assert scene.content.risk_mode is DEFENSIVE
    assert replace(scene.state, overrides=()) == state


def test_what_is_tighter_already_is_kept_without_a_new_version(scene: Operating) -> None:
    scene.operator.act(Place(sets=PinMode(mode=DEFENSIVE)), "alice", "news at noon")
    version = scene.version

    outcome = scene.operator.act(Place(sets=PinMode(mode=NORMAL)), "bob", "not above")

    assert (scene.version, outcome.entry.committed) == (version, None)
    assert [one.actor for one in outcome.overrides] == ["alice", "bob"]
    assert [act.act for act in scene.store.acts.page(None, 10)] == ["PIN_MODE", "PIN_MODE"]


def test_loosening_asks_for_leave_lasts_an_hour_and_is_undone_by_its_end(scene: Operating) -> None:
    before = scene.content
    loosening = Place(sets=SetLimits(max_risk_per_trade=0.02))
    with pytest.raises(LooseningNotAllowed, match=r"max_risk_per_trade 0\.0075"):
        scene.operator.act(loosening, "alice", "one big trade")

    outcome = scene.operator.act(replace(loosening, loosens=True), "alice", "one big trade")

    assert scene.content.limits.max_risk_per_trade == 0.02
    assert outcome.override is not None
    assert outcome.override.expires_at == scene.clock.now() + HOUR
    scene.clock.advance(HOUR)
    ended = scene.operator.expire()
    assert ended is not None
    assert (ended.entry.act, ended.entry.actor, ended.overrides) == ("EXPIRE", "authority", ())
    assert scene.content.limits == before.limits
    assert scene.content.author == "authority"
    assert scene.operator.expire() is None


def test_an_evaluation_lets_go_what_is_over_too(scene: Operating) -> None:
    scene.operator.act(Place(sets=PinMode(mode=DEFENSIVE), lasts=HOUR), "alice", "news")
    scene.clock.advance(HOUR)

    assert scene.evaluate().candidate.risk_mode is NORMAL
    assert scene.state.overrides == ()
    assert scene.operator.expire() is None


def test_an_act_lets_go_what_is_over_too(scene: Operating) -> None:
    pinned = scene.operator.act(Place(sets=PinMode(mode=DEFENSIVE), lasts=HOUR), "alice", "news").override
    assert pinned is not None
    scene.clock.advance(HOUR)

    with pytest.raises(OverrideNotFound):
        scene.operator.act(Lift(override_id=pinned.override_id), "alice", "enough")
    assert scene.operator.overrides() == ()
    assert scene.operator.act(Place(sets=Reduce()), "alice", "x").content is not None
    assert scene.content.risk_mode is NORMAL
    assert [one.kind for one in scene.state.overrides] == ["REDUCE"]


def test_a_rollback_is_a_new_version_with_the_older_permission(scene: Operating) -> None:
    first = scene.store.policies.revision(1)
    assert first is not None

    outcome = scene.operator.act(RollBack(version=1), "alice", "all was well then")

    assert (scene.version, scene.content.rollback_of) == (4, 1)
    assert scene.content.limits == first.content.limits
    assert scene.content.risk_mode is DEFENSIVE
    assert outcome.override is not None
    scene.clock.advance(HALF_HOUR)
    assert scene.evaluate().candidate.rollback_of == 1


@pytest.mark.parametrize("version", [0, 99, 2**70])
def test_there_is_no_going_back_to_what_never_was(scene: Operating, version: int) -> None:
    with pytest.raises(RevisionUnknown, match=f"no version {version} "):
        scene.operator.act(RollBack(version=version), "alice", "why")


def test_a_strategy_is_benched_retired_and_reinstated(scene: Operating) -> None:
    benched = scene.operator.act(Place(sets=Bench(strategy_id="TREND")), "alice", "odd fills").override
    assert scene.content.allowed_strategies == ("RANGE",)
    assert benched is not None
    scene.operator.act(Lift(override_id=benched.override_id), "alice", "explained")
    assert set(scene.content.allowed_strategies) == {"TREND", "RANGE"}

    scene.operator.act(Retire(strategy_id="RANGE"), "alice", "delisted")
    assert scene.content.allowed_strategies == ("TREND",)
    assert scene.evaluate().candidate.allowed_strategies == ("TREND",)
    version = scene.version
    scene.operator.act(Reinstate(strategy_id="RANGE"), "alice", "listed again")

    assert scene.version == version
    assert scene.state.lives.by_id["RANGE"].state is StrategyState.BENCHED


def test_a_preview_writes_nothing_and_says_the_same(scene: Operating) -> None:
    state, version = scene.state, scene.version

    preview = scene.operator.preview(Halt(), "alice", "exchange incident")

    assert (scene.state, scene.version, scene.store.acts.page(None, 1)) == (state, version, [])
    assert preview.entry.committed is None
    outcome = scene.operator.act(Halt(), "alice", "exchange incident")
    assert (preview.entry.changes, preview.content) == (outcome.entry.changes, outcome.content)


def test_the_same_request_is_done_once_within_a_day(scene: Operating) -> None:
    place = Place(sets=SetLimits(max_risk_per_trade=0.005, max_positions=3), lasts=timedelta(days=2))
    first = scene.operator.act(place, "alice", "calmer", "r-1")
    scene.build()
    scene.clock.advance(timedelta(hours=24))

    again = scene.operator.act(place, "alice", "calmer", "r-1")

    assert again.before is None
    assert (again.entry.act_id, again.entry.committed) == (first.entry.act_id, first.head.ref)
    assert again.override == first.override
    assert len(scene.store.acts.page(None, 10)) == 1
    scene.clock.advance(timedelta(seconds=1))
    assert scene.operator.act(place, "alice", "calmer", "r-1").before is not None


@pytest.mark.parametrize("other", [Resume(), Place(sets=Reduce(), lasts=HOUR), Place(sets=Bench(strategy_id="TREND"))])
def test_a_request_id_that_did_something_else_does_nothing(scene: Operating, other: Act) -> None:
    scene.operator.act(Place(sets=Reduce()), "alice", "why", "r-1")

    with pytest.raises(RequestIdReused, match="r-1 has done REDUCE"):
        scene.operator.act(other, "alice", "why", "r-1")


def test_a_state_that_cannot_be_read_can_be_halted_and_is_kept_aside(scene: Operating) -> None:
    lost = b'{"format": 99}'
    stored = scene.store.evaluations.load()
    _overwrite(scene, stored, lost)
    for act in (Place(sets=Reduce()), Resume(), Retire(strategy_id="TREND")):
        with pytest.raises(StateUnreadable, match="only HALT"):
            scene.operator.act(act, "alice", "why")

    outcome = scene.operator.act(Halt(), "alice", "exchange incident", "r-1")

    assert scene.content.trading_state is HALTED
    assert scene.content.risk_mode is NORMAL
    assert base64.b64decode(str(outcome.entry.detail["unreadable_state"])) == lost
    assert scene.operator.act(Halt(), "alice", "exchange incident", "r-1").before is None
    assert scene.evaluate().candidate.trading_state is HALTED


def _overwrite(scene: Operating, stored: StoredState, payload: bytes) -> None:
    entry = scene.operator.preview(Halt(), "x", "x").entry
    commit = OverrideCommit(entry=entry, publish=None, valid_for_s=VALID_FOR_S, controller=payload)
    scene.store.evaluations.commit_override(commit, stored)


def test_ids_of_overrides_in_force_differ(scene: Operating) -> None:
    scene.build(new_id=iter(["a" * 32, "act-1", "a" * 32, "b" * 32, "act-2"]).__next__)

    for _ in range(2):
        scene.operator.act(Place(sets=Reduce()), "alice", "why")

    assert [one.override_id for one in scene.operator.overrides()] == ["a" * 8, "b" * 8]


def test_time_is_that_of_the_authority() -> None:
    scene = Operating(clock=ManualClock()).after_good_hours(1)

    placed = scene.operator.act(Place(sets=Reduce(), lasts=HOUR), "alice", "why").override

    assert placed is not None
    assert placed.created_at == scene.clock.now()
