"""How long something lasts, as people write it."""

from __future__ import annotations

import re

from msc_authority.cli.errors import CommandError, ExitCode

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])", re.ASCII)


def seconds_of(text: str | None, option: str) -> float | None:
    """Seconds of a duration such as 90s, 30m, 1h30m or 2d; None for none.

    Raises:
        CommandError: it is not written so, or is 0.
    """
    if text is None:
        return None
    written = text.strip().lower()
    parts = _PART.findall(written)
    total = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != written or total <= 0:
        raise CommandError(
            f"{option} {text!r} is no duration above 0", advice="write it as 90s, 30m, 1h30m or 2d", code=ExitCode.USAGE
        )
    return total
