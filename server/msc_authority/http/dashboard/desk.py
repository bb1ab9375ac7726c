"""An operator's desk on one open page: what was looked at is what is confirmed, and nothing else is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msc_authority.app.access import actor, may_ask, require_route
from msc_authority.app.acts import Resume, may_loosen
from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.insight import Insight
from msc_authority.app.operate import ActOutcome
from msc_authority.app.operations import actor_of
from msc_authority.core.policy import PolicyRef
from msc_authority.http.answers import API
from msc_authority.http.dashboard.asking import came_of_evaluation
from msc_authority.http.dashboard.operate_form import Asked, asked_from
from msc_authority.http.dashboard.operate_view import (
    Prospect,
    came_of_act,
    came_of_resume,
    may_have_been_done,
    prospect_of_act,
    prospect_of_evaluation,
    refusal_of,
    unevaluated_resume,
)
from msc_authority.http.dashboard.what_if import Refused

_log = logging.getLogger(__name__)

_ACT = ("POST", f"{API}/act")
_EVALUATE = ("POST", f"{API}/evaluate")
_UNSURE = "The store does not answer, and nobody knows whether it was done. Confirm again: it is done once at most."
_MOVED = "The policy has changed since you looked. This is what it comes to now:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What would come of it. `number` is what a confirmation names; `said` stands above."""

    number: int
    prospect: Prospect
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of it."""

    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsure:
    """It is not known what came of it; the same may be confirmed again."""

    number: int
    prospect: Prospect
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    number: int
    asked: Asked
    prospect: Prospect
    request_id: str
    seen: PolicyRef


def may_operate() -> bool:
    """Whether whoever looks is to be offered what operators do: by the table that answers them over REST."""
    return may_ask(*_ACT)


class Desk:
    """Asks for what a person wants, first what it would come to. Who asks, and whether it may, is asked each time."""

    def __init__(self, insight: Insight, new_id: Callable[[], str]) -> None:
        """`new_id` names each thing that was looked at, so that it is done once at most."""
        self._insight, self._new_id = insight, new_id
        self._pending: _Pending | None = None
        self._looks = 0

    async def look(self, values: Mapping[str, object]) -> Looked | Refused:
        """Returns what would come of what was typed. Nothing is written."""
        self._pending = None
        asked = asked_from(values)
        if isinstance(asked, Refused):
            return asked
        try:
            return await self._looked_at(asked)
        except Exception as error:
            return refusal_of(error)

    async def confirm(self, number: object) -> Done | Looked | Unsure | Refused:
        """Does what was looked at under that number. Where it might loosen a policy that is new, it is shown anew."""
        pending, self._pending = self._pending, None
        if pending is None or pending.number != number:
            return Refused(errors={}, text="Nothing was done: look at what it comes to first.")
        try:
            if self._has_moved(pending):
                looked = await self._looked_at(pending.asked)
                return Looked(number=looked.number, prospect=looked.prospect, said=_MOVED)
            return Done(said=await self._do(pending))
        except Exception as error:
            if may_have_been_done(error):
                self._pending = pending
                return Unsure(number=pending.number, prospect=pending.prospect, said=_UNSURE)
            return refusal_of(error)

    def _has_moved(self, pending: _Pending) -> bool:
        act = pending.asked.act
        return act is not None and may_loosen(act) and self._insight.current.head.ref != pending.seen

    async def _looked_at(self, asked: Asked) -> Looked:
        if asked.act is None:
            require_route(*_EVALUATE)
            evaluated = await self._insight.preview(requested_by=actor(), reason=asked.reason)
            return self._shown(asked, prospect_of_evaluation(asked, evaluated), evaluated.head.ref)
        require_route(*_ACT)
        outcome = await self._insight.preview_act(asked.act, actor=actor_of(asked.note), reason=asked.reason)
        return self._shown(asked, prospect_of_act(asked, outcome), outcome.head.ref)

    def _shown(self, asked: Asked, prospect: Prospect, seen: PolicyRef) -> Looked:
        self._looks += 1
        self._pending = _Pending(
            number=self._looks, asked=asked, prospect=prospect, request_id=self._new_id(), seen=seen
        )
        return Looked(number=self._looks, prospect=prospect)

    async def _do(self, pending: _Pending) -> str:
        asked, request_id = pending.asked, pending.request_id
        if asked.act is None:
            require_route(*_EVALUATE)
            evaluated = await self._insight.evaluate(request_id=request_id, requested_by=actor(), reason=asked.reason)
            return came_of_evaluation(evaluated)
        require_route(*_ACT)
        outcome = await self._insight.act(
            asked.act, actor=actor_of(asked.note), reason=asked.reason, request_id=request_id
        )
        return await self._resumed(outcome) if isinstance(asked.act, Resume) else came_of_act(outcome)

    async def _resumed(self, outcome: ActOutcome) -> str:
        # What a resume comes to is decided by an evaluation: the policy of the act alone stands for a second at most.
        try:
            behind = await self._behind()
        except Exception:
            # It was resumed, whatever this does; as if nothing had been done would be a lie.
            _log.exception("The evaluation behind a resume on the dashboard failed")
            return unevaluated_resume(outcome)
        return came_of_resume(outcome, behind)

    async def _behind(self) -> EvaluationOutcome:
        # The act has one made by itself; another one would say the same. None was if the act was done elsewhere before.
        made = await self._insight.evaluated_behind_acts()
        if made is not None:
            return made
        return await self._insight.evaluate(request_id="", requested_by=actor(), reason="what a resume comes to")
