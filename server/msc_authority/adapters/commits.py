"""What a commit comes to, whatever keeps it: the policy with its version, the entry, the rewind points that stay."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from math import inf
from operator import attrgetter

from msc_authority.adapters.documents import Fields, content_from, document_of, grant_from
from msc_authority.adapters.instants import aware_utc
from msc_authority.core.policy import (
    FieldChange,
    Policy,
    PolicyContent,
    PolicyRef,
    StrategyGrant,
    StrategyState,
    changes_between,
)
from msc_authority.ports.evaluations import EvaluationCommit, EvaluationEntry
from msc_authority.ports.operator import ActEntry, OverrideCommit
from msc_authority.ports.policies import Head

_parts_of = attrgetter(*(field.name for field in fields(StrategyGrant)))
_KINDS = (str, StrategyState, float, int, float)

# Enough for a month of daily points; an older fact than the oldest of them rebuilds the ledger from the journal.
REWIND_POINTS_KEPT = 40


def decided_at(commit: EvaluationCommit) -> datetime:
    """The instant the evaluation judged, which is when a policy it publishes was created.

    Raises:
        ValueError: the entry is not one of an evaluation that succeeded.
    """
    if commit.entry.verdict is None or commit.entry.failure:
        raise ValueError("only an evaluation with a verdict and without a failure can be committed")
    return aware_utc(commit.entry.verdict.as_of)


def policy_to_publish(head: Head, commit: EvaluationCommit) -> Policy | None:
    """The next revision after `head`, or None when the commit publishes nothing.

    Raises:
        ValueError: a number in it is not finite.
    """
    if commit.publish is None:
        return None
    return _next_policy(head, decided_at(commit), commit.publish, commit.valid_for_s)


def policy_of_act(head: Head, commit: OverrideCommit) -> Policy | None:
    """The next revision after `head`, created when the act was done, or None when it publishes nothing.

    Raises:
        ValueError: a number in it is not finite.
    """
    if commit.publish is None:
        return None
    return _next_policy(head, aware_utc(commit.entry.at), commit.publish, commit.valid_for_s)


def act_to_keep(commit: OverrideCommit, head: Head, policy: Policy | None) -> ActEntry:
    """The entry with what the commit made of it."""
    if policy is None:
        return replace(commit.entry, committed=None, changes=())
    return replace(commit.entry, committed=policy.ref, changes=changes_made(head, policy))


def changes_made(head: Head, policy: Policy) -> tuple[FieldChange, ...]:
    """How `policy` differs from the head it follows."""
    return changes_between(head.policy.content if head.policy else None, policy.content)


def entry_to_keep(commit: EvaluationCommit, head: Head, policy: Policy | None) -> EvaluationEntry:
    """The entry with what the commit made of it."""
    if policy is None:
        return replace(commit.entry, committed=None)
    return replace(commit.entry, committed=policy.ref, changes=changes_made(head, policy))


def _next_policy(head: Head, created_at: datetime, content: PolicyContent, valid_for_s: float) -> Policy:
    return Policy(
        ref=PolicyRef(head.ref.epoch, head.ref.version + 1),
        created_at=created_at,
        content=_as_read_back(content),
        valid_for_s=float(valid_for_s),
    )


def _as_read_back(content: PolicyContent) -> PolicyContent:
    # The etag hashes the document: an int where a float belongs would read back as a float, with another etag.
    rest = content_from(Fields(document_of(replace(content, grants=()))))
    return replace(rest, grants=tuple(map(_grant_as_read_back, content.grants)))


def _grant_as_read_back(grant: StrategyGrant) -> StrategyGrant:
    # Of a policy, most are grants, and most of those are already what they would read back as. Not so a negative zero.
    parts = _parts_of(grant)
    if tuple(map(type, parts)) == _KINDS and 0.0 < parts[2] < inf and 0.0 < parts[4] < inf:
        return grant
    return grant_from(Fields(document_of(grant)))
