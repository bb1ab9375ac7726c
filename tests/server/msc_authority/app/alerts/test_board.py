from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import START
from msc_observed import an_observation

from msc_authority.app.alerts.board import (
    MAX_RESOLVED,
    MAX_SUBJECTS,
    MAX_TEXT_CHARS,
    OTHERS,
    RESOLVED_KEPT_S,
    Board,
    bounded,
)
from msc_authority.app.alerts.rule import Rule
from msc_authority.app.alerts.rules import RULE_BROKEN
from msc_authority.app.alerts.values import Alert, AlertState, Finding, Severity
from msc_authority.app.observation import Observation

PENDING, FIRING, RESOLVED = AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED
Find = Callable[[Observation], Sequence[Finding]]


def a_finding(subject: str = "", held_s: float = 0.0, **fields: object) -> Finding:
    make: Callable[..., Finding] = Finding
    return make(**{"text": f"{subject} is ill", "held_s": held_s, "subject": subject, **fields})


def a_rule(find: Find, code: str = "ILL", **fields: object) -> Rule:
    rule = Rule(
        code=code,
        severity=Severity.WARNING,
        title="Somebody is ill",
        for_s=0.0,
        advice="Run `msc doctor`.",
        anchor="alert-ill",
        promql="msc_ill > 0",
        find=find,
    )
    make: Callable[..., Rule] = replace
    return make(rule, **fields)


@dataclass
class Ward:
    """A board with one rule, which finds what stands in `found` or raises `error`."""

    for_s: float = 0.0
    resolves_after_s: float = 10.0
    found: Sequence[Finding] = ()
    error: Exception | None = None
    elapsed_s: float = 0.0
    others: Sequence[Rule] = ()
    told: list[Alert] = field(default_factory=list)

    def __post_init__(self) -> None:
        rule = a_rule(self.find, for_s=self.for_s, resolves_after_s=self.resolves_after_s)
        self.board = Board((rule, *self.others))

    def find(self, observed: Observation) -> Sequence[Finding]:
        if self.error is not None:
            raise self.error
        return self.found

    def look(self, *found: Finding, after_s: float = 1.0) -> list[AlertState]:
        """Judges once; returns what was told of."""
        self.found = found
        self.elapsed_s += after_s
        at = START + timedelta(seconds=self.elapsed_s)
        changed = [event.alert for event in self.board.judge(an_observation(at=at, monotonic=self.elapsed_s))]
        self.told += changed
        return [alert.state for alert in changed]

    @property
    def shown(self) -> list[tuple[str, AlertState]]:
        return [(alert.subject, alert.state) for alert in self.board.alerts]


def test_a_condition_without_a_time_fires_at_the_first_look_and_is_told_once() -> None:
    ward = Ward()

    assert ward.look(a_finding()) == [FIRING]
    assert ward.look(a_finding()) == []
    assert ward.shown == [("", FIRING)]


def test_what_the_rule_says_is_in_the_alert() -> None:
    ward = Ward()
    ward.look(a_finding("one", value=3.0))

    now = START + timedelta(seconds=1)
    assert ward.board.alerts == (
        Alert(
            code="ILL",
            subject="one",
            severity=Severity.WARNING,
            state=FIRING,
            title="Somebody is ill",
            text="one is ill",
            advice="Run `msc doctor`.",
            anchor="alert-ill",
            value=3.0,
            pending_since=now,
            firing_since=now,
        ),
    )


def test_a_condition_with_a_time_is_pending_up_to_it_and_fires_beyond() -> None:
    ward = Ward(for_s=60.0)

    assert ward.look(a_finding(held_s=59.0)) == []
    assert ward.look(a_finding(held_s=60.0)) == []
    assert ward.shown == [("", PENDING)]
    assert ward.look(a_finding(held_s=61.0)) == [FIRING]
    [alert] = ward.board.alerts
    assert (alert.pending_since, alert.firing_since) == (START + timedelta(seconds=1), START + timedelta(seconds=3))


def test_what_pended_and_went_is_forgotten_in_silence() -> None:
    ward = Ward(for_s=60.0)
    ward.look(a_finding(held_s=59.0))

    assert ward.look() == []
    assert ward.shown == []


def test_what_has_held_for_long_already_fires_at_the_first_look_and_says_since_when() -> None:
    ward = Ward(for_s=60.0)

    assert ward.look(a_finding(held_s=3600.0, since=START - timedelta(hours=1))) == [FIRING]
    assert ward.board.alerts[0].pending_since == START - timedelta(hours=1)


def test_nothing_began_in_the_future() -> None:
    ward = Ward()
    ward.look(a_finding(since=START + timedelta(days=1)))

    assert ward.board.alerts[0].pending_since == START + timedelta(seconds=1)


