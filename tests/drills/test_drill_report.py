"""The report says what was measured, and what is not as it should be."""

from __future__ import annotations

import io
import json

from drilling.drill import Outcome, Pace
from drilling.report import as_json, sentences, show
from drilling.verdict import Absence, Spread, Verdict
from rich.console import Console

ABSENCE = Absence(client="client-001", began_ns=0, over_ns=2_500_000_000)


def an_outcome(*violations: str, failures: tuple[str, ...] = ()) -> Outcome:
    return Outcome(
        scenario="kill",
        took_s=12.0,
        verdict=Verdict(
            clients=3,
            applied=1234,
            versions=40,
            violations=violations,
            absences=(ABSENCE,),
            latency=Spread(count=9, median=0.03, p99=0.09, longest=1.5),
        ),
        series={"leader killed: next committed evaluation": (4.0, 6.0)},
        counts={"requests refused meanwhile: UNAVAILABLE": 7},
        failures=failures,
        notes=("no network of its own",),
    )


def printed(outcome: Outcome) -> str:
    console = Console(file=io.StringIO(), width=200)
    show([outcome], console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_numbers_are_printed() -> None:
    text = printed(an_outcome())

    for number in ("1,234", "2.5", "30", "90", "1,500", "4.00", "6.00", "7"):
        assert f" {number} " in text
    assert "All as it should be" in text
    assert "kill: no network of its own" in text


def test_what_is_wrong_is_said_and_not_praised() -> None:
    wrong = an_outcome("a went back", failures=("it took too long",))

    assert sentences([wrong])[:2] == ["kill: WRONG: a went back", "kill: WRONG: it took too long"]
    assert not wrong.good
    assert "All as it should be" not in printed(wrong)


def test_a_scenario_that_did_not_start_is_not_good() -> None:
    unstarted = Outcome(scenario="kill", took_s=0.0, verdict=None, series={}, counts={}, failures=("no database",))

    assert not unstarted.good
    assert "kill: WRONG: no database" in printed(unstarted)


def test_the_document_has_every_number() -> None:
    [document] = json.loads(as_json([an_outcome("a went back")]))

    assert document["absences"] == [{"client": "client-001", "seconds": 2.5}]
    assert document["measured_s"] == {"leader killed: next committed evaluation": [4.0, 6.0]}
    assert document["violations"] == ["a went back"]
    assert document["request_to_applied_s"]["p99"] == 0.09
    assert document["good"] is False


def test_fewer_rounds_are_fewer_of_everything() -> None:
    assert (Pace.of(2).kills, Pace.of(2).freezes, Pace.of(2).restarts, Pace.of(2).outages) == (2, 2, 2, 2)
    assert (Pace.of(50).kills, Pace.of(50).freezes) == (50, Pace().freezes)
