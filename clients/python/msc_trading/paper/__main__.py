"""Runs a paper exchange: python -m msc_trading.paper --help."""

from __future__ import annotations

from msc_trading.paper.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
