"""The executor: turns signals into protected positions, within the policy of now."""

from msc_trading.executor.blocks import Block, BlockReason
from msc_trading.executor.config import ExecutorConfig
from msc_trading.executor.errors import ExecutorError, StateUnusable, StateUnwritable
from msc_trading.executor.executor import Executor, ExecutorStatus
from msc_trading.executor.ids import Purpose, is_ours, order_id
from msc_trading.executor.ports import FundingSource, Guard, Planner, Policies
from msc_trading.executor.recorder import Journal
from msc_trading.executor.timing import ExecutorClock, LoopClock

__all__ = [
    "Block",
    "BlockReason",
    "Executor",
    "ExecutorClock",
    "ExecutorConfig",
    "ExecutorError",
    "ExecutorStatus",
    "FundingSource",
    "Guard",
    "Journal",
    "LoopClock",
    "Planner",
    "Policies",
    "Purpose",
    "StateUnusable",
    "StateUnwritable",
    "is_ours",
    "order_id",
]
