"""Restores over what cannot be read, that fail, or die, and what is committed meanwhile: nothing is forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msc_backups
import pytest
from msc_backups import content_of
from msc_builders import ManualClock, a_commit
from msc_restoring import Scene, words
from sqlalchemy import text, update

from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.restore import Restored
from msc_authority.adapters.sql.tables import msc_state
from msc_authority.app.acts import Halt, Place, Retire
from msc_authority.core.overrides import OverrideKind, SetLimits
from msc_authority.core.policy import TradingState
from msc_authority.core.restoring import Fate
from msc_authority.ports.store import StoreError

ACTIVE, REDUCING, HALTED = TradingState
DYING = Path(__file__).with_name("dying_restore.py")
TIGHT = Place(sets=SetLimits(max_positions=1))


@pytest.fixture
def scene(sql_url: str, tmp_path: Path) -> Iterator[Scene]:
    # Time of its own: an epoch is never later than the instant of a restore.
    clock = ManualClock()
    with open_store(sql_url, clock) as store:
        yield Scene(sql_url, store, clock, tmp_path / "msc.backup")


def test_words_that_cannot_be_read_count_as_a_halt_unless_a_person_gives_them_up(scene: Scene) -> None:
    scene.backs_up()
    scene.store.evaluations.commit(a_commit("torn", controller=b"torn"), scene.store.evaluations.load())

    assert scene.restores().holding.trading_state is HALTED
    word = next(row for row in scene.store.audit.page(None, 9) if row.action == "restore_kept")
    assert word.detail["unreadable_state"] == "dG9ybg=="
    scene.store.evaluations.commit(a_commit("torn", controller=b"torn"), scene.store.evaluations.load())
    assert scene.restores(lose_tightenings=True).holding.trading_state is ACTIVE


def test_a_backup_whose_state_cannot_be_read_comes_up_halted_with_the_words_of_what_it_replaces(scene: Scene) -> None:
    good = scene.operating.state
    scene.store.evaluations.commit(a_commit("torn", controller=b"torn"), scene.store.evaluations.load())
    scene.backs_up()
    scene.store.evaluations.commit(
        a_commit("mended", controller=replace(good, overrides=()).encode()), scene.store.evaluations.load()
    )
    scene.says(TIGHT)

    assert scene.restores().holding.trading_state is HALTED
    assert scene.kinds() == {OverrideKind.SET_LIMITS}


def test_a_backup_whose_state_cannot_be_read_is_left_as_it_is_where_a_person_gives_up_the_words(scene: Scene) -> None:
    state = scene.operating.state
    scene.store.evaluations.commit(a_commit("torn", controller=b"torn"), scene.store.evaluations.load())
    scene.backs_up()
    scene.store.evaluations.commit(a_commit("mended", controller=state.encode()), scene.store.evaluations.load())
    scene.says(Halt())

    done = scene.restores(lose_tightenings=True)

    assert (done.holding.trading_state, words(done, Fate.LOST)) == (None, ["trading"])
    assert scene.store.evaluations.controller().payload == b"torn"


def test_a_restore_that_fails_at_its_end_leaves_everything_as_it_was(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.token("bot")
    scene.backs_up().says(Halt(), Retire(strategy_id="TREND"))
    before = content_of(scene.url)

    def gives_out(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr("msc_authority.adapters.sql.keeping._revoke_all", gives_out)
    with pytest.raises(StoreError, match="disk is full"):
        scene.restores(revoke_all_tokens=True)

    assert content_of(scene.url) == before


def test_a_restore_that_is_killed_at_its_end_leaves_everything_as_it_was(scene: Scene) -> None:
    scene.backs_up().says(Halt(), TIGHT)
    before = content_of(scene.url)
    path = os.pathsep.join(filter(None, [str(Path(msc_backups.__file__).parent), os.environ.get("PYTHONPATH", "")]))
    restoring = subprocess.Popen(
        [sys.executable, str(DYING), scene.url, str(scene.file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert restoring.stdout is not None
    assert restoring.stdout.readline() == b"written\n"
    restoring.kill()
    restoring.communicate()

    assert content_of(scene.url) == before
    assert scene.operating.state.trading_state is HALTED


def test_an_older_schema_is_replaced_with_what_it_had(sql_url: str, tmp_path: Path) -> None:
    clock = ManualClock(datetime.fromisoformat("2026-01-01T00:00:00+00:00"))
    with open_store(sql_url, clock) as store:
        scene = Scene(sql_url, store, clock, tmp_path / "msc.backup").backs_up().says(Halt())
        database = Database(sql_url)
        with database.write(WriteLock.SCHEMA) as connection:
            for gone in ("msc_tokens", "msc_lease"):
                connection.execute(text(f"DROP TABLE {gone}"))
        database.close()

        done = scene.restores()

        assert done.holding.trading_state is HALTED
        assert scene.operating.evaluate().candidate.trading_state is HALTED


def test_a_halt_that_is_being_committed_is_waited_for(postgres_url: str, tmp_path: Path) -> None:
    clock = ManualClock()
    with open_store(postgres_url, clock) as store:
        scene = Scene(postgres_url, store, clock, tmp_path / "msc.backup").backs_up()
        halted = replace(scene.operating.state, trading_state=HALTED).encode()
        done: list[Restored] = []
        restoring = threading.Thread(target=lambda: done.append(scene.restores()))
        database = Database(postgres_url)
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        with database.write(WriteLock.EVALUATIONS) as connection:
            connection.execute(update(msc_state).values(controller=halted))
            restoring.start()
            while restoring.is_alive() and not connection.scalar(waiting):
                pass
        restoring.join()
        database.close()

        assert done[0].holding.trading_state is HALTED
