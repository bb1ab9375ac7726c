"""What a person does to the controller's state: one act in, the next state out. Pure, and refused with a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches

from msc_authority.core.controller import clear_halt, halt
from msc_authority.core.effective import Effective
from msc_authority.core.evaluation import StrategyTransition
from msc_authority.core.ledger import Ledger
from msc_authority.core.overrides import Bench, Override, OverrideKind, PinMode, Rollback, SetLimits, Setting, expiry_of
from msc_authority.core.overriding import looser_limits, reason_of, what_is_set
from msc_authority.core.policy import Reason, TradingState
from msc_authority.core.state import ControllerState
from msc_authority.core.strategies import lifecycle
from msc_authority.core.strategies.lifecycle import StrategyLives

MAX_OVERRIDES = 200

_Move = Callable[[StrategyLives, str, datetime, str], tuple[StrategyLives, StrategyTransition]]


class ActRefused(Exception):
    """Base of why an act cannot be done. Nothing has changed."""


class InvalidAct(ActRefused):
    """The act makes no sense, whatever the state. The text is 'field: problem'."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        field_name, _, problem = message.partition(":")
        self.field, self.problem = field_name.strip(), problem.strip()


class LooseningNotAllowed(ActRefused):
    """It would allow what the controller does not, and was not said to be meant so."""


class OverrideNotFound(ActRefused):
    """No override of that id is in force."""


class StrategyUnknown(ActRefused):
    """No strategy of that id has been met."""


class WrongStrategyState(ActRefused):
    """The strategy is where it was to be brought, or not where it was to be taken from."""


class NothingToResume(ActRefused):
    """No person's word holds entries back."""


class TooManyOverrides(ActRefused):
    """There are as many overrides as may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """Who wants something, why, and when. `override_id` is what a new override is called."""

    actor: str
    reason: str
    now: datetime
    override_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What an act came to: the next state, and why, in words for the policy."""

    state: ControllerState
    because: Reason
    placed: Override | None = None
    lifted: tuple[Override, ...] = ()
    transitions: tuple[StrategyTransition, ...] = ()


def halted(state: ControllerState, said: Instruction) -> Done:
    """Stops trading until a person resumes it."""
    because = _said("HALT", "HALTED", said)
    return Done(state=halt(state, because), because=because)


def resumed(state: ControllerState, said: Instruction, ledger: Ledger | None) -> Done:
    """Ends what persons hold entries back by: the halt, and every REDUCE. A halted system goes on as REDUCING.

    `ledger` is needed for a halted one: its drawdown is measured anew from the NAV of now.

    Raises:
        NothingToResume: neither is there.
        ValueError: a halted system, and no ledger.
    """
    is_halted = state.trading_state is TradingState.HALTED
    reductions = tuple(one for one in state.overrides if one.kind is OverrideKind.REDUCE)
    if not is_halted and not reductions:
        raise NothingToResume(_not_held(state))
    if is_halted:
        if ledger is None:
            raise ValueError("a halt is cleared with the ledger at hand")
        state = clear_halt(state, ledger, said.now)
    rest = tuple(one for one in state.overrides if one not in reductions)
    return Done(state=replace(state, overrides=rest), because=_said("RESUME", "resumed", said), lifted=reductions)


def placed(
    state: ControllerState,
    said: Instruction,
    allowed: Effective,
    sets: Setting,
    lasts: timedelta | None,
    *,
    loosens: bool,
) -> Done:
    """Puts an override in force. `allowed` is what the controller itself allows now.

    Raises:
        InvalidAct: it lasts too long, or its kind cannot loosen.
        LooseningNotAllowed: it would loosen something and does not say so.
        StrategyUnknown: it benches a strategy that has not been met.
        TooManyOverrides: too many are in force.
    """
    try:
        expires_at = expiry_of(said.now, lasts, loosens=loosens)
        override = Override(
            override_id=said.override_id,
            actor=said.actor,
            reason=said.reason,
            created_at=said.now,
            expires_at=expires_at,
            sets=sets,
            loosens=loosens,
        )
    except ValueError as error:
        raise InvalidAct(str(error)) from error
    if isinstance(sets, Bench) and all(grant.strategy_id != sets.strategy_id for grant in allowed.grants):
        check_known(state.lives, sets.strategy_id)
    if len(state.overrides) >= MAX_OVERRIDES:
        raise TooManyOverrides(f"{MAX_OVERRIDES} overrides are in force already; lift some")
    if not loosens:
        _check_tightens(sets, allowed)
    return Done(
        state=replace(state, overrides=(*state.overrides, override)), because=reason_of(override), placed=override
    )


