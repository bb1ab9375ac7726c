"""Who may do what: identities, roles, and the one table of what each RPC and each HTTP route asks for. Pure.

What stands in neither table is refused, whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

AUTHORITY = "/msc_policy.v1.PolicyAuthority"
JOURNAL = "/msc_policy.v1.JournalService"
OPERATOR = "/msc_policy.v1.OperatorService"
HEALTH = "/grpc.health.v1.Health"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection"
WEBSOCKET = "WEBSOCKET"
"""Stands for a method where a route is opened as a websocket."""


class Role(StrEnum):
    """What somebody may do. Each role includes reading; the operator's includes all."""

    READER = "reader"
    """Read, watch, and report which policy one acts on."""
    JOURNAL = "journal"
    """Write facts to the journal."""
    EVALUATOR = "evaluator"
    """Have the authority evaluate."""
    OPERATOR = "operator"
    """Everything: also halt, override, roll back."""

    @property
    def covers(self) -> frozenset[Role]:
        """The roles whose doings this one may do."""
        return _COVERED[self]


_COVERED = {role: frozenset(Role) if role is Role.OPERATOR else frozenset({Role.READER, role}) for role in Role}
_COVERING = {need: frozenset(role for role in Role if need in role.covers) for need in Role}


class Kind(Enum):
    """How it is known who asks."""

    ANONYMOUS_LOOPBACK = "anonymous-loopback"
    ANONYMOUS_REMOTE = "anonymous-remote"
    TOKEN = "token"
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who asks. `scope` bounds the facts it may record: for a part of a fact, the prefixes its name may have.

    `credential` is the public id of the token, or the fingerprint of the certificate; empty without either.
    `expires_at` None: it holds until it is revoked. `session`: a browser's that has logged in with the token.
    """

    name: str
    kind: Kind
    roles: frozenset[Role] = frozenset()
    scope: Mapping[str, tuple[str, ...]] | None = None
    credential: str = ""
    expires_at: datetime | None = None
    session: bool = False

    def may(self, need: Role) -> bool:
        """Whether one of its roles covers `need`."""
        return not self.roles.isdisjoint(_COVERING[need])


@dataclass(frozen=True, slots=True)
class Open:
    """What an entry asks for that anybody may use: probes, and the way to log in."""


OPEN = Open()
Need = Role | Open

# The watch of health is open like its check: a channel opens it by itself before any call, without a token.
RPCS: Mapping[str, Need] = {
    f"{HEALTH}/Check": OPEN,
    f"{HEALTH}/Watch": OPEN,
    f"{REFLECTION}/ServerReflectionInfo": Role.READER,
    f"{AUTHORITY}/GetPolicy": Role.READER,
    f"{AUTHORITY}/WatchPolicy": Role.READER,
    f"{AUTHORITY}/ListPolicyRevisions": Role.READER,
    f"{AUTHORITY}/ListEvaluations": Role.READER,
    f"{AUTHORITY}/ListStrategies": Role.READER,
    f"{AUTHORITY}/GetSystemHealth": Role.READER,
    f"{AUTHORITY}/ReportClientStatus": Role.READER,
    f"{AUTHORITY}/ListClients": Role.READER,
    f"{AUTHORITY}/Evaluate": Role.EVALUATOR,
    f"{JOURNAL}/Record": Role.JOURNAL,
    f"{OPERATOR}/ListOverrides": Role.READER,
    f"{OPERATOR}/Act": Role.OPERATOR,
    f"{OPERATOR}/LiftOverride": Role.OPERATOR,
}
"""What each RPC asks for, by its full name."""

# A path that ends in /* stands for everything below.
ROUTES: Mapping[tuple[str, str], Need] = {
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/favicon.ico"): OPEN,
    ("GET", "/login"): OPEN,
    ("POST", "/login"): OPEN,
    ("POST", "/logout"): OPEN,
    ("GET", "/metrics"): Role.READER,
    ("GET", "/docs"): Role.READER,
    ("GET", "/openapi.json"): Role.READER,
    ("GET", "/api/msc/status"): Role.READER,
    ("GET", "/api/msc/health"): Role.READER,
    ("GET", "/api/msc/history"): Role.READER,
    ("GET", "/api/msc/strategies"): Role.READER,
    ("GET", "/api/msc/clients"): Role.READER,
    ("GET", "/api/msc/alerts"): Role.READER,
    ("GET", "/api/msc/events"): Role.READER,
    ("GET", "/api/msc/overrides"): Role.READER,
    ("POST", "/api/msc/evaluate"): Role.EVALUATOR,
    ("POST", "/api/msc/act"): Role.OPERATOR,
    # The dashboard. What a person does on it is checked where it is done, by `require`.
    ("GET", "/"): Role.READER,
    ("GET", "/troubleshooting"): Role.READER,
    ("GET", "/dashboard-assets/*"): Role.READER,
    ("GET", "/_nicegui/*"): Role.READER,
    ("GET", "/_nicegui_ws/*"): Role.READER,
    ("POST", "/_nicegui_ws/*"): Role.READER,
    (WEBSOCKET, "/_nicegui_ws/*"): Role.READER,
}
"""What each HTTP route asks for, by method and path."""

STREAMS = frozenset({"/api/msc/events"})
"""Routes whose answers last."""
SOCKETS = "/_nicegui_ws/"
"""The dashboard's connection, which falls back to plain requests."""


