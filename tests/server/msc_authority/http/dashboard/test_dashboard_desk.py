"""An operator's desk before a real authority: looked at first, done as looked at, or refused in words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from msc_builders import a_content, an_entry
from msc_dashboard import AskedInsight, no_head
from msc_operated import Operated, operated

from msc_authority.app.access import Identity, Kind, Role, acting_as
from msc_authority.app.acts import Act, Halt, Resume
from msc_authority.app.broker import Current, Draining
from msc_authority.app.evaluate import EvaluationFailed, EvaluationOutcome
from msc_authority.app.operate import ActOutcome
from msc_authority.app.operations import TooManyActs
from msc_authority.core.policy import RiskMode, TradingState
from msc_authority.http.dashboard.desk import Desk, Done, Looked, Unsure, may_operate
from msc_authority.http.dashboard.what_if import Refused
from msc_authority.ports.store import StoreUnavailable

ANNA = Identity(name="anna", kind=Kind.TOKEN, roles=frozenset({Role.OPERATOR}))
EVA = Identity(name="eva", kind=Kind.TOKEN, roles=frozenset({Role.EVALUATOR}))
HERE = Identity(name="anonymous@127.0.0.1", kind=Kind.ANONYMOUS_LOOPBACK, roles=frozenset({Role.OPERATOR}))
HALT = {"action": "halt", "reason": "exchange incident"}
RESUME = {"action": "resume", "reason": "over"}
IDS = itertools.count(1)
LOOSE = {"action": "pin_mode", "risk_mode": "AGGRESSIVE", "reason": "trial"}


@pytest.fixture(autouse=True)
def _asked_by_anna() -> Iterator[None]:
    with acting_as(ANNA):
        yield


def a_desk(scene: Operated) -> Desk:
    return Desk(scene.authority.insight, lambda: f"page-{next(IDS)}")


def state_of(scene: Operated) -> TradingState:
    return scene.content.trading_state


async def looked(desk: Desk, **values: object) -> Looked:
    found = await desk.look(values)
    assert isinstance(found, Looked), found
    return found


async def done(desk: Desk, **values: object) -> str:
    found = await desk.confirm((await looked(desk, **values)).number)
    assert isinstance(found, Done), found
    return found.said


async def test_a_halt_is_looked_at_and_then_done_under_the_name_of_who_is_logged_in() -> None:
    async with operated() as scene:
        desk = a_desk(scene)
        version = scene.store.policies.head().ref.version

        prospect = (await looked(desk, **HALT, actor="somebody else")).prospect

        assert (prospect.trading_state, prospect.confirm, prospect.grave) == ("HALTED", "Confirm: Halt", True)
        assert [(one.label, one.after, one.direction) for one in prospect.diffs] == [
            ("Trading state", "HALTED", "tighter")
        ]
        assert prospect.compared_with == f"v{version}"
        assert state_of(scene) is TradingState.ACTIVE

        said = await done(desk, **HALT)

        assert said == f"HALTED by anna: exchange incident — v{version + 1} is in force."
        assert state_of(scene) is TradingState.HALTED
        (entry,) = scene.store.acts.page(None, 10)
        assert (entry.actor, entry.request_id[:5]) == ("anna", "page-")


async def test_without_a_login_it_is_done_by_nobody_known_and_the_note_stands_beside_as_over_rest() -> None:
    async with operated() as scene:
        with acting_as(HERE):
            await done(a_desk(scene), **HALT)
            await done(a_desk(scene), action="resume", reason="over", actor="bob")

        assert [entry.actor for entry in scene.store.acts.page(None, 10)] == [
            "anonymous@127.0.0.1 (bob)",
            "anonymous@127.0.0.1",
        ]


async def test_a_resume_says_that_an_evaluation_follows_and_then_what_that_came_to() -> None:
    async with operated() as scene:
        desk = a_desk(scene)
        assert (await looked(desk, **HALT)).prospect.follows == ""
        await done(desk, **HALT)

        prospect = (await looked(desk, **RESUME)).prospect
        said = await done(desk, **RESUME)

        assert (prospect.grave, prospect.trading_state) == (True, "REDUCING")
        assert prospect.follows.startswith("An evaluation follows at once, and may make it ACTIVE")
        version = scene.store.policies.head().ref.version
        assert said == (
            f"Resumed by anna: over — v{version - 1} is in force. Evaluated since: trading is ACTIVE (v{version})."
        )
        assert state_of(scene) is TradingState.ACTIVE


async def test_what_a_resume_comes_to_is_read_of_the_one_evaluation_that_follows_it() -> None:
    async with operated() as scene:
        desk = a_desk(scene)
        await done(desk, **HALT)
        await scene.authority.insight.evaluated_behind_acts()
        before = scene.evaluations

        said = await done(desk, **RESUME)
        await done(a_desk(scene), action="evaluate", reason="whatever was still to be evaluated stands before this")

        assert "Evaluated since: trading is ACTIVE" in said
        assert scene.evaluations == before + 2


async def test_a_resume_of_a_mere_reduction_promises_nothing_more() -> None:
    async with operated() as scene:
        desk = a_desk(scene)
        await done(desk, action="reduce", reason="news")

        prospect = (await looked(desk, **RESUME)).prospect

        assert (prospect.trading_state, prospect.follows) == ("ACTIVE", "An evaluation follows at once.")


async def test_a_resume_is_told_as_done_where_the_evaluation_behind_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    async with operated() as scene:
        await done(a_desk(scene), **HALT)
        previewed = await scene.authority.insight.preview_act(Resume(), actor="anna", reason="over")
        insight = _Unevaluated(previewed=previewed, served=scene.authority.insight.current)
        desk = Desk(insight, lambda: "page-1")

        said = await done(desk, **RESUME)

        assert said.startswith("Resumed by anna: over")
        assert said.endswith("The evaluation that should follow has not come about: see what is in force above.")
        assert "the journal is torn" in caplog.text


async def test_an_override_says_when_it_ends_and_is_lifted() -> None:
    async with operated() as scene:
        desk = a_desk(scene)
        prospect = (await looked(desk, action="reduce", reason="news", lasts="30m")).prospect
        assert prospect.ends.startswith("It ends by itself on ")
        assert (await looked(desk, action="reduce", reason="news")).prospect.ends == "It lasts until it is lifted."

        await done(desk, action="reduce", reason="news", lasts="30m")
        (override,) = await scene.authority.insight.overrides_now()
        said = await done(desk, action="lift", reason="calm", override_id=override.override_id)

        assert "in force" in said
        assert state_of(scene) is TradingState.ACTIVE


async def test_what_changes_nothing_says_so() -> None:
    async with operated() as scene:
        await done(a_desk(scene), action="retire", reason="broken", strategy_id="TREND")

        said = await done(a_desk(scene), action="reinstate", reason="fixed", strategy_id="TREND")

        assert said.endswith(f"the policy stays as it is (v{scene.store.policies.head().ref.version}).")


async def test_what_loosens_is_refused_at_its_field_until_it_is_meant() -> None:
    async with operated() as scene:
        desk = a_desk(scene)

        refused = await desk.look(LOOSE)

        assert isinstance(refused, Refused)
        assert refused.errors["allow_loosening"].startswith("The controller allows NORMAL, and AGGRESSIVE is more.")
        prospect = (await looked(desk, **LOOSE, allow_loosening=True)).prospect
        assert prospect.loosens
        assert prospect.ends.startswith("It ends by itself on ")
        assert scene.content.risk_mode is RiskMode.NORMAL


async def test_what_loosens_is_shown_anew_where_the_policy_has_changed_and_a_halt_is_not_held_up() -> None:
    async with operated() as scene:
        loosening, halting = a_desk(scene), a_desk(scene)
        first = await looked(loosening, **LOOSE, allow_loosening=True)
        halt = await looked(halting, **HALT)
        await done(a_desk(scene), action="reduce", reason="news")

        again = await loosening.confirm(first.number)

        assert isinstance(again, Looked)
        assert again.said == "The policy has changed since you looked. This is what it comes to now:"
        assert again.prospect.trading_state == "REDUCING"
        assert scene.content.risk_mode is RiskMode.NORMAL
        assert isinstance(await loosening.confirm(again.number), Done)
        assert isinstance(await halting.confirm(halt.number), Done)
        assert (scene.content.risk_mode, scene.content.trading_state) == (RiskMode.AGGRESSIVE, TradingState.HALTED)


async def test_only_what_was_looked_at_last_is_confirmed_and_once() -> None:
    async with operated() as scene:
        desk = a_desk(scene)
        first = await looked(desk, **HALT)
        second = await looked(desk, action="reduce", reason="news")

        others: tuple[object, ...] = (first.number, None, "1", {})
        for number in others:
            found = await desk.confirm(number)
            assert found == Refused(errors={}, text="Nothing was done: look at what it comes to first.")
        assert isinstance(await desk.confirm(second.number), Refused)
        assert scene.store.acts.page(None, 10) == []


async def test_what_is_wrong_takes_back_what_was_looked_at() -> None:
    async with operated() as scene:
        desk = a_desk(scene)
        first = await looked(desk, **HALT)

        assert isinstance(await desk.look({"action": "halt", "reason": ""}), Refused)

        assert isinstance(await desk.confirm(first.number), Refused)


@pytest.mark.parametrize(
    ("values", "field", "problem"),
    [
        ({"action": "bench", "strategy_id": "TREN"}, "strategy_id", "did you mean TREND?"),
        ({"action": "reinstate", "strategy_id": "TREND"}, "strategy_id", "."),
        ({"action": "rollback", "version": "99"}, "version", "There is no version 99 in this epoch."),
        ({"action": "lift", "override_id": "gone"}, "override_id", "it may have expired"),
        ({**LOOSE, "allow_loosening": True, "lasts": "25h"}, "lasts", "within 24 h"),
    ],
)
async def test_what_cannot_be_done_is_said_at_its_field(values: dict[str, object], field: str, problem: str) -> None:
    async with operated() as scene:
        refused = await a_desk(scene).look({"reason": "x", **values})

        assert isinstance(refused, Refused)
        assert set(refused.errors) == {field}
        assert problem in refused.errors[field]


async def test_there_may_be_nothing_to_resume() -> None:
    async with operated() as scene:
        refused = await a_desk(scene).look({"action": "resume", "reason": "x"})

        assert refused == Refused(errors={}, text="Trading is neither halted nor reduced by a person.")


async def test_an_evaluation_is_looked_at_and_made_for_a_reason() -> None:
    async with operated() as scene:
        desk, before = a_desk(scene), scene.evaluations

        prospect = (await looked(desk, action="evaluate", reason="after the import")).prospect
        assert (prospect.mode, scene.evaluations) == ("NORMAL", before)
        said = await done(desk, action="evaluate", reason="after the import")

        assert said.startswith("Evaluated in ")
        assert scene.evaluations == before + 1


async def test_who_lacks_the_role_is_offered_nothing_and_refused_where_it_is_done() -> None:
    async with operated() as scene:
        desk = a_desk(scene)
        ready = await looked(desk, **HALT)
        assert may_operate()

        with acting_as(EVA):
            assert not may_operate()
            confirmed = await desk.confirm(ready.number)
            seen = await desk.look(HALT)
            evaluated = await desk.look({**HALT, "action": "evaluate"})

        needed = "Nothing was done: eva needs the role operator for this; it has: evaluator."
        assert confirmed == seen == Refused(errors={}, text=needed)
        assert isinstance(evaluated, Looked)
        assert scene.store.acts.page(None, 10) == []


@dataclass
class _Failing(AskedInsight):
    """Shows what would come of a halt, and then fails, once for each error."""

    errors: list[Exception] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    previewed: ActOutcome | None = None

    async def preview_act(self, act: Act, *, actor: str, reason: str) -> ActOutcome:
        assert self.previewed is not None
        return self.previewed

    async def act(self, act: Act, *, actor: str, reason: str, request_id: str) -> ActOutcome:
        self.asked.append(request_id)
        if self.errors:
            raise self.errors.pop()
        assert self.previewed is not None
        return self.previewed


@dataclass
class _Unevaluated(_Failing):
    """Acts, and cannot evaluate."""

    served: Current | None = None

    @property
    def current(self) -> Current:
        assert self.served is not None
        return self.served

    async def evaluate(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        raise EvaluationFailed("the journal is torn")

    async def evaluated_behind_acts(self) -> EvaluationOutcome | None:
        raise EvaluationFailed("the journal is torn")


async def _failing(scene: Operated, error: Exception) -> _Failing:
    previewed = await scene.authority.insight.preview_act(Halt(), actor="anna", reason="exchange incident")
    return _Failing(errors=[error], previewed=previewed)


async def test_where_nobody_knows_whether_it_was_done_the_same_may_be_confirmed_again() -> None:
    async with operated() as scene:
        insight = await _failing(scene, StoreUnavailable("cut off"))
        desk = Desk(insight, lambda: "page-1")
        number = (await looked(desk, **HALT)).number

        unsure = await desk.confirm(number)

        assert isinstance(unsure, Unsure)
        assert "nobody knows whether it was done" in unsure.said
        assert unsure.number == number
        assert isinstance(await desk.confirm(number), Done)
        assert insight.asked == ["page-1", "page-1"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Draining("the authority is stopping"), "Nothing was done: the authority is stopping."),
        (TooManyActs("64 acts are under way already"), "64 acts are under way already."),
        (EvaluationFailed("evaluation e-1 failed: X"), "The evaluation e-1 failed: X. The policy was kept."),
        (RuntimeError("secret"), "Something unexpected went wrong. The authority's log says what."),
    ],
)
async def test_what_goes_wrong_is_said_in_words(error: Exception, said: str, caplog: pytest.LogCaptureFixture) -> None:
    async with operated() as scene:
        desk = Desk(await _failing(scene, error), lambda: "page-1")
        number = (await looked(desk, **HALT)).number

        assert await desk.confirm(number) == Refused(errors={}, text=said)
        assert ("secret" in caplog.text) is isinstance(error, RuntimeError)


async def test_before_there_is_a_policy_the_prospect_is_compared_with_none() -> None:
    class Empty(AskedInsight):
        async def preview(self, *, requested_by: str, reason: str) -> EvaluationOutcome:
            return EvaluationOutcome(entry=an_entry(), candidate=a_content(), changes=(), head=no_head())

    desk = Desk(Empty(), lambda: "page-1")

    assert (await looked(desk, action="evaluate", reason="first")).prospect.compared_with == ""
