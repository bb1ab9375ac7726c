"""How commands end: exit codes, one line, no traceback, no secret."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from msc_authority.cli.errors import CommandError, ExitCode, command, debugging


def failing(error: Exception) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    @command
    def fail(as_json: bool = False) -> None:
        raise error

    return app


def outcome(error: Exception, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(failing(error), list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_a_command_error_is_one_line_with_its_advice_and_code() -> None:
    error = CommandError("the port is taken", advice="choose another", code=ExitCode.UNREACHABLE)

    assert outcome(error) == (3, "", "msc: the port is taken; choose another\n")


def test_an_unexpected_error_is_named_and_shows_no_traceback() -> None:
    code, out, err = outcome(ZeroDivisionError("by zero\nand more"))

    assert (code, out) == (1, "")
    assert err == "msc: ZeroDivisionError: by zero and more; run it again as msc --debug … to see where\n"


def test_with_debug_the_error_itself_comes_out() -> None:
    token = debugging.set(True)
    try:
        with pytest.raises(ZeroDivisionError):
            CliRunner().invoke(failing(ZeroDivisionError()), catch_exceptions=False)
    finally:
        debugging.reset(token)


def test_in_json_the_error_is_one_object_on_standard_error() -> None:
    code, out, err = outcome(CommandError("no", advice="do", reason="SOME_REASON"), "--as-json")

    assert (code, out) == (1, "")
    assert json.loads(err) == {"error": "no", "advice": "do", "reason": "SOME_REASON", "exit_code": 1}


@pytest.mark.parametrize("arguments", [(), ("--as-json",)])
def test_a_password_in_an_error_is_masked(arguments: tuple[str, ...]) -> None:
    _, _, err = outcome(RuntimeError("cannot open postgresql://msc:hunter2@db/msc"), *arguments)

    assert "hunter2" not in err
    assert "msc:***@db" in err


def test_a_reader_that_left_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    silenced: list[bool] = []
    monkeypatch.setattr("msc_authority.cli.errors._silence_stdout", lambda: silenced.append(True))

    assert outcome(BrokenPipeError()) == (0, "", "")
    assert silenced == [True]


def test_an_exit_with_a_code_passes_through() -> None:
    assert outcome(typer.Exit(1)) == (1, "", "")
