"""Where each strategy stands: the parts of its score, and the order from best to worst."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from math import e

from msc_authority.core.strategies.config import StrategyConfig
from msc_authority.core.strategies.distributions import normal_quantile
from msc_authority.core.strategies.evidence import StrategyBook, StrategyEvidence
from msc_authority.core.strategies.posterior import Fleet, posterior_of

_EULER_GAMMA = 0.5772156649015329


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One strategy's evidence, what is believed from it, and the parts of its score, in R."""

    evidence: StrategyEvidence
    prior_mean_r: float
    posterior_mean_r: float
    posterior_lower_r: float
    probability_positive: float
    drawdown_penalty_r: float
    selection_penalty_r: float

    @property
    def strategy_id(self) -> str:
        """Whose standing this is."""
        return self.evidence.strategy_id

    @property
    def score(self) -> float:
        """What strategies are ranked by: the lower bound less both penalties, in R."""
        return self.posterior_lower_r - self.drawdown_penalty_r - self.selection_penalty_r

    @property
    def has_own_edge(self) -> bool:
        """Whether its own trades earn on average. The fleet's success alone promotes nobody."""
        return (self.evidence.mean_r or 0.0) > 0.0


def standings_of(
    book: StrategyBook,
    strategy_ids: AbstractSet[str],
    retired: AbstractSet[str],
    as_of: datetime,
    config: StrategyConfig,
) -> tuple[Standing, ...]:
    """Every strategy's standing, best first: retired ones last, then by score, ties by id."""
    evidence = [book.evidence(strategy_id, as_of) for strategy_id in sorted(strategy_ids)]
    fleet = Fleet.of(evidence, config)
    luck = expected_maximum(len(strategy_ids - retired))
    standings = [_standing_of(member, fleet, luck, config) for member in evidence]
    return tuple(sorted(standings, key=lambda one: (one.strategy_id in retired, -one.score, one.strategy_id)))


def expected_maximum(candidates: int) -> float:
    """Expected maximum of that many standard normals: how good the best looks by luck alone. 0 for one or none.

    Bailey and López de Prado, "The Deflated Sharpe Ratio", Journal of Portfolio Management 40(5), 2014.
    """
    if candidates < 2:
        return 0.0
    gamma = _EULER_GAMMA
    return (1 - gamma) * normal_quantile(1 - 1 / candidates) + gamma * normal_quantile(1 - 1 / (candidates * e))


def _standing_of(evidence: StrategyEvidence, fleet: Fleet, luck: float, config: StrategyConfig) -> Standing:
    prior = fleet.prior_for(evidence, config)
    posterior = posterior_of(evidence, prior)
    return Standing(
        evidence=evidence,
        prior_mean_r=prior.mean_r,
        posterior_mean_r=posterior.mean_r,
        posterior_lower_r=posterior.quantile_r(config.lower_bound_quantile),
        probability_positive=posterior.probability_positive,
        drawdown_penalty_r=evidence.drawdown_r / config.drawdown_recovery_trades,
        selection_penalty_r=config.selection_penalty_fraction * luck * posterior.scale_r,
    )
