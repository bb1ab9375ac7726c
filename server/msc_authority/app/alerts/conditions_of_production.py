"""When something is wrong with what an authority stands on: leadership, door, cache, audit log. As `conditions` is."""

from __future__ import annotations

from collections.abc import Sequence

from msc_authority.app.alerts.conditions import span
from msc_authority.app.alerts.values import Finding
from msc_authority.app.observation import Observation

MAX_REFUSED_RECENTLY = 20


def nobody_leads(observed: Observation) -> Sequence[Finding]:
    """No authority evaluates, as far as is known here."""
    held_s = observed.standing.leaderless_s
    if held_s <= 0 or observed.draining:
        return []
    return [Finding(text=f"No authority has led for {span(held_s)}: nobody evaluates", held_s=held_s, value=held_s)]


def cache_unavailable(observed: Observation) -> Sequence[Finding]:
    """The cache is configured, and cannot be used."""
    cache = observed.production.cache
    if cache is None or cache.failing_for_s is None:
        return []
    held_s = cache.failing_for_s
    text = f"The cache has not been usable for {span(held_s)}: {cache.fault}"
    return [Finding(text=text, held_s=held_s, value=held_s)]


def access_refused(observed: Observation) -> Sequence[Finding]:
    """Many were turned away at the door."""
    door = observed.production.door
    if door.refused_recently <= MAX_REFUSED_RECENTLY:
        return []
    text = f"{door.refused_recently} requests were refused within 5 min; most since the start: {door.most_refused}"
    return [Finding(text=text, held_s=0.0, value=float(door.refused_recently))]


def audit_broken(observed: Observation) -> Sequence[Finding]:
    """The chain of the audit log does not hold."""
    damage = observed.production.upkeep.audit_damage
    return [Finding(text=f"The audit log does not hold at {damage}", held_s=0.0)] if damage else []
