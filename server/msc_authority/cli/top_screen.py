"""One frame of `msc top`, from what is known and the size of the terminal alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msc_authority.cli.top_head import head
from msc_authority.cli.top_layout import WIDE, beside, stacked, words
from msc_authority.cli.top_parts import alerts, blocks, fleet, health, strategies

if TYPE_CHECKING:
    from rich.console import RenderableType

    from msc_authority.cli.top_state import TopState

HEAD_PART = 3
"""The lines at the top get a third of a screen; where they would take more, they are cut off at its edge instead."""
UNBROKEN = 10_000
"""Characters of a line that never goes on in the next."""


def screen(state: TopState, monotonic: float, width: int, height: int | None) -> RenderableType:
    """Returns what to show at this instant. `height` None: as many lines as it takes, and nothing about keys."""
    from rich.console import Group

    top = list(head(state, monotonic, width))
    if height is not None and len(top) > height // HEAD_PART:
        top = list(head(state, monotonic, UNBROKEN))
    bottom = [words("q ends it")] if height is not None else []
    if state.seen is None:
        return Group(*top, *bottom)
    room = None if height is None else max(0, height - len(top) - len(bottom))
    seen = state.seen
    if width >= WIDE:
        wrong = alerts(seen)
        lines = wrong.height if room is None else min(wrong.height, max(room // 4, 1 + wrong.least))
        rest = None if room is None else max(0, room - lines - 1)
        both = beside(stacked((health(seen), blocks(seen)), rest), stacked((strategies(seen), fleet(seen)), rest))
        return Group(*top, *stacked((wrong,), lines), "", both, *bottom)
    sections = (alerts(seen), health(seen), strategies(seen), fleet(seen), blocks(seen))
    return Group(*top, *stacked(sections, room), *bottom)
