"""What every store of tokens keeps, and tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from msc_builders import ManualClock, Store

from msc_authority.adapters.sql import SqlStore
from msc_authority.app.access import Role
from msc_authority.app.tokens import Minted, mint

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def a_token(clock: ManualClock, name: str = "executor-1", **more: object) -> Minted:
    valid_for = more.pop("valid_for", DAY)
    return mint(
        name=name,
        roles=[Role.JOURNAL, Role.READER],
        now=clock.now(),
        created_by="anna",
        valid_for=valid_for,  # type: ignore[arg-type]  # a timedelta, or None
        **more,  # type: ignore[arg-type]  # the rest of mint's own
    )


def test_an_empty_store_has_no_tokens(store: Store) -> None:
    assert store.tokens.tokens() == []


def test_a_token_is_told_exactly_as_it_was_added(store: Store, clock: ManualClock) -> None:
    bound = a_token(clock, scope={"account": ["main", "sub-"], "executor": ["executor-"]})
    endless = a_token(clock, "grafana", valid_for=None)
    clock.advance(SECOND)
    for minted in (bound, endless):
        store.tokens.add(minted.stored)

    told = store.tokens.tokens()

    assert sorted(told, key=lambda token: token.name) == [bound.stored, endless.stored]
    assert all(token.created_at.utcoffset() == timedelta(0) for token in told)


def test_the_secret_is_nowhere_in_what_is_kept(store: Store, clock: ManualClock) -> None:
    minted = a_token(clock)
    store.tokens.add(minted.stored)

    secret = minted.text.split("_", 2)[2]
    assert secret not in repr(store.tokens.tokens())
    assert secret.encode() not in store.tokens.tokens()[0].secret_hash


def test_the_oldest_comes_first(store: Store, clock: ManualClock) -> None:
    for name in ("c", "a", "b"):
        store.tokens.add(a_token(clock, name).stored)
        clock.advance(SECOND)

    assert [token.name for token in store.tokens.tokens()] == ["c", "a", "b"]


def test_a_token_is_revoked_once_and_for_good(store: Store, clock: ManualClock) -> None:
    minted = a_token(clock)
    store.tokens.add(minted.stored)
    clock.advance(60 * SECOND)
    at = clock.now()

    first = store.tokens.revoke(minted.stored.token_id, "anna")
    clock.advance(60 * SECOND)
    again = store.tokens.revoke(minted.stored.token_id, "bert")

    assert (first, again) == (True, False)
    assert store.tokens.tokens() == [replace(minted.stored, revoked_at=at)]


def test_what_is_not_there_cannot_be_revoked(store: Store) -> None:
    assert store.tokens.revoke("0123456789ab", "anna") is False


def test_the_last_use_only_moves_forward(store: Store, clock: ManualClock) -> None:
    minted, other = a_token(clock), a_token(clock, "other")
    for each in (minted, other):
        store.tokens.add(each.stored)
    now = clock.now()

    store.tokens.used({minted.stored.token_id: now, "0123456789ab": now})
    store.tokens.used({minted.stored.token_id: now - DAY})

    used = {token.name: token.last_used_at for token in store.tokens.tokens()}
    assert used == {"executor-1": now, "other": None}


def test_whoever_makes_or_revokes_a_token_is_in_the_audit_log(sql_store: SqlStore, clock: ManualClock) -> None:
    minted = a_token(clock, scope={"account": ["main"]})
    sql_store.tokens.add(minted.stored)
    sql_store.tokens.revoke(minted.stored.token_id, "bert")
    sql_store.tokens.revoke(minted.stored.token_id, "carl")
    sql_store.tokens.used({minted.stored.token_id: clock.now()})

    revoked, created, *_ = sql_store.audit.page(None, 10)

    target = f"token {minted.stored.token_id}"
    assert (created.actor, created.action, created.target) == ("anna", "create_token", target)
    assert created.detail["roles"] == ["journal", "reader"]
    assert created.detail["scope"] == {"account": ["main"]}
    assert (revoked.actor, revoked.action, revoked.target) == ("bert", "revoke_token", target)
    assert minted.text.split("_", 2)[2] not in repr([created, revoked])
