"""Asks the authority, and puts its errors into the words and exit codes of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msc_authority.cli.credentials import credentials
from msc_authority.cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from msc_authority.rpc.remote import Remote
    from msc_authority.rpc.remote_error import RemoteError

_ADVICE = {
    "POLICY_NOT_FOUND": "msc history lists the versions there are",
    "VERSION_NOT_FOUND": "msc history lists the versions there are",
    "LOOSENING_NOT_ALLOWED": "--allow-loosening does it, for 1 h unless --for says, at most 24 h",
    "OVERRIDE_NOT_FOUND": "msc overrides lists those in force",
    "STRATEGY_UNKNOWN": "msc strategies lists those that have been met",
    "STATE_UNREADABLE": "msc halt still works; then see the authority's log",
    "LEDGER_UNREADABLE": "look at the database of the authority with msc doctor on its machine, then try again",
    "OVERTAKEN": "msc overrides and msc history show what was done meanwhile",
    "CALLER_GONE": "msc status and msc overrides show what is in force; then ask again",
    "STORE_UNAVAILABLE": "look at the database of the authority with msc doctor on its machine",
    "NOT_LEADER": "msc status shows the replicas; one of them takes over within seconds",
    "RATE_LIMITED": "wait a moment and try again",
    "TOKEN_MISSING": "give one with --token-file, MSC_TOKEN_FILE or MSC_TOKEN",
    "TOKEN_EXPIRED": "have another one made with msc token create",
    "TOKEN_REVOKED": "have another one made with msc token create",
    "CERTIFICATE_EXPIRED": "give a newer one to whatever connects here",
    "TOKEN_INVALID": "check the token; msc token list on the authority's machine shows those there are",
    "ROLE_MISSING": "ask for a token with that role",
}

_TOO_LATE = "DEADLINE_EXCEEDED"
OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
"""The reason of an error that leaves open whether what was asked for was done."""


@contextmanager
def asking(target: str) -> Iterator[Remote]:
    """The authority at `target`, host:port; its errors come out as CommandError."""
    check_target(target)
    from msc_authority.rpc.remote import Remote
    from msc_authority.rpc.remote_error import RemoteError

    with Remote(target, credentials=credentials()) as remote:
        try:
            yield remote
        except RemoteError as error:
            raise told(error, target) from error


@contextmanager
def acting(within_s: float, *, look: str = "msc status and msc overrides") -> Iterator[None]:
    """Around what changes something: where nobody knows whether it was done, that is said, and where to look."""
    from msc_authority.rpc.remote_error import RemoteError

    try:
        yield
    except RemoteError as error:
        if not (error.unsure or error.earlier_unsure):
            raise
        raise CommandError(
            _unsure(error, within_s),
            advice=f"look with {look} before you do anything else",
            code=ExitCode.REFUSED if error.reachable else ExitCode.UNREACHABLE,
            reason=OUTCOME_UNKNOWN,
        ) from error


def _unsure(error: RemoteError, within_s: float) -> str:
    if not error.reachable:
        within = f" within {within_s:g} s" if error.reason == _TOO_LATE else ""
        return f"no answer{within}: it may have been done ({error.reason})"
    if error.unsure:
        return f"it may have been done: {error.message} [{error.reason}]"
    return (
        "an earlier attempt had no answer and may have been done; "
        f"asked again, the authority refused: {error.message} [{error.reason}]"
    )


def check_target(target: str) -> None:
    """Refuses what cannot be host:port, or several of them.

    Raises:
        CommandError: it is not.
    """
    from msc_authority.rpc.targets import problem_of

    if problem := problem_of(target):
        raise CommandError(problem, advice="give --target or MSC_TARGET as 127.0.0.1:7443", code=ExitCode.USAGE)


def told(error: RemoteError, target: str) -> CommandError:
    """The error for the command line: unreachable or refused, and what to do next."""
    if not error.reachable:
        return CommandError(
            f"no authority answers at {target} ({error.reason})",
            advice="start one with msc serve, name another with --target, or run msc doctor",
            code=ExitCode.UNREACHABLE,
            reason=error.reason,
        )
    fields = ", ".join(f"{name}: {problem}" for name, problem in error.fields if problem not in error.message)
    advice = _ADVICE.get(error.reason, "")
    if error.retry_after_s is not None:
        advice = advice or f"try again in {error.retry_after_s:g} s"
    return CommandError(
        f"the authority refused: {error.message}{f' ({fields})' if fields else ''} [{error.reason}]",
        advice=advice,
        code=ExitCode.REFUSED,
        reason=error.reason,
    )
