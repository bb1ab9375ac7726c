"""Equity and drawdown over the last days, with what was in force as bands, and the options that draw them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from msc_authority.app.modes import ModeSpan
from msc_authority.app.trace import EquityTrace, TracePoint
from msc_authority.core.policy import RiskMode, TradingState
from msc_authority.http.dashboard.policy_view import name_of
from msc_authority.http.dashboard.text import day_and_time, number, percent, signed

CHANGES_SHOWN = 60
SHOWN_AT_LEAST = timedelta(hours=1)
_TIMES = {"year": "{yyyy}", "month": "{d} {MMM}", "day": "{d} {MMM}", "hour": "{HH}:{mm}", "minute": "{HH}:{mm}"}
_MARK = {RiskMode.DEFENSIVE: "path://M0,0 L10,0 L5,9 Z", RiskMode.NORMAL: "circle", RiskMode.AGGRESSIVE: "triangle"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One mode, from one change of it to the next. Instants are milliseconds since 1970."""

    start: int
    end: int
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One publication of a policy, at the height of the equity."""

    at: int
    equity: float
    name: str
    mode: RiskMode
    trading_state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is drawn. No points: there is nothing to draw yet."""

    points: tuple[tuple[int, float, float | None], ...] = ()
    bands: tuple[Band, ...] = ()
    changes: tuple[Change, ...] = ()
    summary: str = ""


