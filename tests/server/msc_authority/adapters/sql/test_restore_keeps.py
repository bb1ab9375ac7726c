"""A restore over a database forgets nothing that persons said in it since the backup, on both kinds of databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msc_backups import backed_up, content_of, restored
from msc_builders import ManualClock, a_commit
from msc_operating import HALF_HOUR, Operating
from sqlalchemy import text, update

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.keeping import Wishes
from msc_authority.adapters.sql.restore import Restored
from msc_authority.adapters.sql.tables import msc_state
from msc_authority.app.access import Role
from msc_authority.app.acts import Act, Halt, Lift, Place, Reinstate, Resume, Retire
from msc_authority.app.tokens import mint
from msc_authority.core.audit_chain import Anchor, verify
from msc_authority.core.overrides import Bench, OverrideKind, PinMode, Reduce, SetLimits
from msc_authority.core.policy import RiskMode, StrategyState, TradingState
from msc_authority.core.restoring import Fate
from msc_authority.ports import StoreError

ACTIVE, REDUCING, HALTED = TradingState
HOURS = 4
PIN = Place(sets=PinMode(mode=RiskMode.AGGRESSIVE), loosens=True)
TIGHT = Place(sets=SetLimits(max_positions=1))


class Scene:
    """An authority's database that is backed up, lives on, and is restored over; `now` is its present."""

    def __init__(self, url: str, store: SqlStore, clock: ManualClock, file: Path) -> None:
        self.url, self.store, self.clock, self.file = url, store, clock, file
        self.operating = Operating(clock, store).after_good_hours(HOURS)

    def says(self, *acts: Act) -> Scene:
        for act in acts:
            self.operating.operator.act(act, "alice", "because")
        return self

    def backs_up(self) -> Scene:
        backed_up(self.url, self.file)
        self.clock.advance(timedelta(minutes=1))
        return self

    def restores(self, **wishes: bool) -> Restored:
        self.clock.advance(timedelta(minutes=1))
        return restored(self.url, self.file, replace=True, now=self.clock.now(), wishes=Wishes(**wishes))

    def token(self, name: str) -> str:
        minted = mint(name=name, roles=[Role.READER], now=self.clock.now(), created_by="alice")
        self.store.tokens.add(minted.stored)
        return minted.stored.token_id

    def kinds(self) -> set[OverrideKind]:
        return {one.kind for one in self.operating.state.overrides}

    def retired(self) -> frozenset[str]:
        return self.operating.state.lives.in_state(StrategyState.RETIRED)

    def audit(self) -> list[tuple[str, str]]:
        return [(row.action, row.target) for row in self.store.audit.rows_after(None)]


@pytest.fixture
def scene(sql_url: str, tmp_path: Path) -> Iterator[Scene]:
    # Time of its own: an epoch is never later than the instant of a restore.
    clock = ManualClock()
    with open_store(sql_url, clock) as store:
        yield Scene(sql_url, store, clock, tmp_path / "msc.backup")


def words(done: Restored, fate: Fate) -> list[str]:
    return [word.target for word in done.holding.words if word.fate is fate]


def test_trading_that_was_halted_since_the_backup_stays_halted_until_a_person_resumes(scene: Scene) -> None:
    scene.backs_up().says(Halt())

    done = scene.restores()

    assert done.holding.trading_state is HALTED
    assert ("restore_kept", "trading") in scene.audit()
    scene.operating.build()
    scene.clock.advance(HALF_HOUR)
    assert scene.operating.evaluate().candidate.trading_state is HALTED
    assert "HALTED by alice: because" in [reason.text for reason in scene.operating.content.reasons]
    scene.says(Resume())
    assert scene.operating.content.trading_state is REDUCING


def test_entries_that_were_stopped_since_the_backup_stay_stopped(scene: Scene) -> None:
    scene.backs_up().says(Place(sets=Reduce()))

    scene.restores()

    scene.operating.evaluate()
    assert scene.operating.content.trading_state is REDUCING
    assert scene.kinds() == {OverrideKind.REDUCE}


