"""Who may trade: one call from evidence and lives to ranking, transitions and grants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msc_authority.core.evaluation import StrategyRanking, StrategyTransition
from msc_authority.core.policy import Reason, RiskMode, StrategyGrant, StrategyState
from msc_authority.core.strategies import _reasons as why
from msc_authority.core.strategies.config import StrategyConfig
from msc_authority.core.strategies.evidence import StrategyBook
from msc_authority.core.strategies.lifecycle import StrategyLife, StrategyLives, advance, with_arrivals
from msc_authority.core.strategies.ranking import Standing, standings_of

# Proven strategies are seated before those on trial, whatever the scores: a newcomer displaces nobody.
_SEATING_ORDER = (StrategyState.ACTIVE, StrategyState.PROBATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyOutcome:
    """What one evaluation says about strategies. `rankings` and `grants` are best first; no grants means nobody."""

    rankings: tuple[StrategyRanking, ...]
    transitions: tuple[StrategyTransition, ...]
    lives: StrategyLives
    grants: tuple[StrategyGrant, ...]


def judge(
    book: StrategyBook,
    lives: StrategyLives,
    mode: RiskMode,
    config: StrategyConfig,
    as_of: datetime,
    *,
    max_strategies: int,
    as_what_if: bool = False,
) -> StrategyOutcome:
    """Rankings, steps in strategies' lives, and who may trade in `mode`, from evidence up to `as_of`.

    As a what-if nobody's life changes and nothing is recorded: those ACTIVE or on PROBATION are seated in that mode.

    Raises:
        ValueError: `max_strategies` is negative.
    """
    if max_strategies < 0:
        raise ValueError(f"max_strategies must be 0 or above, not {max_strategies}")
    strategy_ids = lives.by_id.keys() | set(book.strategy_ids)
    standings = standings_of(book, strategy_ids, lives.in_state(StrategyState.RETIRED), as_of, config)
    seen, transitions = advance(standings, lives, mode, as_of, config)
    if as_what_if:
        seen, transitions = with_arrivals(standings, lives, as_of, config), ()
    seated = _seated(standings, seen, max_strategies)
    return StrategyOutcome(
        rankings=_rankings(standings, seen, seated, max_strategies),
        transitions=transitions,
        lives=lives if as_what_if else seen,
        grants=tuple(
            _grant(one.strategy_id, seen.by_id[one.strategy_id].state, config)
            for one in standings
            if one.strategy_id in seated
        ),
    )


def _seated(standings: Sequence[Standing], lives: StrategyLives, max_strategies: int) -> frozenset[str]:
    queue = [
        one.strategy_id for state in _SEATING_ORDER for one in standings if lives.by_id[one.strategy_id].state is state
    ]
    return frozenset(queue[:max_strategies])


def _grant(strategy_id: str, state: StrategyState, config: StrategyConfig) -> StrategyGrant:
    on_probation = state is StrategyState.PROBATION
    return StrategyGrant(
        strategy_id=strategy_id,
        state=state,
        risk_multiplier=config.probation_risk_multiplier if on_probation else 1.0,
        max_positions=config.probation_max_positions if on_probation else 0,
        max_daily_trades_fraction=config.probation_daily_trades_fraction if on_probation else 1.0,
    )


def _rankings(
    standings: Sequence[Standing], lives: StrategyLives, seated: frozenset[str], max_strategies: int
) -> tuple[StrategyRanking, ...]:
    return tuple(
        _ranking(rank, one, lives.by_id[one.strategy_id], one.strategy_id in seated, max_strategies)
        for rank, one in enumerate(standings, start=1)
    )


def _ranking(rank: int, standing: Standing, life: StrategyLife, allowed: bool, seats: int) -> StrategyRanking:
    evidence = standing.evidence
    return StrategyRanking(
        strategy_id=standing.strategy_id,
        rank=rank,
        state=life.state,
        state_since=life.since,
        allowed=allowed,
        score=standing.score,
        posterior_lower_r=standing.posterior_lower_r,
        posterior_mean_r=standing.posterior_mean_r,
        drawdown_penalty_r=standing.drawdown_penalty_r,
        selection_penalty_r=standing.selection_penalty_r,
        probability_positive=standing.probability_positive,
        prior_mean_r=standing.prior_mean_r,
        effective_n=evidence.effective_n,
        live_trades=evidence.live_trades,
        shadow_trades=evidence.shadow_trades,
        winrate_fraction=evidence.winrate_fraction,
        net_pnl=evidence.net_pnl,
        drawdown_r=evidence.drawdown_r,
        fallback_fraction=evidence.fallback_fraction,
        last_trade_at=evidence.last_trade_at,
        reason=_present_reason(standing, life, allowed, seats),
    )


def _present_reason(standing: Standing, life: StrategyLife, allowed: bool, seats: int) -> Reason:
    if life.state in _SEATING_ORDER and not allowed:
        return why.no_seat(standing, seats, life.reason)
    return life.reason
