"""What a request shows of who makes it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from msc_authority.app.admission import Presented
from msc_authority.app.proxies import is_forwarded

if TYPE_CHECKING:
    from starlette.types import Scope

COOKIE = "msc_token"
NAMES = "msc.certificate_names"
"""Where a request's scope has the names of the certificate that the handshake verified."""
CERTIFICATE = "msc.certificate"
"""Where it has the certificate itself."""


def presented_by(scope: Scope) -> Presented:
    """Returns what a request shows: address, token, and the names of its certificate.

    A token in a header counts more than one in the cookie of somebody who logged in.
    """
    headers = Headers(scope=scope)
    host = scope["client"][0] if scope.get("client") else ""
    sent = tuple(headers.getlist("authorization"))
    kept = () if sent else _of_cookie(headers)
    return Presented(
        host=host,
        is_local=_is_local(host) and not is_forwarded(headers.keys()),
        authorization=sent or kept,
        session=bool(kept),
        names=tuple(scope.get(NAMES, ())),
        certificate=scope.get(CERTIFICATE),
    )


def _of_cookie(headers: Headers) -> tuple[str, ...]:
    token = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
    return (f"Bearer {token}",) if token else ()


def _is_local(host: str) -> bool:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
