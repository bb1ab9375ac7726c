"""Which lane an order takes: it opens or grows a position, or it can only reduce one."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msc_client.facts import Side
from msc_trading.filters import EXACT, plain
from msc_trading.guard.case import Case, Denial
from msc_trading.guard.facts import is_fresh
from msc_trading.guard.reasons import ReasonCode

_ZERO: Final = Decimal(0)


def entry_lane_denial(case: Case) -> Denial | None:
    """Refuses an order against the confirmed position that the venue would not hold to it: it would flip, or could."""
    position = _confirmed_position(case)
    opposes = position is not None and _opposes(case.intent.side, position)
    case.rows.append(("lane", position, case.intent.side.value, not opposes))
    if not opposes or position is None:
        return None
    quantity, against = case.intent.quantity, plain(abs(position))
    if quantity > abs(position):
        text = f"{plain(quantity)} would flip a position of {against}: close it reduce-only, enter with a second order"
    else:
        text = f"{plain(quantity)} against a position of {against} must be sent reduce-only"
    return Denial(ReasonCode.FLIP_NOT_ALLOWED, text)


def reduce_lane_denial(case: Case, pending: Decimal, opening: Decimal) -> Denial | None:
    """Refuses what cannot reduce the confirmed position. One that is not known is left to the venue, which enforces it.

    `pending` is what open reductions may still take off it; `opening` what granted entries may have added to it since
    it was confirmed.
    """
    position = _confirmed_position(case)
    if position is None:
        case.rows.append(("lane", None, pending, True))
        return None
    held = EXACT.add(abs(position) if _opposes(case.intent.side, position) else _ZERO, opening)
    denial = _cannot_reduce(case, position, held, EXACT.subtract(held, pending))
    case.rows.append(("lane", position, EXACT.subtract(held, pending), denial is None))
    return denial


def _cannot_reduce(case: Case, position: Decimal, held: Decimal, left: Decimal) -> Denial | None:
    intent = case.intent
    if held == 0:
        text = f"a {intent.side} cannot reduce a position of {plain(position)}"
        return Denial(ReasonCode.NOTHING_TO_REDUCE, text)
    if intent.close_position or intent.quantity <= left:
        return None
    text = f"{plain(intent.quantity)} is more than the {plain(left)} that open reductions leave of {plain(held)}"
    return Denial(ReasonCode.FLIP_NOT_ALLOWED, text)


def _confirmed_position(case: Case) -> Decimal | None:
    facts = case.facts
    if facts.positions is None or not is_fresh(facts.positions_age_s, case.config.positions_age_max_s):
        return None
    return facts.positions.quantity(case.intent.symbol)


def _opposes(side: Side, position: Decimal) -> bool:
    return position > 0 if side is Side.SELL else position < 0
