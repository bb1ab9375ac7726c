"""The door, behind which something lasts: logins, messages of streams, and certificates that end before a stream."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from msc_doors import a_door, from_here, shown
from msc_live import ManualTime

from msc_authority.app.access import CertificateExpired, Kind, Role, TokenInvalid, TokenRevoked
from msc_authority.app.admission import AccessRules
from msc_authority.app.certificates import Certificate
from msc_authority.app.rates import RateLimited

RULES = AccessRules(local=None, certificates={"*": frozenset({Role.READER})})
PRINT = "ab" * 32


def certified(time: ManualTime, name: str = "executor-1", valid_s: float = 60.0) -> Certificate:
    return Certificate(fingerprint=PRINT, expires_at=time.now() + timedelta(seconds=valid_s))


async def test_a_certificate_is_known_by_its_fingerprint_and_holds_to_its_end() -> None:
    time = ManualTime()
    with a_door(time, rules=RULES) as door:
        presented = replace(shown(names=("executor-1",)), certificate=certified(time))
        identity = await door.admission.admit(presented, Role.READER, "/GetPolicy")
        time.leap(60)
        with pytest.raises(CertificateExpired, match="connect again"):
            await door.admission.admit(presented, Role.READER, "/GetPolicy")

    assert (identity.kind, identity.credential) == (Kind.CERTIFICATE, PRINT)
    assert door.admission.refused == {"CERTIFICATE_EXPIRED": 1}


async def test_a_stream_is_told_once_when_its_certificate_expires() -> None:
    time, told = ManualTime(), list[str]()
    with a_door(time, rules=RULES) as door:
        presented = replace(shown(names=("executor-1",)), certificate=certified(time))
        identity = await door.admission.identify(presented)
        with door.admission.stream(identity, lambda: told.append("over")) as permit:
            time.leap(59)
            door.permits.review()
            assert told == []
            time.leap(1)
            door.permits.review()
            door.permits.review()

    assert told == ["over"]
    assert isinstance(permit.lost, CertificateExpired)


async def test_a_stream_that_broke_is_given_back() -> None:
    with a_door(ManualTime(), most_streams=1) as door:
        identity = await door.admission.identify(shown(door.give(Role.READER).text))
        with pytest.raises(RuntimeError), door.admission.stream(identity, lambda: None):
            raise RuntimeError("it broke")
        with door.admission.stream(identity, lambda: None):
            assert door.admission.tally().streams == {"reader": 1}

    assert door.admission.tally().streams == {}


async def test_a_token_that_was_kept_by_a_browser_is_known_as_a_session() -> None:
    with a_door(ManualTime()) as door:
        text = door.give(Role.READER).text
        sent = await door.admission.identify(shown(text))
        kept = await door.admission.identify(replace(shown(text), session=True))

    assert (sent.session, kept.session) == (False, True)
    assert kept == replace(sent, session=True)


async def test_logins_that_are_refused_are_counted_and_logged_without_the_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with a_door(ManualTime()) as door:
        minted = door.give(Role.READER)
        door.tokens.revoke(minted.stored.token_id, "root")
        for _ in range(3):
            with pytest.raises(TokenInvalid):
                await door.admission.log_in(shown("msc_nonsense"), "POST /login")
        with pytest.raises(TokenRevoked):
            await door.admission.log_in(shown(minted.text), "POST /login")

    tally = door.admission.tally()
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert tally.refused == {"TOKEN_INVALID": 3, "TOKEN_REVOKED": 1}
    assert tally.refused_recently == 4
    assert [line.split(" from ")[0] for line in lines] == ["Refused POST /login"] * 2
    assert "nonsense" not in caplog.text
    assert minted.text not in caplog.text


async def test_who_logs_in_too_often_is_told_to_wait() -> None:
    with a_door(ManualTime(), per_s=1.0) as door:
        text = door.give(Role.READER).text
        for number in range(10):
            await door.admission.log_in(shown(text, host=f"192.0.2.{number}"), "POST /login")
        with pytest.raises(RateLimited):
            await door.admission.log_in(shown(text, host="192.0.2.99"), "POST /login")

    assert door.admission.refused == {"RATE_LIMITED": 1}


async def test_a_message_of_a_stream_counts_as_a_request_of_its_address_and_of_its_identity() -> None:
    time = ManualTime()
    with a_door(time, rules=AccessRules(), per_s=1.0) as door:
        identity = await door.admission.admit(from_here(), Role.READER, "/Record")
        for _ in range(9):
            door.admission.count_message(identity, from_here(), "/Record")
        with pytest.raises(RateLimited, match="slow down"):
            door.admission.count_message(identity, from_here(), "/Record")
        time.leap(1)
        door.admission.count_message(identity, from_here(), "/Record")

    assert door.admission.tally().refused == {"RATE_LIMITED": 1}
