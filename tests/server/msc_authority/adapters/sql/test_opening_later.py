"""A store that is opened before its database can be reached."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from msc_builders import ManualClock, a_commit

from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.later import Opening
from msc_authority.ports.store import StoreError, StoreUnavailable


def failing(times: int, done: list[int]) -> Callable[[], None]:
    """What fails so often, and then succeeds."""

    def open_() -> None:
        done.append(len(done))
        if len(done) <= times:
            raise StoreUnavailable("away")

    return open_


def test_what_has_succeeded_is_not_done_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    done = list[int]()
    opening = Opening(failing(2, done))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="away"):
            opening.ensure()
    for _ in range(3):
        opening.ensure()
    assert len(done) == 3
    assert caplog.messages == ["The database is open"]


def test_what_it_does_may_use_the_database_itself() -> None:
    done = list[int]()

    def open_() -> None:
        opening.ensure()
        done.append(1)

    opening = Opening(open_)
    opening.ensure()
    assert done == [1]


def test_while_one_thread_tries_the_others_are_refused_at_once() -> None:
    began, go_on = threading.Event(), threading.Event()

    def open_() -> None:
        began.set()
        assert go_on.wait(20)

    opening = Opening(open_)
    thread = threading.Thread(target=opening.ensure)
    thread.start()
    assert began.wait(20)
    with pytest.raises(StoreUnavailable, match="being opened"):
        opening.ensure()
    go_on.set()
    thread.join()
    opening.ensure()


def test_a_store_opened_later_is_made_ready_by_whoever_uses_it_first(tmp_path: Path, clock: ManualClock) -> None:
    with open_store(f"sqlite:///{tmp_path}/msc.db", clock, later=True) as store:
        assert store.evaluations.commit(a_commit(), store.evaluations.load()).ref.version == 1


def test_a_store_opened_later_refuses_until_it_can_be_reached(tmp_path: Path, clock: ManualClock) -> None:
    with open_store(f"sqlite:///{tmp_path}/msc.db", clock, later=True, busy_timeout_s=0.01) as store:
        with closing(sqlite3.connect(tmp_path / "msc.db")) as other:
            other.execute("BEGIN EXCLUSIVE")
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    store.policies.head()
        assert store.policies.head().ref.version == 0


def test_a_store_opened_later_with_a_schema_of_another_program_is_refused_each_time(
    tmp_path: Path, clock: ManualClock
) -> None:
    with closing(sqlite3.connect(tmp_path / "msc.db")) as other:
        other.execute("CREATE TABLE msc_policies (id INTEGER)")
    with open_store(f"sqlite:///{tmp_path}/msc.db", clock, later=True) as store:
        for _ in range(2):
            with pytest.raises(StoreError, match="did not make"):
                store.policies.head()
