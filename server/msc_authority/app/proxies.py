"""What proxies say of whom they forward: they are not on this machine. One list for gRPC and HTTP. Pure."""

from __future__ import annotations

from collections.abc import Iterable

_NAMES = frozenset(
    {
        "cdn-loop",
        "client-ip",
        "fastly-client-ip",
        "fly-client-ip",
        "forwarded",
        "proxy-connection",
        "true-client-ip",
        "via",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-forwarded",
        "x-original-forwarded-for",
        "x-original-host",
        "x-original-url",
        "x-proxyuser-ip",
        "x-real-ip",
        "x-remote-addr",
        "x-remote-ip",
    }
)
_BEGINNINGS = ("x-forwarded-", "x-envoy-", "x-amzn-", "x-azure-", "cf-")


def is_forwarded(headers: Iterable[str]) -> bool:
    """Whether one of the headers, by their names in lower case, is such that only a proxy adds it.

    Without one it is not known: a proxy need not say that it is there.
    """
    return any(name in _NAMES or name.startswith(_BEGINNINGS) for name in headers)
