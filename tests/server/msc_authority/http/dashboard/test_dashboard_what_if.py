"""What is typed into the what-if panel, and what comes of it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import a_content, a_verdict, an_entry
from msc_dashboard import head_of, no_head

from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.policy import PolicyContent, RiskMode
from msc_authority.http.dashboard.what_if import FIELDS, Refused, judged, refused_by, supplied_from
from msc_authority.ports.policies import Head


def _outcome(candidate: PolicyContent, head: Head) -> EvaluationOutcome:
    entry = an_entry(verdict=a_verdict(candidate, warning_points=1))
    return EvaluationOutcome(entry=entry, candidate=candidate, changes=(), head=head)


def test_what_is_empty_is_left_out_and_counts_are_whole() -> None:
    typed = {
        "drawdown_pct": " 4.5 ",
        "trades_n": "120",
        "slope_pct_per_day": "-.2",
        "expectancy": "",
        "loss_streak": "3",
    }

    assert supplied_from(typed) == SuppliedMetrics(
        drawdown_pct=4.5, trades_n=120, slope_pct_per_day=-0.2, loss_streak=3
    )


def test_every_field_reaches_its_metric() -> None:
    supplied = supplied_from({field.name: "1" for field in FIELDS})

    assert isinstance(supplied, SuppliedMetrics)
    assert {getattr(supplied, field.name) for field in FIELDS} == {1}


def test_nothing_at_all_is_refused() -> None:
    supplied = supplied_from({"drawdown_pct": "  ", "unheard_of": "5"})

    assert isinstance(supplied, Refused)
    assert supplied.text.startswith("Fill in at least one number")


@pytest.mark.parametrize("typed", ["abc", "1,5", "55 %", "nan", "inf", "1e999", "0x10", "٣", "--1", "1" * 40, "1_000"])
def test_what_is_no_number_is_refused_with_its_field(typed: str) -> None:
    supplied = supplied_from({"winrate_fraction": typed, "drawdown_pct": "1"})

    assert isinstance(supplied, Refused)
    assert list(supplied.errors) == ["winrate_fraction"]
    assert supplied.text == "1 field cannot be understood."


def test_a_count_has_no_fraction() -> None:
    supplied = supplied_from({"trades_n": "1.5"})

    assert isinstance(supplied, Refused)
    assert supplied.errors == {"trades_n": "Must be a whole number."}


@given(st.dictionaries(st.sampled_from([field.name for field in FIELDS]), st.text(max_size=40)))
def test_whatever_is_typed_is_finite_numbers_or_refused(typed: dict[str, str]) -> None:
    supplied = supplied_from(typed)

    if isinstance(supplied, SuppliedMetrics):
        values = [getattr(supplied, field.name) for field in FIELDS]
        assert all(value is None or math.isfinite(value) for value in values)
    else:
        assert supplied.text


def test_what_the_authority_refuses_is_shown_at_its_field() -> None:
    refused = refused_by("winrate_fraction", "must be from 0 to 1")

    assert refused.errors == {"winrate_fraction": "Must be from 0 to 1."}
    assert refused.text == "Win rate makes no sense."


def test_a_refusal_without_a_known_field_is_said_all_the_same() -> None:
    assert refused_by("", "").errors == {"": "Makes no sense."}


def test_the_result_is_compared_with_the_policy_in_force() -> None:
    supplied = SuppliedMetrics(drawdown_pct=9.5, trades_n=40)

    shown = judged(supplied, _outcome(a_content(RiskMode.DEFENSIVE), head_of(a_content(), 4)))

    assert (shown.mode, shown.compared_with, shown.points) == ("DEFENSIVE", "v4", "1 warning point")
    assert [(diff.label, diff.before, diff.after) for diff in shown.diffs] == [("Risk mode", "NORMAL", "DEFENSIVE")]
    assert shown.supplied == "drawdown 9.5 %, trades 40"


def test_before_the_first_policy_everything_is_new() -> None:
    shown = judged(SuppliedMetrics(drawdown_pct=1.0), _outcome(a_content(), no_head()))

    assert shown.compared_with == ""
    assert shown.diffs[0].before == ""
