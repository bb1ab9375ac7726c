"""What a call shows of who makes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from operator import itemgetter
from ssl import PEM_cert_to_DER_cert
from typing import TYPE_CHECKING
from urllib.parse import unquote

from msc_authority.app.admission import Presented
from msc_authority.app.certificates import Certificate, read_certificate
from msc_authority.app.proxies import is_forwarded

if TYPE_CHECKING:
    from msc_authority.rpc.calls import Context

_AUTHORIZATION = "authorization"
_NAME = itemgetter(0)
_NOTHING_TOLD = (False, False)
_PEERS_REMEMBERED = 4096
_CERTIFICATES_REMEMBERED = 4096
_HEADERS_REMEMBERED = 256


def presented_by(context: Context, *, over_tls: bool = True) -> Presented:
    """Returns what the call shows: address, token, and over TLS the names of the certificate that was verified."""
    metadata = context.invocation_metadata() or ()
    has_token, forwarded = _told_by(tuple(map(_NAME, metadata))) if metadata else _NOTHING_TOLD
    there = _nobody_at(context.peer(), forwarded)
    if not over_tls and not has_token:
        return there
    authorization = tuple(str(value) for key, value in metadata if key == _AUTHORIZATION)
    shown = context.auth_context() if over_tls else {}
    return Presented(
        host=there.host,
        is_local=there.is_local,
        authorization=authorization,
        names=_names(shown),
        certificate=next(map(_certificate, shown.get("x509_pem_cert", ())), None),
    )


@lru_cache(maxsize=_HEADERS_REMEMBERED)
def _told_by(headers: tuple[str, ...]) -> tuple[bool, bool]:
    # A client sends headers of the same names with each call: whether a token is among them, whether a proxy was there.
    return _AUTHORIZATION in headers, is_forwarded(headers)


@lru_cache(maxsize=_PEERS_REMEMBERED)
def _nobody_at(peer: str, forwarded: bool) -> Presented:
    # Every call of one connection comes from the same peer; who calls through a proxy there is not.
    host = host_of(peer)
    return Presented(host=host, is_local=is_local(host) and not forwarded)


def host_of(peer: str) -> str:
    """Returns the address in what gRPC calls a peer, such as ipv4:127.0.0.1:50468; "unix": a socket of this machine."""
    kind, _, rest = peer.partition(":")
    if kind in {"ipv4", "ipv6"}:
        return unquote(rest).rpartition(":")[0].strip("[]")
    return kind


def is_local(host: str) -> bool:
    """Whether only this machine can call from there."""
    if host == "unix":
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


@lru_cache(maxsize=_CERTIFICATES_REMEMBERED)
def _certificate(pem: bytes) -> Certificate:
    return read_certificate(PEM_cert_to_DER_cert(pem.decode("ascii")))


def _names(auth_context: Mapping[str, Iterable[bytes]]) -> tuple[str, ...]:
    if not auth_context:
        return ()
    # What is written into every certificate for, first; the common name is the older way to say it.
    found = [
        name.decode(errors="replace")
        for key in ("x509_subject_alternative_name", "x509_common_name")
        for name in auth_context.get(key, ())
    ]
    return tuple(dict.fromkeys(name for name in found if name))
