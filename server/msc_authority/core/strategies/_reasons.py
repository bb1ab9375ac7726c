"""Sentences for people and codes for programs: why a strategy moves, stays, or has no seat."""

from __future__ import annotations

from msc_authority.core.policy import Reason, RiskMode
from msc_authority.core.strategies.ranking import Standing


def met(standing: Standing) -> Reason:
    evidence = standing.evidence
    return Reason(
        code="STRATEGY_NEW",
        text=f"seen for the first time, with {evidence.live_trades} live and {evidence.shadow_trades} shadow trades",
        metric="live_trades",
        value=float(evidence.live_trades),
    )


def probability_low(standing: Standing, line: float) -> Reason:
    return _by_probability("STRATEGY_PROBABILITY_LOW", f"{_belief(standing)}, below {line:.2f}", standing, line)


def evidence_stale(standing: Standing, line: float) -> Reason:
    weight = standing.evidence.weight
    return Reason(
        code="STRATEGY_EVIDENCE_STALE",
        text=f"its trades have aged to the worth of {weight:.2f} fresh ones, below {line:.2f}",
        metric="evidence_weight_trades",
        value=weight,
        threshold=line,
    )


def tried_anew(standing: Standing, line: float) -> Reason:
    weight = standing.evidence.weight
    return Reason(
        code="STRATEGY_TRIED_ANEW",
        text=f"its trades have aged to the worth of {weight:.2f} fresh ones, below {line:.2f}: as good as a new one",
        metric="evidence_weight_trades",
        value=weight,
        threshold=line,
    )


def shadowed(standing: Standing) -> Reason:
    return Reason(code="STRATEGY_SHADOWED", text=f"trades on paper to prove itself anew; {_belief(standing)}")


def shadow_passed(standing: Standing, trades: int, line: float) -> Reason:
    text = f"{trades} trades in shadow; {_belief(standing)}, at or above {line:.2f}"
    return _by_probability("STRATEGY_SHADOW_PASSED", text, standing, line)


def probation_passed(standing: Standing, trades: int, line: float, mode: RiskMode) -> Reason:
    text = f"{trades} live trades on probation; {_belief(standing)}, at or above {line:.2f} for {mode.name}"
    return _by_probability("STRATEGY_PROBATION_PASSED", text, standing, line)


def probation_failed(standing: Standing, trades: int, line: float, mode: RiskMode) -> Reason:
    needs = f"needs {line:.2f} for {mode.name} and a mean R of its own above 0"
    text = f"{trades} live trades on probation; {_belief(standing)}; {needs}"
    return _by_probability("STRATEGY_PROBATION_FAILED", text, standing, line)


def retired(note: str) -> Reason:
    return Reason(code="STRATEGY_RETIRED", text=f"retired by a person: {note}")


def reinstated(note: str) -> Reason:
    return Reason(code="STRATEGY_REINSTATED", text=f"reinstated by a person: {note}")


def no_seat(standing: Standing, seats: int, latest: Reason) -> Reason:
    return Reason(
        code="STRATEGY_NO_SEAT",
        text=f"the mode's {seats} seats went to better ones; score {standing.score:+.3f} R; {latest.text}",
        metric="strategies_at_most",
        value=None,
        threshold=float(seats),
    )


def _by_probability(code: str, text: str, standing: Standing, line: float) -> Reason:
    return Reason(
        code=code, text=text, metric="probability_positive", value=standing.probability_positive, threshold=line
    )


def _belief(standing: Standing) -> str:
    evidence = standing.evidence
    own = "none" if evidence.mean_r is None else f"{evidence.mean_r:+.3f}"
    return (
        f"P(mean R > 0) {standing.probability_positive:.3f} (own mean R {own}, worth {evidence.weight:.1f} trades, "
        f"posterior mean R {standing.posterior_mean_r:+.3f})"
    )
