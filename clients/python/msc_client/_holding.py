"""The value in hand: which documents may replace it, and which messages vouch for it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from msc_client._held import Bounds, Confirmation, Held, bounds_of, held_value, held_without_value
from msc_client._messages import Document, Freshness
from msc_client.config import ClientConfig
from msc_client.errors import PolicyInvalid
from msc_client.policy import Policy, Ref
from msc_client.role import Role
from msc_client.tier import SafeDefaults, tightened


class Applied(NamedTuple):
    """The document is the value now. `head` is newer than it when something was missed."""

    policy: Policy
    previous: Policy | None


class Confirmed(NamedTuple):
    """The value is the head."""


class Behind(NamedTuple):
    """The head is newer than the value."""

    head: Ref


class Refused(NamedTuple):
    """The document, or the head, contradicts a rule. The value stays."""

    ref: Ref | None
    problem: str
    integrity: bool = False


class Nothing(NamedTuple):
    """Nothing follows from it."""


Outcome = Applied | Confirmed | Behind | Refused | Nothing


class Restored(NamedTuple):
    """A value from an earlier life of this client, and when it was last vouched for."""

    document: Document
    policy: Policy
    confirmation: Confirmation


class Holding:
    """The value, its last confirmation, and the rules about both."""

    def __init__(self, *, config: ClientConfig, safe: SafeDefaults, role: Role, since_ns: int) -> None:
        self._config = config
        self._safe = safe
        self._role = role
        self._since_ns = since_ns
        self._document: Document | None = None
        self._policy: Policy | None = None
        self._confirmation: Confirmation | None = None
        self._confirmed = False
        self._usable = True
        self._bound: Policy | None = None

    @property
    def applied(self) -> Ref | None:
        """The revision in hand; nothing older is ever accepted."""
        return None if self._policy is None else self._policy.ref

    @property
    def policy(self) -> Policy | None:
        """The value in hand, whatever its age."""
        return self._policy

    @property
    def bounds(self) -> Bounds | None:
        """When the value stops being good enough; None while there is no usable one."""
        if self._confirmation is None or not self._usable:
            return None
        return bounds_of(self._confirmation, self._config)

    def to_keep(self) -> Restored | None:
        """Returns what to write to disk, or None while the authority confirmed nothing in this process."""
        if self._document is None or self._policy is None or self._confirmation is None or not self._confirmed:
            return None
        return Restored(document=self._document, policy=self._policy, confirmation=self._confirmation)

    def restore(self, restored: Restored, now_ns: int) -> bool:
        """Takes the value of an earlier life. Returns whether it is young enough to be used until it is confirmed.

        A value that is too old still bounds the revisions accepted, and nothing gets looser than it.
        """
        self._document, self._policy = restored.document, restored.policy
        self._confirmation = restored.confirmation
        age_limit_ns = bounds_of(restored.confirmation, self._config).safe_ns
        self._usable = now_ns <= age_limit_ns
        return self._usable

    def offer(
        self, document: Document, *, size_bytes: int, head: Ref | None, freshness: Freshness | None, now_ns: int
    ) -> Outcome:
        """Applies a document if every rule allows it."""
        refusal = self._refusal(document, size_bytes)
        if refusal is not None:
            return refusal
        if document.ref == self.applied:
            return self.vouch(head, freshness, now_ns)
        if isinstance(document.policy, PolicyInvalid):
            return Refused(ref=document.ref, problem=str(document.policy))
        if freshness is None:
            return Refused(ref=document.ref, problem="freshness: is missing")
        return self._apply(document, document.policy, head, Confirmation(at_ns=now_ns, freshness=freshness))

    def vouch(self, head: Ref | None, freshness: Freshness | None, now_ns: int) -> Outcome:
        """Takes a message that names the head. It confirms the value if it names exactly that one."""
        if head is None or head.version == 0:
            return Nothing()
        if self.applied is None or head > self.applied:
            return Behind(head=head)
        if head < self.applied:
            return Nothing()
        if not head.same_as(self.applied):
            return self._two_writers(head)
        if freshness is None:
            return Nothing()
        self._confirm(Confirmation(at_ns=now_ns, freshness=freshness))
        return Confirmed()

    def held(self) -> Held:
        """Returns the value made ready for reading."""
        bounds = self.bounds
        if self._policy is None:
            return held_without_value(self._safe, self._config, since_ns=self._since_ns)
        if bounds is None or self._confirmation is None:
            expired_ns = self._since_ns if self._confirmation is None else self._expired_ns(self._confirmation)
            return held_without_value(self._safe, self._config, since_ns=expired_ns, last=self._policy)
        return held_value(
            self._policy,
            bounds,
            safe=self._safe,
            config=self._config,
            confirmed=self._confirmed,
            never_looser_than=self._bound,
        )

    def _refusal(self, document: Document, size_bytes: int) -> Refused | None:
        if size_bytes > self._config.max_policy_bytes:
            problem = f"policy: {size_bytes} bytes are more than {self._config.max_policy_bytes}"
            return Refused(ref=document.ref, problem=problem)
        if self.applied is None or document.ref > self.applied:
            return None
        if document.ref < self.applied:
            return Refused(ref=document.ref, problem=f"ref: older than the applied {self.applied}")
        return None if document.ref.same_as(self.applied) else self._two_writers(document.ref)

    def _two_writers(self, ref: Ref) -> Refused:
        mine = self.applied.etag if self.applied is not None else ""
        return Refused(ref=ref, problem=f"ref.etag: {ref.etag} here, {mine} applied; two writers?", integrity=True)

    def _apply(self, document: Document, policy: Policy, head: Ref | None, confirmation: Confirmation) -> Applied:
        previous, in_force = self._policy, self._in_force(policy, confirmation.at_ns)
        self._document, self._policy, self._usable = document, policy, True
        self._confirmation = confirmation
        # Sent as the current one, but no longer it: a value to hold, not one to trust as fresh.
        self._confirmed = policy.ref.same_as(head)
        self._bind(in_force, confirmation)
        return Applied(policy=policy, previous=previous)

    def _confirm(self, confirmation: Confirmation) -> None:
        in_force = self._in_force(self._policy, confirmation.at_ns)
        self._confirmation, self._confirmed, self._usable = confirmation, True, True
        self._bind(in_force, confirmation)

    def _bind(self, in_force: Policy | None, confirmation: Confirmation) -> None:
        fresh = self._confirmed and confirmation.at_ns <= bounds_of(confirmation, self._config).stale_ns
        self._bound = None if fresh or self._role is not Role.RISK_GUARD else in_force

    def _in_force(self, policy: Policy | None, now_ns: int) -> Policy | None:
        """Returns what bounded trading until now, with the allow list of `policy` where none was ever usable."""
        if self._policy is None or not self._usable:
            last = self._policy or policy
            return None if last is None else tightened(last, self._safe)
        # As it was read: also what expired, and became the tighter of itself and the safe defaults.
        return self.held().at(now_ns).policy

    def _expired_ns(self, confirmation: Confirmation) -> int:
        return bounds_of(confirmation, self._config).safe_ns
