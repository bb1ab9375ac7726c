"""What goes wrong, after RFC 9457."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from msc_authority.http.models.basics import Answer


class FieldProblem(Answer):
    """A part of a request and what is wrong with it."""

    field: str
    problem: str


class Problem(Answer):
    """Why a request was not answered as asked."""

    type: Annotated[str, Field(description="Where the kind of problem is described.")]
    title: Annotated[str, Field(description="The status in words.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What is wrong with this request, and what to do.")]
    reason: Annotated[str, Field(description="Stable code.")]
    errors: Annotated[list[FieldProblem], Field(description="What is wrong with which part of the request.")]
