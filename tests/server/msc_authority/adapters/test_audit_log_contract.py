"""What every audit log does: each thing that is done to a store is the next row of one chain, and stays so."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from msc_builders import START, ManualClock, Store, a_commit, an_entry, at
from msc_overrides import an_override

from msc_authority.app.access import Role
from msc_authority.app.tokens import mint
from msc_authority.core.audit_chain import GENESIS, Anchor, verify
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.audit import AuditLine
from msc_authority.ports.operator import ActEntry, Credential, OverrideCommit
from msc_authority.ports.store import Fenced, StaleState

LINE = AuditLine(actor="ops", action="halt", target="trading", detail={"reason": "news", "value": 0.1})
ACT = ActEntry(act_id="act-1", act="HALT", target="trading", at=START, actor="anna (on call)", reason="news")
HALT = OverrideCommit(entry=ACT, publish=None, valid_for_s=60.0, controller=b"{}")


@pytest.fixture
def filled(store: Store, clock: ManualClock) -> Store:
    """A store whose log has six rows."""
    for number in range(1, 6):
        clock.instant = at(number)
        store.audit.append(clock.now(), LINE)
    return store


def written(store: Store) -> list[tuple[int, str, str]]:
    return [(row.sequence, row.action, row.actor) for row in store.audit.rows_after(None)]


def test_the_making_of_the_store_is_the_first_row(store: Store) -> None:
    (row,) = store.audit.rows_after(None)

    assert (row.sequence, row.actor, row.action, row.at) == (1, "authority", "allocate_epoch", START)
    assert row.target == f"epoch {store.policies.head().ref.epoch}"
    assert row.previous_hash == GENESIS


def test_every_act_of_the_store_is_a_row_of_one_chain(store: Store, clock: ManualClock) -> None:
    token = mint(name="grafana", roles=[Role.READER], now=START, created_by="ops").stored
    store.evaluations.commit(a_commit("one"), store.evaluations.load())
    clock.instant = at(1)
    store.evaluations.record_failure(an_entry("bad", verdict=None, failure="x", requested_by="eva"))
    ended = replace(HALT, expired=(an_override(),))
    store.evaluations.commit_override(ended, store.evaluations.load())
    store.tokens.add(token)
    assert store.tokens.revoke(token.token_id, "anna")
    assert not store.tokens.revoke(token.token_id, "anna")

    rows = list(store.audit.rows_after(None))

    assert written(store)[1:] == [
        (2, "publish", "evaluator"),
        (3, "fail", "eva"),
        (4, "override_expired", "authority"),
        (5, "halt", "anna (on call)"),
        (6, "create_token", "ops"),
        (7, "revoke_token", "anna"),
    ]
    assert rows[2].at == at(1)
    assert [row.previous_hash for row in rows] == [GENESIS, *(row.hash for row in rows[:-1])]
    assert verify(rows).broken is None
    assert token.secret_hash.hex() not in repr(rows)


def test_the_line_of_an_act_says_by_what_it_was_known_who_acted(store: Store) -> None:
    credential = Credential(kind="console session", id="0123456789ab")
    store.evaluations.commit_override(replace(HALT, credential=credential), store.evaluations.load())
    known = store.audit.page(None, 1)[0]
    store.evaluations.commit_override(replace(HALT, entry=replace(ACT, act_id="act-2")), store.evaluations.load())
    itself = store.audit.page(None, 1)[0]

    assert known.detail["credential"] == {"kind": "console session", "id": "0123456789ab"}
    assert (known.actor, known.target, known.detail["reason"]) == ("anna (on call)", "trading", "news")
    assert itself.detail["credential"] is None
    assert verify(store.audit.rows_after(None)).broken is None


def test_what_is_refused_leaves_no_row(store: Store) -> None:
    stale = store.evaluations.load()
    store.evaluations.commit(a_commit("one"), stale)
    before = written(store)

    with pytest.raises(StaleState):
        store.evaluations.commit(a_commit("two"), stale)
    with pytest.raises(StaleState):
        store.evaluations.commit_override(HALT, stale)
    with pytest.raises(Fenced):
        store.evaluations.record_failure(an_entry("bad", verdict=None, failure="x"), term=7)
    with pytest.raises(ValueError, match=r"(?i)json|nan"):
        store.audit.append(START, replace(LINE, detail={"value": float("nan")}))

    assert written(store) == before
    assert store.policies.head().ref == PolicyRef(stale.head.ref.epoch, 1)


def test_a_line_reads_back_as_the_row_that_append_returned(store: Store) -> None:
    row = store.audit.append(START, LINE)

    assert list(store.audit.rows_after(1)) == [row]
    assert (row.sequence, row.at, row.actor, row.target, row.detail) == (2, START, "ops", "trading", LINE.detail)


def test_what_the_writer_does_with_its_detail_afterwards_changes_no_row(store: Store) -> None:
    detail: dict[str, object] = {"limits": [1, 2]}
    row = store.audit.append(START, replace(LINE, detail=detail))
    detail["limits"] = []

    assert list(store.audit.rows_after(1)) == [row]
    assert verify(store.audit.rows_after(None)).broken is None


def test_rows_are_listed_newest_first_page_by_page(filled: Store) -> None:
    first = filled.audit.page(None, 4)
    second = filled.audit.page(first[-1].sequence, 4)

    assert [row.sequence for row in (*first, *second)] == [6, 5, 4, 3, 2, 1]
    assert filled.audit.page(1, 4) == []


def test_a_check_may_begin_at_an_instant(filled: Store) -> None:
    before = filled.audit.last_before(at(3))

    assert before is not None
    assert before.sequence == 3
    assert verify(filled.audit.rows_after(3), after=before).rows == 3
    assert filled.audit.last_before(START) is None
    assert filled.audit.last_before(START - timedelta(days=1)) is None
    assert filled.audit.last_before(at(99)) == Anchor(6, filled.audit.page(None, 1)[0].hash)


def test_the_newest_row_of_an_action_is_found_however_much_was_done_since(filled: Store) -> None:
    row = filled.audit.append(at(6), replace(LINE, action="backup", target="first"))
    filled.audit.append(at(7), LINE)
    again = filled.audit.append(at(8), replace(LINE, action="backup", target="second"))
    filled.audit.append(at(9), LINE)

    assert filled.audit.newest_of("backup") == again != row
    assert filled.audit.newest_of("restore") is None


def test_what_is_written_while_rows_are_read_is_read_too(filled: Store) -> None:
    rows = filled.audit.rows_after(4)
    read = [next(rows), next(rows)]
    filled.audit.append(at(6), LINE)

    assert [row.sequence for row in (*read, *rows)] == [5, 6, 7]


def test_writers_at_the_same_time_make_one_chain(store: Store) -> None:
    start, failed = threading.Barrier(4), list[Exception]()

    def writes() -> None:
        start.wait()
        try:
            for _ in range(10):
                store.audit.append(START, LINE)
        except Exception as error:
            failed.append(error)

    writers = [threading.Thread(target=writes) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    verified = verify(store.audit.rows_after(None))
    assert failed == []
    assert (verified.rows, verified.broken) == (41, None)
