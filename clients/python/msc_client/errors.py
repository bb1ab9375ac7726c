"""What the client raises. Nothing here is ever raised by a read."""

from __future__ import annotations

from typing import NamedTuple


class MscClientError(Exception):
    """Base of every error of this package. `reason` is a stable UPPER_SNAKE code."""

    reason = "CLIENT_ERROR"


class SourceClosed(MscClientError):
    """The source was closed; make a new one."""

    reason = "SOURCE_CLOSED"


class PolicyInvalid(MscClientError):
    """A document was refused: `field` names what, `problem` how. `upgrade`: a newer client may understand it."""

    reason = "INVALID_POLICY"

    def __init__(self, field: str, problem: str, *, upgrade: bool = False) -> None:
        self.field = field
        self.problem = problem
        self.upgrade = upgrade
        hint = "; upgrade client" if upgrade else ""
        super().__init__(f"{field}: {problem}{hint}")


class FieldViolation(NamedTuple):
    """One wrong field of a request, as the authority named it."""

    field: str
    description: str


class AuthorityError(MscClientError):
    """The authority answered a call with an error. `code` is the gRPC status, `reason` the authority's own code."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        reason: str = "",
        retry_after_s: float | None = None,
        violations: tuple[FieldViolation, ...] = (),
    ) -> None:
        self.code = code
        self.detail = detail
        self.reason = reason or code
        self.retry_after_s = retry_after_s
        self.violations = violations
        fields = "".join(f"; {violation.field}: {violation.description}" for violation in violations)
        super().__init__(f"{self.reason}: {detail}{fields}")


class AuthorityUnavailable(AuthorityError):
    """The authority could not be reached or could not answer in time; trying again may help."""
