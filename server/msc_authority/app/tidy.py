"""Text of others, fit to be shown: printable, on one line, and bounded."""

from __future__ import annotations

_CUT = "…"


def tidy(text: str, max_chars: int) -> str:
    """Returns `text` on one line, without what cannot be printed, and at most `max_chars` long.

    What is no character (a lone surrogate) goes, too: no answer could carry it.
    """
    # Twice the length is enough to look at: nobody pays for a text of megabytes.
    shown = "".join(char if char.isprintable() else " " for char in text[: 2 * max_chars])
    line = " ".join(shown.split())
    return line if len(line) <= max_chars else line[: max_chars - 1].rstrip() + _CUT
