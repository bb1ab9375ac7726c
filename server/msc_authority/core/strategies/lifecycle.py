"""The life of a strategy: where it stands, since when, why, and what moves it on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import cast

from msc_authority.core.evaluation import StrategyTransition
from msc_authority.core.policy import Reason, RiskMode, StrategyState
from msc_authority.core.strategies import _reasons as why
from msc_authority.core.strategies.config import StrategyConfig
from msc_authority.core.strategies.ranking import Standing

_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyLife:
    """Where a strategy stands, since when and why, and how many trades it had when it came there."""

    state: StrategyState
    since: datetime
    reason: Reason
    live_trades_at_entry: int = 0
    shadow_trades_at_entry: int = 0


@dataclass(frozen=True, slots=True)
class StrategyLives:
    """The life of every strategy that has been met, by id."""

    by_id: Mapping[str, StrategyLife] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", MappingProxyType(dict(sorted(self.by_id.items()))))

    def updated(self, changes: Mapping[str, StrategyLife]) -> StrategyLives:
        """These lives with `changes` in place."""
        return StrategyLives({**self.by_id, **changes})

    def in_state(self, state: StrategyState) -> frozenset[str]:
        """Ids that stand there."""
        return frozenset(strategy_id for strategy_id, life in self.by_id.items() if life.state is state)

    def encode(self) -> dict[str, object]:
        """The lives as JSON-able values: same lives, same bytes."""
        return {"schema": _SCHEMA, "lives": {strategy_id: _encoded(life) for strategy_id, life in self.by_id.items()}}

    @classmethod
    def decode(cls, document: Mapping[str, object]) -> StrategyLives:
        """The lives that `encode` wrote.

        Raises:
            ValueError: another schema, or a state that does not exist.
        """
        if document.get("schema") != _SCHEMA:
            raise ValueError(f"strategy lives: schema must be {_SCHEMA}, not {document.get('schema')!r}")
        lives = cast("Mapping[str, Mapping[str, object]]", document["lives"])
        return cls({strategy_id: _decoded(fields) for strategy_id, fields in lives.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A step that is due."""

    after: StrategyState
    reason: Reason
    is_promotion: bool = False


def advance(
    standings: Iterable[Standing], lives: StrategyLives, mode: RiskMode, as_of: datetime, config: StrategyConfig
) -> tuple[StrategyLives, tuple[StrategyTransition, ...]]:
    """Lives after one evaluation, and one transition for each step. Steps down are at once, promotions one by one."""
    by_id = {standing.strategy_id: standing for standing in standings}
    moves = {one: _due_move(by_id[one], lives, mode, as_of, config) for one in sorted(by_id)}
    promoted = _first_promotions(moves, by_id, config)
    changes: dict[str, StrategyLife] = {}
    for strategy_id, move in moves.items():
        life = _life_after(move, by_id[strategy_id], lives, strategy_id in promoted, as_of, config)
        if life is not None:
            changes[strategy_id] = life
    transitions = tuple(
        StrategyTransition(
            strategy_id=strategy_id,
            before=lives.by_id[strategy_id].state if strategy_id in lives.by_id else None,
            after=life.state,
            at=as_of,
            reason=life.reason,
        )
        for strategy_id, life in changes.items()
    )
    return lives.updated(changes), transitions


def with_arrivals(
    standings: Iterable[Standing], lives: StrategyLives, as_of: datetime, config: StrategyConfig
) -> StrategyLives:
    """These lives, with a first one for every strategy that has none."""
    return lives.updated(
        {one.strategy_id: arrival(one, as_of, config) for one in standings if one.strategy_id not in lives.by_id}
    )


def arrival(standing: Standing, as_of: datetime, config: StrategyConfig) -> StrategyLife:
    """First life of a strategy: PROBATION, or SHADOW when it comes with a history that is mostly shadow.

    Trades it brings along count toward leaving that state.
    """
    evidence = standing.evidence
    few = evidence.live_trades + evidence.shadow_trades < config.newcomer_below_trades
    on_probation = few or evidence.live_trades >= config.probation_live_trades
    state = StrategyState.PROBATION if on_probation else StrategyState.SHADOW
    return StrategyLife(state=state, since=as_of, reason=why.met(standing))


def next_move(
    standing: Standing, life: StrategyLife, mode: RiskMode, as_of: datetime, config: StrategyConfig
) -> Move | None:
    """The step that a strategy is due, or None to stay."""
    match life.state:
        case StrategyState.ACTIVE:
            return _from_active(standing, config)
        case StrategyState.BENCHED:
            return _from_benched(standing, life, as_of)
        case StrategyState.SHADOW:
            return _from_shadow(standing, life, config)
        case StrategyState.PROBATION:
            return _from_probation(standing, life, mode, config)
        case StrategyState.RETIRED:
            return None


def retire(lives: StrategyLives, strategy_id: str, at: datetime, note: str) -> tuple[StrategyLives, StrategyTransition]:
    """A person takes a strategy out of service until a person reinstates it. `note` says who and why.

    Raises:
        ValueError: no such strategy, or it is retired already.
    """
    life = _life_of(lives, strategy_id)
    if life.state is StrategyState.RETIRED:
        raise ValueError(f"strategy_id: {strategy_id} is retired already, since {life.since.isoformat()}")
    return _by_person(lives, strategy_id, StrategyState.RETIRED, at, why.retired(note))


def reinstate(
    lives: StrategyLives, strategy_id: str, at: datetime, note: str
) -> tuple[StrategyLives, StrategyTransition]:
    """A person brings a retired strategy back: to BENCHED, from where it proves itself in shadow first.

    Raises:
        ValueError: no such strategy, or it is not retired.
    """
    life = _life_of(lives, strategy_id)
    if life.state is not StrategyState.RETIRED:
        raise ValueError(f"strategy_id: {strategy_id} is {life.state}, not RETIRED; there is nothing to reinstate")
    return _by_person(lives, strategy_id, StrategyState.BENCHED, at, why.reinstated(note))


