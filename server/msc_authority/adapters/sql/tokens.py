"""Bearer tokens on SQL: hashes in place of secrets, and an audit line for each that is made or taken back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, Row, insert, select, update

from msc_authority.adapters.audit_lines import revocation_line, token_line
from msc_authority.adapters.sql.audit import write_audit
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.tables import msc_tokens
from msc_authority.ports.clock import Clock
from msc_authority.ports.tokens import StoredToken

_columns = msc_tokens.c


class SqlTokenStore:
    """Keeps bearer tokens."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, token: StoredToken) -> None:
        """Keeps a new token."""

        def add(connection: Connection) -> None:
            insert_token(connection, token)
            write_audit(connection, self._clock.now(), token_line(token))

        self._database.transact(WriteLock.TOKENS, add)

    def tokens(self) -> list[StoredToken]:
        """Returns all tokens, the oldest first."""
        with self._database.read() as connection:
            return tokens_in(connection)

    def revoke(self, token_id: str, actor: str) -> bool:
        """Takes a token back for good, now. Returns whether that was still to be done."""

        def revoke(connection: Connection) -> bool:
            now = self._clock.now()
            holds = (_columns.token_id == token_id) & _columns.revoked_at.is_(None)
            name = connection.scalar(select(_columns.name).where(holds))
            if name is None:
                return False
            mark_revoked(connection, token_id, now)
            write_audit(connection, now, revocation_line(token_id, name, actor))
            return True

        return self._database.transact(WriteLock.TOKENS, revoke)

    def used(self, last_used: Mapping[str, datetime]) -> None:
        """Keeps when tokens were used last, by id. An earlier instant than the one kept changes nothing."""

        def keep(connection: Connection) -> None:
            for token_id, at in last_used.items():
                earlier = _columns.last_used_at.is_(None) | (_columns.last_used_at < at)
                one = (_columns.token_id == token_id) & earlier
                connection.execute(update(msc_tokens).where(one).values(last_used_at=at))

        self._database.transact(WriteLock.TOKENS, keep)


def tokens_in(connection: Connection) -> list[StoredToken]:
    """All tokens, the oldest first, as the transaction sees them."""
    rows = connection.execute(select(msc_tokens).order_by(_columns.created_at, _columns.token_id))
    return [_token_from(row) for row in rows]


def insert_token(connection: Connection, token: StoredToken) -> None:
    """Keeps it as it is. What was done goes into the audit log by whoever does it."""
    row = {
        "token_id": token.token_id,
        "name": token.name,
        "roles": list(token.roles),
        "scope": {kind: list(prefixes) for kind, prefixes in token.scope},
        "secret_hash": token.secret_hash,
        "created_at": token.created_at,
        "created_by": token.created_by,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
    }
    connection.execute(insert(msc_tokens), row)


def mark_revoked(connection: Connection, token_id: str, at: datetime) -> None:
    """Takes a token back as of `at`. What was done goes into the audit log by whoever does it."""
    holds = (_columns.token_id == token_id) & _columns.revoked_at.is_(None)
    connection.execute(update(msc_tokens).where(holds).values(revoked_at=at))


def _token_from(row: Row[*tuple[object, ...]]) -> StoredToken:
    return StoredToken(
        token_id=row.token_id,
        name=row.name,
        roles=tuple(row.roles),
        secret_hash=bytes(row.secret_hash),
        created_at=row.created_at,
        created_by=row.created_by,
        scope=tuple((kind, tuple(prefixes)) for kind, prefixes in row.scope.items()),
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
