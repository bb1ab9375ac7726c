"""Sections as HTML: whole, and safe whatever is in them."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from jinja2 import Template
from msc_builders import START, a_content, a_ranking, a_reason, a_verdict, an_entry
from msc_dashboard import a_revision, a_span, facts, head_of, kept, no_head
from msc_observed import a_client, an_alert, an_observation

from msc_authority.app.clients import ClientTier
from msc_authority.app.signals import BlockedSignal, SignalActivity, SignalTally
from msc_authority.app.trace import EquityTrace, TracePoint
from msc_authority.core.evaluation import HealthMetric
from msc_authority.core.policy import RiskMode, TradingState
from msc_authority.http.dashboard.facts import Facts
from msc_authority.http.dashboard.render import render, with_code
from msc_authority.http.dashboard.screen import DRAWN, Screen, draw
from msc_authority.http.dashboard.view import build

EVIL = "<img src=x onerror=alert(1)>\"'`"
_VOID = {"path", "circle", "line", "polyline", "br", "img", "meta", "link"}


class _Tags(HTMLParser):
    """Checks that tags close in order, and collects them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag


def _full(text: str = "plain") -> Facts:
    """Everything there is, with `text` wherever text from outside may be."""
    content = a_content(
        RiskMode.DEFENSIVE, trading_state=TradingState.HALTED, reasons=(a_reason(text=text),), author=text
    )
    head = head_of(content, 2)
    metrics = (
        HealthMetric(name="drawdown_pct", value=1.0, threshold=3.0, margin=2.0, source=text),
        HealthMetric(name="winrate_fraction", value=0.4, threshold=0.45, margin=-0.05, warning_points=1),
        HealthMetric(name="volatility_ratio", value=None, threshold=1.5),
        HealthMetric(name=text, value=1.0),
    )
    entry = an_entry(trigger=text, verdict=a_verdict(content, metrics=metrics))
    blocked = BlockedSignal(
        at=START,
        strategy_id=text,
        symbol=text,
        side=text,
        reason=text,
        text=text,
        executor=text,
        policy_version=1,
    )
    clients = (
        a_client(text, "i-1", tier=ClientTier.SAFE_NONE, last_error=text),
        a_client("b", "i-2"),
        replace(a_client("c", "i-3"), age_s=None),
    )
    rankings = (
        a_ranking(text, reason=a_reason(text=text)),
        a_ranking("B", allowed=False, winrate_fraction=None, last_trade_at=None),
    )
    return facts(
        head,
        observation=an_observation(
            head=head,
            server_id=text,
            clients=clients,
            signals=SignalActivity(last_hour=SignalTally(seen={text: 2}, blocked={(text, text): 1}), recent=(blocked,)),
            evaluation_overdue_s=400.0,
        ),
        alerts=(an_alert(subject=text, title=text, text=text, advice=text, anchor=text),),
        trace=EquityTrace(points=(TracePoint(at=START, equity=1.0, drawdown_pct=None),), strategies={text: (0.0, 1.0)}),
        spans=(a_span(START),),
        kept=kept(entry, rankings=rankings, revisions=(a_revision(2, content, a_content()),), trouble=text),
    )


def _drawn(seen: Facts) -> Screen:
    return draw(build(seen), None)[0]


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("empty", [True, False])
def test_every_section_is_whole_full_or_empty_and_has_a_heading(name: str, empty: bool) -> None:
    seen = facts(no_head(), observation=an_observation(head=no_head())) if empty else _full()

    html = _drawn(seen).html[name]

    tags = _Tags()
    tags.feed(html)
    assert tags.open == []
    assert f'<h2 id="h-{name}">' in html
    assert "None" not in html


@pytest.mark.parametrize("name", DRAWN)
def test_text_from_outside_stays_text(name: str) -> None:
    html = _drawn(_full(EVIL)).html[name]

    assert "<img" not in html
    tags = _Tags()
    tags.feed(html)
    assert tags.open == []
    assert "img" not in tags.seen


def test_what_stands_between_backticks_is_code_and_escaped() -> None:
    assert str(with_code("run `msc <x>` & `b`, not `c")) == (
        "run <code>msc &lt;x&gt;</code> &amp; <code>b</code>, not `c"
    )


def test_what_is_wrong_is_said_in_words_and_not_by_colour_alone() -> None:
    html = _drawn(_full()).html

    assert "over the line" in html["health"]
    assert "unknown" in html["health"]
    assert "safe: opens nothing" in html["fleet"]
    assert "critical" in html["alerts"]
    assert "HALTED: no new position" in html["limits"]
    assert "Overdue by 6 min." in html["schedule"]


def test_a_section_that_did_not_change_is_not_drawn_again() -> None:
    first, everything = draw(build(_full()), None)

    second, changed = draw(build(_full(), first.view), first)

    assert everything > set(DRAWN)
    assert changed == set()
    assert all(second.html[name] is first.html[name] for name in DRAWN)
    assert second.chart is first.chart
    assert json.loads(first.chart)["useUTC"] is True


def test_files_that_change_below_a_running_authority_do_not_change_its_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    before = render("connection", None)
    monkeypatch.setattr(Template, "is_up_to_date", property(lambda _: pytest.fail("it looks whether the file changed")))

    assert render("connection", None) == before
