"""Bearer tokens: made, told apart, believed for a while, and never repeated."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_doors import Door, a_door
from msc_live import ManualTime

from msc_authority.adapters.memory_tokens import MemoryTokenStore
from msc_authority.app.access import Kind, Role, TokenExpired, TokenInvalid, TokenRevoked
from msc_authority.app.tokens import TRUSTED_S, USED_EVERY, Minted, identity_of, mint, token_id_of
from msc_authority.ports.store import StoreUnavailable
from msc_authority.ports.tokens import StoredToken

HOUR = timedelta(hours=1)


class FailingStore(MemoryTokenStore):
    """A store that fails while it is told to."""

    failing = False
    reads = 0

    def tokens(self) -> list[StoredToken]:
        self.reads += 1
        if self.failing:
            raise StoreUnavailable("no route to hunter2@db")
        return super().tokens()

    def used(self, last_used: Mapping[str, datetime]) -> None:
        if self.failing:
            raise StoreUnavailable("no route to hunter2@db")
        super().used(last_used)


def a_minted(**changes: object) -> Minted:
    usual = {"name": "anna", "roles": [Role.READER], "now": ManualTime().now(), "created_by": "root"}
    return mint(**{**usual, **changes})  # type: ignore[arg-type]  # mint's own arguments


def test_a_token_names_its_public_id_and_carries_256_bits() -> None:
    minted = a_minted()
    mark, token_id, secret = minted.text.split("_", 2)

    assert (mark, token_id) == ("msc", minted.stored.token_id)
    assert len(secret) == 43
    assert len(minted.stored.secret_hash) == 32
    assert token_id_of(minted.text) == token_id


def test_no_two_tokens_are_alike() -> None:
    texts = {a_minted().text for _ in range(100)}
    assert len(texts) == 100


def test_the_representation_of_a_new_token_does_not_hold_its_secret() -> None:
    minted = a_minted()
    assert minted.text.split("_", 2)[2] not in repr(minted)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "two words"}, "name"),
        ({"name": "-x"}, "name"),
        ({"name": "x" * 65}, "name"),
        ({"name": "ümlaut"}, "name"),
        ({"name": "authority"}, "name"),
        ({"name": "Evaluator"}, "name"),
        ({"name": "unknown"}, "name"),
        ({"name": "anonymous@127.0.0.1"}, "name"),
        ({"roles": []}, "role"),
        ({"valid_for": timedelta(0)}, "for"),
        ({"valid_for": -HOUR}, "for"),
        ({"scope": {"symbol": ["BTC"]}}, "scope"),
        ({"scope": {"account": [""]}}, "scope"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(changes: dict[str, object], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        a_minted(**changes)


@given(text=st.text() | st.from_regex(r"msc_[0-9a-f]{0,14}_[A-Za-z0-9_-]{0,60}"))
def test_text_that_is_no_token_is_refused_without_being_repeated(text: str) -> None:
    try:
        assert text.startswith(f"msc_{token_id_of(text)}_")
    except TokenInvalid as error:
        assert len(text) < 5 or text not in str(error)


async def test_who_shows_a_token_is_known_with_its_roles_and_bounds() -> None:
    with a_door(ManualTime()) as door:
        minted = door.give(Role.JOURNAL, name="executor-1", valid_for=HOUR, scope={"account": ["main"]})
        await door.book.read()
        identity = await door.book.identify(minted.text)

    assert (identity.name, identity.kind) == ("executor-1", Kind.TOKEN)
    assert identity.roles == frozenset({Role.JOURNAL})
    assert identity.scope == {"account": ("main",)}
    assert identity.credential == minted.stored.token_id
    assert identity.expires_at == minted.stored.expires_at


async def test_a_token_made_a_moment_ago_is_known_at_once() -> None:
    with a_door(ManualTime()) as door:
        await door.book.read()
        minted = door.give(Role.READER)

        assert (await door.book.identify(minted.text)).name == "ops-anna"


async def test_a_wrong_secret_is_as_unknown_as_a_wrong_id_even_where_the_token_is_over() -> None:
    with a_door(ManualTime()) as door:
        revoked = door.give(Role.OPERATOR)
        door.tokens.revoke(revoked.stored.token_id, "root")
        await door.book.read()
        other = a_minted().text
        said = []
        for text in (f"msc_{revoked.stored.token_id}_{other.split('_', 2)[2]}", other):
            with pytest.raises(TokenInvalid) as caught:
                await door.book.identify(text)
            said.append(str(caught.value))

    assert said[0] == said[1]


async def test_a_token_expires_at_its_instant_and_not_before() -> None:
    time = ManualTime()
    with a_door(time) as door:
        minted = door.give(Role.READER, valid_for=HOUR)
        await door.book.read()
        time.leap(3599.9)
        await door.book.identify(minted.text)
        time.leap(0.1)
        await door.book.read()

        with pytest.raises(TokenExpired, match="expired"):
            await door.book.identify(minted.text)


async def test_a_revoked_token_holds_until_the_next_reading_and_no_longer() -> None:
    with a_door(ManualTime()) as door:
        minted = door.give(Role.READER)
        await door.book.read()
        door.tokens.revoke(minted.stored.token_id, "root")
        await door.book.identify(minted.text)
        await door.book.read()

        with pytest.raises(TokenRevoked, match="revoked"):
            await door.book.identify(minted.text)


async def test_while_the_store_is_away_known_tokens_are_believed_for_a_while_and_it_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = ManualTime()
    store = FailingStore(time)
    with a_door(time, store=store) as door:
        minted, unknown = door.give(Role.READER), a_minted().text
        await door.book.read()
        store.failing = True
        for _ in range(3):
            time.leap(TRUSTED_S / 3)
            await door.book.read()
        await door.book.identify(minted.text)
        with pytest.raises(StoreUnavailable):
            await door.book.identify(unknown)
        time.leap(1.0)
        with pytest.raises(StoreUnavailable):
            await door.book.identify(minted.text)
        store.failing = False
        await door.book.read()
        await door.book.identify(minted.text)

    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1


async def test_a_process_that_stood_still_reads_again_before_it_turns_anybody_away() -> None:
    time = ManualTime()
    with a_door(time) as door:
        minted = door.give(Role.READER)
        await door.book.read()
        time.leap(10 * TRUSTED_S)

        assert (await door.book.identify(minted.text)).name == "ops-anna"


async def test_before_the_first_reading_nobody_is_let_in() -> None:
    store = FailingStore(ManualTime())
    store.failing = True
    with a_door(ManualTime(), store=store) as door:
        await door.book.read()
        with pytest.raises(StoreUnavailable):
            await door.book.identify(a_minted().text)


async def test_many_who_show_an_unknown_token_at_once_do_not_read_the_store_once_each() -> None:
    store = FailingStore(ManualTime())
    with a_door(ManualTime(), store=store) as door:
        await door.book.read()
        before = store.reads
        for _ in range(3):
            with pytest.raises(TokenInvalid):
                await door.book.identify("msc_0123456789ab_short")

    assert store.reads == before


async def test_the_last_use_is_kept_every_few_minutes() -> None:
    time = ManualTime()
    with a_door(time) as door:
        minted = door.give(Role.READER)
        await door.book.read()

        async def used_after(seconds: float) -> datetime | None:
            time.leap(seconds)
            await door.book.identify(minted.text)
            await door.book.read()
            await door.book.read()
            return door.tokens.tokens()[0].last_used_at

        first = await used_after(1.0)
        soon = await used_after(USED_EVERY.total_seconds() - 1.0)
        later = await used_after(1.0)

    assert first == time.now() - USED_EVERY
    assert soon == first
    assert later == time.now()


async def test_a_store_that_only_reads_lets_people_in_all_the_same() -> None:
    class ReadOnly(MemoryTokenStore):
        def used(self, last_used: Mapping[str, datetime]) -> None:
            raise StoreUnavailable("read-only")

    with a_door(ManualTime(), store=ReadOnly(ManualTime())) as door:
        minted = door.give(Role.READER)
        for _ in range(3):
            await door.book.read()
            await door.book.identify(minted.text)

        assert not door.book.failing


@pytest.mark.parametrize("changes", [{"roles": ("superuser",)}, {"scope": (("symbol", ("BTC",)),)}])
def test_words_of_a_newer_program_give_nothing(changes: dict[str, object]) -> None:
    token = replace(a_minted(roles=[Role.OPERATOR]).stored, **changes)  # type: ignore[arg-type]  # its fields

    assert not identity_of(token).may(Role.READER)


def test_a_door_can_be_made_and_closed_without_anybody_coming() -> None:
    Door(ManualTime()).close()
