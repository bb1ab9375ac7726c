"""What a replay adds up to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from msc_builders import a_content, a_verdict, an_entry, at

from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.replay import ReplayStep
from msc_authority.cli.replay import Life, step_document
from msc_authority.core.policy import PolicyRef, RiskMode
from msc_authority.ports.journal import RefusedFact
from msc_authority.ports.policies import Head

DEFENSIVE, NORMAL, AGGRESSIVE = RiskMode


def a_refusal(index: int) -> RefusedFact:
    return RefusedFact(index=index, id=f"t{index}", field="net_pnl", code="INCONSISTENT", reason="is 1")


def a_step(
    number: int, before: RiskMode | None, after: RiskMode, *, minutes: float = 30, refused: int = 0
) -> ReplayStep:
    as_of = at(number * minutes)
    verdict = replace(a_verdict(a_content(), as_of=as_of), mode_before=before, mode_after=after)
    entry = an_entry(f"e{number}", verdict=verdict)
    head = Head(ref=PolicyRef(1, number), policy=None, evaluated_at=as_of)
    return ReplayStep(
        number=number,
        total=10,
        as_of=as_of,
        facts=5,
        refused=tuple(a_refusal(index) for index in range(refused)),
        outcome=EvaluationOutcome(entry=entry, candidate=verdict.candidate, changes=(), head=head),
    )


def lived(*steps: ReplayStep) -> Life:
    life = Life()
    for step in steps:
        life.take(step)
    return life


def test_the_first_mode_is_no_change() -> None:
    assert lived(a_step(1, None, DEFENSIVE)).mode_changes == 0


def test_changes_both_ways_are_counted_but_only_those_toward_risk_within_the_hour() -> None:
    life = lived(
        a_step(1, DEFENSIVE, NORMAL, minutes=10),
        a_step(2, NORMAL, DEFENSIVE, minutes=10),
        a_step(3, DEFENSIVE, NORMAL, minutes=10),
        a_step(4, NORMAL, AGGRESSIVE, minutes=10),
    )

    assert (life.mode_changes, life.most_increases_in_an_hour) == (4, 3)


def test_an_increase_an_hour_later_is_in_another_hour() -> None:
    steps = [a_step(1, DEFENSIVE, NORMAL, minutes=60), a_step(2, NORMAL, AGGRESSIVE, minutes=60)]
    assert steps[1].as_of - steps[0].as_of == timedelta(hours=1)

    assert lived(*steps).most_increases_in_an_hour == 1


def test_time_in_each_mode_is_a_share_of_the_evaluations() -> None:
    life = lived(*(a_step(number, NORMAL, NORMAL) for number in range(1, 4)), a_step(4, NORMAL, DEFENSIVE))

    shares = list(life.summary())[1]
    assert "DEFENSIVE 25.0%, NORMAL 75.0%, AGGRESSIVE 0.0%" in shares


def test_refused_facts_are_told_and_not_counted_as_facts() -> None:
    life = lived(a_step(1, None, DEFENSIVE, refused=2), a_step(2, DEFENSIVE, DEFENSIVE))

    assert life.facts == 8
    assert life.refused == ["t0: net_pnl: is 1 [INCONSISTENT]", "t1: net_pnl: is 1 [INCONSISTENT]"]


def test_a_step_in_json_has_modes_by_name_and_says_whether_it_was_committed() -> None:
    document = step_document(a_step(3, None, NORMAL))

    assert (document["mode_before"], document["version"], document["committed"]) == (None, 3, False)
    assert document["as_of"] == at(90).isoformat().replace("+00:00", "Z")
