"""The door: who is let in by what, what is said to those who are not, and streams that end with their token."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from msc_doors import a_door, from_here, shown
from msc_live import ManualTime

from msc_authority.app.access import (
    OPEN,
    Kind,
    NotListed,
    Role,
    RoleMissing,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    Unauthenticated,
)
from msc_authority.app.admission import TELL_AGAIN_S, AccessRules
from msc_authority.app.rates import RateLimited, StreamLimitReached
from msc_authority.masking import mask_text


async def test_from_this_machine_one_comes_in_with_the_role_that_is_set() -> None:
    with a_door(ManualTime(), rules=AccessRules(local=Role.JOURNAL)) as door:
        identity = await door.admission.admit(from_here(), Role.JOURNAL, "/Record")
        assert (identity.name, identity.kind) == ("anonymous@127.0.0.1", Kind.ANONYMOUS_LOOPBACK)
        with pytest.raises(RoleMissing, match="needs the role operator"):
            await door.admission.admit(from_here(), Role.OPERATOR, "/Act")


@pytest.mark.parametrize("presented", [from_here(), shown()])
async def test_where_nobody_is_let_in_without_a_token_one_is_asked_for(presented: object) -> None:
    with a_door(ManualTime()) as door, pytest.raises(TokenMissing, match="Bearer"):
        await door.admission.admit(presented, Role.READER, "/GetPolicy")  # type: ignore[arg-type]  # is one


async def test_from_elsewhere_one_comes_in_without_a_token_only_where_that_is_allowed() -> None:
    with a_door(ManualTime(), rules=AccessRules(remote=Role.READER)) as door:
        identity = await door.admission.admit(shown(), Role.READER, "/GetPolicy")

    assert (identity.name, identity.kind) == ("anonymous@192.0.2.7", Kind.ANONYMOUS_REMOTE)


async def test_a_bad_token_is_refused_also_where_none_is_needed() -> None:
    with a_door(ManualTime(), rules=AccessRules()) as door:
        await door.book.read()
        with pytest.raises(TokenInvalid):
            await door.admission.admit(replace(from_here(), authorization=("Bearer nonsense",)), Role.READER, "/x")


@pytest.mark.parametrize(
    "headers", [("Basic YTpi",), ("Bearer a", "Bearer b"), ("",), ("Bearer",), ("msc_0123456789ab_x",)]
)
async def test_a_header_that_is_no_bearer_is_refused_without_being_repeated(headers: tuple[str, ...]) -> None:
    with a_door(ManualTime()) as door:
        await door.book.read()
        with pytest.raises(TokenInvalid) as caught:
            await door.admission.admit(replace(shown(), authorization=headers), Role.READER, "/x")

    assert "YTpi" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(scheme: str) -> None:
    with a_door(ManualTime()) as door:
        text = door.give(Role.READER).text
        identity = await door.admission.identify(replace(shown(), authorization=(f"{scheme}  {text} ",)))

    assert identity.name == "ops-anna"


async def test_a_certificate_gives_the_roles_of_the_first_name_that_is_listed() -> None:
    rules = AccessRules(
        local=None, certificates={"executor-1": frozenset({Role.JOURNAL}), "*": frozenset({Role.READER})}
    )
    with a_door(ManualTime(), rules=rules) as door:
        known = await door.admission.identify(shown(names=("spiffe://x", "executor-1")))
        other = await door.admission.identify(shown(names=("spiffe://x", "grafana")))

    assert (known.name, known.roles, known.kind) == ("executor-1", frozenset({Role.JOURNAL}), Kind.CERTIFICATE)
    assert (other.name, other.roles) == ("spiffe://x", frozenset({Role.READER}))


async def test_a_certificate_that_is_not_listed_is_known_and_may_nothing() -> None:
    rules = AccessRules(local=Role.OPERATOR)
    with a_door(ManualTime(), rules=rules) as door, pytest.raises(RoleMissing, match="it has: none"):
        await door.admission.admit(shown(names=("stranger",)), Role.READER, "/GetPolicy")


async def test_a_token_counts_more_than_a_certificate() -> None:
    rules = AccessRules(certificates={"executor-1": frozenset({Role.OPERATOR})})
    with a_door(ManualTime(), rules=rules) as door:
        text = door.give(Role.READER).text
        identity = await door.admission.identify(replace(shown(text), names=("executor-1",)))

    assert (identity.name, identity.roles) == ("ops-anna", frozenset({Role.READER}))


async def test_what_is_open_is_open_to_everybody_and_gives_no_role() -> None:
    with a_door(ManualTime()) as door:
        identity = await door.admission.admit(shown("msc_nonsense"), OPEN, "/Check")

    assert identity.roles == frozenset()


async def test_what_is_in_no_table_is_refused_to_the_operator_too() -> None:
    with a_door(ManualTime()) as door:
        text = door.give(Role.OPERATOR).text
        with pytest.raises(NotListed):
            await door.admission.admit(shown(text), None, "/Drop")


async def test_an_address_that_asks_too_often_is_slowed_down_whatever_it_shows() -> None:
    with a_door(ManualTime(), per_s=1.0) as door:
        for _ in range(10):
            with pytest.raises(TokenMissing):
                await door.admission.admit(shown(), Role.READER, "/x")
        with pytest.raises(RateLimited):
            await door.admission.admit(shown(door.give(Role.READER).text), Role.READER, "/x")
        await door.admission.admit(shown(door.give(Role.READER).text, host="192.0.2.8"), Role.READER, "/x")

    assert door.admission.refused == {"TOKEN_MISSING": 10, "RATE_LIMITED": 1}


async def test_nobody_may_ask_as_often_as_its_address_may_whatever_role_it_is_given() -> None:
    rules = AccessRules(local=Role.OPERATOR, remote=Role.READER)
    with a_door(ManualTime(), per_s=1.0, rules=rules) as door:
        for presented in (from_here(), shown()):
            for _ in range(10):
                await door.admission.admit(presented, Role.READER, "/x")
            with pytest.raises(RateLimited):
                await door.admission.admit(presented, Role.READER, "/x")
            with pytest.raises(RateLimited):
                door.admission.count_message(await door.admission.identify(presented), presented, "/x")


async def test_an_identity_that_asks_too_often_is_slowed_down_wherever_it_is() -> None:
    with a_door(ManualTime(), per_s=1.0) as door:
        first, second = door.give(Role.READER), door.give(Role.READER)
        for number in range(10):
            text = (first, second)[number % 2].text
            await door.admission.admit(shown(text, host=f"192.0.2.{number}"), Role.READER, "/x")
        with pytest.raises(RateLimited):
            await door.admission.admit(shown(first.text, host="192.0.2.99"), Role.READER, "/x")


async def test_a_refusal_is_logged_once_a_minute_for_each_address_without_the_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = ManualTime()
    with a_door(time) as door:
        minted = door.give(Role.READER)
        door.tokens.revoke(minted.stored.token_id, "root")

        async def refused() -> None:
            with pytest.raises(TokenRevoked):
                await door.admission.admit(shown(minted.text), Role.READER, "/GetPolicy")

        for _ in range(5):
            await refused()
        time.leap(TELL_AGAIN_S)
        await door.book.read()
        await refused()

    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 2
    assert all("/GetPolicy" in line and "192.0.2.7" in line and "TOKEN_REVOKED" in line for line in lines)
    assert minted.text not in caplog.text


async def test_a_stream_is_told_once_when_its_token_is_revoked_or_expires() -> None:
    time, told = ManualTime(), []
    with a_door(time) as door:
        lives = {
            "revoked": door.give(Role.READER),
            "expires": door.give(Role.READER, name="bert", valid_for=timedelta(minutes=1)),
            "stays": door.give(Role.READER, name="carl"),
        }
        who = {key: await door.admission.identify(shown(minted.text)) for key, minted in lives.items()}
        with (
            door.admission.stream(who["revoked"], lambda: told.append("revoked")),
            door.admission.stream(who["expires"], lambda: told.append("expires")) as permit,
            door.admission.stream(who["stays"], lambda: told.append("stays")),
        ):
            permit.when_lost(lambda: told.append("expires, as the servicer says it"))
            door.permits.review()
            assert told == []
            door.tokens.revoke(lives["revoked"].stored.token_id, "root")
            await door.book.read()
            door.permits.review()
            door.permits.review()
            assert told == ["revoked"]
            time.leap(60)
            door.permits.review()
            assert told == ["revoked", "expires, as the servicer says it"]
        door.permits.review()

    assert told == ["revoked", "expires, as the servicer says it"]


async def test_a_stream_that_ended_is_not_told_of_its_token() -> None:
    told: list[str] = []
    with a_door(ManualTime()) as door:
        minted = door.give(Role.READER)
        with door.admission.stream(await door.admission.identify(shown(minted.text)), lambda: told.append("lost")):
            pass
        door.tokens.revoke(minted.stored.token_id, "root")
        await door.book.read()
        door.permits.review()

    assert told == []


async def test_while_nobody_can_tell_a_stream_that_was_let_in_stays() -> None:
    time, told = ManualTime(), []
    with a_door(time) as door:
        identity = await door.admission.identify(shown(door.give(Role.READER).text))
        with door.admission.stream(identity, lambda: told.append("lost")):
            time.leap(10_000)
            door.permits.review()

    assert told == []


async def test_an_identity_has_so_many_streams_and_no_more() -> None:
    with a_door(ManualTime(), most_streams=1) as door:
        identity = await door.admission.identify(shown(door.give(Role.READER).text))
        with (
            door.admission.stream(identity, print),
            pytest.raises(StreamLimitReached),
            door.admission.stream(identity, print),
        ):
            raise AssertionError("it is not let in")


async def test_who_was_turned_away_is_counted_by_reason_and_who_is_in_by_the_greatest_role() -> None:
    time = ManualTime()
    with a_door(time, rules=AccessRules(local=Role.OPERATOR), most_streams=1) as door:
        identity = await door.admission.admit(from_here(), Role.READER, "/WatchPolicy")
        with pytest.raises(TokenMissing):
            await door.admission.admit(shown(), Role.READER, "/GetPolicy")
        with door.admission.stream(identity, lambda: None):
            with pytest.raises(StreamLimitReached), door.admission.stream(identity, lambda: None):
                pass
            tally = door.admission.tally()
        assert (tally.refused, tally.refused_recently) == ({"TOKEN_MISSING": 1, "STREAM_LIMIT_REACHED": 1}, 2)
        assert tally.streams == {"operator": 1}
        time.leap(400.0)
        later = door.admission.tally()

    assert (later.refused, later.refused_recently, later.streams) == (tally.refused, 0, {})


async def test_a_stream_too_many_is_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    with a_door(ManualTime(), most_streams=1) as door:
        identity = await door.admission.identify(shown(door.give(Role.READER, name="anna").text))
        with door.admission.stream(identity, lambda: None):
            for _ in range(3):
                with pytest.raises(StreamLimitReached), door.admission.stream(identity, lambda: None):
                    pass

    (told,) = [text for text in caplog.messages if "STREAM_LIMIT_REACHED" in text]
    assert told.startswith("Refused a stream from anna: ")


async def test_what_is_told_of_a_missing_token_is_not_masked() -> None:
    with a_door(ManualTime()) as door:
        for presented in (shown(), replace(shown(), authorization=("Basic x",))):
            with pytest.raises(Unauthenticated) as refused:
                await door.admission.admit(presented, Role.READER, "/GetPolicy")
            assert mask_text(str(refused.value)) == str(refused.value)
