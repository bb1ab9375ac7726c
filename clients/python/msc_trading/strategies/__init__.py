"""Sample strategies: honest sources of signals for demonstrations and tests, and no advice to anybody."""

from msc_trading.strategies.fleet import strategy_set
from msc_trading.strategies.rule import Rule, Wish
from msc_trading.strategies.strategy import RuleStrategy, Strategy, signal_id

__all__ = ["strategy_set", "Rule", "Wish", "RuleStrategy", "Strategy", "signal_id"]
