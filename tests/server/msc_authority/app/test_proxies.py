"""By which headers it shows that a proxy forwards somebody."""

from __future__ import annotations

import pytest

from msc_authority.app.proxies import is_forwarded

OF_PROXIES = (
    "forwarded",
    "via",
    "x-forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-forwarded-client-cert",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-envoy-external-address",
    "x-envoy-expected-rq-timeout-ms",
    "x-amzn-trace-id",
    "x-azure-clientip",
    "cf-connecting-ip",
    "cf-ray",
    "true-client-ip",
    "fastly-client-ip",
    "cdn-loop",
)
OF_CALLERS = (
    "accept",
    "authorization",
    "content-type",
    "cookie",
    "grpc-accept-encoding",
    "grpc-timeout",
    "host",
    "origin",
    "referer",
    "sec-fetch-site",
    "user-agent",
    "x-request-id",
    "traceparent",
    "cfg",
    "viaduct",
)


@pytest.mark.parametrize("header", OF_PROXIES)
def test_a_header_of_a_proxy_shows_among_all_others(header: str) -> None:
    assert is_forwarded([*OF_CALLERS, header])


def test_what_callers_send_by_themselves_shows_none() -> None:
    assert not is_forwarded(OF_CALLERS)
    assert not is_forwarded([])
