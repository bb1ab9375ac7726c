"""The few elements the page is made of, each with its script in static/."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from nicegui import ui
from nicegui.element import Element

from msc_authority.http.dashboard.desk import Done, Looked, Unsure
from msc_authority.http.dashboard.operate_form import ACTIONS, INPUTS
from msc_authority.http.dashboard.override_view import Offers
from msc_authority.http.dashboard.render import render
from msc_authority.http.dashboard.view import Pulse
from msc_authority.http.dashboard.what_if import Field, Refused


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


class OperateForm(Element, component="static/operate.js"):
    """What an operator does. Emits `look` with what was typed, and `confirm` with the number of what was looked at."""

    def __init__(self, offers: Offers, *, asks_who: bool) -> None:
        """`asks_who`: nobody is logged in, so a note on who asks may be typed."""
        super().__init__()
        self._answers = 0
        self._props.update(
            actions=[asdict(action) for action in ACTIONS],
            inputs=[asdict(one) for one in INPUTS],
            asks_who=asks_who,
            busy=False,
            answer={"number": 0},
        )
        self.offer(offers)

    def offer(self, offers: Offers) -> None:
        """Changes what there is to choose from."""
        self._props["offers"] = {name: [asdict(one) for one in found] for name, found in offers.by_action.items()}
        self.update()

    def wait(self) -> None:
        """Says that it is being looked at, or done."""
        self._props["busy"] = True
        self.update()

    def show(self, answer: Looked | Done | Unsure | Refused) -> None:
        """Shows what became of it."""
        self._answers += 1
        self._props.update(busy=False, answer={"number": self._answers, **_told(answer)})
        self.update()


def _told(answer: Looked | Done | Unsure | Refused) -> dict[str, object]:
    match answer:
        case Done():
            return {"said": answer.said, "done": True}
        case Refused():
            return {"said": answer.text, "wrong": True, "errors": dict(answer.errors)}
        case Looked() | Unsure():
            preview = {
                "number": answer.number,
                "html": render("prospect", answer.prospect),
                "confirm": answer.prospect.confirm,
                "grave": answer.prospect.grave,
            }
            return {"said": answer.said, "wrong": isinstance(answer, Unsure), "preview": preview}