def need_of_rpc(method: str) -> Need | None:
    """Returns what an RPC asks for; None: it is in no table, so nobody may call it."""
    return RPCS.get(method)


def need_of_route(method: str, path: str) -> Need | None:
    """Returns what a route asks for; None: it is in no table, so nobody may ask for it."""
    wanted = "GET" if method == "HEAD" else method
    return next((ROUTES[wanted, entry] for entry in _entries(path) if (wanted, entry) in ROUTES), None)


def methods_of(path: str) -> tuple[str, ...]:
    """Returns the methods that a path has in the table, and HEAD beside GET."""
    entries = set(_entries(path))
    methods = {method for method, entry in ROUTES if entry in entries and method != WEBSOCKET}
    return tuple(sorted(methods | ({"HEAD"} if answers_head(path) else set())))


def answers_head(path: str) -> bool:
    """Whether a path answers HEAD as it answers GET: an answer that lasts has nothing to tell beforehand."""
    return not _lasts(path) and need_of_route("GET", path) is not None


def _lasts(path: str) -> bool:
    return path in STREAMS or path.startswith(SOCKETS)


def _entries(path: str) -> Iterator[str]:
    yield path
    # No path of ours goes up again: what does could be one place here and another one in the application.
    if "/../" not in f"{path}/" and path.count("/") > 1:
        yield f"/{path.split('/', 2)[1]}/*"


class AccessRefused(Exception):
    """Somebody may not do what was asked for. The message may be shown to anybody."""

    reason = "ACCESS_REFUSED"


class Unauthenticated(AccessRefused):
    """It is not known who asks."""


class TokenMissing(Unauthenticated):
    """Nothing says who asks."""

    reason = "TOKEN_MISSING"


class TokenInvalid(Unauthenticated):
    """What was shown is no token of this authority."""

    reason = "TOKEN_INVALID"


class TokenExpired(Unauthenticated):
    """The token was good once."""

    reason = "TOKEN_EXPIRED"


class TokenRevoked(Unauthenticated):
    """The token was taken back."""

    reason = "TOKEN_REVOKED"


class CertificateExpired(Unauthenticated):
    """The certificate that the connection was opened with was good then."""

    reason = "CERTIFICATE_EXPIRED"


class RoleMissing(AccessRefused):
    """It is known who asks, and that is not enough."""

    reason = "ROLE_MISSING"


class NotListed(AccessRefused):
    """What was asked for is in no table."""

    reason = "NOT_LISTED"


_caller: ContextVar[Identity | None] = ContextVar("caller", default=None)


class acting_as:  # noqa: N801 -- a context manager, which a generator would be at twice the cost for each call
    """Within the block, and in tasks started there, it is `identity` that acts."""

    __slots__ = ("_before", "_identity")

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def __enter__(self) -> None:
        self._before = _caller.set(self._identity)

    def __exit__(self, *_: object) -> None:
        _caller.reset(self._before)


def caller() -> Identity | None:
    """Returns who asks; None: nobody outside, as for what the authority does by itself."""
    return _caller.get()


def actor() -> str:
    """Returns the name of who asks, for records: "authority" where nobody outside does."""
    identity = _caller.get()
    return identity.name if identity is not None else "authority"


def check_role(identity: Identity, need: Need | None) -> None:
    """Returns if `identity` may do what `need` stands for.

    Raises:
        RoleMissing: none of its roles covers it.
        NotListed: `need` is None: it is in no table.
    """
    if need is None:
        raise NotListed("nobody may ask for this: it is not in the table of what may be asked for")
    if isinstance(need, Role) and not identity.may(need):
        held = ", ".join(sorted(identity.roles)) or "none"
        raise RoleMissing(f"{identity.name} needs the role {need} for this; it has: {held}")


def require(need: Role) -> None:
    """Returns if who asks may do what `need` stands for. Raises RoleMissing, also where it is not known who asks."""
    identity = _caller.get()
    if identity is None:
        raise RoleMissing(f"the role {need} is needed for this, and it is not known who asks")
    check_role(identity, need)


def require_route(method: str, path: str) -> None:
    """Returns if who asks may ask for a route: for what a person does by other ways that end in the same.

    Raises:
        RoleMissing: who asks may not, or it is not known who asks.
        NotListed: the route is in no table.
    """
    need = need_of_route(method, path)
    if isinstance(need, Open):
        return
    if need is None:
        raise NotListed("nobody may ask for this: it is not in the table of what may be asked for")
    require(need)


def may_ask(method: str, path: str) -> bool:
    """Whether `require_route` would return: for what is only offered to those who may have it."""
    try:
        require_route(method, path)
    except AccessRefused:
        return False
    return True