def test_what_was_tightened_benched_and_retired_since_the_backup_stays_so(scene: Scene) -> None:
    scene.backs_up().says(TIGHT, Place(sets=Bench(strategy_id="TREND")), Retire(strategy_id="RANGE"))

    done = scene.restores()

    assert len(words(done, Fate.KEPT)) == 3
    assert (scene.kinds(), scene.retired()) == ({OverrideKind.SET_LIMITS, OverrideKind.BENCH}, frozenset({"RANGE"}))
    scene.operating.evaluate()
    content = scene.operating.content
    assert (content.limits.max_positions, content.grants) == (1, ())


def test_a_loosening_that_was_lifted_since_the_backup_is_gone(scene: Scene) -> None:
    scene.says(PIN).backs_up()
    (pinned,) = scene.operating.state.overrides
    scene.says(Lift(override_id=pinned.override_id))

    done = scene.restores()

    assert words(done, Fate.DROPPED) == [f"override {pinned.override_id}"]
    assert ("restore_dropped", f"override {pinned.override_id}") in scene.audit()
    assert scene.operating.state.overrides == ()


def test_a_loosening_that_both_have_goes_on_to_its_end(scene: Scene) -> None:
    scene.says(PIN).backs_up()
    before = scene.operating.state.overrides

    done = scene.restores()

    assert (scene.operating.state.overrides, done.holding.words) == (before, ())


def test_what_tightened_when_the_backup_was_made_holds_again_though_it_was_ended_since(scene: Scene) -> None:
    scene.says(TIGHT, Retire(strategy_id="TREND"), Halt()).backs_up()
    (tight,) = scene.operating.state.overrides
    scene.says(Resume(), Lift(override_id=tight.override_id), Reinstate(strategy_id="TREND"))

    done = scene.restores()

    back = ["trading", f"override {tight.override_id}", "strategy TREND"]
    assert words(done, Fate.BACK) == back
    assert [target for action, target in scene.audit() if action == "restore_back"] == back
    assert (scene.operating.state.trading_state, scene.retired()) == (HALTED, frozenset({"TREND"}))


def test_a_token_that_was_revoked_since_the_backup_stays_revoked_as_of_then(scene: Scene) -> None:
    gone, stays = scene.token("gone"), scene.token("stays")
    scene.backs_up()
    at = scene.clock.now()
    scene.store.tokens.revoke(gone, "alice")
    new = scene.token("new")

    done = scene.restores()

    assert [token.token_id for token in done.holding.tokens] == [stays]
    assert {token.token_id: token.revoked_at for token in scene.store.tokens.tokens()} == {gone: at, stays: None}
    assert (words(done, Fate.KEPT), words(done, Fate.DROPPED)) == ([f"token {gone}"], [f"token {new}"])
    assert ("restore_kept", f"token {gone}") in scene.audit()


def test_the_audit_log_goes_on_with_what_was_written_since_the_backup(scene: Scene) -> None:
    scene.backs_up().says(Halt())
    newest = verify(scene.store.audit.rows_after(None)).newest
    assert newest is not None

    done = scene.restores()

    assert done.knows_what_was_said
    found = verify(scene.store.audit.rows_after(None), anchors=[newest])
    assert found.broken is None
    rows = {row.action: row for row in scene.store.audit.rows_after(newest.sequence - 1)}
    assert list(rows) == ["halt", "allocate_epoch", "restore", "restore_kept"]
    assert rows["restore"].detail["audit_rows_kept"] == 1
    assert rows["restore"].detail["replaced_audit_anchor"] == str(newest)
    assert rows["restore_kept"].detail["said"] == "HALTED by alice: because"


def test_a_log_that_does_not_go_on_from_the_backups_leaves_its_anchor(scene: Scene, tmp_path: Path) -> None:
    elsewhere = ManualClock(scene.clock.now() - timedelta(days=1))
    with open_store(f"sqlite:///{tmp_path}/other.db", elsewhere) as other:
        other.evaluations.commit(a_commit(controller=scene.operating.state.encode()), other.evaluations.load())
        backed_up(f"sqlite:///{tmp_path}/other.db", scene.file)
    scene.says(Halt())
    anchor = scene.store.audit.page(None, 1)[0]

    done = scene.restores()

    assert not done.knows_what_was_said
    assert done.holding.trading_state is HALTED
    rows = list(scene.store.audit.rows_after(None))
    detail = next(row.detail for row in rows if row.action == "restore")
    assert detail["replaced_audit_anchor"] == str(Anchor(anchor.sequence, anchor.hash))
    assert (detail["replaced_audit_rows"], detail["audit_rows_kept"]) == (anchor.sequence, None)
    assert verify(rows).broken is None
    assert len(rows) < anchor.sequence


