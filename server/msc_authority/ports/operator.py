"""What a person's acts need of the store: one commit an act, and a history of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from msc_authority.core.evaluation import StrategyTransition
from msc_authority.core.overrides import Override
from msc_authority.core.policy import FieldChange, PolicyContent, PolicyRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ActEntry:
    """One act as history keeps it. `sequence` grows by one each; 0 before it is stored.

    `act` is its kind, `target` what it was done to, `detail` what was asked for, as JSON. `committed` None: the policy
    stayed.
    """

    act_id: str
    act: str
    target: str
    at: datetime
    actor: str
    reason: str
    request_id: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)
    override_id: str = ""
    committed: PolicyRef | None = None
    changes: tuple[FieldChange, ...] = ()
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """By what it was known who acted, for the audit log: "token", "console session", "certificate", "loopback", or
    "none" for a caller from elsewhere who was let in without any. `id` is that of the token, or the fingerprint of the
    certificate; empty without either.
    """

    kind: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideCommit:
    """Everything one act writes, in one transaction or not at all. `publish` None: the policy stays.

    `credential` is what whoever acted is known by; None: the authority acts by itself. `expired` are overrides that
    ended by themselves since the last commit. `term` is that of the lease it was made under; None: of no lease, so none
    is asked for.
    """

    entry: ActEntry
    publish: PolicyContent | None
    valid_for_s: float
    controller: bytes
    credential: Credential | None = None
    transitions: tuple[StrategyTransition, ...] = ()
    expired: tuple[Override, ...] = ()
    term: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredController:
    """The controller's state as it is kept, without the ledger. `generation` is that of `StoredState`."""

    generation: int
    payload: bytes | None


class ActLog(Protocol):
    """Reads acts."""

    def by_request(self, request_id: str, since: datetime) -> ActEntry | None:
        """Returns the act that `request_id` led to, if it was done at `since` or later."""
        ...

    def page(self, before: int | None, limit: int) -> list[ActEntry]:
        """Returns up to `limit` acts with sequence < `before` (None: from the newest), newest first."""
        ...
