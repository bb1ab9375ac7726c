"""Who is let in without waiting: by the same checks, from the same buckets, with the same refusals."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from msc_doors import a_door, from_here, shown
from msc_live import ManualTime

from msc_authority.app.access import (
    OPEN,
    AccessRefused,
    CertificateExpired,
    Need,
    NotListed,
    Role,
    RoleMissing,
    TokenMissing,
)
from msc_authority.app.admission import AccessRules, Presented
from msc_authority.app.certificates import Certificate
from msc_authority.app.rates import RateLimited

RULES = AccessRules(local=Role.OPERATOR, remote=Role.READER, certificates={"executor-1": frozenset({Role.JOURNAL})})
CERTIFIED = shown(names=("executor-1",))


@pytest.mark.parametrize("presented", [from_here(), shown(), CERTIFIED])
@pytest.mark.parametrize("need", [Role.READER, OPEN])
async def test_who_shows_no_token_is_let_in_at_once_as_whom_it_is_let_in_as_otherwise(
    presented: Presented, need: Need
) -> None:
    with a_door(ManualTime(), rules=RULES) as door:
        at_once = door.admission.admit_at_once(presented, need, "/x")

        assert at_once is not None
        assert at_once == await door.admission.admit(presented, need, "/x")


def test_a_probe_is_let_in_at_once_as_nobody_whatever_it_shows() -> None:
    with a_door(ManualTime(), rules=RULES) as door:
        for presented in (shown("msc_nonsense"), CERTIFIED):
            identity = door.admission.admit_at_once(presented, OPEN, "/Check")
            assert identity is not None
            assert (identity.name, identity.roles) == ("anonymous@192.0.2.7", frozenset())


async def test_of_a_token_nothing_is_told_or_counted_at_once() -> None:
    with a_door(ManualTime(), per_s=1.0) as door:
        token = shown(door.give(Role.READER).text)
        for _ in range(100):
            assert door.admission.admit_at_once(token, Role.READER, "/x") is None
        for _ in range(10):
            assert (await door.admission.admit(token, Role.READER, "/x")).name == "ops-anna"
        with pytest.raises(RateLimited):
            await door.admission.admit(token, Role.READER, "/x")

    assert door.admission.refused == {"RATE_LIMITED": 1}


@pytest.mark.parametrize(
    ("presented", "need", "error"),
    [
        (shown(host="192.0.2.9"), Role.JOURNAL, RoleMissing),
        (CERTIFIED, Role.OPERATOR, RoleMissing),
        (shown(names=("stranger",)), Role.READER, RoleMissing),
        (from_here(), None, NotListed),
    ],
)
def test_who_may_not_is_refused_at_once_each_time_and_told_of_once(
    presented: Presented, need: Need | None, error: type[AccessRefused], caplog: pytest.LogCaptureFixture
) -> None:
    with a_door(ManualTime(), rules=RULES) as door, caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(error):
                door.admission.admit_at_once(presented, need, "/x")

    assert door.admission.refused == {error.reason: 3}
    [line] = caplog.messages
    assert line.startswith(f"Refused /x from {presented.host}: ")


def test_nobody_is_refused_at_once_where_a_token_is_asked_for() -> None:
    with a_door(ManualTime()) as door:
        for presented in (from_here(), shown()):
            with pytest.raises(TokenMissing, match="Bearer"):
                door.admission.admit_at_once(presented, Role.READER, "/x")

    assert door.admission.refused == {"TOKEN_MISSING": 2}


def test_a_certificate_that_has_expired_is_refused_at_once() -> None:
    time = ManualTime()
    certificate = Certificate(fingerprint="f", expires_at=time.now() + timedelta(seconds=1))
    presented = replace(CERTIFIED, certificate=certificate)
    with a_door(time, rules=RULES) as door:
        assert door.admission.admit_at_once(presented, Role.JOURNAL, "/x") is not None
        time.leap(2)
        with pytest.raises(CertificateExpired):
            door.admission.admit_at_once(presented, Role.JOURNAL, "/x")


async def test_both_ways_in_take_from_the_same_buckets() -> None:
    with a_door(ManualTime(), per_s=1.0, rules=RULES) as door:
        for presented in (from_here(), shown(names=("executor-1",), host="192.0.2.8")):
            for _ in range(5):
                door.admission.admit_at_once(presented, Role.READER, "/x")
                await door.admission.admit(presented, Role.READER, "/x")
            with pytest.raises(RateLimited):
                door.admission.admit_at_once(presented, Role.READER, "/x")
        with pytest.raises(RateLimited):
            door.admission.admit_at_once(shown(names=("executor-1",), host="192.0.2.10"), Role.READER, "/x")
