"""What to say when a policy takes effect. Pure."""

from __future__ import annotations

import logging

from msc_client._events import Log
from msc_client._messages import SnapshotReason
from msc_client.policy import Policy


def applied_lines(before: Policy | None, after: Policy, reason: SnapshotReason) -> list[Log]:
    """Returns the pinned line, and what is remarkable about this change."""
    lines = [_loaded(after)]
    if before is not None and before.ref.epoch != after.ref.epoch:
        text = f"reset {before.ref} -> {after.ref}: the authority's store was restored"
        lines.append(Log(level=logging.WARNING, event="reset", text=text))
    elif reason is SnapshotReason.ROLLBACK:
        text = f"rollback to the content of version {after.rollback_of} as {after.ref}"
        lines.append(Log(level=logging.INFO, event="rollback", text=text))
    if before is not None and before.risk_mode is not after.risk_mode:
        text = f"[MSC AI] Risk mode: {before.risk_mode.name} -> {after.risk_mode.name}"
        lines.append(Log(level=logging.INFO, event="risk_mode", text=text))
    return lines


def restored_lines(policy: Policy, age_s: float, *, usable: bool) -> list[Log]:
    """Returns what to say about a policy from disk."""
    if not usable:
        text = f"the last known good policy {policy.ref} on disk is {age_s:.0f} s old: too old to use"
        return [Log(level=logging.WARNING, event="restored_too_old", text=text)]
    text = f"starting from the last known good policy {policy.ref} on disk, {age_s:.0f} s old"
    return [Log(level=logging.WARNING, event="restored", text=text), _loaded(policy)]


def _loaded(policy: Policy) -> Log:
    return Log(level=logging.INFO, event="policy_loaded", text=policy.loaded_line())
