"""The door: who asks, whether it may, whether it asks too often. One for gRPC and HTTP alike; any thread may ask."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import lru_cache

from msc_authority.app.access import (
    AccessRefused,
    Identity,
    Kind,
    Need,
    Open,
    Role,
    TokenInvalid,
    TokenMissing,
    check_role,
)
from msc_authority.app.certificates import Certificate
from msc_authority.app.permits import Lost, Permit, Permits
from msc_authority.app.production import DoorTally
from msc_authority.app.rates import OpenStreams, RateLimited, RequestRates, StreamLimitReached
from msc_authority.app.recent import RecentCount
from msc_authority.app.tokens import TokenBook
from msc_authority.ports.clock import Clock

_log = logging.getLogger(__name__)

ANY_CERTIFICATE = "*"
RATE_LIMITED, STREAM_LIMIT_REACHED = "RATE_LIMITED", "STREAM_LIMIT_REACHED"
TELL_AGAIN_S = 60.0
"""The same refusal of the same address is logged once in so many seconds: who knocks cannot fill the disk."""
MAX_TOLD = 10_000
_SCHEME = "bearer"
_ADDRESSES_REMEMBERED = 4096
_NOBODY = (Kind.ANONYMOUS_LOOPBACK, Kind.ANONYMOUS_REMOTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presented:
    """What a caller shows. `host` is its address; `is_local`: from this machine, and not through a proxy on it.

    `authorization` holds each header of that name, or with `session` the token of somebody who has logged in; `names`
    are those in the `certificate` that the handshake verified.
    """

    host: str
    is_local: bool
    authorization: tuple[str, ...] = field(default=(), repr=False)
    session: bool = False
    names: tuple[str, ...] = ()
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """Who is let in without a token. `local` and `remote` None: nobody.

    `certificates` gives the roles of a name in a client's certificate; "*" stands for any other name.
    """

    local: Role | None = Role.OPERATOR
    remote: Role | None = None
    certificates: Mapping[str, frozenset[Role]] = field(default_factory=dict)


class Admission:
    """Lets callers in, or says why not."""

    def __init__(
        self,
        *,
        rules: AccessRules,
        book: TokenBook,
        permits: Permits,
        rates: RequestRates,
        streams: OpenStreams,
        clock: Clock,
    ) -> None:
        self._rules, self._book, self._permits = rules, book, permits
        self._rates, self._streams, self._clock = rates, streams, clock
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str], float] = {}
        self.refused: Counter[str] = Counter()
        """How often somebody was refused, by reason."""
        self._recently = RecentCount()

    async def admit(self, presented: Presented, need: Need | None, what: str) -> Identity:
        """Returns who asks, if it may do what `need` stands for. `what` names it in the log.

        Raises:
            AccessRefused: it is not known who asks, or that is not enough.
            RateLimited: it asks too often.
            StoreUnavailable: nobody can tell.
        """
        known = self.admit_at_once(presented, need, what)
        if known is not None:
            return known
        try:
            self._rates.take(presented.host)
            identity = await self._by_token(presented)
            self._take(identity)
            check_role(identity, need)
        except (AccessRefused, RateLimited) as error:
            self._note(error, presented, what)
            raise
        return identity

    def admit_at_once(self, presented: Presented, need: Need | None, what: str) -> Identity | None:
        """Returns what `admit` does where nothing has to be awaited; None, and nothing is counted: a token was shown.

        Raises:
            AccessRefused: it is not known who asks, or that is not enough.
            RateLimited: it asks too often.
        """
        # Of one piece: this is part of every call. A probe knows nothing of tokens, and is not turned away over one.
        try:
            if presented.authorization and not isinstance(need, Open):
                return None
            self._rates.take(presented.host)
            if presented.names and not isinstance(need, Open):
                return self._certified_for(presented, need)
            # Nobody at an address is that address, from whose bucket this was taken: it has no other one.
            role = self._rules.local if presented.is_local else self._rules.remote
            return _nobody_for(presented.host, presented.is_local, role, need)
        except (AccessRefused, RateLimited) as error:
            self._note(error, presented, what)
            raise

    async def log_in(self, presented: Presented, what: str) -> Identity:
        """Returns who shows a token to be kept by a browser, within a request that was let in as one of nobody's.

        Raises:
            Unauthenticated: the token does not hold. It is counted and told as whoever else is refused.
            RateLimited: it asks too often.
            StoreUnavailable: nobody can tell.
        """
        try:
            identity = await self.identify(presented)
            self._take(identity)
        except (AccessRefused, RateLimited) as error:
            self._note(error, presented, what)
            raise
        return identity

    def count_message(self, identity: Identity, presented: Presented, what: str) -> None:
        """Counts one more message of a stream that was let in, as a request of its own. Raises RateLimited."""
        try:
            self._rates.take(presented.host)
            self._take(identity)
        except RateLimited as error:
            self._note(error, presented, what)
            raise

    def _take(self, identity: Identity) -> None:
        # Nobody at an address is that address, from whose bucket each of its requests was taken: the same twice.
        if identity.kind not in _NOBODY:
            self._rates.take(f"identity {_key(identity)}")

    def _note(self, error: AccessRefused | RateLimited, presented: Presented, what: str) -> None:
        reason = error.reason if isinstance(error, AccessRefused) else RATE_LIMITED
        self._tell(presented.host, what, reason, str(error))

    def _tell(self, who: str, what: str, reason: str, text: str) -> None:
        with self._lock:
            now, told = self._clock.monotonic(), self._told.get((who, reason))
            self._count(reason, now)
            if told is not None and now - told < TELL_AGAIN_S:
                return
            if len(self._told) >= MAX_TOLD:
                self._told.clear()
            self._told[who, reason] = now
        _log.warning("Refused %s from %s: %s (%s)", what, who, text, reason)

    def _count(self, reason: str, now: float) -> None:
        self.refused[reason] += 1
        self._recently.note(now)

    def tally(self) -> DoorTally:
        """Returns who was turned away, and who is in."""
        with self._lock:
            return DoorTally(
                refused=dict(self.refused),
                refused_recently=self._recently.count(self._clock.monotonic()),
                most_refused=max(self.refused, key=self.refused.__getitem__, default=""),
                streams=self._permits.open_by_role(),
            )

    async def identify(self, presented: Presented) -> Identity:
        """Returns who asks, whatever it may do. A token counts more than a certificate.

        Raises:
            Unauthenticated: nothing says who, or what was shown does not hold.
            StoreUnavailable: nobody can tell.
        """
        if presented.authorization:
            return await self._by_token(presented)
        return self._without_token(presented)

    async def _by_token(self, presented: Presented) -> Identity:
        identity = await self._book.identify(_bearer(presented.authorization))
        return replace(identity, session=True) if presented.session else identity

    def _without_token(self, presented: Presented) -> Identity:
        if presented.names:
            return self._certified(presented.names, presented.certificate)
        role = self._rules.local if presented.is_local else self._rules.remote
        return _nobody_known(presented.host, presented.is_local, role)

    @property
    def lets_local_in(self) -> bool:
        """Whether somebody on this machine needs no token."""
        return self._rules.local is not None

    def stream(self, identity: Identity, when_lost: Lost) -> AbstractContextManager[Permit]:
        """A permit for a stream that lasts as long as the block, which raises StreamLimitReached when entered."""
        return _Stream(self, identity, when_lost)

    def begin_stream(self, identity: Identity, when_lost: Lost) -> Permit:
        """Returns a permit for a stream, which has to be ended. Raises StreamLimitReached."""
        try:
            self._streams.begin(_key(identity))
        except StreamLimitReached as error:
            self._tell(identity.name, "a stream", STREAM_LIMIT_REACHED, str(error))
            raise
        return self._permits.give(identity, when_lost)

    def end_stream(self, permit: Permit) -> None:
        """Ends the stream of a permit."""
        self._permits.take_back(permit)
        self._streams.end(_key(permit.identity))

    def _certified_for(self, presented: Presented, need: Need | None) -> Identity:
        identity = self._certified(presented.names, presented.certificate)
        self._take(identity)
        check_role(identity, need)
        return identity

    def _certified(self, names: tuple[str, ...], certificate: Certificate | None) -> Identity:
        given = self._rules.certificates
        name = next((name for name in names if name in given), names[0])
        roles = given.get(name, given.get(ANY_CERTIFICATE, frozenset()))
        identity = Identity(
            name=name,
            kind=Kind.CERTIFICATE,
            roles=roles,
            credential=certificate.fingerprint if certificate else "",
            expires_at=certificate.expires_at if certificate else None,
        )
        self._book.check(identity)
        return identity


class _Stream:
    # One object, not generators one in the other: thousands of streams keep theirs for half an hour.
    __slots__ = ("_admission", "_identity", "_permit", "_when_lost")

    def __init__(self, admission: Admission, identity: Identity, when_lost: Lost) -> None:
        self._admission, self._identity, self._when_lost = admission, identity, when_lost

    def __enter__(self) -> Permit:
        self._permit = self._admission.begin_stream(self._identity, self._when_lost)
        return self._permit

    def __exit__(self, *_: object) -> None:
        self._admission.end_stream(self._permit)


@lru_cache(maxsize=_ADDRESSES_REMEMBERED)
def _nobody_for(host: str, is_local: bool, role: Role | None, need: Need | None) -> Identity:
    # An error is not remembered: it is raised anew, and its message made, each time.
    if isinstance(need, Open):
        return _nobody(host, is_local, None)
    identity = _nobody_known(host, is_local, role)
    check_role(identity, need)
    return identity


def _nobody_known(host: str, is_local: bool, role: Role | None) -> Identity:
    if role is None:
        raise TokenMissing(
            "this authority wants to know who asks: send a token (msc_…) in the Authorization header, "
            'by the scheme "Bearer"'
        )
    return _nobody(host, is_local, role)


def _nobody(host: str, is_local: bool, role: Role | None) -> Identity:
    kind = Kind.ANONYMOUS_LOOPBACK if is_local else Kind.ANONYMOUS_REMOTE
    return Identity(name=f"anonymous@{host}", kind=kind, roles=frozenset({role} if role is not None else ()))


def _key(identity: Identity) -> str:
    # Tokens of one name, as while one replaces another, share what that name may take. No address has a blank in it.
    return f"{identity.kind.value} {identity.name}"


def _bearer(authorization: tuple[str, ...]) -> str:
    scheme, _, text = authorization[0].strip().partition(" ")
    if len(authorization) != 1 or scheme.lower() != _SCHEME:
        raise TokenInvalid('send one Authorization header, with one token (msc_…) by the scheme "Bearer"')
    return text.strip()
