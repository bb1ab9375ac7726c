"""What a person asks for on the page, and the answer in words. Nothing that goes wrong reaches the page unsaid."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from msc_authority.app.access import Role, RoleMissing, actor, require
from msc_authority.app.broker import Draining
from msc_authority.app.evaluate import EvaluationFailed, EvaluationOutcome, InvalidMetric
from msc_authority.app.insight import Insight
from msc_authority.app.scheduler import TooManyEvaluations
from msc_authority.http.dashboard.policy_view import name_of
from msc_authority.http.dashboard.what_if import Refused, WhatIf, judged, refused_by, supplied_from
from msc_authority.ports.store import StoreUnavailable

_log = logging.getLogger(__name__)

_UNEXPECTED = "Something unexpected went wrong. The authority's log says what."
_NO_STORE = "The store does not answer. Nothing was changed; try again in a moment."


async def evaluate_now(insight: Insight) -> str:
    """Has it evaluated now. Returns what came of it, as a sentence."""
    try:
        require(Role.EVALUATOR)
        outcome = await insight.evaluate(request_id="", requested_by=actor(), reason="asked for on the dashboard")
    except TooManyEvaluations:
        return "Enough evaluations are waiting already. Try again in a moment."
    except EvaluationFailed as error:
        return f"The {error}. The policy was kept."
    except (Draining, RoleMissing) as error:
        return f"Nothing was evaluated: {error}."
    except StoreUnavailable:
        return _NO_STORE
    except Exception:
        _log.exception("An evaluation asked for on the dashboard failed")
        return _UNEXPECTED
    return came_of_evaluation(outcome)


def came_of_evaluation(outcome: EvaluationOutcome) -> str:
    """Returns what an evaluation came to, as a sentence."""
    took = f"{outcome.entry.duration_s * 1000:.0f} ms"
    if outcome.entry.committed is not None:
        return f"Evaluated in {took}: {name_of(outcome.entry.committed)} was published."
    return f"Evaluated in {took}: the policy stays."


async def ask_what_if(insight: Insight, values: Mapping[str, object]) -> WhatIf | Refused:
    """Returns what the policy would be under the numbers that were typed in, or why that cannot be said."""
    supplied = supplied_from(values)
    if isinstance(supplied, Refused):
        return supplied
    try:
        require(Role.EVALUATOR)
        return judged(supplied, await insight.what_if(supplied))
    except InvalidMetric as error:
        return refused_by(error.field, error.problem)
    except (Draining, RoleMissing) as error:
        return Refused(errors={}, text=f"Nothing was judged: {error}.")
    except StoreUnavailable:
        return Refused(errors={}, text=_NO_STORE)
    except Exception:
        _log.exception("A what-if asked for on the dashboard failed")
        return Refused(errors={}, text=_UNEXPECTED)
