"""One view for everybody: what did not change is the same object."""

from __future__ import annotations

from dataclasses import replace

from msc_builders import START, a_content, at
from msc_dashboard import a_revision, a_span, facts, head_of, kept, no_head
from msc_observed import a_client, an_alert, an_observation

from msc_authority.app.modes import ModeSpan
from msc_authority.app.trace import EquityTrace, TracePoint
from msc_authority.core.policy import RiskMode
from msc_authority.http.dashboard.view import CHART_EVERY_S, SECTIONS, View, build, changed_sections

POINTS = (
    TracePoint(at=START, equity=100.0, drawdown_pct=0.0),
    TracePoint(at=at(60), equity=101.0, drawdown_pct=0.0),
)
MORE = (*POINTS, TracePoint(at=at(61), equity=102.0, drawdown_pct=0.0))


def test_every_section_of_a_view_can_be_sent() -> None:
    assert set(SECTIONS) == set(View.__dataclass_fields__) - {"charted"}


def test_the_first_view_is_all_new() -> None:
    assert changed_sections(None, build(facts())) == set(SECTIONS)


def test_a_second_later_only_the_pulse_is_new() -> None:
    first = facts(kept=kept(revisions=(a_revision(1, a_content()),)))
    before = build(first)
    seen = an_observation(head=first.current.head, at=at(10.02), monotonic=1601.0, next_evaluation_in_s=1199.0)
    later = replace(first, observation=seen, freshness=replace(first.freshness, ttl_s=2999.0))

    after = build(later, before)

    assert changed_sections(before, after) == {"pulse"}
    assert after.headline is before.headline
    assert after.history is before.history


def test_a_new_policy_changes_what_is_made_of_it_and_nothing_else() -> None:
    before = build(facts(alerts=(an_alert(),)))
    content = a_content(RiskMode.DEFENSIVE, grants=())

    after = build(facts(head_of(content, 2), alerts=(an_alert(),), observation=an_observation()), before)

    assert changed_sections(before, after) == {"headline", "limits"}


def test_a_client_that_falls_behind_changes_the_fleet() -> None:
    clients = (a_client(),)
    before = build(facts(observation=an_observation(clients=clients)))
    behind = replace(clients[0], versions_behind=2, behind_for_s=10.0)

    after = build(facts(observation=an_observation(clients=(behind,))), before)

    assert changed_sections(before, after) == {"fleet"}


def test_an_empty_authority_has_a_view() -> None:
    view = build(facts(no_head(), observation=an_observation(head=no_head(), risk_mode_since=None)))

    assert view.headline.mode == ""
    assert (view.limits.rows, view.history, view.strategies.rows, view.chart.points) == ((), (), (), ())


def _charted(
    points: tuple[TracePoint, ...], spans: tuple[ModeSpan, ...], monotonic: float, before: View | None = None
) -> View:
    trace = EquityTrace(points=points)
    return build(facts(trace=trace, spans=spans, observation=an_observation(monotonic=monotonic)), before)


def test_the_chart_follows_equity_at_a_measured_pace() -> None:
    spans = (a_span(START),)
    first = _charted(POINTS, spans, 100.0)

    soon = _charted(MORE, spans, 101.0, first)
    later = _charted(MORE, spans, 100.0 + CHART_EVERY_S, soon)

    assert soon.chart is first.chart
    assert len(later.chart.points) == 3


def test_the_chart_shows_a_new_policy_and_the_first_points_at_once() -> None:
    first = _charted((), (a_span(START),), 100.0)

    filled = _charted(POINTS, (a_span(START),), 100.5, first)
    changed = _charted(POINTS, (a_span(START), a_span(at(30), RiskMode.DEFENSIVE, 2)), 101.0, filled)

    assert len(filled.chart.points) == 2
    assert [change.name for change in changed.chart.changes] == ["v1", "v2"]
