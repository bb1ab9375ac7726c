"""Bearer tokens: how they are made and told apart, and the book of those that hold.

A token reads msc_ID_SECRET. The id is public and finds it. Of the secret, 256 random bits, only the SHA-256 is kept:
that is enough for a secret that nobody can guess.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

from msc_authority.app.access import CertificateExpired, Identity, Kind, Role, TokenExpired, TokenInvalid, TokenRevoked
from msc_authority.app.work import Worker
from msc_authority.ports.clock import Clock
from msc_authority.ports.store import StoreError, StoreUnavailable
from msc_authority.ports.tokens import StoredToken, TokenStore

_log = logging.getLogger(__name__)

SECRET_BYTES = 32
REFRESH_S = 0.8
"""Time between two readings by whoever keeps the book: what is revoked is refused within a second."""
TRUSTED_S = 900.0
"""Tokens known before are believed for so long while the store does not answer, as clients believe a policy."""
USED_EVERY = timedelta(minutes=5)
"""How exactly it is kept when a token was used."""
SCOPES = ("account", "executor", "strategy")
"""Parts of a fact that a token may be bound to."""
_OURS = frozenset({"authority", "evaluator", "replay", "unknown"})
"""Who acts in records where nobody outside does."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)
_TOKEN = re.compile(r"msc_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A new token. `text` holds the secret: it is shown once, and kept nowhere."""

    stored: StoredToken
    text: str = field(repr=False)


def mint(
    *,
    name: str,
    roles: Sequence[Role],
    now: datetime,
    created_by: str,
    valid_for: timedelta | None = None,
    scope: Mapping[str, Sequence[str]] | None = None,
) -> Minted:
    """Returns a new token, which the caller has to store. `valid_for` None: until it is revoked.

    Raises:
        ValueError: the name, the roles, the validity or the scope make no sense; the message says how.
    """
    _check(name, roles, valid_for, scope or {})
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(SECRET_BYTES)
    stored = StoredToken(
        token_id=token_id,
        name=name,
        roles=tuple(sorted({role.value for role in roles})),
        secret_hash=_hash(secret),
        created_at=now,
        created_by=created_by,
        scope=tuple((kind, tuple(prefixes)) for kind, prefixes in sorted((scope or {}).items())),
        expires_at=None if valid_for is None else now + valid_for,
    )
    return Minted(stored=stored, text=f"msc_{token_id}_{secret}")


def _check(name: str, roles: Sequence[Role], valid_for: timedelta | None, scope: Mapping[str, Sequence[str]]) -> None:
    if not NAME.fullmatch(name):
        raise ValueError("name: must be up to 64 of A-Z a-z 0-9 _ . @ - and begin with a letter or a digit")
    if name.lower() in _OURS or name.lower().startswith("anonymous"):
        raise ValueError(f"name: {name} is what records call somebody else; take another one")
    if not roles:
        raise ValueError(f"role: give at least one of {', '.join(Role)}")
    if valid_for is not None and valid_for <= timedelta(0):
        raise ValueError("for: must be longer than nothing")
    if set(scope) - set(SCOPES) or not all(prefix for prefixes in scope.values() for prefix in prefixes):
        raise ValueError(f"scope: must be KIND=PREFIX, with a kind of {', '.join(SCOPES)} and a prefix")


def token_id_of(text: str) -> str:
    """Returns the public id in the text of a token. Raises TokenInvalid."""
    return _parts(text)[0]


def _parts(text: str) -> tuple[str, str]:
    found = _TOKEN.fullmatch(text)
    if found is None:
        raise TokenInvalid("what was sent is no token of this authority; msc token create makes one")
    return found[1], found[2]


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The tokens, and when the store began to say so. `began` is monotonic."""

    tokens: Mapping[str, StoredToken]
    began: float


class TokenBook:
    """The tokens as the store said a moment ago. Any thread may ask."""

    def __init__(self, *, store: TokenStore, clock: Clock, worker: Worker) -> None:
        """`worker` has one thread: it reads the store."""
        self._store, self._clock, self._worker = store, clock, worker
        self._known: _Known | None = None
        self._used: dict[str, datetime] = {}
        self._lock = threading.Lock()
        self.failing = False

    async def read(self) -> None:
        """Reads the store once. What it does not say now stays as it was, for a while."""
        await self._worker.run(partial(self._read, self._clock.monotonic()))

    async def identify(self, text: str) -> Identity:
        """Returns who shows this token.

        Raises:
            TokenInvalid, TokenExpired, TokenRevoked: it does not hold; of a wrong secret, nothing is told.
            StoreUnavailable: nobody can tell, because the store has not answered for too long.
        """
        token_id, secret = _parts(text)
        if self._too_old():
            # This process stood still, perhaps, and the store is well.
            await self.read()
        token = self._find(token_id)
        if token is None:
            # It may have been made a moment ago.
            await self.read()
            token = self._find(token_id)
            if token is None and self.failing:
                raise StoreUnavailable("the database does not answer, and this token is not known from before")
        # Also for an unknown id, so that the time taken does not tell which ids there are.
        kept = token.secret_hash if token is not None else bytes(32)
        if not hmac.compare_digest(kept, _hash(secret)) or token is None:
            raise TokenInvalid("this token is not known; msc token create makes one")
        identity = identity_of(token)
        self.check(identity)
        self._note_use(token)
        return identity

    def check(self, identity: Identity) -> None:
        """Returns if an identity still holds. One without a token or a certificate does.

        Raises:
            TokenExpired, TokenRevoked, CertificateExpired: it does not.
            StoreUnavailable: the store has not answered for too long.
        """
        if identity.kind is Kind.CERTIFICATE:
            self._check_certificate(identity)
        if identity.kind is not Kind.TOKEN:
            return
        token = self._find(identity.credential)
        if token is None or token.revoked_at is not None:
            raise TokenRevoked("this token was revoked; msc token create makes another one")
        if token.expires_at is not None and token.expires_at <= self._clock.now():
            raise TokenExpired("this token has expired; msc token create makes another one")

    def _check_certificate(self, identity: Identity) -> None:
        # A handshake looks once, and its connection may last.
        if identity.expires_at is not None and identity.expires_at <= self._clock.now():
            raise CertificateExpired("the certificate of this connection has expired; connect again with a newer one")

    def _find(self, token_id: str) -> StoredToken | None:
        known = self._known
        if known is None or self._too_old():
            raise StoreUnavailable("the database does not answer, so nobody can tell which tokens hold")
        return known.tokens.get(token_id)

    def _too_old(self) -> bool:
        return self._known is None or self._clock.monotonic() - self._known.began > TRUSTED_S

    def _note_use(self, token: StoredToken) -> None:
        now = self._clock.now()
        if token.last_used_at is None or now - token.last_used_at >= USED_EVERY:
            with self._lock:
                self._used[token.token_id] = now

    def _read(self, asked: float) -> None:
        known = self._known
        if known is not None and known.began > asked:
            # Somebody else asked at the same time, and was served later than this.
            return
        began = self._clock.monotonic()
        try:
            self._known = _Known(tokens={token.token_id: token for token in self._store.tokens()}, began=began)
            self._keep_used()
        except StoreError as error:
            self._failed(error)
            return
        if self.failing:
            self.failing = False
            _log.info("Tokens are read again")

    def _keep_used(self) -> None:
        with self._lock:
            used, self._used = self._used, {}
        if not used:
            return
        try:
            self._store.used(used)
        except StoreError as error:
            # Nobody is let in or kept out by it: the next reading tries again.
            _log.debug("It could not be kept when tokens were used: %s", error)
            with self._lock:
                self._used = used | self._used

    def _failed(self, error: StoreError) -> None:
        if not self.failing:
            self.failing = True
            _log.warning("Tokens cannot be read; those known are believed for %.0f s: %s", TRUSTED_S, error)


def identity_of(token: StoredToken) -> Identity:
    """Returns whom a token stands for. Words that this program does not know give nothing."""
    known = {role.value: role for role in Role}
    # A bound that cannot be kept here leaves nothing.
    bounded = all(kind in SCOPES for kind, _ in token.scope)
    return Identity(
        name=token.name,
        kind=Kind.TOKEN,
        roles=frozenset(known[word] for word in token.roles if word in known and bounded),
        scope=dict(token.scope) or None,
        credential=token.token_id,
        expires_at=token.expires_at,
    )
