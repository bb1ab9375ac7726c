"""The policy being served, mapped once: an etag is a hash of the whole document."""

from __future__ import annotations

from msc_authority.core.policy import Policy
from msc_authority.ports.policies import Head
from msc_authority.rpc.mapping.policies import policy_to_proto, ref_to_proto
from msc_policy import v1 as pb


class ServedPolicy:
    """Messages of the policy asked for last, which mostly is the head. They are shared: nobody may change them.

    All but `prepare` belong to the event loop.
    """

    def __init__(self) -> None:
        self._last: tuple[Policy, pb.Policy] | None = None
        self._coming: tuple[Policy, pb.Policy] | None = None

    def prepare(self, policy: Policy) -> pb.Policy:
        """Maps a policy that is about to be served, so that the event loop need not. May be called from any thread."""
        message = policy_to_proto(policy)
        self._coming = (policy, message)
        return message

    def message(self, policy: Policy) -> pb.Policy:
        """Returns a policy as its message."""
        last = self._last
        if last is None or last[0] is not policy:
            coming = self._coming
            if coming is None or coming[0] is not policy:
                coming = (policy, policy_to_proto(policy))
            last = self._last = coming
        return last[1]

    def ref(self, head: Head) -> pb.PolicyRef:
        """Returns the reference of the head; version 0 has no etag."""
        return self.message(head.policy).ref if head.policy else ref_to_proto(head.ref)
