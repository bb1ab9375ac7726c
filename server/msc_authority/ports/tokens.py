"""What the use cases need to know who asks: where bearer tokens are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """A bearer token as the store keeps it: a hash in place of the secret.

    `token_id` is public. `roles` and the kinds of `scope` are words that a newer program may know more of.
    `expires_at` None: it does not expire. `last_used_at` is kept to some minutes.
    """

    token_id: str
    name: str
    roles: tuple[str, ...]
    secret_hash: bytes
    created_at: datetime
    created_by: str
    scope: tuple[tuple[str, tuple[str, ...]], ...] = ()
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class TokenStore(Protocol):
    """Keeps bearer tokens. Who did what is in the audit log of the same transaction."""

    def add(self, token: StoredToken) -> None:
        """Keeps a new token."""
        ...

    def tokens(self) -> list[StoredToken]:
        """Returns all tokens, the oldest first."""
        ...

    def revoke(self, token_id: str, actor: str) -> bool:
        """Takes a token back for good, now. Returns whether that was still to be done."""
        ...

    def used(self, last_used: Mapping[str, datetime]) -> None:
        """Keeps when tokens were used last, by id. An earlier instant than the one kept changes nothing."""
        ...
