"""The what-if panel: its fields, what was typed in them, and what the policy would be."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.policy import RiskMode, TradingState, changes_between
from msc_authority.http.dashboard.policy_view import (
    MODE_MEANING,
    STATE_MEANING,
    Diff,
    LimitsView,
    differences,
    limits_of,
    name_of,
)
from msc_authority.http.dashboard.text import plural

LONGEST_INPUT = 32
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One number that may be supplied. `suffix` follows it in a sentence; `whole`: a count."""

    name: str
    label: str
    unit: str
    example: str
    suffix: str = ""
    whole: bool = False


FIELDS = (
    Field(name="drawdown_pct", label="Drawdown", unit="percent", example="4.5", suffix=" %"),
    Field(name="winrate_fraction", label="Win rate", unit="fraction, 0 to 1", example="0.55"),
    Field(name="trades_n", label="Trades", unit="count behind the win rate", example="120", whole=True),
    Field(name="slope_pct_per_day", label="Equity slope", unit="percent a day", example="-0.2", suffix=" %/d"),
    Field(name="loss_streak", label="Loss streak", unit="trades", example="3", whole=True),
    Field(name="days_without_profit", label="Days without profit", unit="days", example="1.5", suffix=" d"),
    Field(name="expectancy", label="Expectancy", unit="money a trade", example="12"),
    Field(name="volatility_ratio", label="Volatility", unit="times its median", example="1.2"),
)
_BY_NAME = {field.name: field for field in FIELDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What is wrong with the input: by field, and in all."""

    errors: Mapping[str, str]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The policy that would result, beside the one in force."""

    mode: str
    mode_meaning: str
    trading_state: str
    trading_meaning: str
    grade: str
    points: str
    limits: LimitsView
    diffs: tuple[Diff, ...]
    compared_with: str
    reasons: tuple[str, ...]
    supplied: str


def supplied_from(values: Mapping[str, object]) -> SuppliedMetrics | Refused:
    """Returns the metrics that were typed in, or what is wrong with them. An empty field is left out of account."""
    typed = {name: str(values.get(name, "")).strip() for name in _BY_NAME}
    filled = {name: text for name, text in typed.items() if text}
    if not filled:
        return Refused(errors={}, text="Fill in at least one number; what stays empty is left out of account.")
    numbers = {name: number_of(text, whole=_BY_NAME[name].whole) for name, text in filled.items()}
    errors = {name: problem for name, problem in numbers.items() if isinstance(problem, str)}
    if errors:
        return Refused(errors=errors, text=f"{plural(len(errors), 'field')} cannot be understood.")
    return _metrics(numbers)


def _metrics(numbers: Mapping[str, float | int | str]) -> SuppliedMetrics:
    def real(name: str) -> float | None:
        value = numbers.get(name)
        return None if value is None else float(value)

    def count(name: str) -> int | None:
        value = numbers.get(name)
        return None if value is None else int(value)

    return SuppliedMetrics(
        drawdown_pct=real("drawdown_pct"),
        winrate_fraction=real("winrate_fraction"),
        trades_n=count("trades_n"),
        slope_pct_per_day=real("slope_pct_per_day"),
        loss_streak=count("loss_streak"),
        days_without_profit=real("days_without_profit"),
        expectancy=real("expectancy"),
        volatility_ratio=real("volatility_ratio"),
    )


def number_of(text: str, *, whole: bool) -> float | int | str:
    """Returns the number that was typed, or in words why it is none."""
    if len(text) > LONGEST_INPUT or not _NUMBER.fullmatch(text):
        return "Must be a number with a decimal point, such as 1.5." if not whole else "Must be a whole number."
    value = float(text)
    if not math.isfinite(value):
        return "Must be a finite number."
    if whole and not value.is_integer():
        return "Must be a whole number."
    return int(value) if whole else value


def refused_by(field: str, problem: str) -> Refused:
    """Returns what the authority found wrong with a number."""
    label = _BY_NAME[field].label if field in _BY_NAME else field
    sentence = f"{problem[:1].upper()}{problem[1:]}." if problem else "Makes no sense."
    return Refused(errors={field: sentence}, text=f"{label} makes no sense.")


def judged(supplied: SuppliedMetrics, outcome: EvaluationOutcome) -> WhatIf:
    """Returns the policy that supplied metrics would lead to."""
    content, head, verdict = outcome.candidate, outcome.head, outcome.entry.verdict
    before = head.policy.content if head.policy else None
    return WhatIf(
        mode=content.risk_mode.name,
        mode_meaning=MODE_MEANING[RiskMode(content.risk_mode)],
        trading_state=content.trading_state.name,
        trading_meaning=STATE_MEANING[TradingState(content.trading_state)],
        grade=str(content.metrics.system_health),
        points=plural(verdict.warning_points, "warning point") if verdict else "",
        limits=limits_of(content),
        diffs=differences(changes_between(before, content)),
        compared_with=name_of(head.ref) if head.policy else "",
        reasons=tuple(reason.text for reason in content.reasons),
        supplied=_said(supplied),
    )


def _said(supplied: SuppliedMetrics) -> str:
    pairs = ((field, getattr(supplied, field.name)) for field in FIELDS)
    return ", ".join(f"{field.label.lower()} {value:g}{field.suffix}" for field, value in pairs if value is not None)
