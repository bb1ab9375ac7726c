"""What several authorities on one store need of it: who leads, who is there, and what the leader is to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseState:
    """Who leads, as the store said. `held`: the one who asked does. `holder` empty: nobody does.

    `expires_in_s` is counted on the store's clock from the moment it answered.
    """

    term: int
    holder: str
    address: str
    held: bool
    expires_in_s: float


class Lease(Protocol):
    """Says which replica leads. The store's clock decides, never a replica's."""

    def acquire_or_renew(self, holder: str, address: str, ttl_s: float) -> LeaseState:
        """Gives `holder` the lease for `ttl_s` from now if it has it or nobody has, and says who has it.

        `term` grows by one whenever the holder changes. In a store that only one machine can reach, whoever listens
        at an address has the lease of whoever listened there before, for only one can.
        """
        ...

    def release(self, term: int) -> None:
        """Gives the lease back if `term` is still its term, so that another may have it at once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One authority of several on a store. `seen_ago_s` is how long ago it last said so, on the store's clock."""

    server_id: str
    address: str
    watchers: int
    started_at: datetime
    seen_ago_s: float = 0.0


class Replicas(Protocol):
    """Knows which authorities share the store."""

    def beat(self, replica: Replica, forget_after_s: float) -> list[Replica]:
        """Keeps that `replica` is alive, forgets those silent for longer, and returns the others and it, by address."""
        ...

    def leave(self, server_id: str) -> None:
        """Forgets a replica."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """An evaluation that a caller of one replica asked for, and that the leader is to make."""

    request_id: str
    requested_by: str
    reason: str


class EvaluationRequests(Protocol):
    """Carries requests for evaluations from any replica to the leader."""

    def ask(self, request: EvaluationRequest) -> None:
        """Keeps the request. One with the same id that waits already stays as it is."""
        ...

    def waiting(self, forget_after_s: float) -> list[EvaluationRequest]:
        """Returns the requests that wait, the oldest first, and forgets those that have waited longer than that."""
        ...

    def forget(self, request_id: str) -> None:
        """Ends the waiting of a request."""
        ...
