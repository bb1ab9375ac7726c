"""How a command ends: exit codes that scripts can trust, and one clear line when it ends badly."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from enum import IntEnum
from typing import ParamSpec, TypeVar

import typer

P = ParamSpec("P")
R = TypeVar("R")

debugging: ContextVar[bool] = ContextVar("debugging", default=False)
"""Whether errors show their traceback."""


class ExitCode(IntEnum):
    """What the exit code of every command means."""

    OK = 0
    """Done, and the answer is good."""
    BAD_NEWS = 1
    """Done, and the answer is bad news; or the command failed on this machine."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    UNREACHABLE = 3
    """The authority cannot be reached, or gave no answer."""
    REFUSED = 4
    """The authority answered, and refused or failed the request."""


class CommandError(Exception):
    """A command cannot go on. `message` says what is wrong, `advice` what to do next, `reason` is a stable code."""

    def __init__(self, message: str, *, advice: str = "", code: ExitCode = ExitCode.BAD_NEWS, reason: str = "") -> None:
        """Takes sentences without a full stop."""
        super().__init__(message)
        self.message, self.advice, self.code = message, advice, code
        self.reason = reason or code.name


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Lets a command end with one line on standard error and its exit code instead of a traceback."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError:
            _silence_stdout()
            raise typer.Exit(ExitCode.OK) from None
        except Exception as error:
            if debugging.get():
                raise
            told = error if isinstance(error, CommandError) else _unexpected(error)
            _report(told, as_json=kwargs.get("as_json") is True)
            raise typer.Exit(told.code) from None

    return guarded


def _unexpected(error: Exception) -> CommandError:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return CommandError(text, advice="run it again as msc --debug … to see where", reason="UNEXPECTED")


def _report(error: CommandError, *, as_json: bool) -> None:
    from msc_authority.masking import mask_text

    message, advice = mask_text(error.message), mask_text(error.advice)
    if as_json:
        document = {"error": message, "advice": advice, "reason": error.reason, "exit_code": int(error.code)}
        line = json.dumps(document, ensure_ascii=False)
    else:
        line = " ".join(f"msc: {message}{'; ' + advice if advice else ''}".split())
    sys.stderr.write(line + "\n")


def _silence_stdout() -> None:
    """Its reader, such as `head`, has gone: nothing more can be said there, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