def chart(trace: EquityTrace, spans: Sequence[ModeSpan], now: datetime) -> Chart:
    """Returns what is to be drawn as of `now`."""
    points = trace.points
    if not points:
        return Chart()
    start, end = points[0].at, max(points[-1].at, points[0].at + SHOWN_AT_LEAST)
    end = max(end, *(span.since for span in spans if span.since <= now), points[-1].at)
    return Chart(
        points=tuple((_ms(point.at), round(point.equity, 2), _rounded(point.drawdown_pct)) for point in points),
        bands=bands(spans, start, end),
        changes=_changes(points, spans, start),
        summary=summary(points),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def bands(spans: Sequence[ModeSpan], start: datetime, end: datetime) -> tuple[Band, ...]:
    """Returns the mode over time within two instants; revisions of the same mode are one band."""
    starts = [*spans[:1], *(span for before, span in pairwise(spans) if before.risk_mode is not span.risk_mode)]
    edges = [*(min(end, max(start, span.since)) for span in starts), end]
    return tuple(
        Band(start=_ms(since), end=_ms(until), mode=span.risk_mode.name)
        for span, (since, until) in zip(starts, pairwise(edges), strict=True)
        if until > since
    )


def _changes(points: Sequence[TracePoint], spans: Sequence[ModeSpan], start: datetime) -> tuple[Change, ...]:
    instants = [point.at for point in points]
    shown = [span for span in spans if span.since >= start][-CHANGES_SHOWN:]
    return tuple(
        Change(
            at=_ms(span.since),
            equity=round(points[max(0, bisect_right(instants, span.since) - 1)].equity, 2),
            name=name_of(span.ref),
            mode=span.risk_mode,
            trading_state=span.trading_state.name,
        )
        for span in shown
    )


def summary(points: Sequence[TracePoint]) -> str:
    """Returns the chart in a sentence."""
    first, last = points[0], points[-1]
    change = percent((last.equity - first.equity) / first.equity, 2) if first.equity > 0 else "unknown"
    known = [point for point in points if point.drawdown_pct is not None]
    worst = max(known, key=lambda point: point.drawdown_pct or 0.0, default=None)
    falls = ""
    if worst is not None:
        falls = (
            f" Drawdown now {number(last.drawdown_pct)} %,"
            f" at worst {number(worst.drawdown_pct)} % on {day_and_time(worst.at)}."
        )
    return (
        f"Equity {number(last.equity)}, {signed(last.equity - first.equity)} ({change})"
        f" since {day_and_time(first.at)}.{falls}"
    )


def options(drawn: Chart, drawdown_line_pct: float | None) -> dict[str, object]:
    """Returns the options of ECharts. A colour `@name` is one of the page's, in the theme that is on."""
    return {
        "animation": False,
        "useUTC": True,
        "textStyle": {"fontFamily": "inherit", "color": "@muted"},
        "axisPointer": {"link": [{"xAxisIndex": "all"}], "lineStyle": {"color": "@muted"}},
        "tooltip": {"trigger": "axis", "confine": True},
        "grid": [
            {"left": 64, "right": 12, "top": 16, "bottom": "37%"},
            {"left": 64, "right": 12, "top": "70%", "bottom": 28},
        ],
        "xAxis": [_time_axis(0, labels=False), _time_axis(1, labels=True)],
        "yAxis": [
            {**_value_axis(0, ""), "boundaryGap": ["4%", "16%"]},
            {**_value_axis(1, " %"), "inverse": True, "min": 0, "splitNumber": 2},
        ],
        "series": [_equity_series(drawn), _drawdown_series(drawn, drawdown_line_pct), _change_series(drawn)],
    }


def _time_axis(index: int, *, labels: bool) -> dict[str, object]:
    return {
        "type": "time",
        "gridIndex": index,
        "axisLine": {"lineStyle": {"color": "@border"}},
        "axisTick": {"show": False},
        "axisLabel": {"show": labels, "color": "@muted", "hideOverlap": True, "formatter": _TIMES},
        "splitLine": {"show": False},
    }


def _value_axis(index: int, unit: str) -> dict[str, object]:
    return {
        "type": "value",
        "gridIndex": index,
        "scale": True,
        "splitNumber": 4,
        "axisLabel": {"color": "@muted", "unit": unit},
        "splitLine": {"lineStyle": {"color": "@border"}},
    }


def _equity_series(drawn: Chart) -> dict[str, object]:
    return {
        "name": "Equity",
        "type": "line",
        "data": [[at, equity] for at, equity, _ in drawn.points],
        "showSymbol": False,
        "lineStyle": {"width": 1.75, "color": "@text"},
        "itemStyle": {"color": "@text"},
        "markArea": {"silent": True, "data": [_band(band) for band in drawn.bands]},
        "z": 3,
    }


def _band(band: Band) -> list[dict[str, object]]:
    mode = band.mode.lower()
    label = {"position": "insideTop", "color": f"@{mode}", "fontSize": 11, "fontWeight": 600}
    name = band.mode.capitalize()
    return [
        {"xAxis": band.start, "name": name, "itemStyle": {"color": f"@{mode}-band"}, "label": label},
        {"xAxis": band.end},
    ]


def _drawdown_series(drawn: Chart, line_pct: float | None) -> dict[str, object]:
    line = {
        "silent": True,
        "symbol": "none",
        "lineStyle": {"color": "@bad", "type": "dashed", "width": 1},
        "label": {"show": True, "position": "insideStartBottom", "color": "@bad", "formatter": "line {c} %"},
        "data": [{"yAxis": line_pct}],
    }
    return {
        "name": "Drawdown",
        "type": "line",
        "unit": " %",
        "xAxisIndex": 1,
        "yAxisIndex": 1,
        "data": [[at, drawdown] for at, _, drawdown in drawn.points],
        "showSymbol": False,
        "lineStyle": {"width": 1.25, "color": "@bad"},
        "itemStyle": {"color": "@bad"},
        "areaStyle": {"color": "@bad", "opacity": 0.12},
        "markLine": line if line_pct is not None and _reaches(drawn, line_pct / 2) else {"data": []},
    }


def _reaches(drawn: Chart, drawdown_pct: float) -> bool:
    # The axis always shows its lines: one far away would press the drawdown flat.
    return any(drawdown is not None and drawdown >= drawdown_pct for _, _, drawdown in drawn.points)


def _change_series(drawn: Chart) -> dict[str, object]:
    return {
        "name": "Policy",
        "type": "scatter",
        "data": [_change(change) for change in drawn.changes],
        "z": 5,
        "symbolSize": 9,
    }


def _change(change: Change) -> dict[str, object]:
    halted = "" if change.trading_state == TradingState.ACTIVE.name else f", {change.trading_state}"
    return {
        "value": [change.at, change.equity],
        "name": f"{change.name} {change.mode.name}{halted}",
        "symbol": _MARK[change.mode],
        "itemStyle": {"color": f"@{change.mode.name.lower()}", "borderColor": "@card", "borderWidth": 1},
    }


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
