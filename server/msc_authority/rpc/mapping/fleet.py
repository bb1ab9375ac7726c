"""Clients and what they say, both ways."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from itertools import islice

from google.protobuf.duration_pb2 import Duration

from msc_authority.app.clients import (
    ClientCounters,
    ClientInfo,
    ClientRole,
    ClientStatus,
    ClientTier,
    FleetEntry,
)
from msc_authority.app.fleet import versions_behind
from msc_authority.app.observation import ReplicaView
from msc_authority.core.policy import PolicyRef
from msc_authority.rpc.errors import FieldProblem, InvalidRequest
from msc_authority.rpc.mapping.basics import duration_to_proto, instant_of, instant_to_proto, seconds_of
from msc_authority.rpc.mapping.policies import ref_of, ref_to_proto
from msc_policy import v1 as pb

MAX_INSTANCE_ID_CHARS = 64
MAX_NAME_CHARS = 128
MAX_ERROR_CHARS = 512
MAX_CAUSES = 16
MAX_CAUSES_READ = 64
MAX_CAUSE_CHARS = 40
MAX_UINT64 = 2**64 - 1
OTHER_CAUSES = "other"

ROLES = {role: pb.ClientRole.Value(f"CLIENT_ROLE_{role.name}") for role in ClientRole}
TIERS = {tier: pb.ClientTier.Value(f"CLIENT_TIER_{tier.name}") for tier in ClientTier}
_ROLE_OF = {number: role for role, number in ROLES.items()}
_TIER_OF = {number: tier for tier, number in TIERS.items()}
_NOT_IN_A_CAUSE = re.compile(r"[^A-Za-z0-9_]")
_COUNTERS = tuple(field.name for field in fields(ClientCounters) if field.name != "reconnect_causes")


def client_of(message: pb.ClientInfo) -> ClientInfo:
    """Returns who a client says it is. A role that is not set or not known is OTHER.

    Raises:
        InvalidRequest: an id or a name is missing, too long or not printable.
    """
    problems = [
        *_text_problems("client.instance_id", message.instance_id, 1, MAX_INSTANCE_ID_CHARS),
        *_text_problems("client.name", message.name, 0, MAX_NAME_CHARS),
        *_text_problems("client.sdk", message.sdk, 0, MAX_NAME_CHARS),
    ]
    if problems:
        raise InvalidRequest(*problems)
    return ClientInfo(
        instance_id=message.instance_id,
        name=message.name,
        role=_ROLE_OF.get(message.role, ClientRole.OTHER),
        sdk=message.sdk,
        started_at=instant_of(message.started_at) if message.HasField("started_at") else None,
    )


def _text_problems(field: str, text: str, least: int, most: int) -> list[FieldProblem]:
    if not least <= len(text) <= most:
        return [FieldProblem(field=field, problem=f"must have {least} to {most} characters, not {len(text)}")]
    if not text.isprintable():
        return [FieldProblem(field=field, problem="must not have control characters")]
    return []


def status_of(message: pb.ClientStatus) -> ClientStatus:
    """Returns what a client says of itself. An error text that is too long is cut: it must not cost the report."""
    return ClientStatus(
        tier=_TIER_OF.get(message.tier, ClientTier.UNSPECIFIED),
        applied=ref_of(message.applied) if message.HasField("applied") else None,
        applied_etag=message.applied.etag[:MAX_NAME_CHARS],
        age_s=_past_s(message.age) if message.HasField("age") else None,
        last_error=_one_line(message.last_error),
        counters=_counters_of(message.counters),
        applied_for_s=_past_s(message.applied_for) if message.HasField("applied_for") else None,
    )


def _past_s(duration: Duration) -> float | None:
    # Nobody has applied anything in the future, nor heard of it: that says nothing.
    seconds = seconds_of(duration)
    return seconds if seconds >= 0 else None


def _counters_of(message: pb.ClientCounters) -> ClientCounters:
    return ClientCounters(
        **{name: getattr(message, name) for name in _COUNTERS},
        reconnect_causes=_causes_of(message.reconnect_causes),
    )


def _causes_of(causes: Mapping[str, int]) -> dict[str, int]:
    # They become names of time series: few, short and plain, whatever a client sends.
    counts: Counter[str] = Counter()
    for cause, times in islice(causes.items(), MAX_CAUSES_READ):
        counts[_NOT_IN_A_CAUSE.sub("_", cause[:MAX_CAUSE_CHARS]) or OTHER_CAUSES] += times
    if len(counts) > MAX_CAUSES:
        kept = Counter(dict(sorted(counts.items(), key=_most_first)[: MAX_CAUSES - 1]))
        kept[OTHER_CAUSES] += counts.total() - kept.total()
        counts = kept
    return {cause: min(times, MAX_UINT64) for cause, times in counts.items()}


def _most_first(cause: tuple[str, int]) -> tuple[int, str]:
    return -cause[1], cause[0]


def _one_line(text: str) -> str:
    cut = text[:MAX_ERROR_CHARS]
    return "".join(character if character.isprintable() else " " for character in cut)


def entry_to_proto(entry: FleetEntry, head: PolicyRef) -> pb.ClientEntry:
    """Returns one client as the authority knows it, compared with the head."""
    return pb.ClientEntry(
        client=_client_to_proto(entry.client),
        status=_status_to_proto(entry.status),
        reported_at=instant_to_proto(entry.reported_at),
        watching=entry.watches > 0,
        versions_behind=versions_behind(entry.status.applied, head),
    )


def _client_to_proto(client: ClientInfo) -> pb.ClientInfo:
    return pb.ClientInfo(
        instance_id=client.instance_id,
        name=client.name,
        role=ROLES[client.role],
        sdk=client.sdk,
        started_at=instant_to_proto(client.started_at) if client.started_at else None,
    )


def _status_to_proto(status: ClientStatus) -> pb.ClientStatus:
    return pb.ClientStatus(
        tier=TIERS[status.tier],
        applied=ref_to_proto(status.applied, status.applied_etag) if status.applied else None,
        age=None if status.age_s is None else duration_to_proto(status.age_s),
        last_error=status.last_error,
        counters=pb.ClientCounters(
            **{name: getattr(status.counters, name) for name in _COUNTERS},
            reconnect_causes=status.counters.reconnect_causes,
        ),
        applied_for=None if status.applied_for_s is None else duration_to_proto(status.applied_for_s),
    )


def replica_to_proto(view: ReplicaView) -> pb.Replica:
    """Returns one of several authorities as it goes over the wire."""
    return pb.Replica(
        server_id=view.server_id,
        address=view.address,
        watchers=view.watchers,
        started_at=instant_to_proto(view.started_at),
        seen_ago=duration_to_proto(view.seen_ago_s),
        leads=view.leads,
        answering=view.here,
    )
