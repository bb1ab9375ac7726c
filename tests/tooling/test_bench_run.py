"""A run of a benchmark: whose turn it is, what is kept when it ends early, and that nothing outlives it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from benching.cli import EXIT_INTERRUPTED, INTERRUPTED, main, measured
from benching.processes import Child
from benching.run import Candidate, Failed, Run, Unavailable, in_turn
from benching.values import Benchmark, Goal

ECHO = "import sys; print('{\"ready\": true}', flush=True); [print(line, end='', flush=True) for line in sys.stdin]"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with ExitStack() as stack:
        yield Run(home=tmp_path, stack=stack)


def a_benchmark(measure: Callable[[Run], None], name: str = "made-up") -> Benchmark:
    goals = (Goal(what="ours", against="theirs", at_most=2.0),)
    return Benchmark(name=name, question="?", unit="ms", baseline="theirs", goals=goals, measure=measure)


def both(run: Run) -> None:
    run.record("ours", 3.0)
    run.record("theirs", 2.0)


def an_echo(home: Path) -> Child:
    return Child((sys.executable, "-c", ECHO), log=home / "echo.log")


def look_for(missing: str) -> None:
    raise Unavailable(missing)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_every_candidate_takes_part_in_every_round_and_each_begins_once(run: Run) -> None:
    heard: list[str] = []

    def candidate(name: str) -> Candidate:
        return Candidate(name, lambda: float(len(heard)), lambda: heard.append(name))

    run.rounds([candidate("a"), candidate("b"), candidate("c")], 3)
    assert heard == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    assert {one.contender: one.values for one in run.series} == {
        "a": (1.0, 6.0, 8.0),
        "b": (2.0, 4.0, 9.0),
        "c": (3.0, 5.0, 7.0),
    }


def test_turns_go_round() -> None:
    assert [in_turn("xy", number)[0] for number in range(4)] == ["x", "y", "x", "y"]


def test_sizes_are_kept_apart(run: Run) -> None:
    run.record("ours", 1.0, 10)
    run.record("ours", 2.0, 100)
    assert [(one.size, one.values) for one in run.series] == [(10, (1.0,)), (100, (2.0,))]


def test_one_who_is_unavailable_is_named_with_the_reason(run: Run) -> None:
    with run.optional("etcd", "etcd, durable"):
        look_for("there is no Go here")
    assert run.skipped == (("etcd", "there is no Go here"), ("etcd, durable", "there is no Go here"))


def test_the_first_reason_for_an_absence_stands(run: Run) -> None:
    with run.optional("etcd"):
        run.skip("etcd", "no such program")
        look_for("something else")
    assert run.skipped == (("etcd", "no such program"),)


def test_what_was_measured_before_a_failure_counts() -> None:
    def measure(run: Run) -> None:
        both(run)
        raise Failed("the server ended")

    outcome = measured(a_benchmark(measure))
    assert [one.values for one in outcome.series] == [(3.0,), (2.0,)]
    assert outcome.broken == "the server ended"


def test_a_process_ends_with_the_run_that_started_it_also_when_that_is_interrupted() -> None:
    started: list[Child] = []

    def measure(run: Run) -> None:
        started.append(run.stack.enter_context(an_echo(run.home)))
        started[0].hear()
        raise KeyboardInterrupt

    outcome = measured(a_benchmark(measure))
    assert outcome.broken == INTERRUPTED
    assert is_gone(started[0].pid)


def test_after_ctrl_c_the_rest_is_left_out_and_what_there_is_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(run: Run) -> None:
        both(run)
        raise KeyboardInterrupt

    def never(run: Run) -> None:
        raise AssertionError("nobody waits for this one any more")

    known = {"first": a_benchmark(interrupted, "first"), "second": a_benchmark(never, "second")}
    report = tmp_path / "report.json"
    assert main(known, ["--json", str(report)]) == EXIT_INTERRUPTED
    written = json.loads(report.read_text(encoding="utf-8"))
    assert [one["name"] for one in written["benchmarks"]] == ["first"]
    assert written["benchmarks"][0]["broken"] == INTERRUPTED
    assert "Ended early: interrupted" in capsys.readouterr().out


def test_a_missed_goal_is_no_failure_but_a_broken_benchmark_is(capsys: pytest.CaptureFixture[str]) -> None:
    def slow(run: Run) -> None:
        run.record("ours", 30.0)
        run.record("theirs", 1.0)

    def broken(run: Run) -> None:
        raise Failed("the server ended")

    assert main({"slow": a_benchmark(slow)}, []) == 0
    assert "MISSED" in capsys.readouterr().out
    assert main({"broken": a_benchmark(broken)}, []) == 1


def test_what_a_server_logged_as_an_error_is_reported_with_the_result() -> None:
    def measure(run: Run) -> None:
        (run.home / "authority.log").write_text("12:00 INFO fine\n12:01 CRITICAL an alert\n12:02 ERROR no disk\n")
        both(run)

    assert measured(a_benchmark(measure)).notes == ("authority complained: 12:02 ERROR no disk",)


def test_only_the_named_ones_are_measured() -> None:
    ran: list[str] = []
    known = {name: a_benchmark(lambda run, name=name: ran.append(name), name) for name in ("one", "two", "three")}  # type: ignore[misc]  # a default
    assert main(known, ["three", "one"]) == 0
    assert ran == ["three", "one"]


def test_an_unknown_name_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main({"read": a_benchmark(both, "read")}, ["raed"])
    assert "there is no benchmark raed; there are read" in capsys.readouterr().err


def test_a_child_answers_line_by_line(tmp_path: Path) -> None:
    with an_echo(tmp_path) as echo:
        assert echo.hear() == {"ready": True}
        assert echo.ask(number=1) == {"number": 1}
        assert echo.ask(number=2) == {"number": 2}


def test_a_child_that_died_is_reported_with_its_last_words(tmp_path: Path) -> None:
    dying = (sys.executable, "-c", "import sys; sys.exit('no such port')")
    with Child(dying, log=tmp_path / "server.log") as child, pytest.raises(Failed, match="no such port") as raised:
        child.hear()
    assert "server ended (exit code 1)" in str(raised.value)


def test_a_child_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    mute = (sys.executable, "-c", "import sys; sys.stdin.read()")
    with Child(mute, log=tmp_path / "mute.log") as child, pytest.raises(Failed, match=r"mute said nothing for 0.1 s"):
        child.hear(0.1)


def test_a_child_is_stopped_twice_without_complaint(tmp_path: Path) -> None:
    echo = an_echo(tmp_path)
    echo.hear()
    echo.stop()
    echo.stop()
    assert is_gone(echo.pid)
