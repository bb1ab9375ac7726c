"""What persons ask for, what became of it, and what they have put in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from msc_authority.app.acts import Act, Halt, Lift, Place, Reinstate, Resume, Retire, RollBack
from msc_authority.app.operate import ActOutcome
from msc_authority.core.overrides import (
    MAX_LASTING,
    Bench,
    Override,
    OverrideKind,
    PinMode,
    Reduce,
    Rollback,
    SetLimits,
)
from msc_authority.core.policy import RiskMode
from msc_authority.http.models.basics import Answer, ChangeAnswer, Instant, PlainRef, RefAnswer
from msc_authority.http.models.policies import ContentAnswer, RiskModeName

MAX_COUNT = 1_000_000
MAX_VERSION = 2**63 - 1


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be without control characters")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("say why")
    return _printable(text)


Id = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_printable)]
Lasting = Annotated[
    float | None,
    Field(
        gt=0,
        le=MAX_LASTING.total_seconds(),
        description="Seconds on the authority's clock; null: until lifted, or an hour where it loosens.",
    ),
]
Loosening = Annotated[
    bool, Field(description="It may allow more than the controller does. It then lasts at most 24 h.")
]


class _Asked(BaseModel):
    # Strict: "3" is not 3 and true is not 1. What is misspelt is refused, not ignored.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    reason: Annotated[
        str,
        Field(min_length=1, max_length=256, description="Why, for the policy, the history and the audit log."),
        AfterValidator(_said),
    ]
    actor: Annotated[
        str,
        Field(max_length=64, description="A note on who asks, behind the name that the door knows."),
        AfterValidator(_printable),
    ] = ""
    request_id: Annotated[
        str,
        Field(
            max_length=64,
            pattern=r"^[A-Za-z0-9_.-]*$",
            description="The same id again within a day does nothing anew.",
        ),
    ] = ""
    dry_run: Annotated[bool, Field(description="Say what it would come to and write nothing.")] = False


class HaltRequest(_Asked):
    """Stop trading until it is resumed."""

    action: Literal["halt"]

    def act(self) -> Act:
        """Returns what is asked for."""
        return Halt()


class ReduceRequest(_Asked):
    """Stop entries until it is lifted or resumed."""

    action: Literal["reduce"]
    lasts_s: Lasting = None

    def act(self) -> Act:
        """Returns what is asked for."""
        return Place(sets=Reduce(), lasts=_span(self.lasts_s))


class ResumeRequest(_Asked):
    """End a halt, and every reduction by a person.

    After a halt trading is REDUCING. An evaluation follows at once, and may make trading ACTIVE in the same second.
    """

    action: Literal["resume"]

    def act(self) -> Act:
        """Returns what is asked for."""
        return Resume()


class PinModeRequest(_Asked):
    """Allow no more than a mode does, or with allow_loosening exactly that."""

    action: Literal["pin_mode"]
    risk_mode: RiskModeName
    lasts_s: Lasting = None
    allow_loosening: Loosening = False

    def act(self) -> Act:
        """Returns what is asked for."""
        return Place(
            sets=PinMode(mode=RiskMode[self.risk_mode]), lasts=_span(self.lasts_s), loosens=self.allow_loosening
        )


class LimitsRequest(BaseModel):
    """Limits, at least one. One that is missing or null stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    max_risk_per_trade: Annotated[float | None, Field(gt=0, le=1, description="Fraction of equity.")] = None
    global_min_confidence: Annotated[float | None, Field(gt=0, le=1, description="Fraction.")] = None
    max_positions: Annotated[int | None, Field(ge=1, le=MAX_COUNT)] = None
    max_daily_trades: Annotated[int | None, Field(ge=1, le=MAX_COUNT)] = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if not self.model_dump(exclude_none=True):
            raise ValueError("name at least one limit")
        return self

    def sets(self) -> SetLimits:
        """Returns them as the core takes them."""
        return SetLimits(**self.model_dump())


class SetLimitsRequest(_Asked):
    """Tighten limits, or with allow_loosening set them."""

    action: Literal["set_limits"]
    limits: LimitsRequest
    lasts_s: Lasting = None
    allow_loosening: Loosening = False

    def act(self) -> Act:
        """Returns what is asked for."""
        return Place(sets=self.limits.sets(), lasts=_span(self.lasts_s), loosens=self.allow_loosening)


class BenchRequest(_Asked):
    """Take a strategy off the list."""

    action: Literal["bench"]
    strategy_id: Id
    lasts_s: Lasting = None

    def act(self) -> Act:
        """Returns what is asked for."""
        return Place(sets=Bench(strategy_id=self.strategy_id), lasts=_span(self.lasts_s))


class RetireRequest(_Asked):
    """Take a strategy out of service until it is reinstated."""

    action: Literal["retire"]
    strategy_id: Id

    def act(self) -> Act:
        """Returns what is asked for."""
        return Retire(strategy_id=self.strategy_id)


