"""What of persons' words holds behind a restore: nothing is looser than a person tightened it, in either database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from msc_authority.core.evaluation import StrategyTransition
from msc_authority.core.overrides import Override
from msc_authority.core.overriding import in_force, reason_of
from msc_authority.core.policy import Reason, StrategyState, TradingState
from msc_authority.core.state import ControllerState
from msc_authority.core.strategies.lifecycle import StrategyLife, StrategyLives

UNREADABLE = "HALTED by the restore: what persons had said cannot be read in "


class Fate(StrEnum):
    """What becomes of a word that only one of the two databases has."""

    KEPT = "kept"
    """The replaced database has it, and it holds on."""
    BACK = "back"
    """The backup has it, and it holds again: what tightens is ended by a person, not by what a backup knows."""
    DROPPED = "dropped"
    """It let more through, and does not hold."""
    LOST = "lost"
    """The replaced database has it, and a person gave it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One thing a person said. `target` is what it was said of, as the audit log names it; `detail` is JSON."""

    fate: Fate
    target: str
    text: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The state to go on with, the words that only one of the two databases has, and the steps of strategies."""

    state: ControllerState
    words: tuple[Word, ...] = ()
    transitions: tuple[StrategyTransition, ...] = ()


def what_a_restore_keeps(
    backup: ControllerState, replaced: ControllerState | None, now: datetime, *, lose_tightenings: bool = False
) -> Kept:
    """Returns the state of the backup, under the words of both.

    What tightens holds if either has it: a halt, a reduction, a retirement, an override. What loosens holds only if
    both have it; one that only the replaced database has holds in so far as it tightens. `replaced` None: nobody knows
    what was said since the backup. `lose_tightenings`: what only the replaced database has does not hold.
    """
    overrides, words = _overrides(backup, replaced, now, lose=lose_tightenings)
    state = replace(backup, overrides=overrides)
    if replaced is None:
        return Kept(state=state, words=words)
    words = (*_words_of_trading(backup, replaced, lose=lose_tightenings), *words)
    retired = _retired_since(backup, replaced)
    words += tuple(_words_of_retirements(backup, replaced, retired, lose=lose_tightenings))
    if lose_tightenings:
        return Kept(state=state, words=words)
    transitions = tuple(_step(backup.lives, strategy_id, life, now) for strategy_id, life in retired.items())
    return Kept(state=_tightened(state, replaced, retired), words=words, transitions=transitions)


def halted_unread(kept: Kept, whose: str, detail: Mapping[str, object]) -> Kept:
    """Returns it HALTED, for the words of one database cannot be read: they may have been a halt."""
    halted = replace(
        kept.state,
        trading_state=TradingState.HALTED,
        halted_because=kept.state.halted_because or Reason(code="OPERATOR_HALT", text=UNREADABLE + whose),
    )
    word = Word(fate=Fate.KEPT, target="trading", text=UNREADABLE + whose, detail=detail)
    return replace(kept, state=_moved_along(halted), words=(word, *kept.words))


def revoked_since(
    backup: Mapping[str, datetime | None], replaced: Mapping[str, datetime | None]
) -> dict[str, datetime]:
    """Returns the tokens that were revoked in the replaced database and not in the backup, with when.

    Also those that the backup does not have at all: a later one may have them, and is restored over this.
    """
    return {token_id: at for token_id, at in sorted(replaced.items()) if at is not None and not backup.get(token_id)}


def _overrides(
    backup: ControllerState, replaced: ControllerState | None, now: datetime, *, lose: bool
) -> tuple[tuple[Override, ...], tuple[Word, ...]]:
    since = in_force(replaced.overrides, now) if replaced else ()
    only_since = tuple(one for one in since if one not in backup.overrides)
    # One whose time is over stays for the authority, which ends it and says so.
    holding = tuple(one for one in backup.overrides if one in since or not one.loosens)
    # Whoever set something looser than the controller had it, set it tighter than it may become.
    tight = () if lose else tuple(replace(one, loosens=False) for one in only_since)
    words = (
        *_said(Fate.LOST if lose else Fate.KEPT, only_since),
        *_said(Fate.BACK, (one for one in in_force(holding, now) if replaced and one not in since)),
        *_said(Fate.DROPPED, (one for one in backup.overrides if one not in holding)),
    )
    return (*holding, *tight), words


