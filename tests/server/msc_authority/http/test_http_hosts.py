"""Which hosts a server answers for, and which pages may ask it to do something."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.http.hosts import Hosts, host_of, is_same_origin

LOOPBACK = Hosts.of("127.0.0.1")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8000", "localhost", "LOCALHOST:80", "localhost.", "[::1]", "[::1]:8000", "127.9.9.9:1"],
)
def test_loopback_is_always_allowed(host: str) -> None:
    assert LOOPBACK.allow(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "user@localhost",
        "localhost/path",
        "localhost:port",
        "localhost:99999",
        "[::1",
        "::1",
        "192.0.2.1",
        "0.0.0.0",  # noqa: S104 -- refused
        "localhost, evil.example",
        "2130706433",
        "127.1",
    ],
)
def test_what_is_not_of_this_machine_is_refused_by_a_server_on_loopback(host: str) -> None:
    assert not LOOPBACK.allow(host)


def test_the_configured_host_and_names_are_allowed_with_any_port_and_in_any_case() -> None:
    hosts = Hosts.of("192.0.2.1", ["Desk", "msc.example"])

    assert all(hosts.allow(host) for host in ("192.0.2.1:8000", "desk", "MSC.example:443", "msc.example."))
    assert not any(hosts.allow(host) for host in ("192.0.2.2", "other.example", "sub.msc.example"))


@pytest.mark.parametrize("listening_on", ["0.0.0.0", "::"])  # noqa: S104 -- asked for
def test_a_server_on_every_address_takes_any_address_but_no_name_that_it_does_not_know(listening_on: str) -> None:
    hosts = Hosts.of(listening_on, ["desk"])

    assert all(hosts.allow(host) for host in ("192.0.2.1:8000", "[2001:db8::1]:8000", "desk"))
    assert not hosts.allow("evil.example")


@given(st.text())
def test_no_text_is_too_strange_to_be_judged(text: str) -> None:
    assert LOOPBACK.allow(text) in (True, False)
    assert is_same_origin(text, "localhost:8000") in (True, False)
    assert "@" not in host_of(text)


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("http://localhost:8000", True),
        ("https://localhost:8000", True),
        ("HTTP://LOCALHOST:8000", True),
        ("http://localhost", False),
        ("http://localhost:8001", False),
        ("http://evil.example", False),
        ("file://localhost:8000", False),
        ("null", False),
        ("", False),
        ("http://[::1", False),
    ],
)
def test_only_a_page_from_here_is_of_the_same_origin(origin: str, same: bool) -> None:
    assert is_same_origin(origin, "localhost:8000") is same
