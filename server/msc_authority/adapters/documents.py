"""Decided values as JSON documents and back, without loss: instants and decimals as text, enums by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import TypeVar

from msc_authority.adapters.instants import instant_from, text_of
from msc_authority.core.evaluation import HealthMetric, StrategyRanking, StrategyTransition, Verdict
from msc_authority.core.policy import (
    FieldChange,
    Limits,
    PolicyContent,
    PolicyMetrics,
    Reason,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
)

T = TypeVar("T")
_KEPT_AS_THEY_ARE = frozenset({str, int, bool, type(None)})


def document_of(value: object) -> object:
    """The JSON document of a frozen value or of a tuple of them.

    Raises:
        ValueError: a number is not finite, or an instant has no time zone.
        TypeError: a value of a kind that no document holds.
    """
    if (kind := type(value)) in _KEPT_AS_THEY_ARE:
        return value
    return _document_maker(kind)(value)  # type: ignore[arg-type]  # a class can be hashed


@cache
def _document_maker(kind: type[object]) -> Callable[[object], object]:
    # Found out once for each kind: a verdict holds hundreds of values, and all of them are kept at every evaluation.
    # An enum may be a number or a text, too.
    for held, maker in _MAKERS:
        if issubclass(kind, held):
            return maker
    if is_dataclass(kind):
        return _maker_of_fields(tuple(field.name for field in fields(kind)))
    return _refused


def _maker_of_fields(names: tuple[str, ...]) -> Callable[[object], object]:
    values_of = attrgetter(*names)

    def make(value: object) -> object:
        # Most parts are kept as they are: for those a call would cost more than all else.
        return {
            name: part if type(part) in _KEPT_AS_THEY_ARE else document_of(part)
            for name, part in zip(names, values_of(value), strict=True)
        }

    return make


def _refused(value: object) -> object:
    raise TypeError(f"a {type(value).__name__} cannot be kept as JSON")


def _finite(value: float | Decimal) -> float | str:
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number to keep: unknown is None")
    # Plus zero makes -0.0 a 0.0: SQLite keeps no negative zero, and an etag would tell the two apart.
    return value + 0.0 if isinstance(value, float) else format(value, "f")


_MAKERS: tuple[tuple[type, Callable[..., object]], ...] = (
    (Enum, lambda member: member.name),
    (float, _finite),
    (Decimal, _finite),
    (int, lambda number: number),
    (str, lambda text: text),
    (datetime, text_of),
    (tuple, lambda items: [document_of(item) for item in items]),
)


class Fields:
    """Typed reading of one document, by field name. Each read raises ValueError that names the field."""

    def __init__(self, document: object) -> None:
        if not isinstance(document, Mapping):
            raise ValueError(f"expected an object, found {type(document).__name__}")
        self._document: Mapping[str, object] = document

    def text(self, name: str) -> str:
        """Text."""
        return self._read(name, str)

    def flag(self, name: str) -> bool:
        """True or false."""
        return self._read(name, bool)

    def count(self, name: str) -> int:
        """A whole number."""
        return self._read(name, int)

    def count_or_none(self, name: str) -> int | None:
        """A whole number, or None."""
        return None if self._absent(name) else self.count(name)

    def number(self, name: str) -> float:
        """A number; JSON does not tell 1 from 1.0, so it is made a float here."""
        value = self._document.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        raise ValueError(f"{name}: expected a number, found {value!r}")

    def number_or_none(self, name: str) -> float | None:
        """A number, or None."""
        return None if self._absent(name) else self.number(name)

    def decimal(self, name: str) -> Decimal:
        """An exact number kept as text."""
        return Decimal(self.text(name))

    def instant(self, name: str) -> datetime:
        """An instant."""
        return instant_from(self.text(name))

    def instant_or_none(self, name: str) -> datetime | None:
        """An instant, or None."""
        return None if self._absent(name) else self.instant(name)

    def mode(self, name: str) -> RiskMode:
        """A risk mode."""
        return RiskMode[self.text(name)]

    def mode_or_none(self, name: str) -> RiskMode | None:
        """A risk mode, or None."""
        return None if self._absent(name) else self.mode(name)

    def state(self, name: str) -> StrategyState:
        """A strategy's state."""
        return StrategyState[self.text(name)]

    def state_or_none(self, name: str) -> StrategyState | None:
        """A strategy's state, or None."""
        return None if self._absent(name) else self.state(name)

    def part(self, name: str) -> Fields:
        """A document inside this one."""
        return Fields(self._document.get(name))

    def parts(self, name: str) -> list[Fields]:
        """A list of documents inside this one."""
        return [Fields(item) for item in self._read(name, list)]

    def _absent(self, name: str) -> bool:
        return self._document.get(name) is None

    def _read(self, name: str, kind: type[T]) -> T:
        value = self._document.get(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ValueError(f"{name}: expected {kind.__name__}, found {value!r}")
        return value


def reason_from(doc: Fields) -> Reason:
    """The reason in a document."""
    return Reason(
        code=doc.text("code"),
        text=doc.text("text"),
        metric=doc.text("metric"),
        value=doc.number_or_none("value"),
        threshold=doc.number_or_none("threshold"),
    )


def change_from(doc: Fields) -> FieldChange:
    """The field change in a document."""
    return FieldChange(field=doc.text("field"), before=doc.text("before"), after=doc.text("after"))


def grant_from(doc: Fields) -> StrategyGrant:
    """The grant in a document."""
    return StrategyGrant(
        strategy_id=doc.text("strategy_id"),
        state=doc.state("state"),
        risk_multiplier=doc.number("risk_multiplier"),
        max_positions=doc.count("max_positions"),
        max_daily_trades_fraction=doc.number("max_daily_trades_fraction"),
    )


def content_from(doc: Fields) -> PolicyContent:
    """The policy content in a document."""
    return PolicyContent(
        risk_mode=doc.mode("risk_mode"),
        trading_state=TradingState[doc.text("trading_state")],
        limits=_limits_from(doc.part("limits")),
        grants=tuple(map(grant_from, doc.parts("grants"))),
        metrics=_metrics_from(doc.part("metrics")),
        reasons=tuple(map(reason_from, doc.parts("reasons"))),
        author=doc.text("author"),
        rollback_of=doc.count("rollback_of"),
    )


def verdict_from(doc: Fields) -> Verdict:
    """The verdict in a document."""
    return Verdict(
        as_of=doc.instant("as_of"),
        system_health=SystemHealth[doc.text("system_health")],
        warning_points=doc.count("warning_points"),
        mode_before=doc.mode_or_none("mode_before"),
        mode_target=doc.mode("mode_target"),
        mode_after=doc.mode("mode_after"),
        metrics=tuple(map(_health_metric_from, doc.parts("metrics"))),
        reasons=tuple(map(reason_from, doc.parts("reasons"))),
        candidate=content_from(doc.part("candidate")),
        strategies=tuple(map(ranking_from, doc.parts("strategies"))),
        transitions=tuple(map(_transition_from, doc.parts("transitions"))),
    )


def ranking_from(doc: Fields) -> StrategyRanking:
    """The ranking in a document."""
    return StrategyRanking(
        strategy_id=doc.text("strategy_id"),
        rank=doc.count("rank"),
        state=doc.state("state"),
        state_since=doc.instant("state_since"),
        allowed=doc.flag("allowed"),
        score=doc.number("score"),
        posterior_lower_r=doc.number("posterior_lower_r"),
        posterior_mean_r=doc.number("posterior_mean_r"),
        drawdown_penalty_r=doc.number("drawdown_penalty_r"),
        selection_penalty_r=doc.number("selection_penalty_r"),
        probability_positive=doc.number("probability_positive"),
        prior_mean_r=doc.number("prior_mean_r"),
        effective_n=doc.number("effective_n"),
        live_trades=doc.count("live_trades"),
        shadow_trades=doc.count("shadow_trades"),
        winrate_fraction=doc.number_or_none("winrate_fraction"),
        net_pnl=doc.decimal("net_pnl"),
        drawdown_r=doc.number("drawdown_r"),
        fallback_fraction=doc.number("fallback_fraction"),
        last_trade_at=doc.instant_or_none("last_trade_at"),
        reason=reason_from(doc.part("reason")),
    )


def _limits_from(doc: Fields) -> Limits:
    return Limits(
        max_risk_per_trade=doc.number("max_risk_per_trade"),
        global_min_confidence=doc.number("global_min_confidence"),
        max_positions=doc.count("max_positions"),
        max_daily_trades=doc.count("max_daily_trades"),
    )


def _metrics_from(doc: Fields) -> PolicyMetrics:
    return PolicyMetrics(
        system_drawdown=doc.number_or_none("system_drawdown"),
        global_winrate=doc.number_or_none("global_winrate"),
        equity_slope=doc.number_or_none("equity_slope"),
        system_health=SystemHealth[doc.text("system_health")],
        trades_n=doc.count_or_none("trades_n"),
        equity_source=doc.text("equity_source"),
    )


def _health_metric_from(doc: Fields) -> HealthMetric:
    return HealthMetric(
        name=doc.text("name"),
        value=doc.number_or_none("value"),
        threshold=doc.number_or_none("threshold"),
        margin=doc.number_or_none("margin"),
        interval_low=doc.number_or_none("interval_low"),
        interval_high=doc.number_or_none("interval_high"),
        sample_size=doc.count("sample_size"),
        window=doc.text("window"),
        source=doc.text("source"),
        age_s=doc.number_or_none("age_s"),
        warning_points=doc.count("warning_points"),
    )


def _transition_from(doc: Fields) -> StrategyTransition:
    return StrategyTransition(
        strategy_id=doc.text("strategy_id"),
        before=doc.state_or_none("before"),
        after=doc.state("after"),
        at=doc.instant("at"),
        reason=reason_from(doc.part("reason")),
    )