def _due_move(
    standing: Standing, lives: StrategyLives, mode: RiskMode, as_of: datetime, config: StrategyConfig
) -> Move | None:
    life = lives.by_id.get(standing.strategy_id) or arrival(standing, as_of, config)
    return next_move(standing, life, mode, as_of, config)


def _first_promotions(
    moves: Mapping[str, Move | None], standings: Mapping[str, Standing], config: StrategyConfig
) -> frozenset[str]:
    # By probability, not by score: then a stricter mode, with fewer candidates, promotes the same one or nobody.
    candidates = [one for one, move in moves.items() if move is not None and move.is_promotion]
    candidates.sort(key=lambda one: (-standings[one].probability_positive, one))
    return frozenset(candidates[: config.promotions_per_evaluation])


def _life_after(
    move: Move | None, standing: Standing, lives: StrategyLives, promoted: bool, as_of: datetime, config: StrategyConfig
) -> StrategyLife | None:
    if move is None or (move.is_promotion and not promoted):
        return None if standing.strategy_id in lives.by_id else arrival(standing, as_of, config)
    return StrategyLife(
        state=move.after,
        since=as_of,
        reason=move.reason,
        live_trades_at_entry=standing.evidence.live_trades,
        shadow_trades_at_entry=standing.evidence.shadow_trades,
    )


def _from_active(standing: Standing, config: StrategyConfig) -> Move | None:
    # Stale first: with its own evidence gone, the probability only says how the others are doing.
    if standing.evidence.weight < config.stale_below_trades:
        return Move(after=StrategyState.PROBATION, reason=why.evidence_stale(standing, config.stale_below_trades))
    if standing.probability_positive < config.probability_to_stay:
        return Move(after=StrategyState.BENCHED, reason=why.probability_low(standing, config.probability_to_stay))
    return None


def _from_benched(standing: Standing, life: StrategyLife, as_of: datetime) -> Move | None:
    # One whole evaluation on the bench, so that evaluating the same instant again changes nothing.
    if as_of <= life.since:
        return None
    return Move(after=StrategyState.SHADOW, reason=why.shadowed(standing))


def _from_shadow(standing: Standing, life: StrategyLife, config: StrategyConfig) -> Move | None:
    evidence = standing.evidence
    if evidence.weight < config.stale_below_trades:
        reason = why.tried_anew(standing, config.stale_below_trades)
        return Move(after=StrategyState.PROBATION, reason=reason, is_promotion=True)
    # A live trade proves no less than one on paper: some close late, some executors have no paper.
    trades = evidence.live_trades + evidence.shadow_trades - life.live_trades_at_entry - life.shadow_trades_at_entry
    if trades < config.shadow_trades_to_prove or not standing.has_own_edge:
        return None
    if standing.probability_positive < config.probability_to_leave_shadow:
        return None
    reason = why.shadow_passed(standing, trades, config.probability_to_leave_shadow)
    return Move(after=StrategyState.PROBATION, reason=reason, is_promotion=True)


def _from_probation(standing: Standing, life: StrategyLife, mode: RiskMode, config: StrategyConfig) -> Move | None:
    trades = standing.evidence.live_trades - life.live_trades_at_entry
    if trades < config.probation_live_trades or standing.evidence.weight < config.promotion_evidence_trades:
        return None
    line = config.probability_to_enter(mode)
    if standing.has_own_edge and standing.probability_positive >= line:
        reason = why.probation_passed(standing, trades, line, mode)
        return Move(after=StrategyState.ACTIVE, reason=reason, is_promotion=True)
    return Move(after=StrategyState.BENCHED, reason=why.probation_failed(standing, trades, line, mode))


def _life_of(lives: StrategyLives, strategy_id: str) -> StrategyLife:
    life = lives.by_id.get(strategy_id)
    if life is None:
        raise ValueError(f"strategy_id: {strategy_id!r} is not known; see the list of strategies")
    return life


def _by_person(
    lives: StrategyLives, strategy_id: str, after: StrategyState, at: datetime, reason: Reason
) -> tuple[StrategyLives, StrategyTransition]:
    life = _life_of(lives, strategy_id)
    transition = StrategyTransition(strategy_id=strategy_id, before=life.state, after=after, at=at, reason=reason)
    return lives.updated({strategy_id: replace(life, state=after, since=at, reason=reason)}), transition


def _encoded(life: StrategyLife) -> dict[str, object]:
    reason = life.reason
    return {
        "state": life.state.value,
        "since": life.since.isoformat(),
        "reason": {name: getattr(reason, name) for name in ("code", "text", "metric", "value", "threshold")},
        "live_trades_at_entry": life.live_trades_at_entry,
        "shadow_trades_at_entry": life.shadow_trades_at_entry,
    }


def _decoded(fields: Mapping[str, object]) -> StrategyLife:
    reason = cast("Mapping[str, str]", fields["reason"])
    return StrategyLife(
        state=StrategyState(cast("str", fields["state"])),
        since=datetime.fromisoformat(cast("str", fields["since"])),
        reason=Reason(
            code=reason["code"],
            text=reason["text"],
            metric=reason["metric"],
            value=cast("float | None", reason["value"]),
            threshold=cast("float | None", reason["threshold"]),
        ),
        live_trades_at_entry=cast("int", fields["live_trades_at_entry"]),
        shadow_trades_at_entry=cast("int", fields["shadow_trades_at_entry"]),
    )
