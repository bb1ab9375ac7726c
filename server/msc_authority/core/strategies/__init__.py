"""Strategies: evidence from their trades, a ranking with every part, their lives, and who is allowed to trade."""

from msc_authority.core.strategies.config import StrategyConfig
from msc_authority.core.strategies.evidence import StrategyBook, StrategyEvidence
from msc_authority.core.strategies.lifecycle import StrategyLife, StrategyLives, reinstate, retire
from msc_authority.core.strategies.selection import StrategyOutcome, judge

__all__ = [
    "StrategyConfig",
    "StrategyBook",
    "StrategyEvidence",
    "StrategyLife",
    "StrategyLives",
    "StrategyOutcome",
    "judge",
    "reinstate",
    "retire",
]
