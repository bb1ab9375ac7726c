"""The audit log on a real database: it grows by the next row only, and shows what a stronger hand did to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from msc_builders import START, ManualClock, a_commit, an_entry, at
from sqlalchemy import Connection, text

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.adapters.sql.audit import AuditLine, write_audit
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.core.audit_chain import GENESIS, Anchor, Break, Damage, verify
from msc_authority.ports.store import StoreError

COPY = (
    "INSERT INTO msc_audit SELECT {to}, at, actor, action, object, detail, hash, hash FROM msc_audit "
    "WHERE sequence = {of}"
)
LINE = AuditLine(actor="ops", action="halt", target="trading", detail={"reason": "news", "value": 0.1})


@pytest.fixture
def database(sql_store: SqlStore, sql_url: str) -> Iterator[Database]:
    """A second way into the database of `sql_store`."""
    database = Database(sql_url)
    yield database
    database.close()


@pytest.fixture
def filled(sql_store: SqlStore, clock: ManualClock) -> SqlStore:
    """A store whose log has six rows."""
    for number in range(1, 6):
        clock.instant = at(number)
        sql_store.audit.append(clock.now(), LINE)
    return sql_store


@contextmanager
def unguarded(database: Database) -> Iterator[Connection]:
    """A transaction as of an intruder who owns the table."""
    with database.write(WriteLock.EVALUATIONS) as connection:
        if database.is_sqlite:
            for trigger in ("keeps_content", "keeps_rows", "takes_the_next"):
                connection.execute(text(f"DROP TRIGGER msc_audit_{trigger}"))
        else:
            connection.execute(text("ALTER TABLE msc_audit DISABLE TRIGGER USER"))
        yield connection


def broken(store: SqlStore, *anchors: Anchor) -> Break | None:
    return verify(store.audit.rows_after(None), anchors=anchors).broken


def test_every_act_of_the_store_is_a_row_of_one_chain(sql_store: SqlStore) -> None:
    store = sql_store
    store.evaluations.commit(a_commit("one"), store.evaluations.load())
    store.evaluations.record_failure(an_entry("bad", verdict=None, failure="x"))
    store.bump_epoch("ops", "restored from backup")

    rows = list(store.audit.rows_after(None))

    assert [(row.sequence, row.action) for row in rows] == [
        (1, "allocate_epoch"),
        (2, "publish"),
        (3, "fail"),
        (4, "allocate_epoch"),
    ]
    assert [row.previous_hash for row in rows] == [GENESIS, *(row.hash for row in rows[:-1])]
    assert verify(rows).broken is None


def test_an_act_that_is_rolled_back_leaves_no_row(sql_store: SqlStore, database: Database) -> None:
    def half_way() -> None:
        with database.write(WriteLock.EVALUATIONS) as connection:
            write_audit(connection, START, LINE)
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        half_way()
    row = sql_store.audit.append(START, LINE)

    assert row.sequence == 2
    assert broken(sql_store) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE msc_audit SET actor = 'nobody' WHERE sequence = 2",
        "DELETE FROM msc_audit WHERE sequence = 6",
        COPY.format(to=9, of=6),
        COPY.format(to=7, of=5),
    ],
    ids=["update", "delete", "out of turn", "unlinked"],
)
def test_the_database_itself_refuses_all_but_the_next_row(filled: SqlStore, database: Database, statement: str) -> None:
    with pytest.raises(StoreError, match="msc_audit"), database.write(WriteLock.EVALUATIONS) as connection:
        connection.execute(text(statement))

    assert len(filled.audit.page(None, 100)) == 6
    assert broken(filled) is None


def test_replacing_a_row_of_sqlite_is_refused_though_it_deletes_in_silence(
    sqlite_store: SqlStore, sqlite_url: str
) -> None:
    database = Database(sqlite_url)
    statement = (
        "INSERT OR REPLACE INTO msc_audit SELECT sequence, at, 'x', action, object, detail, hash, hash FROM msc_audit"
    )

    with pytest.raises(StoreError, match="next row"), database.write(WriteLock.EVALUATIONS) as connection:
        connection.execute(text(statement))

    assert broken(sqlite_store) is None
    database.close()


def test_postgresql_refuses_to_empty_the_log(postgres_store: SqlStore, postgres_url: str) -> None:
    database = Database(postgres_url)

    with pytest.raises(StoreError, match="append-only"), database.write(WriteLock.EVALUATIONS) as connection:
        connection.execute(text("TRUNCATE msc_audit"))

    assert broken(postgres_store) is None
    database.close()


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["UPDATE msc_audit SET actor = 'nobody' WHERE sequence = 3"], (3, Damage.CHANGED)),
        (['UPDATE msc_audit SET detail = \'{"reason":"none"}\' WHERE sequence = 6'], (6, Damage.CHANGED)),
        (["DELETE FROM msc_audit WHERE sequence IN (3, 4)"], (3, Damage.MISSING)),
        (["DELETE FROM msc_audit WHERE sequence = 1"], (1, Damage.MISSING)),
        (
            [
                "DELETE FROM msc_audit WHERE sequence = 3",
                "UPDATE msc_audit SET sequence = sequence - 1 WHERE sequence = 4",
                "UPDATE msc_audit SET sequence = sequence - 1 WHERE sequence = 5",
                "UPDATE msc_audit SET sequence = sequence - 1 WHERE sequence = 6",
            ],
            (3, Damage.MISSING),
        ),
        (
            [
                "UPDATE msc_audit SET sequence = 100 WHERE sequence = 2",
                "UPDATE msc_audit SET sequence = 2 WHERE sequence = 5",
                "UPDATE msc_audit SET sequence = 5 WHERE sequence = 100",
            ],
            (2, Damage.REORDERED),
        ),
        (
            [COPY.format(to=0, of=1)],
            (0, Damage.INSERTED),
        ),
    ],
    ids=["changed", "changed last", "missing", "missing first", "renumbered", "reordered", "inserted"],
)
def test_what_a_stronger_hand_did_shows(
    filled: SqlStore, database: Database, statements: list[str], expected: tuple[int, Damage]
) -> None:
    with unguarded(database) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)

    found = broken(filled)

    assert found is not None
    assert (found.sequence, found.damage) == expected


def test_a_row_put_into_the_middle_shows(filled: SqlStore, database: Database) -> None:
    with unguarded(database) as connection:
        for sequence in (6, 5, 4):
            connection.execute(
                text("UPDATE msc_audit SET sequence = sequence + 1 WHERE sequence = :old"), {"old": sequence}
            )
        connection.execute(text(COPY.format(to=4, of=3)))

    found = broken(filled)

    assert found is not None
    assert found.sequence == 4


def test_a_log_whose_end_was_cut_off_shows_by_an_anchor(filled: SqlStore, database: Database) -> None:
    kept = verify(filled.audit.rows_after(None)).newest
    assert kept is not None
    with unguarded(database) as connection:
        connection.execute(text("DELETE FROM msc_audit WHERE sequence > 4"))

    found = broken(filled, kept)

    assert broken(filled) is None
    assert found is not None
    assert (found.sequence, found.damage) == (5, Damage.MISSING)


def test_writers_at_the_same_time_make_one_chain(sql_url: str, clock: ManualClock) -> None:
    start = threading.Barrier(4)
    failed: list[BaseException] = []

    def writes() -> None:
        with open_store(sql_url, clock) as store:
            start.wait()
            try:
                for _ in range(10):
                    store.audit.append(START, LINE)
            except StoreError as error:
                failed.append(error)

    writers = [threading.Thread(target=writes) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    with open_store(sql_url, clock) as store:
        verified = verify(store.audit.rows_after(None))
    assert failed == []
    assert (verified.rows, verified.broken) == (41, None)
