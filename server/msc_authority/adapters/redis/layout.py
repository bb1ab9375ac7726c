"""What is in Redis: the names of the keys, and the policy as JSON and as fields of a hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from msc_authority.adapters.documents import Fields, content_from, document_of
from msc_authority.adapters.instants import text_of
from msc_authority.core.policy import Policy, PolicyContent, PolicyRef
from msc_authority.ports.cache import CacheError, CacheFault
from msc_authority.ports.policies import Head

SCHEMA = 1
"""Grows with each change of the document that readers have to know. `schema`, `ref` and `evaluated_at` stay as they are
in every one: by these, programs of different versions tell whose is newer."""
MAX_DOCUMENT_BYTES = 1 << 20
"""A longer text is no policy."""
CHANGES_KEPT = 1000
CONFIRMED_FIELD = "confirmed_at_ms"


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of our keys. There are no others."""

    prefix: str

    @property
    def current(self) -> str:
        """The policy, JSON."""
        return f"{self.prefix}policy:current"

    @property
    def fields(self) -> str:
        """The policy, flat, as a hash."""
        return f"{self.prefix}policy:current:hash"

    @property
    def confirmed(self) -> str:
        """There while an authority confirms the policy by the database."""
        return f"{self.prefix}policy:confirmed"

    @property
    def changes(self) -> str:
        """The stream of changes."""
        return f"{self.prefix}policy:changes"

    def all(self) -> list[str]:
        """All of them, in the order in which the script takes them."""
        return [self.current, self.fields, self.confirmed, self.changes]


def json_of(policy: Policy, head: Head) -> str:
    """The policy as JSON. Equal heads give equal texts."""
    return json.dumps(_document(policy, head), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _document(policy: Policy, head: Head) -> dict[str, object]:
    content = policy.content
    return {
        "schema": SCHEMA,
        "ref": {"epoch": policy.ref.epoch, "version": policy.ref.version, "etag": policy.etag},
        "risk_mode": content.risk_mode.name,
        "trading_state": content.trading_state.name,
        "allowed_strategies": list(content.allowed_strategies),
        **_mapping(content.limits),
        "created_at": text_of(policy.created_at),
        "evaluation_metrics": document_of(content.metrics),
        "strategy_grants": document_of(content.grants),
        "reasons": document_of(content.reasons),
        "author": content.author,
        "rollback_of": content.rollback_of,
        "valid_for_s": policy.valid_for_s,
        "evaluated_at": text_of(head.evaluated_at) if head.evaluated_at else None,
    }


def _mapping(value: object) -> Mapping[str, object]:
    document = document_of(value)
    if not isinstance(document, dict):
        raise TypeError(f"a {type(value).__name__} is no group of fields")
    return document


def fields_of(policy: Policy, head: Head) -> dict[str, str]:
    """The policy as fields of a hash: numbers and instants as in the JSON. What is unknown is not there."""
    content = policy.content
    values = {
        "schema": SCHEMA,
        "epoch": policy.ref.epoch,
        "version": policy.ref.version,
        "etag": policy.etag,
        "risk_mode": content.risk_mode.name,
        "trading_state": content.trading_state.name,
        "allowed_strategies": list(content.allowed_strategies),
        **_mapping(content.limits),
        **_mapping(content.metrics),
        "created_at": text_of(policy.created_at),
        "evaluated_at": text_of(head.evaluated_at) if head.evaluated_at else None,
        "author": content.author,
        "rollback_of": content.rollback_of,
        "valid_for_s": policy.valid_for_s,
    }
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
        if value is not None
    }


def head_from(text: bytes) -> Head:
    """The head that `json_of` wrote.

    Raises:
        CacheError: it was written by another version of this program, or by something else, or changed since.
    """
    try:
        document = json.loads(text)
        schema = Fields(document).count("schema")
        if schema == SCHEMA:
            return _head_in(document)
    # What is no text of ours may also nest deeper than the parser goes, or name no member of an enum.
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise CacheError(f"what it has is no policy of this program ({error})", CacheFault.UNREADABLE) from error
    of = "a newer" if schema > SCHEMA else "an older"
    raise CacheError(
        f"what it has was written by {of} version of this program (schema {schema}; this one reads {SCHEMA})",
        CacheFault.UNREADABLE,
    )


def _head_in(document: Mapping[str, object]) -> Head:
    fields = Fields(document)
    ref = fields.part("ref")
    policy = Policy(
        ref=PolicyRef(ref.count("epoch"), ref.count("version")),
        created_at=fields.instant("created_at"),
        content=_content_in(document),
        valid_for_s=fields.number("valid_for_s"),
    )
    if policy.etag != ref.text("etag"):
        raise ValueError("its etag is that of another content")
    return Head(ref=policy.ref, policy=policy, evaluated_at=fields.instant_or_none("evaluated_at"))


def _content_in(document: Mapping[str, object]) -> PolicyContent:
    parts = {"limits": document, "grants": document["strategy_grants"], "metrics": document["evaluation_metrics"]}
    return content_from(Fields({**document, **parts}))


def ref_of(epoch: object, version: object) -> PolicyRef | None:
    """The reference that two answers of Redis name, or None."""
    if not isinstance(epoch, bytes) or not isinstance(version, bytes):
        return None
    return PolicyRef(int(epoch), int(version)) if epoch.isdigit() and version.isdigit() else None
