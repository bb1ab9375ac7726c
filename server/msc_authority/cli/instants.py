"""Instants as people give them to a command."""

from __future__ import annotations

from datetime import UTC, datetime

from msc_authority.cli.errors import CommandError, ExitCode


def instant_given(option: str, text: str) -> datetime:
    """The instant that the option names, in UTC where it names no zone.

    Raises:
        CommandError: it names none.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        message = f"{option} {text}: write 2026-01-31 or 2026-01-31T12:00"
        raise CommandError(message, code=ExitCode.USAGE) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
