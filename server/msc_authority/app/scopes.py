"""Which facts who asks may record. Pure."""

from __future__ import annotations

from msc_authority.app.access import Identity
from msc_authority.core.facts import Fact

FIELDS = {"account": "account", "executor": "executor", "strategy": "strategy_id"}
"""The field of a fact that each kind of scope is about."""


def field_out_of_scope(identity: Identity, fact: Fact) -> str | None:
    """Returns the first field of a fact that is beyond what the identity may record; None: it may record it.

    A fact without the field is not bound by it: a closed trade names no account.
    """
    for kind, prefixes in (identity.scope or {}).items():
        field = FIELDS[kind]
        value = getattr(fact, field, None)
        if value is not None and not value.startswith(tuple(prefixes)):
            return field
    return None
