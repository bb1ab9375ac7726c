"""What persons have put in force, and what an operator may choose from, in words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msc_builders import START, a_content, a_ranking, a_reason, at
from msc_dashboard import a_revision, facts, head_of, kept
from msc_observed import OBSERVED_AT, an_observation

from msc_authority.core.effective import Effective
from msc_authority.core.overrides import Bench, Override, PinMode, Reduce, Rollback, SetLimits, Setting
from msc_authority.core.policy import PolicyRef, RiskMode, StrategyState, TradingState
from msc_authority.http.dashboard.override_view import offers, overrides, what_of
from msc_authority.http.dashboard.render import render
from msc_authority.http.dashboard.screen import draw
from msc_authority.http.dashboard.view import build


def an_override(sets: Setting, override_id: str = "o-1", lasts: timedelta | None = None, **more: object) -> Override:
    expires_at = None if lasts is None else START + lasts
    found = {"actor": "anna", "reason": "exchange incident", "created_at": START, "expires_at": expires_at, **more}
    return Override(override_id=override_id, sets=sets, **found)  # type: ignore[arg-type]  # the fields' own types


PINNED = an_override(PinMode(mode=RiskMode.AGGRESSIVE), lasts=timedelta(hours=2), loosens=True)
REDUCED = an_override(Reduce(), "o-2")


def _effective() -> Effective:
    content = a_content()
    return Effective(
        mode=content.risk_mode, trading_state=content.trading_state, limits=content.limits, grants=content.grants
    )


@pytest.mark.parametrize(
    ("sets", "what"),
    [
        (Reduce(), "Entries stopped (REDUCING)"),
        (PinMode(mode=RiskMode.DEFENSIVE), "Mode pinned to DEFENSIVE"),
        (SetLimits(max_risk_per_trade=0.002, max_daily_trades=1200), "Risk per trade 0.2 %, Trades a day 1,200"),
        (SetLimits(global_min_confidence=0.7, max_positions=2), "Confidence 70 %, Open positions 2"),
        (Bench(strategy_id="TREND"), "TREND benched"),
        (Rollback(revision=PolicyRef(7, 12), permission=_effective()), "Rolled back to v12"),
    ],
)
def test_each_setting_has_a_heading(sets: Setting, what: str) -> None:
    assert what_of(sets) == what


def test_an_override_says_what_who_why_and_until_when() -> None:
    pinned, reduced = overrides(facts(overrides=(PINNED, REDUCED))).rows

    assert (pinned.what, pinned.actor, pinned.reason) == ("Mode pinned to AGGRESSIVE", "anna", "exchange incident")
    assert pinned.until is not None
    assert (pinned.until.text, pinned.left, pinned.loosens) == ("30 Nov 12:30", "1 h 50 min", True)
    assert (reduced.until, reduced.left, reduced.loosens) == (None, "", False)


def test_one_whose_time_is_over_is_not_shown() -> None:
    over = an_override(Reduce(), lasts=OBSERVED_AT - START)

    assert overrides(facts(overrides=(over,))).rows == ()


def test_a_halt_says_whose_it_is() -> None:
    by_person = a_reason(code="OPERATOR_HALT", text="HALTED by anna: exchange incident")
    content = a_content(trading_state=TradingState.HALTED, reasons=(a_reason(), by_person))

    assert overrides(facts(head_of(content))).halted == "HALTED by anna: exchange incident"
    assert "by the authority itself" in overrides(facts(head_of(a_content(trading_state=TradingState.HALTED)))).halted
    assert overrides(facts()).halted == ""


def test_an_operator_chooses_from_what_there_is() -> None:
    rankings = (a_ranking("TREND"), a_ranking("OLD", state=StrategyState.RETIRED))
    revisions = (
        a_revision(2, a_content(RiskMode.DEFENSIVE, trading_state=TradingState.HALTED)),
        a_revision(1, a_content()),
    )

    found = offers(facts(kept=kept(rankings=rankings, revisions=revisions), overrides=(REDUCED,))).by_action

    values = {action: [one.value for one in offered] for action, offered in found.items()}
    assert values == {
        "pin_mode": ["DEFENSIVE", "NORMAL", "AGGRESSIVE"],
        "bench": ["TREND"],
        "retire": ["TREND"],
        "reinstate": ["OLD"],
        "rollback": ["2", "1"],
        "lift": ["o-2"],
    }
    assert found["rollback"][0].label.endswith("DEFENSIVE HALTED")
    assert found["lift"][0].label == "Entries stopped (REDUCING), by anna"


def test_only_an_operator_is_offered_to_end_them() -> None:
    content = a_content(trading_state=TradingState.HALTED)
    screen = draw(build(facts(head_of(content), overrides=(PINNED,))), None)[0]

    assert "data-operate" not in screen.html["overrides"]
    assert 'data-operate="lift" data-target="o-1"' in screen.operable
    assert 'data-operate="resume"' in screen.operable
    assert "loosens" in screen.html["overrides"]


def test_without_any_the_section_says_so_and_time_alone_redraws_it_each_minute() -> None:
    assert "Nobody overrides the controller." in render("overrides", overrides(facts()))
    first = draw(build(facts(overrides=(PINNED,))), None)[0]

    same = draw(build(facts(overrides=(PINNED,)), first.view), first)[0]
    minute = build(facts(overrides=(PINNED,), observation=an_observation(at=at(11))), first.view)

    assert same.operable is first.operable
    assert minute.overrides.rows[0].left == "1 h 49 min"
