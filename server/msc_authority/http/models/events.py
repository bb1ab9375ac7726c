"""What the stream of events says."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from msc_authority.app.signals import BlockedSignal
from msc_authority.http.models.basics import Answer, ChangeAnswer, Instant, PlainRef
from msc_authority.http.models.evaluations import EvaluationAnswer, HealthReport
from msc_authority.http.models.policies import PolicyAnswer
from msc_authority.ports.operator import ActEntry


class PolicyEvent(Answer):
    """A new policy is in force."""

    policy: PolicyAnswer
    changes: list[ChangeAnswer]


class BrokenEvaluation(Answer):
    """An evaluation could not be made. The policy was kept."""

    trigger: str
    failure: str


class EvaluationEvent(Answer):
    """An evaluation was made. Both are null where it failed."""

    evaluation: EvaluationAnswer | None
    health: HealthReport | None
    failure: BrokenEvaluation | None


class BlockEvent(Answer):
    """An executor blocked a signal."""

    at: Instant
    strategy_id: str
    symbol: str
    side: str
    reason: str
    text: Annotated[str, Field(description="The executor's sentence.")]
    executor: str
    policy_version: int

    @classmethod
    def of(cls, signal: BlockedSignal) -> Self:
        """Returns the answer for a blocked signal."""
        return cls(
            at=signal.at,
            strategy_id=signal.strategy_id,
            symbol=signal.symbol,
            side=signal.side,
            reason=signal.reason,
            text=signal.text,
            executor=signal.executor,
            policy_version=signal.policy_version,
        )


class ActEvent(Answer):
    """A person has done something through this authority, or it has ended an override whose time was over."""

    act_id: str
    act: Annotated[
        str,
        Field(
            description="HALT, RESUME, REDUCE, PIN_MODE, SET_LIMITS, BENCH, ROLLBACK, RETIRE, REINSTATE, LIFT; EXPIRE."
        ),
    ]
    target: Annotated[str, Field(description="What it was done to.")]
    at: Instant
    actor: str
    reason: str
    override_id: Annotated[str, Field(description="The override that it has put in force; empty: none.")]
    committed: Annotated[PlainRef | None, Field(description="The policy that it led to; null: the policy stays.")]
    changes: list[ChangeAnswer]

    @classmethod
    def of(cls, entry: ActEntry) -> Self:
        """Returns the answer for an act."""
        return cls(
            act_id=entry.act_id,
            act=entry.act,
            target=entry.target,
            at=entry.at,
            actor=entry.actor,
            reason=entry.reason,
            override_id=entry.override_id,
            committed=PlainRef.of(entry.committed) if entry.committed else None,
            changes=[ChangeAnswer.of(change) for change in entry.changes],
        )


class GapEvent(Answer):
    """Events are missing here: what happened in between has to be read from the other answers."""

    reason: Literal["TOO_OLD", "OVERFLOW"]
    detail: str


class EndEvent(Answer):
    """The stream ends here, and why. Events that follow can be had by connecting again with Last-Event-ID."""

    reason: Literal["SLOW_CONSUMER", "STOPPING"]
    detail: str
