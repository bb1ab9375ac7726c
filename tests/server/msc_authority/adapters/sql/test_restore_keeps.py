"""A restore over a database forgets nothing that persons said in it since the backup, on both kinds of databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msc_backups import backed_up, restored
from msc_builders import ManualClock, a_commit
from msc_operating import HALF_HOUR, Operating
from msc_restoring import Scene, words
from sqlalchemy import text

from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.app.acts import Halt, Lift, Place, Reinstate, Resume, Retire
from msc_authority.core.audit_chain import Anchor, verify
from msc_authority.core.overrides import Bench, OverrideKind, PinMode, Reduce, SetLimits
from msc_authority.core.policy import RiskMode, TradingState
from msc_authority.core.restoring import Fate

ACTIVE, REDUCING, HALTED = TradingState
PIN = Place(sets=PinMode(mode=RiskMode.AGGRESSIVE), loosens=True)
TIGHT = Place(sets=SetLimits(max_positions=1))


@pytest.fixture
def scene(sql_url: str, tmp_path: Path) -> Iterator[Scene]:
    # Time of its own: an epoch is never later than the instant of a restore.
    clock = ManualClock()
    with open_store(sql_url, clock) as store:
        yield Scene(sql_url, store, clock, tmp_path / "msc.backup")


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


def test_what_was_kept_once_is_kept_by_the_next_restore_too(scene: Scene) -> None:
    scene.backs_up().says(Halt(), PIN)
    scene.restores()
    before = scene.operating.state

    done = scene.restores()

    assert (scene.operating.state.trading_state, scene.operating.state.overrides) == (HALTED, before.overrides)
    assert done.knows_what_was_said
    assert verify(scene.store.audit.rows_after(None)).broken is None
