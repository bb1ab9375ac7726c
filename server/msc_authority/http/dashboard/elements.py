"""The few elements the page is made of, each with its script in static/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from nicegui import ui
from nicegui.element import Element

from msc_authority.http.dashboard.view import Pulse
from msc_authority.http.dashboard.what_if import Field


class Section(Element, component="static/section.js"):
    """A part of the page as HTML. What is alike in new HTML stays as it is: focus, open details, scroll positions."""

    def __init__(self, html: str = "", *, tag: str = "section") -> None:
        """`html` has to be safe already."""
        super().__init__()
        self._props["tag"] = tag
        self._props["html"] = html

    def show(self, html: str) -> None:
        """Replaces the HTML."""
        self._props["html"] = html
        self.update()


class PulseElement(Element, component="static/pulse.js"):
    """When the values are from."""

    def __init__(self, pulse: Pulse) -> None:
        """Shows the first one."""
        super().__init__()
        self._props.update(asdict(pulse))

    def beat(self, pulse: Pulse) -> None:
        """Shows another one."""
        self._props.update(asdict(pulse))
        self.update()


class ThemeElement(Element, component="static/theme.js"):
    """Where the theme is chosen."""


class ChartElement(ui.echart, component="static/chart.js"):
    """A chart in the colours of the page. Its library is the one that NiceGUI brings."""

    def __init__(self, options: str, summary: str) -> None:
        """`options` are JSON; `summary` says the same in words."""
        super().__init__({})
        self._update_method = None
        self.draw(options, summary)

    def draw(self, options: str, summary: str) -> None:
        """Draws other options."""
        self._props["options"] = options
        self._props["summary"] = summary
        self.update()


class WhatIfForm(Element, component="static/what_if.js"):
    """The fields of the what-if panel. Emits `judge` with what was typed, and `clear`."""

    def __init__(self, fields: Sequence[Field], measured: Mapping[str, str]) -> None:
        """`measured` may be filled in."""
        super().__init__()
        self._props["fields"] = [asdict(field) for field in fields]
        self._props["measured"] = dict(measured)
        self.say("", {}, busy=False)

    def say(self, said: str, errors: Mapping[str, str], *, busy: bool) -> None:
        """Says what became of the input, in all and by field."""
        self._props.update(said=said, errors=dict(errors), busy=busy)
        self.update()

    def offer(self, measured: Mapping[str, str]) -> None:
        """Changes what may be filled in."""
        self._props["measured"] = dict(measured)
        self.update()
