"""What the grade is judged by, each number beside its line; and the time in each mode beside its target."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from msc_authority.app.modes import HISTORY
from msc_authority.app.observation import ModeShares
from msc_authority.core.evaluation import HealthMetric, SuppliedMetrics
from msc_authority.core.policy import RiskMode
from msc_authority.http.dashboard.facts import Facts
from msc_authority.http.dashboard.policy_view import Instant, instant
from msc_authority.http.dashboard.text import UNKNOWN, number, percent, plural, signed, span


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """How a metric reads. `room` is the distance from the line at which its bar is full; 0: only the side matters."""

    label: str
    unit: str
    digits: int
    room: float
    factor: float = 1.0
    at_least: bool = False


_KINDS = {
    "drawdown_pct": _Kind(label="Drawdown", unit=" %", digits=2, room=3.0),
    "winrate_fraction": _Kind(label="Win rate", unit=" %", digits=1, room=0.2, factor=100.0, at_least=True),
    "slope_pct_per_day": _Kind(label="Equity slope", unit=" %/d", digits=3, room=1.0, at_least=True),
    "expectancy": _Kind(label="Expectancy", unit=" a trade", digits=2, room=0.0, at_least=True),
    "loss_streak": _Kind(label="Loss streak", unit="", digits=0, room=5.0),
    "days_without_profit": _Kind(label="Days without profit", unit=" d", digits=1, room=3.0),
    "volatility_ratio": _Kind(label="Volatility", unit=" × median", digits=2, room=1.0),
    "hard_drawdown_pct": _Kind(label="Drawdown since reset", unit=" %", digits=2, room=15.0),
    "full_drawdown_pct": _Kind(label="Full drawdown", unit=" %", digits=2, room=3.0),
    "max_drawdown_pct": _Kind(label="Worst drawdown", unit=" %", digits=2, room=3.0),
    "max_drawdown_money": _Kind(label="Worst drawdown", unit=" in money", digits=2, room=1.0),
    "nav": _Kind(label="NAV", unit="", digits=4, room=1.0),
    "equity": _Kind(label="Equity", unit="", digits=2, room=1.0),
    "winrate_unfaded_fraction": _Kind(label="Win rate, unfaded", unit=" %", digits=1, room=1.0, factor=100.0),
    "profit_factor": _Kind(label="Profit factor", unit="", digits=2, room=1.0),
    "payoff_ratio": _Kind(label="Payoff ratio", unit="", digits=2, room=1.0),
    "sqn": _Kind(label="SQN", unit="", digits=2, room=1.0),
    "sharpe_ratio": _Kind(label="Sharpe ratio", unit="", digits=2, room=1.0),
    "sortino_ratio": _Kind(label="Sortino ratio", unit="", digits=2, room=1.0),
    "calmar_ratio": _Kind(label="Calmar ratio", unit="", digits=2, room=1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One metric beside its line. `room` is from -1 (far over the line) over 0 (on it) to 1 (far from it)."""

    name: str
    label: str
    value: str
    line: str
    margin: str
    room: float | None
    verdict: str
    points: str
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One metric that has no line."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The judged metrics, and what else was measured, as of the newest evaluation."""

    as_of: Instant | None = None
    grade: str = ""
    target: str = ""
    gauges: tuple[Gauge, ...] = ()
    measures: tuple[Measure, ...] = ()


def health(facts: Facts) -> Health:
    """Returns what the newest evaluation measured."""
    entry = facts.kept.evaluations.latest
    if entry is None or entry.verdict is None:
        return Health()
    verdict = entry.verdict
    judged = tuple(gauge(metric) for metric in verdict.metrics if metric.threshold is not None)
    others = tuple(_measure(metric) for metric in verdict.metrics if metric.threshold is None)
    return Health(
        as_of=instant(verdict.as_of),
        grade=str(verdict.system_health),
        target=verdict.mode_target.name,
        gauges=judged,
        measures=others,
    )


def measured(facts: Facts) -> tuple[tuple[str, str], ...]:
    """Returns what the newest evaluation measured, as it could be typed into the what-if panel."""
    entry = facts.kept.evaluations.latest
    metrics = {metric.name: metric for metric in entry.verdict.metrics} if entry and entry.verdict else {}
    names = [field.name for field in fields(SuppliedMetrics) if field.name in metrics]
    typed = [(name, f"{metrics[name].value:.6g}") for name in names if metrics[name].value is not None]
    winrate = metrics.get("winrate_fraction")
    if winrate is not None and winrate.value is not None:
        typed.append(("trades_n", str(winrate.sample_size)))
    return tuple(typed)


