"""One open page: its elements, what it is told, and what a person does on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nicegui import ui

from msc_authority.app.access import Kind, caller
from msc_authority.app.insight import Insight
from msc_authority.http.dashboard.asking import ask_what_if, evaluate_now
from msc_authority.http.dashboard.desk import Desk, may_operate
from msc_authority.http.dashboard.elements import (
    ChartElement,
    OperateForm,
    PulseElement,
    Section,
    ThemeElement,
    WhatIfForm,
)
from msc_authority.http.dashboard.render import render
from msc_authority.http.dashboard.screen import DRAWN, Screen
from msc_authority.http.dashboard.what_if import FIELDS, Refused

if TYPE_CHECKING:
    from nicegui.events import GenericEventArguments

TITLE = "Meta Strategy Controller"
_NAMED = frozenset({Kind.TOKEN, Kind.CERTIFICATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who looks, by the name of a token or certificate. `logged_in`: by a token that the browser keeps."""

    name: str
    logged_in: bool


class Page:
    """The elements of one page. Lives on the event loop of the pages."""

    def __init__(self, insight: Insight, screen: Screen, new_id: Callable[[], str], *, cookie: bool = False) -> None:
        """Builds the page as it is now, within the present client, for whoever asks.

        `new_id` names what an operator asks for. `cookie`: they came in by logging in, so they may log out.
        """
        self._insight = insight
        self._desk = Desk(insight, new_id) if may_operate() else None
        self._operate: OperateForm | None = None
        self._who, self._cookie = caller(), cookie
        self._sections: dict[str, Section] = {}
        self._title(screen)
        self._build(screen)

    def show(self, screen: Screen, changed: frozenset[str]) -> None:
        """Brings the sections that changed up to date."""
        for name in DRAWN:
            if name in changed:
                self._sections[name].show(self._html(screen, name))
        if "pulse" in changed:
            self._pulse.beat(screen.view.pulse)
        if changed & {"chart", "drawdown_line_pct"}:
            self._draw(screen)
        if self._operate is not None and "offers" in changed:
            self._operate.offer(screen.view.offers)
        if "measured" in changed:
            self._form.offer(dict(screen.view.measured))
        self._announce(screen, changed)

    def _html(self, screen: Screen, name: str) -> str:
        return screen.operable if name == "overrides" and self._desk is not None else screen.html[name]

    def _announce(self, screen: Screen, changed: frozenset[str]) -> None:
        if "headline" in changed:
            self._said_mode.show(render("said", screen.view.headline.announcement))
            self._title(screen)
        if "alerts" in changed:
            self._said_alerts.show(render("said", screen.view.alerts.announcement))

    def _title(self, screen: Screen) -> None:
        mode = screen.view.headline.mode
        ui.page_title(f"{mode} · {TITLE}" if mode else TITLE)

    def _draw(self, screen: Screen) -> None:
        self._chart.draw(screen.chart, screen.view.chart.summary)
        if screen.view.chart.points:
            self._chart.props(remove="hidden")
        else:
            self._chart.props("hidden")

    def _build(self, screen: Screen) -> None:
        Section('<a class="skip" href="#main">Skip to the values</a>', tag="div")
        with ui.element("header").classes("top"):
            Section(TITLE, tag="h1")
            self._pulse = PulseElement(screen.view.pulse)
            ThemeElement()
            self._build_who()
        Section(render("connection", None), tag="div").props("id=connection role=alert hidden")
        self._said_mode = Section(render("said", screen.view.headline.announcement), tag="p")
        self._said_alerts = Section(render("said", screen.view.alerts.announcement), tag="p")
        for said in (self._said_mode, self._said_alerts):
            said.classes("sr").props("role=status aria-live=polite")
        with ui.element("main").classes("grid").props("id=main tabindex=-1"):
            self._build_cards(screen)
        Section(render("foot", screen.view.server), tag="footer").classes("foot")

    def _build_cards(self, screen: Screen) -> None:
        self._section(screen, "headline", "c5")
        self._section(screen, "limits", "c4")
        with self._card("schedule", "c3"):
            self._sections["schedule"] = Section(screen.html["schedule"], tag="div")
            self._build_evaluate()
        self._section(screen, "alerts", "c12")
        self._section(screen, "overrides", "c12" if self._desk is None else "c4 wide")
        if self._desk is not None:
            with self._card("operate", "c8 wide"):
                self._build_operate(screen)
        with self._card("chart", "c8 chart-card"):
            self._sections["chart"] = Section(screen.html["chart"], tag="div")
            self._chart = ChartElement(screen.chart, screen.view.chart.summary)
            self._draw(screen)
        self._section(screen, "health", "c4")
        self._section(screen, "strategies", "c12")
        self._section(screen, "activity", "c5 wide")
        self._section(screen, "fleet", "c7 wide")
        self._section(screen, "shares", "c4")
        self._section(screen, "history", "c8")
        with self._card("what-if", "c12 what-if-panel"):
            self._build_what_if(screen)

    def _card(self, name: str, classes: str) -> ui.element:
        return ui.element("section").classes(f"card {classes}").props(f"aria-labelledby=h-{name}")

    def _section(self, screen: Screen, name: str, classes: str) -> None:
        section = Section(self._html(screen, name)).classes(f"card {classes}").props(f"aria-labelledby=h-{name}")
        self._sections[name] = section

    def _build_who(self) -> None:
        if self._who is not None and self._who.kind in _NAMED:
            who = Who(name=self._who.name, logged_in=self._cookie and self._who.kind is Kind.TOKEN)
            Section(render("who", who), tag="div").classes("who")

    def _build_operate(self, screen: Screen) -> None:
        Section("Operate", tag="h2").props("id=h-operate")
        asks_who = self._who is None or self._who.kind not in _NAMED
        self._operate = OperateForm(screen.view.offers, asks_who=asks_who)
        self._operate.on("look", self._look)
        self._operate.on("confirm", self._confirm)

    def _build_evaluate(self) -> None:
        self._button = (
            Section("Evaluate now", tag="button").classes("primary evaluate").props("type=button id=evaluate")
        )
        self._button.on("click", self._evaluate, [])
        self._said = Section("", tag="p").classes("said").props("role=status id=said")

    def _build_what_if(self, screen: Screen) -> None:
        Section("What if", tag="h2").props("id=h-what-if")
        Section(render("what_if_intro", None), tag="p").classes("mute intro")
        self._form = WhatIfForm(FIELDS, dict(screen.view.measured))
        self._form.on("judge", self._judge)
        self._form.on("clear", self._clear, [])
        self._result = Section("", tag="div").props('id=what-if-result aria-live=polite aria-label="Result"')

    async def _evaluate(self) -> None:
        self._button.props("disabled")
        self._said.show("Evaluating…")
        try:
            self._said.show(render("said", await evaluate_now(self._insight)))
        finally:
            self._button.props(remove="disabled")

    async def _look(self, event: GenericEventArguments) -> None:
        if self._desk is not None and self._operate is not None:
            self._operate.wait()
            self._operate.show(await self._desk.look(event.args if isinstance(event.args, dict) else {}))

    async def _confirm(self, event: GenericEventArguments) -> None:
        if self._desk is not None and self._operate is not None:
            self._operate.wait()
            self._operate.show(await self._desk.confirm(event.args))

    async def _judge(self, event: GenericEventArguments) -> None:
        values: Mapping[str, object] = event.args if isinstance(event.args, dict) else {}
        self._form.say("", {}, busy=True)
        answer = await ask_what_if(self._insight, values)
        if isinstance(answer, Refused):
            self._form.say(answer.text, answer.errors, busy=False)
        else:
            self._form.say("", {}, busy=False)
            self._result.show(render("what_if", answer))

    def _clear(self) -> None:
        self._form.say("", {}, busy=False)
        self._result.show("")
