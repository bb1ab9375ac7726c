"""The policy source for a process of its own: threads below, one attribute read above.

What only unary calls need is imported by them: most hosts only ever read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msc_client._base import BaseSource, PolicyReader, StateDir
from msc_client._clock import Clock, SystemClock, new_id
from msc_client._transport.policy import GrpcStreams
from msc_client.config import ClientConfig, chosen_target
from msc_client.errors import AuthorityUnavailable
from msc_client.role import Role
from msc_client.tier import SafeDefaults

if TYPE_CHECKING:
    import tenacity

    from msc_client.evaluation import EvaluationResult, WhatIf
    from msc_client.policy import Policy

__all__ = ["PolicyReader", "PolicySource"]

# Somebody waits for the answer: an authority that asks for more will be asked again by the next call.
_LONGEST_RETRY_AFTER_S: Final = 5.0


class PolicySource(BaseSource):
    """Follows an authority over gRPC. Make it, start it, read `current()` for each decision, close it.

    `target` is `host:port`, several of them separated by commas, or `dns:///name:port` (None: MSC_TARGET, else
    127.0.0.1:7443). `name` is what people know this client by. `safe` bounds what may be done without a policy.
    `state_dir` is where the last known good policy is kept across restarts (None: nowhere).
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        role: Role,
        name: str,
        config: ClientConfig | None = None,
        safe: SafeDefaults | None = None,
        state_dir: StateDir = "default",
        clock: Clock | None = None,
    ) -> None:
        config = config or ClientConfig()
        target = chosen_target(target)
        self._grpc = GrpcStreams(target, config)
        super().__init__(
            streams=self._grpc,
            role=role,
            name=name,
            config=config,
            safe=safe or SafeDefaults(),
            state_dir=state_dir,
            clock=clock or SystemClock(),
            target=target,
        )

    def get_policy(self, version: int = 0) -> Policy:
        """Returns the current policy (0) or one version, asked of the authority now. For display, not for decisions.

        Raises:
            AuthorityUnavailable: it could not be reached, after retries.
            AuthorityError: it refused.
            PolicyInvalid: what it sent cannot be acted upon.
        """
        from msc_client._wire.calls import get_policy_answer, get_policy_request

        return get_policy_answer(self._call("GetPolicy", get_policy_request(version), self._config.unary_deadline_s))

    def evaluate(
        self,
        *,
        validate_only: bool = False,
        what_if: WhatIf | None = None,
        reason: str = "",
        request_id: str | None = None,
    ) -> EvaluationResult:
        """Has the authority evaluate now, or say what it would decide, and returns that.

        The same `request_id` (None: a new one) returns the same result for 24 h, so retries are harmless.

        Raises:
            AuthorityUnavailable: it could not be reached, after retries.
            AuthorityError: it refused; fields are named.
        """
        from msc_client._wire.calls import evaluate_answer, evaluate_request

        request = evaluate_request(
            request_id=request_id or new_id(), validate_only=validate_only, what_if=what_if, reason=reason
        )
        return evaluate_answer(self._call("Evaluate", request, self._config.evaluate_deadline_s))

    def _call(self, method: str, request: bytes, deadline_s: float) -> bytes:
        import tenacity

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._config.unary_attempts),
            wait=_wait_s,
            retry=tenacity.retry_if_exception_type(AuthorityUnavailable),
            reraise=True,
        )
        return retrying(self._grpc.call, method, request, deadline_s)


def _wait_s(state: tenacity.RetryCallState) -> float:
    """Waits as long as the authority asked for, within reason, and a random time more each attempt."""
    import tenacity

    error = state.outcome.exception() if state.outcome is not None else None
    asked_s = error.retry_after_s if isinstance(error, AuthorityUnavailable) else None
    return min(asked_s or 0.0, _LONGEST_RETRY_AFTER_S) + tenacity.wait_random_exponential(multiplier=0.1, max=1.0)(
        state
    )
