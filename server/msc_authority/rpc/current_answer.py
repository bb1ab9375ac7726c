"""The answer of GetPolicy to who asks for nothing but the policy in force: bytes that are kept, and few that are not.

An answer is put together from serialized parts: the parts of one message, one behind the other, are that message
(https://protobuf.dev/programming-guides/encoding/#last-one-wins).
"""

from __future__ import annotations

from msc_authority.app.broker import Broker, Current
from msc_authority.core.policy import Policy
from msc_authority.ports.clock import Clock
from msc_authority.rpc.frames import FRESHNESS_SHARED_S
from msc_authority.rpc.mapping.basics import instant_to_proto
from msc_authority.rpc.mapping.policies import freshness_to_proto
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_policy import v1 as pb


class CurrentAnswer:
    """Serialized answers with the broker's current head. Belongs to the event loop."""

    def __init__(self, broker: Broker, clock: Clock, served: ServedPolicy) -> None:
        self._broker, self._clock, self._served = broker, clock, served
        self._of: Current | None = None
        self._made_at = 0.0
        self._answer = b""
        self._policy_of: Policy | None = None
        self._policy = b""

    def get(self, now: float) -> bytes | None:
        """Returns the answer of the instant `now`, which is monotonic; None: there is no policy yet."""
        current = self._broker.current
        if current is self._of and now - self._made_at <= FRESHNESS_SHARED_S:
            return self._answer
        policy = current.head.policy
        if policy is None:
            return None
        self._answer = self._serialized_policy(policy) + self._instant()
        self._of, self._made_at = current, now
        return self._answer

    def _serialized_policy(self, policy: Policy) -> bytes:
        if policy is not self._policy_of:
            message = self._served.message(policy)
            self._policy = pb.GetPolicyResponse(policy=message, head=message.ref).SerializeToString()
            self._policy_of = policy
        return self._policy

    def _instant(self) -> bytes:
        freshness = freshness_to_proto(self._broker.freshness())
        time = instant_to_proto(self._clock.now())
        return pb.GetPolicyResponse(freshness=freshness, server_time=time).SerializeToString()
