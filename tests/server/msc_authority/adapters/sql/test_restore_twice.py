"""Two restores, of an older and of a newer backup: neither forgets a word, on both kinds of databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msc_builders import ManualClock
from msc_restoring import Scene, words

from msc_authority.adapters.sql import open_store
from msc_authority.app.acts import Halt, Lift, Place, Retire
from msc_authority.core.audit_chain import verify
from msc_authority.core.overrides import Bench, OverrideKind, PinMode, SetLimits
from msc_authority.core.policy import RiskMode, TradingState
from msc_authority.core.restoring import Fate

PIN = Place(sets=PinMode(mode=RiskMode.AGGRESSIVE), loosens=True)


@pytest.fixture
def scene(sql_url: str, tmp_path: Path) -> Iterator[Scene]:
    clock = ManualClock()
    with open_store(sql_url, clock) as store:
        yield Scene(sql_url, store, clock, tmp_path / "msc.backup")


def test_a_token_that_was_revoked_holds_in_no_later_restore_though_the_first_backup_did_not_have_it(
    scene: Scene,
) -> None:
    scene.backs_up_to("older")
    leaked = scene.token("leaked")
    scene.backs_up_to("newer")
    at = scene.clock.now()
    scene.store.tokens.revoke(leaked, "alice")

    first = scene.restores_from("older")
    second = scene.restores_from("newer")

    assert second.knows_what_was_said
    assert (first.holding.tokens, second.holding.tokens) == ((), ())
    assert [(token.token_id, token.revoked_at) for token in scene.store.tokens.tokens()] == [(leaked, at)]
    assert words(first, Fate.KEPT) == words(second, Fate.KEPT) == [f"token {leaked}"]
    assert verify(scene.store.audit.rows_after(None)).broken is None


def test_all_tokens_that_were_taken_back_stay_so_with_those_that_only_a_newer_backup_has(scene: Scene) -> None:
    early = scene.token("early")
    scene.backs_up_to("older")
    late = scene.token("late")
    scene.backs_up_to("newer")

    scene.restores_from("older", revoke_all_tokens=True)
    at = scene.clock.now()
    done = scene.restores_from("newer")

    assert done.holding.tokens == ()
    assert {token.token_id: token.revoked_at for token in scene.store.tokens.tokens()} == {early: at, late: at}
    assert {("revoke_token", f"token {each}") for each in (early, late)} <= set(scene.audit())


def test_a_token_that_was_never_revoked_is_gone_by_name_and_back_with_a_backup_that_has_it(scene: Scene) -> None:
    scene.backs_up_to("older")
    made = scene.token("made")
    scene.backs_up_to("newer")

    first = scene.restores_from("older")
    second = scene.restores_from("newer")

    assert [(word.fate, word.text) for word in first.holding.words] == [
        (Fate.DROPPED, f"token {made} of made not in the backup: gone")
    ]
    assert [token.token_id for token in second.holding.tokens] == [made]


def test_what_was_tightened_behind_both_backups_holds_behind_both_restores(scene: Scene) -> None:
    scene.backs_up_to("older").says(Place(sets=Bench(strategy_id="TREND"))).backs_up_to("newer")
    scene.says(Place(sets=SetLimits(max_positions=1)), Retire(strategy_id="RANGE"), Halt())

    scene.restores_from("older")
    scene.restores_from("newer")

    assert scene.operating.state.trading_state is TradingState.HALTED
    assert scene.kinds() == {OverrideKind.BENCH, OverrideKind.SET_LIMITS}
    assert scene.retired() == frozenset({"RANGE"})


def test_what_loosens_and_was_lifted_comes_back_with_no_backup_that_has_it(scene: Scene) -> None:
    scene.backs_up_to("older").says(PIN).backs_up_to("newer")
    (pinned,) = scene.operating.state.overrides
    scene.says(Lift(override_id=pinned.override_id))

    scene.restores_from("older")
    scene.restores_from("newer")

    assert scene.operating.state.overrides == ()


def test_what_loosens_and_was_kept_only_as_it_tightens_loosens_no_more_behind_a_backup_that_has_it(
    scene: Scene,
) -> None:
    scene.backs_up_to("older").says(PIN).backs_up_to("newer")

    scene.restores_from("older")
    scene.restores_from("newer")

    assert [one.loosens for one in scene.operating.state.overrides] == [False]