def test_a_log_that_was_tampered_with_since_the_backup_is_not_taken_over(scene: Scene) -> None:
    scene.backs_up().says(Halt())
    database = Database(scene.url)
    with database.write(WriteLock.EVALUATIONS) as connection:
        on = "" if database.is_sqlite else " ON msc_audit"
        connection.execute(text("DROP TRIGGER msc_audit_keeps_content" + on))
        connection.execute(text("UPDATE msc_audit SET actor = 'nobody' WHERE action = 'halt'"))
    database.close()

    done = scene.restores()

    assert not done.knows_what_was_said
    assert verify(scene.store.audit.rows_after(None)).broken is None
    assert done.holding.trading_state is HALTED


def test_tightenings_are_lost_if_a_person_says_so_and_that_is_written_down(scene: Scene) -> None:
    token = scene.token("gone")
    scene.backs_up().says(Halt(), TIGHT, Retire(strategy_id="TREND"))
    scene.store.tokens.revoke(token, "alice")

    done = scene.restores(lose_tightenings=True)

    assert (done.holding.trading_state, scene.kinds(), scene.retired()) == (ACTIVE, set(), frozenset())
    assert [action for action, _ in scene.audit()].count("restore_lost") == 3
    line = next(row for row in scene.store.audit.page(None, 9) if row.action == "restore")
    assert line.detail["asked"] == {"halt": False, "lose_tightenings": True, "revoke_all_tokens": False}
    # What was revoked is no tightening of trading: nothing brings it back.
    assert done.holding.tokens == ()


def test_a_person_may_have_it_come_up_halted_and_without_tokens(scene: Scene) -> None:
    token = scene.token("bot")
    scene.backs_up()

    done = scene.restores(halt=True, revoke_all_tokens=True)

    assert (done.holding.trading_state, done.holding.tokens) == (HALTED, ())
    because = scene.operating.state.halted_because
    assert because is not None
    assert because.text.startswith("HALTED by ops: restored from the backup of")
    assert scene.audit()[-2:] == [("halt", "trading"), ("revoke_token", f"token {token}")]


def test_to_halt_what_is_halted_keeps_the_reason(scene: Scene) -> None:
    scene.backs_up().says(Halt())

    scene.restores(halt=True)

    assert scene.operating.state.halted_because is not None
    assert scene.operating.state.halted_because.text == "HALTED by alice: because"


def test_where_the_database_was_destroyed_nothing_that_loosens_holds_and_nobody_claims_to_know(
    scene: Scene, tmp_path: Path
) -> None:
    token = scene.token("bot")
    scene.says(PIN, TIGHT).backs_up()
    url = f"sqlite:///{tmp_path}/new.db"

    done = restored(url, scene.file, now=scene.clock.now())

    assert not done.knows_what_was_said
    assert [one.token_id for one in done.holding.tokens] == [token]
    assert len(words(done, Fate.DROPPED)) == 1
    assert not restored(url, scene.file, replace=True, now=scene.clock.now()).knows_what_was_said
    with open_store(url, scene.clock) as store:
        assert {one.kind for one in Operating(scene.clock, store).state.overrides} == {OverrideKind.SET_LIMITS}
        assert Operating(scene.clock, store).evaluate().candidate.limits.max_positions == 1


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


def test_what_was_kept_once_is_kept_by_the_next_restore_too(scene: Scene) -> None:
    scene.backs_up().says(Halt(), PIN)
    scene.restores()
    before = scene.operating.state

    done = scene.restores()

    assert (scene.operating.state.trading_state, scene.operating.state.overrides) == (HALTED, before.overrides)
    assert done.knows_what_was_said
    assert verify(scene.store.audit.rows_after(None)).broken is None


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
