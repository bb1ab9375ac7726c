"""The status, put together anew only when something in it is new: many ask for it, many times a second."""

from __future__ import annotations

from dataclasses import dataclass

from msc_authority.app.alerts.values import Alert
from msc_authority.app.broker import Current
from msc_authority.app.insight import Evaluations, Insight
from msc_authority.app.observation import Observation
from msc_authority.http.models.status import FreshnessAnswer, StatusAnswer, VersionsAnswer


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a status is made of. Each is a value that is replaced and never changed."""

    observation: Observation
    current: Current
    alerts: tuple[Alert, ...]
    evaluations: Evaluations | None

    def same_as(self, other: _Seen) -> bool:
        return (
            self.observation is other.observation
            and self.current is other.current
            and self.alerts is other.alerts
            and self.evaluations is other.evaluations
        )


class Glance:
    """Belongs to one event loop."""

    def __init__(self, insight: Insight, versions: VersionsAnswer) -> None:
        """Has put nothing together yet."""
        self._insight, self._versions = insight, versions
        self._made: tuple[_Seen, StatusAnswer, str] | None = None

    def status(self, evaluations: Evaluations | None) -> tuple[StatusAnswer, str]:
        """Returns the status as things are now, and its tag. `evaluations` None: the store did not say."""
        insight = self._insight
        seen = _Seen(insight.observation, insight.current, insight.alerts, evaluations)
        if self._made is None or not seen.same_as(self._made[0]):
            answer = StatusAnswer.of(insight, evaluations, self._versions)
            self._made = seen, answer, answer.etag
            return self._made[1:]
        _, answer, etag = self._made
        # What time alone moves is never taken from before.
        moved: dict[str, object] = {
            "freshness": FreshnessAnswer.of(insight.freshness()),
            "next_evaluation_in_s": insight.next_evaluation_in_s(),
        }
        return answer.model_copy(update=moved), etag