def _said(fate: Fate, overrides: Iterable[Override]) -> Iterator[Word]:
    for one in overrides:
        limited = " (from now on only in so far as it tightens)" if one.loosens and fate is Fate.KEPT else ""
        yield Word(
            fate=fate, target=f"override {one.override_id}", text=reason_of(one).text + limited, detail=one.encode()
        )


def _words_of_trading(backup: ControllerState, replaced: ControllerState, *, lose: bool) -> tuple[Word, ...]:
    if replaced.trading_state > backup.trading_state:
        return (Word(fate=Fate.LOST if lose else Fate.KEPT, target="trading", text=_trading_of(replaced)),)
    if backup.trading_state is TradingState.HALTED and replaced.trading_state is not TradingState.HALTED:
        return (Word(fate=Fate.BACK, target="trading", text=_trading_of(backup)),)
    return ()


def _trading_of(state: ControllerState) -> str:
    if state.trading_state is TradingState.HALTED:
        return state.halted_because.text if state.halted_because else "HALTED by the hard drawdown limit"
    return "REDUCING, until an evaluation finds that entries may resume"


def _retired_since(backup: ControllerState, replaced: ControllerState) -> dict[str, StrategyLife]:
    before = backup.lives.in_state(StrategyState.RETIRED)
    since = sorted(replaced.lives.in_state(StrategyState.RETIRED) - before)
    return {strategy_id: _retired(backup.lives, strategy_id, replaced.lives) for strategy_id in since}


def _retired(lives: StrategyLives, strategy_id: str, there: StrategyLives) -> StrategyLife:
    # Counts of trades are those of the journal that comes with the backup.
    life, retired = lives.by_id.get(strategy_id), there.by_id[strategy_id]
    return retired if life is None else replace(life, state=retired.state, since=retired.since, reason=retired.reason)


def _words_of_retirements(
    backup: ControllerState, replaced: ControllerState, retired: Mapping[str, StrategyLife], *, lose: bool
) -> Iterator[Word]:
    for strategy_id, life in retired.items():
        fate = Fate.LOST if lose else Fate.KEPT
        yield Word(fate=fate, target=f"strategy {strategy_id}", text=f"{strategy_id} {life.reason.text}")
    reinstated = backup.lives.in_state(StrategyState.RETIRED) - replaced.lives.in_state(StrategyState.RETIRED)
    for strategy_id in sorted(reinstated):
        text = f"{strategy_id} {backup.lives.by_id[strategy_id].reason.text}"
        yield Word(fate=Fate.BACK, target=f"strategy {strategy_id}", text=text)


def _step(lives: StrategyLives, strategy_id: str, life: StrategyLife, now: datetime) -> StrategyTransition:
    before = lives.by_id.get(strategy_id)
    return StrategyTransition(
        strategy_id=strategy_id,
        before=before.state if before else None,
        after=life.state,
        at=now,
        reason=life.reason,
    )


def _tightened(
    state: ControllerState, replaced: ControllerState, retired: Mapping[str, StrategyLife]
) -> ControllerState:
    is_halted = replaced.trading_state is TradingState.HALTED
    return _moved_along(
        replace(
            state,
            trading_state=max(state.trading_state, replaced.trading_state),
            halted_because=replaced.halted_because if is_halted else state.halted_because,
            lives=state.lives.updated(retired),
        )
    )


def _moved_along(state: ControllerState) -> ControllerState:
    # What was decided last moves along, as it does when a person acts.
    last = state.effective
    if last is None:
        return state
    retired = state.lives.in_state(StrategyState.RETIRED)
    grants = tuple(grant for grant in last.grants if grant.strategy_id not in retired)
    return replace(state, effective=replace(last, trading_state=state.trading_state, grants=grants))