def test_a_firing_alert_says_how_it_is_now() -> None:
    ward = Ward()
    ward.look(a_finding(value=1.0))
    ward.look(a_finding(text="worse", value=2.0))

    assert [(alert.text, alert.value) for alert in ward.board.alerts] == [("worse", 2.0)]


def test_a_condition_has_to_be_gone_for_ten_seconds_before_its_alert_is_resolved() -> None:
    ward = Ward()
    ward.look(a_finding())

    assert [ward.look() for _ in range(10)] == [[]] * 10
    assert ward.shown == [("", FIRING)]
    assert ward.look() == [RESOLVED]
    assert ward.look() == []
    [alert] = ward.board.alerts
    assert alert.resolved_at == START + timedelta(seconds=12)


def test_a_condition_that_comes_and_goes_is_one_alert() -> None:
    ward = Ward()
    for _ in range(10):
        ward.look(a_finding(), after_s=5.0)
        ward.look(after_s=5.0)

    assert [alert.state for alert in ward.told] == [FIRING]


def test_what_resolves_exactly_is_resolved_at_the_next_look() -> None:
    ward = Ward(resolves_after_s=0.0)
    ward.look(a_finding())

    assert ward.look() == [RESOLVED]


def test_a_condition_that_began_anew_has_to_hold_for_its_time_again() -> None:
    ward = Ward(for_s=60.0, resolves_after_s=0.0)
    ward.look(a_finding(held_s=61.0))

    assert ward.look(a_finding(held_s=1.0)) == [RESOLVED]
    assert ward.look(a_finding(held_s=2.0)) == []
    assert ward.shown == [("", PENDING)]
    assert ward.look(a_finding(held_s=61.0)) == [FIRING]


def test_subjects_have_alerts_of_their_own() -> None:
    ward = Ward(resolves_after_s=0.0)

    assert ward.look(a_finding("one"), a_finding("two")) == [FIRING, FIRING]
    assert ward.look(a_finding("two")) == [RESOLVED]
    assert ward.shown == [("two", FIRING), ("one", RESOLVED)]


def test_a_subject_that_is_found_twice_is_one_alert() -> None:
    ward = Ward()

    assert ward.look(a_finding("one"), a_finding("one")) == [FIRING]
    assert ward.shown == [("one", FIRING)]


def test_a_resolved_alert_is_shown_for_an_hour() -> None:
    ward = Ward(resolves_after_s=0.0)
    ward.look(a_finding())
    ward.look()

    ward.look(after_s=RESOLVED_KEPT_S)
    assert ward.shown == [("", RESOLVED)]
    ward.look()
    assert ward.shown == []


def test_what_pends_again_hides_that_it_was_resolved_and_shows_it_again_when_it_goes() -> None:
    ward = Ward(for_s=60.0, resolves_after_s=0.0)
    ward.look(a_finding(held_s=61.0))
    ward.look()

    ward.look(a_finding(held_s=1.0))
    assert ward.shown == [("", PENDING)]
    ward.look()
    assert ward.shown == [("", RESOLVED)]


def test_only_so_many_resolved_alerts_are_kept_the_newest() -> None:
    ward = Ward(resolves_after_s=0.0)
    rounds = MAX_RESOLVED // 100 + 2
    for number in range(rounds):
        ward.look(*(a_finding(f"{number}-{subject}") for subject in range(100)))
    ward.look()

    assert len(ward.shown) == MAX_RESOLVED
    assert {subject.partition("-")[0] for subject, _ in ward.shown} == {str(number) for number in range(2, rounds)}


def test_a_crowd_shares_one_alert_beyond_the_first_and_pushes_nobody_out() -> None:
    ward = Ward()
    ward.look(a_finding("z"))

    ward.look(*(a_finding(f"{number:03}") for number in range(MAX_SUBJECTS + 50)), a_finding("z"))

    subjects = {subject for subject, _ in ward.shown}
    assert len(subjects) == MAX_SUBJECTS + 1
    assert {"z", OTHERS} <= subjects
    [rest] = [alert for alert in ward.board.alerts if alert.subject == OTHERS]
    assert rest.text == "51 more; the first: 199 is ill"
    assert rest.value == 51


def test_the_one_for_all_others_has_held_for_as_long_as_the_worst_of_them() -> None:
    findings = [a_finding(str(number), held_s=float(number)) for number in range(MAX_SUBJECTS + 3)]

    assert bounded(findings, set())[-1].held_s == MAX_SUBJECTS + 2


def test_text_of_others_is_on_one_line_and_bounded() -> None:
    ward = Ward()
    ward.look(a_finding(text="a\nb\x1b[31m" + "x" * 1000))

    [alert] = ward.board.alerts
    assert alert.text.startswith("a b [31mxxx")
    assert len(alert.text) == MAX_TEXT_CHARS


