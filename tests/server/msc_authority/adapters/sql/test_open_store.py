"""Opening a database: a new one, a known one, and those that had better be left alone."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from msc_builders import START, ManualClock, a_commit, a_trade, at

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.store import StaleState, StoreError

EPOCH = int(START.timestamp())


def test_the_folder_of_a_new_database_is_made(tmp_path: Path, clock: ManualClock) -> None:
    with open_store(f"sqlite:///{tmp_path}/a/b/msc.db", clock) as store:
        assert store.policies.head().ref == PolicyRef(EPOCH, 0)
        assert store.location == f"sqlite:///{tmp_path}/a/b/msc.db"

    assert (tmp_path / "a/b/msc.db").is_file()


def test_a_store_opened_again_is_as_it_was_left(sql_url: str, clock: ManualClock) -> None:
    with open_store(sql_url, clock) as store:
        store.journal.record([a_trade()])
        head = store.evaluations.commit(a_commit(), store.evaluations.load())
        state, entries = store.evaluations.load(), store.log.page(None, 5)
    clock.instant = at(60)

    with open_store(sql_url, clock) as store:
        assert store.policies.head() == head
        assert store.evaluations.load() == state
        assert store.log.page(None, 5) == entries
        assert store.journal.record([a_trade()]).duplicates == 1


def test_closing_twice_is_fine(sql_url: str, clock: ManualClock) -> None:
    store = open_store(sql_url, clock)

    store.close()
    store.close()


def test_a_database_made_later_has_a_greater_epoch(tmp_path: Path, clock: ManualClock) -> None:
    with open_store(f"sqlite:///{tmp_path}/one.db", clock) as store:
        first = store.policies.head().ref
    clock.instant = at(1)

    with open_store(f"sqlite:///{tmp_path}/two.db", clock) as store:
        assert store.policies.head().ref > first


def test_a_new_epoch_starts_without_policy_and_keeps_history(sql_store: SqlStore) -> None:
    store = sql_store
    old = store.evaluations.commit(a_commit("one"), store.evaluations.load())
    state = store.evaluations.load()

    epoch = store.bump_epoch("ops", "restored from backup")

    assert epoch == EPOCH + 1
    assert store.policies.head().ref == PolicyRef(epoch, 0)
    assert store.policies.head().policy is None
    assert store.policies.revision(1) is None
    assert [revision.policy for revision in store.policies.revisions(None, 5)] == [old.policy]
    with pytest.raises(StaleState):
        store.evaluations.commit(a_commit("two"), state)


def test_in_a_new_epoch_versions_start_at_one_and_history_goes_back_into_the_old(sql_store: SqlStore) -> None:
    store = sql_store
    store.evaluations.commit(a_commit("one"), store.evaluations.load())
    epoch = store.bump_epoch("ops", "restored from backup")

    head = store.evaluations.commit(a_commit("two"), store.evaluations.load())

    assert head.ref == PolicyRef(epoch, 1)
    assert store.policies.revision(1) == head.policy
    history = [revision.policy.ref for revision in store.policies.revisions(None, 5)]
    assert history == [PolicyRef(epoch, 1), PolicyRef(EPOCH, 1)]
    older = store.policies.revisions(PolicyRef(epoch, 1), 5)
    assert [revision.policy.ref for revision in older] == [PolicyRef(EPOCH, 1)]


def test_an_epoch_follows_the_clock_when_it_is_ahead(sql_store: SqlStore, clock: ManualClock) -> None:
    clock.instant = at(10)

    assert sql_store.bump_epoch("ops", "restored from backup") == EPOCH + 600


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("buy low, sell high\n" * 100)

    with pytest.raises(StoreError, match=r"notes\.txt.*not a database"):
        open_store(f"sqlite:///{file}", clock)

    assert file.read_text() == "buy low, sell high\n" * 100


def test_a_schema_newer_than_this_program_is_refused(sqlite_url: str, clock: ManualClock) -> None:
    open_store(sqlite_url, clock).close()
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as raw, raw:
        raw.execute("UPDATE msc_schema_version SET version_num = '9999'")
        raw.execute("UPDATE msc_schema SET works_with = '9998'")

    with pytest.raises(StoreError, match="schema 9999, which this program does not know"):
        open_store(sqlite_url, clock)


def test_tables_of_another_program_are_left_alone(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("CREATE TABLE trade_logs (id INTEGER)")

    with pytest.raises(StoreError, match="tables named trade_logs that this program did not make"):
        open_store(f"sqlite:///{file}", clock)

    with closing(sqlite3.connect(file)) as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == [("trade_logs",)]


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        open_store(f"sqlite:///{tmp_path}", clock)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="file/home cannot be created"):
        open_store(f"sqlite:///{tmp_path}/file/home/msc.db", clock)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, clock: ManualClock) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(StoreError, match="cannot be written"):
        open_store(f"sqlite:///{tmp_path}/msc.db", clock)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_without_a_file_is_refused(url: str, clock: ManualClock) -> None:
    with pytest.raises(StoreError, match="needs a file"):
        open_store(url, clock)


def test_a_kind_of_database_we_do_not_know_is_refused(clock: ManualClock) -> None:
    with pytest.raises(StoreError, match="'mysql' is not known"):
        open_store("mysql://localhost/msc", clock)


@pytest.mark.parametrize("url", ["msc.db", "postgresql:hunter2@db", "postgresql://msc:hunter2@db:port/msc"])
def test_a_url_that_cannot_be_read_is_refused_without_repeating_it(url: str, clock: ManualClock) -> None:
    with pytest.raises(StoreError, match="cannot be read") as refused:
        open_store(url, clock)

    assert refused.value.__cause__ is None
    assert "hunter2" not in str(refused.value)


def test_those_who_open_a_new_database_together_agree_on_its_epoch(sql_url: str, clock: ManualClock) -> None:
    start = threading.Barrier(8)
    epochs: list[int] = []

    def opens() -> None:
        start.wait()
        with open_store(sql_url, clock) as store:
            epochs.append(store.policies.head().ref.epoch)

    openers = [threading.Thread(target=opens) for _ in range(8)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()

    assert epochs == [EPOCH] * 8


def test_opening_a_current_database_does_not_load_alembic(sql_url: str, clock: ManualClock) -> None:
    open_store(sql_url, clock).close()
    program = (
        "import sys\n"
        "from msc_authority.adapters.clock import SystemClock\n"
        "from msc_authority.adapters.sql import open_store\n"
        "open_store(sys.argv[1], SystemClock()).close()\n"
        "sys.exit('alembic' in sys.modules)\n"
    )

    assert subprocess.run([sys.executable, "-c", program, sql_url], check=False).returncode == 0
