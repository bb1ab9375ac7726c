"""What an operator's word would come to, what it came to, and why it cannot be done: in words."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from msc_authority.app.access import AccessRefused
from msc_authority.app.acts import Resume
from msc_authority.app.broker import Draining
from msc_authority.app.evaluate import EvaluationFailed, EvaluationOutcome
from msc_authority.app.operate import ActOutcome, RevisionUnknown
from msc_authority.core.operator_acts import (
    InvalidAct,
    LooseningNotAllowed,
    OverrideNotFound,
    StrategyUnknown,
    WrongStrategyState,
)
from msc_authority.core.overrides import Override
from msc_authority.core.policy import PolicyContent, RiskMode, TradingState, changes_between
from msc_authority.http.dashboard.operate_form import LOOSENING, Asked
from msc_authority.http.dashboard.policy_view import (
    MODE_MEANING,
    STATE_MEANING,
    Diff,
    LimitsView,
    differences,
    instant,
    limits_of,
    name_of,
)
from msc_authority.http.dashboard.what_if import Refused
from msc_authority.http.errors import TABLE
from msc_authority.ports.policies import Head
from msc_authority.ports.store import StoreUnavailable

_log = logging.getLogger(__name__)

_UNEXPECTED = "Something unexpected went wrong. The authority's log says what."
_FIELD_OF: tuple[tuple[type[Exception], str], ...] = (
    (LooseningNotAllowed, LOOSENING),
    (StrategyUnknown, "strategy_id"),
    (WrongStrategyState, "strategy_id"),
    (RevisionUnknown, "version"),
    (OverrideNotFound, "override_id"),
)
_INPUTS = frozenset({"reason", "actor", "lasts", LOOSENING})
_MEANT = "Allow it below if that is meant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """The policy that would result, beside the one in force. `confirm` is what the button says.

    `follows` is what happens to it next, at once, where that is not what it looks like.
    """

    title: str
    confirm: str
    grave: bool
    mode: str
    mode_meaning: str
    trading_state: str
    trading_meaning: str
    limits: LimitsView
    diffs: tuple[Diff, ...]
    compared_with: str
    ends: str
    loosens: bool
    reasons: tuple[str, ...]
    follows: str = ""


def prospect_of_act(asked: Asked, outcome: ActOutcome) -> Prospect:
    """Returns what an act would come to."""
    content = outcome.content
    if content is None:
        raise ValueError("a preview has the policy that would result")
    return replace(_prospect(asked, content, outcome.head, outcome.override), follows=_follows(asked, content))


def prospect_of_evaluation(asked: Asked, outcome: EvaluationOutcome) -> Prospect:
    """Returns what an evaluation would decide."""
    return _prospect(asked, outcome.candidate, outcome.head, None)


def _prospect(asked: Asked, content: PolicyContent, head: Head, override: Override | None) -> Prospect:
    before = head.policy.content if head.policy else None
    return Prospect(
        title=asked.action.label,
        confirm=f"Confirm: {asked.action.label}",
        grave=asked.action.grave,
        mode=content.risk_mode.name,
        mode_meaning=MODE_MEANING[RiskMode(content.risk_mode)],
        trading_state=content.trading_state.name,
        trading_meaning=STATE_MEANING[TradingState(content.trading_state)],
        limits=limits_of(content),
        diffs=differences(changes_between(before, content)),
        compared_with=name_of(head.ref) if head.policy else "",
        ends=_ends(override),
        loosens=override is not None and override.loosens,
        reasons=tuple(reason.text for reason in content.reasons),
    )


def _follows(asked: Asked, content: PolicyContent) -> str:
    if not isinstance(asked.act, Resume):
        return ""
    if content.trading_state is TradingState.ACTIVE:
        return "An evaluation follows at once."
    return "An evaluation follows at once, and may make it ACTIVE: entries are then allowed again."


def _ends(override: Override | None) -> str:
    if override is None:
        return ""
    if override.expires_at is None:
        return "It lasts until it is lifted."
    return f"It ends by itself on {instant(override.expires_at).text} UTC, or when it is lifted."


def came_of_act(outcome: ActOutcome) -> str:
    """Returns what an act came to, as a sentence."""
    said = outcome.summary[:1].upper() + outcome.summary[1:]
    if outcome.entry.committed is not None:
        return f"{said} — {name_of(outcome.entry.committed)} is in force."
    return f"{said} — the policy stays as it is ({name_of(outcome.head.ref)})."


def came_of_resume(outcome: ActOutcome, behind: EvaluationOutcome) -> str:
    """Returns what a resume and the evaluation `behind` it came to, as a sentence."""
    done, policy = came_of_act(outcome), behind.head.policy
    if policy is None:
        return done
    return f"{done} Evaluated since: trading is {policy.content.trading_state.name} ({name_of(behind.head.ref)})."


def unevaluated_resume(outcome: ActOutcome) -> str:
    """Returns what a resume came to where the evaluation behind it did not come about."""
    return f"{came_of_act(outcome)} The evaluation that should follow has not come about: see what is in force above."


def refusal_of(error: Exception) -> Refused:
    """Returns why something cannot be done, at its field where it has one."""
    if isinstance(error, AccessRefused | Draining):
        return Refused(errors={}, text=f"Nothing was done: {error}.")
    if isinstance(error, EvaluationFailed):
        return Refused(errors={}, text=f"The {error}. The policy was kept.")
    row = next((row for row in TABLE if isinstance(error, row.kind)), None)
    if row is None:
        _log.error("What was asked for on the dashboard failed", exc_info=error)
        return Refused(errors={}, text=_UNEXPECTED)
    if isinstance(error, InvalidAct) and error.field in _INPUTS:
        return _at(error.field, error.problem)
    field = next((name for kind, name in _FIELD_OF if isinstance(error, kind)), "")
    if field == LOOSENING:
        return _at(field, f"{error}. {_MEANT}")
    return _at(field, str(error)) if field else Refused(errors={}, text=_sentence(row.text or str(error)))


def may_have_been_done(error: Exception) -> bool:
    """Whether nobody knows if it was done: then the same may be asked for again, and is done once at most."""
    return isinstance(error, StoreUnavailable)


def _at(field: str, problem: str) -> Refused:
    sentence = _sentence(problem)
    return Refused(errors={field: sentence}, text=sentence)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