class ReinstateRequest(_Asked):
    """Bring a retired strategy back to the bench."""

    action: Literal["reinstate"]
    strategy_id: Id

    def act(self) -> Act:
        """Returns what is asked for."""
        return Reinstate(strategy_id=self.strategy_id)


class RollbackRequest(_Asked):
    """Allow no more than an earlier version did, or with allow_loosening exactly that."""

    action: Literal["rollback"]
    version: Annotated[int, Field(ge=1, le=MAX_VERSION, description="A version of this epoch.")]
    lasts_s: Lasting = None
    allow_loosening: Loosening = False

    def act(self) -> Act:
        """Returns what is asked for."""
        return RollBack(version=self.version, lasts=_span(self.lasts_s), loosens=self.allow_loosening)


class LiftRequest(_Asked):
    """End an override before its time."""

    action: Literal["lift"]
    override_id: Id

    def act(self) -> Act:
        """Returns what is asked for."""
        return Lift(override_id=self.override_id)


ActRequest = Annotated[
    HaltRequest
    | ReduceRequest
    | ResumeRequest
    | PinModeRequest
    | SetLimitsRequest
    | BenchRequest
    | RetireRequest
    | ReinstateRequest
    | RollbackRequest
    | LiftRequest,
    Field(discriminator="action"),
]


class SettingAnswer(Answer):
    """What an override sets: one of these, or nothing for a reduction."""

    risk_mode: RiskModeName | None = None
    limits: Annotated[dict[str, float] | None, Field(description="The limits that are set, by name.")] = None
    strategy_id: str | None = None
    version: int | None = None

    @classmethod
    def of(cls, sets: Rollback | PinMode | SetLimits | Bench | Reduce) -> Self:
        """Returns the answer for a setting."""
        match sets:
            case PinMode():
                return cls.model_validate({"risk_mode": sets.mode.name})
            case SetLimits():
                return cls(limits=dict(sets.given))
            case Bench():
                return cls(strategy_id=sets.strategy_id)
            case Rollback():
                return cls(version=sets.revision.version)
            case Reduce():
                return cls()


class OverrideAnswer(Answer):
    """What a person has put in force."""

    override_id: str
    kind: OverrideKind
    actor: str
    reason: str
    created_at: Instant
    expires_at: Annotated[datetime | None, Field(description="When it ends by itself; null: when it is lifted.")]
    loosens: Annotated[bool, Field(description="Whether it may allow more than the controller does.")]
    setting: SettingAnswer

    @classmethod
    def of(cls, override: Override) -> Self:
        """Returns the answer for an override."""
        return cls(
            override_id=override.override_id,
            kind=override.kind,
            actor=override.actor,
            reason=override.reason,
            created_at=override.created_at,
            expires_at=override.expires_at,
            loosens=override.loosens,
            setting=SettingAnswer.of(override.sets),
        )


class OverridesAnswer(Answer):
    """The overrides in force, the oldest first."""

    overrides: list[OverrideAnswer]

    @classmethod
    def of(cls, overrides: Sequence[Override]) -> Self:
        """Returns the answer for overrides."""
        return cls(overrides=[OverrideAnswer.of(one) for one in overrides])


class ActAnswer(Answer):
    """What became of an act."""

    act_id: str
    summary: Annotated[str, Field(description="What was done, by whom and why.")]
    before: Annotated[
        PlainRef | None, Field(description="The policy it was done to; null: it was done before, by this request_id.")
    ]
    head: Annotated[RefAnswer, Field(description="The newest policy afterwards.")]
    policy: Annotated[
        ContentAnswer | None,
        Field(
            description="What it says; in a dry run what it would say. An evaluation follows at once and may change it."
        ),
    ]
    changes: Annotated[list[ChangeAnswer], Field(description="How that differs from before.")]
    committed: Annotated[bool, Field(description="Whether a new revision was published.")]
    override: Annotated[OverrideAnswer | None, Field(description="The override put in force; null: none was.")]
    overrides: Annotated[list[OverrideAnswer], Field(description="Every override in force afterwards.")]

    @classmethod
    def of(cls, outcome: ActOutcome) -> Self:
        """Returns the answer for an outcome."""
        return cls(
            act_id=outcome.entry.act_id,
            summary=outcome.summary,
            before=PlainRef.of(outcome.before) if outcome.before else None,
            head=RefAnswer.of_head(outcome.head),
            policy=ContentAnswer.of_content(outcome.content) if outcome.content else None,
            changes=[ChangeAnswer.of(change) for change in outcome.entry.changes],
            committed=outcome.entry.committed is not None,
            override=OverrideAnswer.of(outcome.override) if outcome.override else None,
            overrides=[OverrideAnswer.of(one) for one in outcome.overrides],
        )


def _span(seconds: float | None) -> timedelta | None:
    # Below a microsecond there is no time: what is asked for is still more than none.
    return None if seconds is None else max(timedelta(seconds=seconds), timedelta.resolution)
