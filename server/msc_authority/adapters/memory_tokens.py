"""Bearer tokens in memory. They mean what those on SQL mean, and are gone when it goes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from msc_authority.adapters.audit_lines import revocation_line, token_line
from msc_authority.adapters.memory_audit import MemoryAuditLog
from msc_authority.ports.clock import Clock
from msc_authority.ports.tokens import StoredToken


class MemoryTokenStore:
    """Keeps bearer tokens. Threads may share it."""

    def __init__(self, clock: Clock, audit: MemoryAuditLog | None = None) -> None:
        """`audit` is told of each token that is made or taken back; None: a log of its own is."""
        self._clock, self._audit = clock, audit or MemoryAuditLog()
        self._lock = threading.Lock()
        self._tokens: dict[str, StoredToken] = {}

    def add(self, token: StoredToken) -> None:
        """Keeps a new token."""
        with self._lock:
            self._audit.append(self._clock.now(), token_line(token))
            self._tokens[token.token_id] = token

    def tokens(self) -> list[StoredToken]:
        """Returns all tokens, the oldest first."""
        with self._lock:
            return sorted(self._tokens.values(), key=lambda token: (token.created_at, token.token_id))

    def revoke(self, token_id: str, actor: str) -> bool:
        """Takes a token back for good, now. Returns whether that was still to be done."""
        with self._lock:
            token = self._tokens.get(token_id)
            if token is None or token.revoked_at is not None:
                return False
            now = self._clock.now()
            self._audit.append(now, revocation_line(token_id, token.name, actor))
            self._tokens[token_id] = replace(token, revoked_at=now)
            return True

    def used(self, last_used: Mapping[str, datetime]) -> None:
        """Keeps when tokens were used last, by id. An earlier instant than the one kept changes nothing."""
        with self._lock:
            for token_id, at in last_used.items():
                token = self._tokens.get(token_id)
                if token is not None and (token.last_used_at is None or token.last_used_at < at):
                    self._tokens[token_id] = replace(token, last_used_at=at)
