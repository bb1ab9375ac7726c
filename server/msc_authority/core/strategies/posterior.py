"""What is believed about a strategy's mean R: its own evidence, drawn toward the rest of the fleet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from msc_authority.core.strategies.config import StrategyConfig
from msc_authority.core.strategies.distributions import student_t_probability, student_t_quantile
from msc_authority.core.strategies.evidence import StrategyEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Belief before the strategy's own trades: as if `weight_trades` trades had shown this mean and variance of R."""

    mean_r: float
    variance_r2: float
    weight_trades: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """Student t of the mean R: `mean_r` + `scale_r` x t with `freedom` degrees of freedom."""

    mean_r: float
    scale_r: float
    freedom: float

    @property
    def probability_positive(self) -> float:
        """P(mean R > 0), as a fraction."""
        return student_t_probability(self.freedom, self.mean_r / self.scale_r)

    def quantile_r(self, fraction: float) -> float:
        """The mean R that the true one is below with probability `fraction`."""
        return self.mean_r + self.scale_r * student_t_quantile(self.freedom, fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Pooled evidence of all strategies, from which each strategy's prior is drawn without its own part.

    A prior worth k trades says that strategies differ with a variance of sigma squared / k around the fleet's mean.
    The best estimate of that mean weighs each strategy's own by w / (w + k), w being what its trades are worth:
    DerSimonian and Laird, "Meta-analysis in clinical trials" (1986). So a strategy that trades often has one vote,
    not one a trade.
    """

    votes: float
    sum_of_votes_r: float
    weight: float
    scatter_r2: float

    @classmethod
    def of(cls, evidence: Iterable[StrategyEvidence], config: StrategyConfig) -> Fleet:
        """Sums over the fleet."""
        members = tuple(evidence)
        votes = [_vote_of(member, config) for member in members]
        return cls(
            votes=sum(votes),
            sum_of_votes_r=sum(vote * (one.mean_r or 0.0) for vote, one in zip(votes, members, strict=True)),
            weight=sum(member.weight for member in members),
            scatter_r2=sum(member.scatter_r2 for member in members),
        )

    def prior_for(self, member: StrategyEvidence, config: StrategyConfig) -> Prior:
        """The others' mean and variance of R, drawn toward no edge and `prior_sd_r` while the others know little.

        Leaving the strategy itself out keeps its trades from counting twice: a fleet of one believes in no edge. No
        edge has one full vote of its own.
        """
        vote, pull = _vote_of(member, config), config.prior_weight_trades
        others = max(0.0, self.weight - member.weight)
        scatter = max(0.0, self.scatter_r2 - member.scatter_r2)
        return Prior(
            mean_r=(self.sum_of_votes_r - vote * (member.mean_r or 0.0)) / (max(0.0, self.votes - vote) + 1.0),
            variance_r2=(scatter + pull * config.prior_sd_r**2) / (others + pull),
            weight_trades=pull,
        )


def _vote_of(member: StrategyEvidence, config: StrategyConfig) -> float:
    return member.weight / (member.weight + config.prior_weight_trades)


def posterior_of(evidence: StrategyEvidence, prior: Prior) -> Posterior:
    """The normal-inverse-gamma update of `prior` by weighted evidence, each trade's likelihood raised to its weight.

    Update: K. Murphy, "Conjugate Bayesian analysis of the Gaussian distribution" (2007), section 6; weights as
    powers: Ibrahim and Chen, "Power prior distributions for regression models" (2000). The prior counts as
    `weight_trades` observations of the mean and of the variance alike.
    """
    weight, pull = evidence.weight, prior.weight_trades
    total = weight + pull
    surprise = (evidence.mean_r or 0.0) - prior.mean_r if weight else 0.0
    scatter = pull * prior.variance_r2 + evidence.scatter_r2 + pull * weight / total * surprise * surprise
    return Posterior(
        mean_r=(pull * prior.mean_r + evidence.sum_r) / total,
        scale_r=sqrt(scatter / total / total),
        freedom=total,
    )
