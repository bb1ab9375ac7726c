"""Whatever an authority says or refuses: nothing wider than a terminal, nothing cut off, one line for an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from msc_answers import (
    ScriptedRemote,
    a_fleet_of_long_names,
    evaluate_answer,
    evaluation_answer,
    health_answer,
    policy_answer,
    revision_answer,
    strategies_answer,
)
from msc_builders import a_content, a_reason, a_verdict, an_entry
from typer.testing import CliRunner, Result

from msc_authority.cli.app import build_app
from msc_authority.core.policy import StrategyState
from msc_authority.rpc.remote_error import RemoteError

Screen = Callable[..., Result]
WIDTH = 80

LONG = a_content(
    grants=tuple(
        replace(a_content().grants[0], strategy_id=one.strategy_id, state=StrategyState.PROBATION)
        for one in a_fleet_of_long_names(10)
    ),
    reasons=tuple(a_reason(text="a very long reason that goes on and on " * 5) for _ in range(3)),
)
WIDE = {
    "status": {"policy": policy_answer(LONG, version=2**40)},
    "history": {"revisions": [revision_answer(None, LONG), revision_answer(LONG, a_content())]},
    "history --evaluations": {
        "evaluations": [evaluation_answer(an_entry(verdict=None, failure="E: " + "x" * 300, trigger="request"))]
    },
    "strategies": {"strategies": strategies_answer(*a_fleet_of_long_names(12))},
    "health": {"health": health_answer(an_entry(verdict=a_verdict(reasons=LONG.reasons)))},
    "evaluate": {"evaluate": evaluate_answer(content=LONG)},
}


@pytest.mark.parametrize("command", WIDE)
def test_nothing_is_wider_than_the_terminal_and_nothing_is_cut_off(command: str, screen: Screen) -> None:
    result = screen(command, WIDE[command])

    assert max(map(len, result.stdout.splitlines())) <= WIDTH
    assert "…" not in result.stdout


def test_markup_in_what_an_authority_says_is_shown_as_it_is(screen: Screen) -> None:
    content = a_content(author="[bold]ada[/bold]", reasons=(a_reason(text="[red]x[/red] is below [3]"),))

    result = screen("status", {"policy": policy_answer(content)})

    assert "by [bold]ada[/bold]" in result.stdout
    assert "[red]x[/red] is below [3]" in result.stdout


ALL = [*WIDE, "clients", "status --version 9", "evaluate --dry-run"]


@pytest.mark.parametrize("command", ALL)
@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RemoteError("x", reason="UNAVAILABLE", reachable=False), 3, "no authority answers at 127.0.0.1:7443"),
        (
            RemoteError("the database cannot be reached", reason="STORE_UNAVAILABLE", reachable=True),
            4,
            "msc doctor",
        ),
        (
            RemoteError("9 are the limit", reason="WATCHER_LIMIT_REACHED", reachable=True, retry_after_s=10.0),
            4,
            "try again in 10 s",
        ),
        (
            RemoteError("wrong", reason="INVALID_REQUEST", reachable=True, fields=(("reason", "is too long"),)),
            4,
            "(reason: is too long) [INVALID_REQUEST]",
        ),
    ],
    ids=["unreachable", "store", "limit", "fields"],
)
def test_every_command_ends_in_one_line_on_standard_error_whatever_is_refused(
    command: str, error: RemoteError, code: int, said: str, remote: ScriptedRemote
) -> None:
    remote.error = error

    result = CliRunner().invoke(build_app(), command.split())

    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("msc: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("evaluate", "no answer within 60 s: it may have been done (DEADLINE_EXCEEDED); look with msc status before"),
        ("evaluate --dry-run", "no authority answers at 127.0.0.1:7443 (DEADLINE_EXCEEDED)"),
        ("evaluate --trades 9", "no authority answers at 127.0.0.1:7443 (DEADLINE_EXCEEDED)"),
    ],
)
def test_an_evaluation_without_an_answer_may_have_been_made_where_it_writes(
    command: str, said: str, remote: ScriptedRemote
) -> None:
    remote.error = RemoteError("x", reason="DEADLINE_EXCEEDED", reachable=False, unsure=True)

    result = CliRunner().invoke(build_app(), command.split())

    assert result.exit_code == 3
    assert said in result.stderr
