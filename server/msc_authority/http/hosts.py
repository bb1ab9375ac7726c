"""Which names this server answers for, and which pages may ask it to do something. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """The hosts that a request may name. A name that is none of ours was made to point here by somebody else.

    `any_address`: any IP address will do, for a server that listens on all of them. No name has to be resolved for
    one, so nobody can have made it point here.
    """

    names: frozenset[str]
    any_address: bool = False

    @classmethod
    def of(cls, listening_on: str, allowed: Iterable[str] = ()) -> Hosts:
        """Returns the hosts of a server that listens on an address and is known by further names."""
        host = listening_on.strip("[]").lower()
        names = frozenset({host, *(name.strip("[]").lower().rstrip(".") for name in allowed)})
        return cls(names=names, any_address=_is_unspecified(host))

    def allow(self, host_header: str) -> bool:
        """Whether a request with this Host header is for this server."""
        name = host_of(host_header)
        if not name:
            return False
        if name == "localhost" or name in self.names:
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self.any_address


def host_of(host_header: str) -> str:
    """Returns the host in a Host header, in lower case and without brackets and port; empty: it is not one."""
    try:
        parts = urlsplit(f"//{host_header}")
        is_plain = parts.netloc == host_header and "@" not in host_header
        return (parts.hostname or "").rstrip(".") if is_plain and (parts.port is None or parts.port >= 0) else ""
    except ValueError:
        return ""


def is_same_origin(origin: str, host_header: str) -> bool:
    """Whether a page of `origin` was served under `host_header`. A proxy in front may have spoken https."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == host_header.lower()


def _is_unspecified(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
