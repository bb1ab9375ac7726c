"""What is said of a soak: flat, growing, not back at rest, too short to tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from soaking.values import QUANTITIES, Quantity, Record, Sample
from soaking.verdict import Finding, is_back, judge, settled, theil_sen

FILES = Quantity(name="open files", per_hour=60.0, over_rest=2)
MEMORY = Quantity(name="memory", unit="MiB", per_hour=24.0, over_rest=None)


def samples(of: Callable[[float], float], name: str = FILES.name, *, load_s: int = 1200) -> list[Sample]:
    return [Sample(float(at_s), {name: of(at_s)}) for at_s in range(0, load_s + 1, 4)]


def rest(*values: float, name: str = FILES.name) -> list[Sample]:
    return [Sample(0.0, {name: value}) for value in values]


def found(record: Record, quantity: Quantity = FILES) -> Finding:
    (finding,) = judge(record, [quantity]).findings
    return finding


def test_what_comes_and_goes_and_is_back_at_rest_is_flat() -> None:
    record = Record(before=rest(30, 31, 30), under_load=samples(lambda at_s: 60 + at_s % 12), after=rest(60, 32))
    finding = found(record)
    assert (finding.complaint, finding.rest_before, finding.rest_after) == ("", 30, 32)
    assert finding.highest == 68
    assert finding.per_hour == pytest.approx(0, abs=5)


def test_one_file_left_open_in_ten_seconds_is_named_with_its_growth_an_hour() -> None:
    finding = found(Record(under_load=samples(lambda at_s: 60 + at_s // 10)))
    assert finding.per_hour == pytest.approx(360, rel=0.02)
    assert finding.complaint == f"open files: grew by {finding.per_hour:,.1f} an hour; 60 are let pass"


def test_what_fills_up_in_the_first_quarter_is_no_growth() -> None:
    finding = found(Record(under_load=samples(lambda at_s: min(at_s, 300))))
    assert (finding.per_hour, finding.complaint) == (0, "")


def test_a_few_odd_samples_neither_hide_a_leak_nor_make_one() -> None:
    flat = samples(lambda at_s: 5000 if at_s % 100 == 0 else 60)
    leaking = samples(lambda at_s: 0 if at_s % 100 == 0 else 60 + at_s / 10)
    assert not found(Record(under_load=flat)).complaint
    assert "grew" in found(Record(under_load=leaking)).complaint


def test_what_stays_when_everybody_has_gone_is_named() -> None:
    finding = found(Record(before=rest(30), after=rest(50, 33)))
    assert finding.complaint == "open files: 33 stayed when everybody had gone; there were 30 before"


def test_memory_is_judged_by_its_trend_and_not_at_rest() -> None:
    before, after = rest(100, name=MEMORY.name), rest(150, name=MEMORY.name)
    growing = samples(lambda at_s: 100 + at_s / 100, MEMORY.name)
    assert not found(Record(before=before, after=after), MEMORY).complaint
    assert found(Record(under_load=growing), MEMORY).complaint.startswith("memory: grew by 36.0 MiB an hour")


def test_what_shrinks_is_no_complaint() -> None:
    assert not found(Record(before=rest(30), under_load=samples(lambda at_s: 900 - at_s / 2), after=rest(3))).complaint


def test_of_a_short_time_no_trend_is_told() -> None:
    finding = found(Record(under_load=samples(lambda at_s: at_s, load_s=200)))
    assert (finding.per_hour, finding.complaint) == (None, "")
    assert finding.highest == 200


def test_what_was_never_seen_is_a_complaint_and_what_has_not_begun_is_none() -> None:
    assert found(Record(under_load=samples(float, "something else"))).complaint == "open files: never seen"
    assert not judge(Record()).complaints


def test_trouble_of_those_who_took_part_is_told_behind_the_findings() -> None:
    verdict = judge(Record(before=rest(1), after=rest(9), trouble=["serve logged: ERROR"]), [FILES])
    assert verdict.complaints[1:] == ["serve logged: ERROR"]
    assert "9 stayed" in verdict.complaints[0]


def test_rest_is_when_everything_that_has_to_be_is_back() -> None:
    before = [Sample(0, {"open files": 30, "memory": 100})]
    assert is_back(before, Sample(1, {"open files": 32, "memory": 900}), [FILES, MEMORY])
    assert not is_back(before, Sample(1, {"open files": 33, "memory": 100}), [FILES, MEMORY])


def test_behind_the_warm_up_is_half_of_the_time() -> None:
    assert [sample.at_s for sample in settled(samples(float, load_s=16))] == [8, 12, 16]
    assert settled([]) == ()


def test_a_slope_needs_two_instants() -> None:
    assert theil_sen([]) is None
    assert theil_sen([(1, 2)]) is None
    assert theil_sen([(1, 2), (1, 5)]) is None


@given(slope=st.integers(-50, 50), first=st.integers(-100, 100), many=st.integers(2, 20))
def test_the_slope_of_a_line_is_its_own(slope: int, first: int, many: int) -> None:
    assert theil_sen([(x, first + slope * x) for x in range(many)]) == slope


def test_quantities_have_names_of_their_own_and_every_count_has_to_come_back() -> None:
    assert len({quantity.name for quantity in QUANTITIES}) == len(QUANTITIES)
    unjudged = {quantity.name for quantity in QUANTITIES if quantity.over_rest is None}
    assert unjudged == {"authority: memory", "client: memory"}