def test_alerts_are_in_order_of_state_severity_and_age() -> None:
    later = a_finding("later", held_s=61.0)
    critical = a_rule(lambda _: [a_finding()], "CRITICAL", severity=Severity.CRITICAL)
    ward = Ward(for_s=60.0, resolves_after_s=0.0, others=(critical,))
    ward.look(a_finding("gone", held_s=61.0), a_finding("early", held_s=61.0), a_finding("pends", held_s=1.0))
    ward.look(
        a_finding("early", held_s=62.0), later, a_finding("pends", held_s=2.0), a_finding("pends too", held_s=1.0)
    )

    assert ward.shown == [
        ("", FIRING),
        ("later", FIRING),
        ("early", FIRING),
        ("pends too", PENDING),
        ("pends", PENDING),
        ("gone", RESOLVED),
    ]


# Rules that raise


def test_a_rule_that_raises_is_an_alert_of_its_own_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    healthy = a_rule(lambda _: [a_finding("other")], "HEALTHY")
    ward = Ward(error=ZeroDivisionError("secret"), others=(healthy,))
    for _ in range(3):
        ward.look()

    assert [(alert.code, alert.subject) for alert in ward.told] == [("HEALTHY", "other"), ("RULE_BROKEN", "ILL")]
    assert ward.told[1].text == "ILL cannot be judged: ZeroDivisionError"
    assert ward.told[1].severity is Severity.CRITICAL
    assert ward.told[1].title == RULE_BROKEN.title
    assert caplog.messages == ["The alert rule ILL cannot be judged"]
    assert "ZeroDivisionError: secret" in caplog.text


def test_what_a_rule_had_found_stands_while_it_cannot_be_judged() -> None:
    ward = Ward(resolves_after_s=0.0)
    ward.look(a_finding("one"))
    ward.error = ValueError("a defect")
    for _ in range(20):
        ward.look()
    assert ("one", FIRING) in ward.shown

    ward.error = None
    assert ward.look() == [RESOLVED]
    assert ("ILL", FIRING) in ward.shown
    assert [ward.look() for _ in range(10)][-1] == [RESOLVED]
    assert ward.shown == [("ILL", RESOLVED), ("one", RESOLVED)]


def test_a_finding_that_cannot_be_weighed_stops_no_other_of_its_rule() -> None:
    ward = Ward(for_s=60.0)
    broken = a_finding("broken", held_s="long")  # type: ignore[arg-type]  # a defect of the rule

    assert ward.look(broken, a_finding("one", held_s=61.0)) == [FIRING, FIRING]
    assert ward.shown == [("ILL", FIRING), ("one", FIRING)]


# Whatever happens

Step = tuple[float, dict[str, float]]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.sampled_from([0.5, 1.0, 4.0, 11.0, 700.0]),
        st.dictionaries(st.sampled_from(["", "a", "b"]), st.sampled_from([0.0, 5.0, 5.5, 60.0]), max_size=3),
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from([0.0, 5.0]), st.sampled_from([0.0, 10.0]))
def test_whatever_comes_and_goes_each_alert_is_one_and_fires_and_resolves_in_turn(
    steps: list[Step], for_s: float, resolves_after_s: float
) -> None:
    ward = Ward(for_s=for_s, resolves_after_s=resolves_after_s)
    firing: set[str] = set()
    gone_since: dict[str, float] = {}
    for after_s, found in steps:
        ward.look(*(a_finding(subject, held_s=held_s) for subject, held_s in found.items()), after_s=after_s)
        news, ward.told = ward.told, []

        # It fires where the condition has held for long enough and did not fire, and is resolved where it fired and the
        # condition has been gone for long enough; each is told once.
        met = {subject for subject, held_s in found.items() if not for_s or held_s > for_s}
        gone_since = {subject: gone_since.get(subject, ward.elapsed_s) for subject in firing - met}
        over = {subject for subject, since in gone_since.items() if ward.elapsed_s - since >= resolves_after_s}
        fired = met - firing
        assert sorted((alert.subject, alert.state) for alert in news) == sorted(
            [*((subject, FIRING) for subject in fired), *((subject, RESOLVED) for subject in over)]
        )
        firing = (firing | fired) - over

        # What is shown is that, and what pends; nobody twice.
        shown = ward.board.alerts
        assert len({alert.subject for alert in shown}) == len(shown)
        assert {alert.subject for alert in shown if alert.state is FIRING} == firing
        assert {alert.subject for alert in shown if alert.state is PENDING} == set(found) - firing - over
        for alert in shown:
            ordered = (alert.pending_since, alert.firing_since, alert.resolved_at)
            instants = [instant for instant in ordered if instant is not None]
            assert instants == sorted(instants)
            assert (alert.state is PENDING) == (alert.firing_since is None)
            assert (alert.state is RESOLVED) == (alert.resolved_at is not None)
