"""Makes the bundled sample anew: `python -m msc_authority.sample.generate`. The same seed gives the same sample."""

from __future__ import annotations

from pathlib import Path

from msc_authority.sample.files import EQUITY_FILE, TRADES_FILE, compressed, csv_text
from msc_authority.sample.fleet import trade
from msc_authority.sample.market import closes
from msc_authority.sample.rules import FLEET

SEED = 10


def generated(seed: int = SEED) -> dict[str, str]:
    """The text of each file by its name."""
    trades, points = trade(closes(seed), FLEET)
    return {TRADES_FILE: csv_text(trades), EQUITY_FILE: csv_text(points)}


def main() -> None:
    """Writes the files beside this module."""
    for name, text in generated().items():
        Path(__file__).with_name(name).write_bytes(compressed(text))


if __name__ == "__main__":
    main()
