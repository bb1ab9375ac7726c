"""What several answers have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from msc_authority.core.policy import FieldChange, PolicyRef, Reason
from msc_authority.ports.policies import Head

Instant = Annotated[datetime, Field(description="Instant, RFC 3339 in UTC.")]
Seconds = Annotated[float, Field(description="Seconds.")]
Fraction = Annotated[float, Field(description="Fraction, 0 to 1.")]
Count = Annotated[int, Field(ge=0)]


class Answer(BaseModel):
    """Base of everything that goes out. null means unknown, never 0."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class RefAnswer(Answer):
    """Names one revision of the policy."""

    epoch: Annotated[int, Field(description="Lineage of the database; a later one is greater.")]
    version: Annotated[Count, Field(description="Version within the epoch; 0: there is no policy yet.")]
    etag: Annotated[str, Field(description="Hash of the whole document; empty at version 0.")]

    @classmethod
    def of(cls, ref: PolicyRef, etag: str) -> Self:
        """Returns the answer for a reference."""
        return cls(epoch=ref.epoch, version=ref.version, etag=etag)

    @classmethod
    def of_head(cls, head: Head) -> Self:
        """Returns the reference of the newest policy."""
        return cls.of(head.ref, head.policy.etag if head.policy else "")


class PlainRef(Answer):
    """Names one revision of the policy, without its hash."""

    epoch: Annotated[int, Field(description="Lineage of the database; a later one is greater.")]
    version: Annotated[Count, Field(description="Version within the epoch; 0: there is no policy yet.")]

    @classmethod
    def of(cls, ref: PolicyRef) -> Self:
        """Returns the answer for a reference."""
        return cls(epoch=ref.epoch, version=ref.version)


class ReasonAnswer(Answer):
    """Why something was decided."""

    code: Annotated[str, Field(description="Stable code.")]
    text: Annotated[str, Field(description="A sentence with the numbers.")]
    metric: Annotated[str, Field(description="Name of the metric; empty: none.")]
    value: Annotated[float | None, Field(description="Its value, in the metric's unit.")]
    threshold: Annotated[float | None, Field(description="The line it was judged by, in the metric's unit.")]

    @classmethod
    def of(cls, reason: Reason) -> Self:
        """Returns the answer for a reason."""
        return cls(
            code=reason.code, text=reason.text, metric=reason.metric, value=reason.value, threshold=reason.threshold
        )


class ChangeAnswer(Answer):
    """How one field of the policy changed, as text."""

    field: Annotated[str, Field(description="Name of the field.")]
    before: Annotated[str, Field(description="Before; empty: there was no policy.")]
    after: Annotated[str, Field(description="After.")]

    @classmethod
    def of(cls, change: FieldChange) -> Self:
        """Returns the answer for a change."""
        return cls(field=change.field, before=change.before, after=change.after)
