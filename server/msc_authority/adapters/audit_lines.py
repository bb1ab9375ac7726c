"""What the audit log says of each thing that is done to a store, whatever keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msc_authority.adapters.documents import document_of
from msc_authority.adapters.instants import text_of
from msc_authority.core.overrides import Override
from msc_authority.core.policy import Policy
from msc_authority.ports.audit import AuditLine
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.ports.journal import LedgerCheckpoint
from msc_authority.ports.operator import ActEntry, Credential
from msc_authority.ports.tokens import StoredToken
from msc_authority.ports.upkeep import PruneOrder


def act_line(entry: ActEntry, policy: Policy | None, credential: Credential | None) -> AuditLine:
    """The line of an act, and by what it was known who acted."""
    return AuditLine(
        actor=entry.actor,
        action=entry.act.lower(),
        target=entry.target,
        detail={
            "act_id": entry.act_id,
            "reason": entry.reason,
            "credential": {"kind": credential.kind, "id": credential.id} if credential else None,
            "override_id": entry.override_id,
            "asked": dict(entry.detail),
            "policy": _name_of(policy),
            "changes": document_of(entry.changes),
        },
    )


def expiry_lines(expired: Iterable[Override]) -> list[AuditLine]:
    """One line for each override whose time was over."""
    return [
        AuditLine(
            actor="authority", action="override_expired", target=f"override {one.override_id}", detail=one.encode()
        )
        for one in expired
    ]


def evaluation_line(entry: EvaluationEntry, policy: Policy | None) -> AuditLine:
    """The line of an evaluation, and of the policy it published."""
    return AuditLine(
        actor=entry.requested_by or (policy.content.author if policy else "evaluator"),
        action="fail" if entry.failure else "publish" if policy else "evaluate",
        target=f"policy {_name_of(policy)}" if policy else f"evaluation {entry.evaluation_id}",
        detail={
            "evaluation_id": entry.evaluation_id,
            "trigger": entry.trigger,
            "reason": entry.reason,
            "failure": entry.failure,
            "changes": document_of(entry.changes),
        },
    )


def epoch_line(epoch: int, *, actor: str, reason: str) -> AuditLine:
    """The line of a new lineage."""
    return AuditLine(actor=actor, action="allocate_epoch", target=f"epoch {epoch}", detail={"reason": reason})


def token_line(token: StoredToken) -> AuditLine:
    """The line of a new token, without anything of its secret."""
    return AuditLine(
        actor=token.created_by,
        action="create_token",
        target=f"token {token.token_id}",
        detail={
            "name": token.name,
            "roles": list(token.roles),
            "scope": {kind: list(prefixes) for kind, prefixes in token.scope},
            "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
        },
    )


def revocation_line(token_id: str, name: str, actor: str) -> AuditLine:
    """The line of a token that is taken back."""
    return AuditLine(actor=actor, action="revoke_token", target=f"token {token_id}", detail={"name": name})


def floor_line(floor: LedgerCheckpoint, before: datetime | None, actor: str) -> AuditLine:
    """The line of a new floor of the journal."""
    detail = {"before": text_of(before) if before else None, "ledger_bytes": len(floor.payload)}
    target = f"journal up to {text_of(floor.watermark)}"
    return AuditLine(actor=actor, action="raise_floor", target=target, detail=detail)


def prune_line(order: PruneOrder, before: datetime | None, actor: str) -> AuditLine:
    """The line of rows that may be gone from now on."""
    detail = {"upto": text_of(order.upto), "rows": order.rows, "before": text_of(before) if before else None}
    return AuditLine(actor=actor, action="prune", target=order.kind, detail=detail)


def _name_of(policy: Policy | None) -> str | None:
    return f"{policy.ref.epoch}:{policy.ref.version}" if policy else None
