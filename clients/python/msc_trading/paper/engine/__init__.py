"""The exchange itself: a pure, synchronous, deterministic engine. Time is an argument."""

from msc_trading.paper.engine.core import Engine
from msc_trading.paper.engine.rejections import Rejected

__all__ = ["Engine", "Rejected"]
