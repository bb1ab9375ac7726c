"""Whether entries are allowed at all: stops at once, resumes late, and a halt only by a person."""

from __future__ import annotations

from msc_authority.core.config import TradingStateConfig
from msc_authority.core.policy import Reason, TradingState


def next_trading_state(
    before: TradingState,
    *,
    drawdown_pct: float | None,
    hard_drawdown_pct: float | None,
    config: TradingStateConfig,
) -> tuple[TradingState, Reason | None]:
    """Returns the trading state after one evaluation, and why when it is not simply ACTIVE.

    HALTED stays: only a person clears it. An unknown drawdown changes nothing.
    """
    if before is TradingState.HALTED:
        return before, Reason(code="HALT_LATCHED", text="trading is HALTED until a person clears it")
    halted = _halted(hard_drawdown_pct, config)
    if halted is not None:
        return TradingState.HALTED, halted
    if drawdown_pct is None:
        return before, None if before is TradingState.ACTIVE else _reducing("the drawdown is unknown", None, None)
    return _by_drawdown(before, drawdown_pct, config)


def _halted(hard_drawdown_pct: float | None, config: TradingStateConfig) -> Reason | None:
    if hard_drawdown_pct is None or hard_drawdown_pct < config.halted_from_drawdown_pct:
        return None
    return Reason(
        code="TRADING_HALTED",
        text=f"HALTED: drawdown {hard_drawdown_pct:.2f} % since the last reset by a person has reached "
        f"{config.halted_from_drawdown_pct:g} %",
        metric="hard_drawdown_pct",
        value=hard_drawdown_pct,
        threshold=config.halted_from_drawdown_pct,
    )


def _by_drawdown(
    before: TradingState, drawdown_pct: float, config: TradingStateConfig
) -> tuple[TradingState, Reason | None]:
    start, end = config.reducing_from_drawdown_pct, config.reducing_until_drawdown_pct
    if drawdown_pct >= start:
        why = f"drawdown {drawdown_pct:.2f} % has reached {start:g} %"
        return TradingState.REDUCING, _reducing(why, drawdown_pct, start)
    if before is TradingState.REDUCING and drawdown_pct >= end:
        why = f"drawdown {drawdown_pct:.2f} % has not fallen below {end:g} %"
        return TradingState.REDUCING, _reducing(why, drawdown_pct, end)
    if before is TradingState.REDUCING:
        text = f"entries resume: drawdown {drawdown_pct:.2f} % is below {end:g} %"
        return TradingState.ACTIVE, Reason(
            code="TRADING_RESUMED", text=text, metric="drawdown_pct", value=drawdown_pct, threshold=end
        )
    return TradingState.ACTIVE, None


def _reducing(why: str, value: float | None, line: float | None) -> Reason:
    return Reason(code="TRADING_REDUCING", text=f"REDUCING: {why}", metric="drawdown_pct", value=value, threshold=line)
