"""A high-water mark that starts at an instant: the hard one since a person's reset, the soft one since a re-base."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from msc_authority.core import codec
from msc_authority.core.drawdown import fall_pct
from msc_authority.core.equity import SettledCurve


@dataclass(frozen=True, slots=True, kw_only=True)
class HighWaterMark:
    """The greatest NAV after `since`. `origin` names the curve that `nav` was read from.

    NAVs of different curves cannot be compared: when the curve's origin changes (the first reading of the account
    replaces the curve of closed trades), the mark is looked up anew from `since`.
    """

    since: datetime
    nav: float | None = None
    origin: str = ""

    def raised(self, curve: SettledCurve, nav: float, origin: str) -> HighWaterMark:
        """Returns the mark as the curve, now at `nav`, leaves it. It never falls within one origin."""
        known = (self.nav if self.origin == origin else None, curve.highest_after(self.since), nav)
        return HighWaterMark(since=self.since, nav=max(value for value in known if value is not None), origin=origin)

    def drawdown_pct(self, nav: float) -> float | None:
        """Returns how far `nav` is below the mark, in percent, or None where the mark is not positive."""
        if self.nav is None or self.nav <= 0.0:
            return None
        return fall_pct(self.nav, nav)

    def encode(self) -> list[object]:
        """Returns the mark as a JSON-able row."""
        return [codec.instant_text(self.since), self.nav, self.origin]

    @classmethod
    def decode(cls, value: object) -> HighWaterMark:
        """Returns the mark that `encode` wrote."""
        since, nav, origin = codec.row(value, 3)
        return cls(
            since=codec.instant(since), nav=None if nav is None else codec.number(nav), origin=codec.text(origin)
        )