def lifted(state: ControllerState, said: Instruction, override_id: str) -> Done:
    """Ends an override at once.

    Raises:
        OverrideNotFound: there is none of that id.
    """
    found = next((one for one in state.overrides if one.override_id == override_id), None)
    if found is None:
        raise OverrideNotFound(f"no override {override_id!r} is in force; it may have expired")
    because = _said("LIFT", f"lifted: {what_is_set(found.sets)}", said)
    rest = tuple(one for one in state.overrides if one is not found)
    return Done(state=replace(state, overrides=rest), because=because, lifted=(found,))


def retired(state: ControllerState, said: Instruction, strategy_id: str) -> Done:
    """Takes a strategy out of service until it is reinstated; it loses its permission at once.

    Raises:
        StrategyUnknown: it has not been met.
        WrongStrategyState: it is retired already.
    """
    after = _moved(lifecycle.retire, state, said, strategy_id, "RETIRE")
    last = after.state.effective
    if last is None:
        return after
    # What was decided last moves along, as with a halt.
    grants = tuple(grant for grant in last.grants if grant.strategy_id != strategy_id)
    return replace(after, state=replace(after.state, effective=replace(last, grants=grants)))


def reinstated(state: ControllerState, said: Instruction, strategy_id: str) -> Done:
    """Brings a retired strategy back, to the bench: it proves itself in the shadow before it trades.

    Raises:
        StrategyUnknown: it has not been met.
        WrongStrategyState: it is not retired.
    """
    return _moved(lifecycle.reinstate, state, said, strategy_id, "REINSTATE")


def check_known(lives: StrategyLives, strategy_id: str) -> None:
    """Refuses a strategy that no evaluation has met.

    Raises:
        StrategyUnknown: it is one; the text names those that are spelt alike.
    """
    if strategy_id in lives.by_id:
        return
    alike = get_close_matches(strategy_id, lives.by_id, n=3)
    known = f"; did you mean {' or '.join(alike)}?" if alike else "; the list of strategies has those that have been"
    raise StrategyUnknown(f"no strategy {strategy_id!r} has been met{known}")


def _moved(move: _Move, state: ControllerState, said: Instruction, strategy_id: str, code: str) -> Done:
    check_known(state.lives, strategy_id)
    try:
        lives, transition = move(state.lives, strategy_id, said.now, f"{said.actor}: {said.reason}")
    except ValueError as error:
        raise WrongStrategyState(str(error).removeprefix("strategy_id: ")) from error
    because = _said(code, f"{strategy_id} {transition.after}", said)
    return Done(state=replace(state, lives=lives), because=because, transitions=(transition,))


def _check_tightens(sets: Setting, allowed: Effective) -> None:
    match sets:
        case PinMode() if sets.mode > allowed.mode:
            raise LooseningNotAllowed(f"the controller allows {allowed.mode.name}, and {sets.mode.name} is more")
        case SetLimits():
            looser = looser_limits(sets, allowed.limits)
            if looser:
                told = ", ".join(f"{name} {getattr(allowed.limits, name):g}" for name in looser)
                raise LooseningNotAllowed(f"the controller allows no more than {told}")
        case Rollback() if sets.permission != allowed and allowed.tightened_to(sets.permission) == allowed:
            raise LooseningNotAllowed(
                f"version {sets.revision.version} is nowhere tighter than what the controller allows now"
            )
        case _:
            pass


def _not_held(state: ControllerState) -> str:
    if state.trading_state is TradingState.REDUCING:
        return "trading is REDUCING because of the drawdown; it resumes by itself when that has recovered"
    return "trading is neither halted nor reduced by a person"


def _said(code: str, what: str, said: Instruction) -> Reason:
    return Reason(code=f"OPERATOR_{code}", text=f"{what} by {said.actor}: {said.reason}")