def gauge(metric: HealthMetric) -> Gauge:
    """Returns one metric beside its line."""
    kind = _kind(metric.name)
    relation = "at least" if kind.at_least else "below"
    return Gauge(
        name=metric.name,
        label=kind.label,
        value=_value(metric.value, kind),
        line=f"{relation} {_value(metric.threshold, kind)}",
        margin=_margin(metric, kind),
        room=_room(metric, kind),
        verdict=_verdict(metric, kind),
        points=plural(metric.warning_points, "point") if metric.warning_points else "",
        basis=_basis(metric),
    )


def _kind(name: str) -> _Kind:
    return _KINDS.get(name) or _Kind(label=name, unit="", digits=2, room=1.0)


def _value(value: float | None, kind: _Kind) -> str:
    return UNKNOWN if value is None else number(value * kind.factor, kind.digits) + kind.unit


def _margin(metric: HealthMetric, kind: _Kind) -> str:
    return "" if metric.margin is None else signed(metric.margin * kind.factor, kind.digits)


def _room(metric: HealthMetric, kind: _Kind) -> float | None:
    if metric.margin is None:
        return None
    if kind.room == 0.0:
        return 0.5 if metric.margin > 0 else -0.5 if metric.margin < 0 else 0.0
    return round(max(-1.0, min(1.0, metric.margin / kind.room)), 3)


def _verdict(metric: HealthMetric, kind: _Kind) -> str:
    if metric.margin is None:
        return UNKNOWN
    over = metric.margin < 0 if kind.at_least else metric.margin <= 0
    return "over the line" if over or metric.warning_points else "in order"


def _basis(metric: HealthMetric) -> str:
    interval = ""
    if metric.interval_low is not None and metric.interval_high is not None:
        kind = _kind(metric.name)
        low, high = (number(end * kind.factor, kind.digits) for end in (metric.interval_low, metric.interval_high))
        interval = f"95 %: {low} to {high}{kind.unit}"
    age = f"newest {span(metric.age_s)} old" if metric.age_s is not None else ""
    parts = (f"n = {metric.sample_size:,}", metric.window, interval, metric.source, age)
    return " · ".join(part for part in parts if part)


def _measure(metric: HealthMetric) -> Measure:
    kind = _kind(metric.name)
    return Measure(label=kind.label, value=_value(metric.value, kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeShare:
    """Share of the time in one mode beside its target, as fractions. `share` None: unknown."""

    mode: str
    share: float | None
    text: str
    low: float
    high: float
    target: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesView:
    """The share of each mode since an instant; None: over as long as is looked back."""

    rows: tuple[ModeShare, ...]
    since: Instant | None = None


_TARGETS = (
    (RiskMode.DEFENSIVE, 0.0, 0.20, "below 20 %"),
    (RiskMode.NORMAL, 0.60, 0.70, "60 to 70 %"),
    (RiskMode.AGGRESSIVE, 0.10, 0.20, "10 to 20 %"),
)


def mode_shares(shares: ModeShares, now: datetime) -> SharesView:
    """Returns the share of each mode beside its target, as of `now`."""
    rows = tuple(_share(shares.fraction(mode), mode, low, high, target) for mode, low, high, target in _TARGETS)
    # A database that is younger than that has its first policy for a beginning.
    return SharesView(rows=rows, since=instant(shares.since) if now - shares.since < HISTORY else None)


def _share(share: float | None, mode: RiskMode, low: float, high: float, target: str) -> ModeShare:
    shown = None if share is None else round(share, 3)
    return ModeShare(
        mode=mode.name,
        share=shown,
        text=percent(shown),
        low=low,
        high=high,
        target=target,
        verdict=_share_verdict(shown, low, high),
    )


def _share_verdict(share: float | None, low: float, high: float) -> str:
    if share is None:
        return UNKNOWN
    if share < low:
        return "less than aimed at"
    # The first target ends below its number, the others with it.
    return "more than aimed at" if share > high or (low == 0.0 and share >= high) else "on target"
