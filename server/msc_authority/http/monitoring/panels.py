"""Panels of a Grafana dashboard as values, and where they go on its grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from msc_authority.http.metric_table import Metric, Unit

WIDTH = 24
"""Columns of Grafana's grid."""
SOURCE: dict[str, object] = {"type": "prometheus", "uid": "${datasource}"}


class Look(StrEnum):
    """How a panel shows its numbers, in the words of Grafana."""

    STAT = "stat"
    LINES = "timeseries"
    BARS = "bargauge"
    STATES = "state-timeline"
    TABLE = "table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One expression, and what its series are called."""

    expr: str
    legend: str = ""
    unit: Unit | None = None
    """Its own unit, where it differs from the panel's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. From `bad_from` on, values are red; `zero_is_bad`: 0 is. `repeat` is a variable to repeat it for."""

    title: str
    text: str
    queries: tuple[Query, ...]
    look: Look = Look.LINES
    unit: Unit = Unit.COUNT
    width: int = 8
    height: int = 7
    bad_from: float | None = None
    zero_is_bad: bool = False
    stacked: bool = False
    names_only: bool = False
    repeat: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A heading and the panels under it."""

    title: str
    panels: tuple[Panel, ...]


def of(metric: Metric, *matchers: str) -> str:
    """Returns the selector of a metric on the instances that are chosen on the dashboard."""
    chosen = ", ".join(('instance=~"$instance"', *matchers))
    return f"{metric.name}{{{chosen}}}"


def laid_out(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Returns the panels as Grafana has them, row by row from the left, numbered from 1."""
    panels: list[dict[str, object]] = []
    top = 0
    for row in rows:
        grid: dict[str, object] = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        panels.append({"type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": grid})
        top += 1
        for panel, left, above in _placed(row.panels):
            panels.append({**_panel(panel), "gridPos": _grid(panel, left, top + above)})
        top += _height(row.panels)
    return [{"id": number, **panel} for number, panel in enumerate(panels, start=1)]


def _placed(panels: Sequence[Panel]) -> Iterator[tuple[Panel, int, int]]:
    left = above = tallest = 0
    for panel in panels:
        if left + panel.width > WIDTH:
            left, above, tallest = 0, above + tallest, 0
        yield panel, left, above
        left, tallest = left + panel.width, max(tallest, panel.height)


def _height(panels: Sequence[Panel]) -> int:
    return max((above + panel.height for panel, _, above in _placed(panels)), default=0)


def _grid(panel: Panel, left: int, top: int) -> dict[str, object]:
    return {"x": left, "y": top, "w": panel.width, "h": panel.height}


def _panel(panel: Panel) -> dict[str, object]:
    document: dict[str, object] = {
        "type": str(panel.look),
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "targets": [_target(panel, query, number) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(_overrides(panel))},
        "options": _options(panel),
    }
    if panel.look is Look.TABLE:
        hidden = {"Time": True, "Value": True}
        document["transformations"] = [{"id": "organize", "options": {"excludeByName": hidden}}]
    if panel.repeat:
        document |= {"repeat": panel.repeat, "repeatDirection": "h", "maxPerRow": WIDTH // panel.width}
    return document


def _target(panel: Panel, query: Query, number: int) -> dict[str, object]:
    now_only = panel.look in (Look.STAT, Look.BARS, Look.TABLE)
    return {
        "refId": chr(ord("A") + number),
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": now_only,
        "range": not now_only,
        "format": "table" if panel.look is Look.TABLE else "time_series",
    }


def _defaults(panel: Panel) -> dict[str, object]:
    defaults: dict[str, object] = {"unit": str(panel.unit), "thresholds": _thresholds(panel), "noValue": "unknown"}
    coloured = panel.bad_from is not None or panel.zero_is_bad
    if panel.look is Look.LINES:
        defaults["custom"] = {
            "fillOpacity": 30 if panel.stacked else 5,
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "line" if coloured else "off"},
        }
    elif panel.look is Look.STATES:
        texts = {"0": {"text": "–", "color": "transparent"}, "1": {"text": "in force", "color": "blue"}}
        defaults["mappings"] = [{"type": "value", "options": texts}]
    elif coloured:
        defaults["color"] = {"mode": "thresholds"}
    return defaults


def _thresholds(panel: Panel) -> dict[str, object]:
    steps: list[dict[str, object]] = [{"color": "red" if panel.zero_is_bad else "green", "value": None}]
    if panel.zero_is_bad:
        steps.append({"color": "green", "value": 1})
    if panel.bad_from is not None:
        steps.append({"color": "red", "value": panel.bad_from})
    return {"mode": "absolute", "steps": steps}


def _overrides(panel: Panel) -> Iterator[dict[str, object]]:
    for number, query in enumerate(panel.queries):
        if query.unit:
            yield {
                "matcher": {"id": "byFrameRefID", "options": chr(ord("A") + number)},
                "properties": [{"id": "unit", "value": str(query.unit)}],
            }


def _options(panel: Panel) -> dict[str, object]:
    if panel.look is Look.LINES:
        return {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    if panel.look in (Look.STAT, Look.BARS):
        text = {"textMode": "name" if panel.names_only else "auto", "colorMode": "value"}
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, **(text if panel.look is Look.STAT else {})}
    return {}
