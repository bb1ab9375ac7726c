"""The page as it is sent: each section drawn once, for everybody who looks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from msc_authority.http.dashboard.chart_view import options
from msc_authority.http.dashboard.render import render
from msc_authority.http.dashboard.view import View, changed_sections

DRAWN = (
    "headline",
    "limits",
    "schedule",
    "alerts",
    "overrides",
    "chart",
    "health",
    "strategies",
    "activity",
    "fleet",
    "shares",
    "history",
)
"""The sections that are HTML."""
_OF_CHART = frozenset({"chart", "drawdown_line_pct"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A view and what it looks like. `operable` are the overrides as operators have them.

    `chart` are the options of ECharts as JSON: written once, not for each page.
    """

    view: View
    html: Mapping[str, str]
    operable: str
    chart: str


def draw(view: View, before: Screen | None) -> tuple[Screen, frozenset[str]]:
    """Returns the screen and which sections changed. What did not change is not drawn again."""
    changed = changed_sections(before.view if before else None, view)
    html = {
        name: render(name, getattr(view, name)) if before is None or name in changed else before.html[name]
        for name in DRAWN
    }
    same_chart = before is not None and not changed & _OF_CHART
    chart = before.chart if before and same_chart else _json(options(view.chart, view.drawdown_line_pct))
    same_overrides = before is not None and "overrides" not in changed
    operable = before.operable if before and same_overrides else _operable(view)
    return Screen(view=view, html=html, operable=operable, chart=chart), changed


def _operable(view: View) -> str:
    return render("overrides", replace(view.overrides, operable=True))


def _json(value: dict[str, object]) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
