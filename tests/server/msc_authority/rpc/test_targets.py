"""Where an authority is, as people write it."""

from __future__ import annotations

import pytest

from msc_authority.rpc.targets import channel_target, name_for_list, problem_of


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("127.0.0.1:7443", "127.0.0.1:7443"),
        ("desk.example:7443", "desk.example:7443"),
        ("dns:///msc.example:7443", "dns:///msc.example:7443"),
        ("ipv4:10.0.0.1:1,10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2"),
        ("10.0.0.1:1,10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2"),
        ("10.0.0.1:1, 10.0.0.2:2, 10.0.0.1:1", "ipv4:10.0.0.1:1,10.0.0.2:2"),
        ("[::1]:1,[::2]:2", "ipv6:[::1]:1,[::2]:2"),
        ("10.0.0.1:1,no-such-name.invalid:2", "ipv4:10.0.0.1:1"),
    ],
)
def test_targets_become_addresses(target: str, address: str) -> None:
    assert channel_target(target) == address


def test_of_names_that_nobody_knows_the_first_is_tried_again_when_it_is_used() -> None:
    assert channel_target("no-such-name.invalid:1,nor-this.invalid:2") == "no-such-name.invalid:1"


@pytest.mark.parametrize("target", ["127.0.0.1:7443", "a:1,b:2", "a:1, [::1]:65535", "dns:///a:1", "unix:/run/msc"])
def test_what_can_be_used_has_no_problem(target: str) -> None:
    assert problem_of(target) == ""


@pytest.mark.parametrize("target", ["", "a", "a:", ":1", "a:0", "a:65536", "a:1,b", "a:1,", "a:x"])
def test_what_cannot_be_used_is_named(target: str) -> None:
    assert "is not HOST:PORT" in problem_of(target)


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("a.test:1,b.test:2", "a.test"),
        ("ipv4:127.0.0.1:1,127.0.0.2:2", "127.0.0.1"),
        ("ipv6:[::1]:1,[::1]:2", "::1"),
        ("localhost:1,localhost:2", "localhost"),
    ],
)
def test_of_a_list_the_first_host_is_the_name_that_certificates_have_to_have(target: str, name: str) -> None:
    assert name_for_list(target, "ipv4:127.0.0.1:1,127.0.0.2:2") == name


@pytest.mark.parametrize("target", ["a.test:1", "dns:///a.test:1", "unix:/srv/msc", "127.0.0.1:1"])
def test_a_target_that_names_itself_needs_no_other_name(target: str) -> None:
    assert name_for_list(target, channel_target(target)) == ""
