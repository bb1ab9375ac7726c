"""What operators read of the guard. Some of these lines they search for: pinned byte for byte."""

from __future__ import annotations

import logging
import threading
from decimal import Decimal

from msc_trading.guard.decision import Decision
from msc_trading.guard.limits import InForce, Limits

_LOG = logging.getLogger("msc_trading.guard")


class GuardLines:
    """Says the limits when they are first known and when they change, and every block with its reason."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._followed: Limits | None = None
        self._said: dict[str, str] = {}

    def follow(self, in_force: InForce | None) -> None:
        """Logs each of the policy's limits that is not what was logged last."""
        if in_force is None or in_force.limits is self._followed:
            return
        with self._lock:
            self._followed = in_force.limits
            lines = limit_lines(in_force.limits)
            news = [line for name, line in lines.items() if self._said.get(name) != line]
            self._said = lines
        for line in news:
            _LOG.info("%s", line)

    def say(self, decision: Decision) -> None:
        """Logs a block: one line to search for, one with the numbers."""
        if decision.allowed:
            return
        intent = decision.intent
        _LOG.warning("[RISK GUARD] Trade blocked: %s", decision.headline)
        _LOG.info(
            "[RISK GUARD] %s %s %s %s %s: %s (policy %s %s)",
            decision.decision_id,
            decision.reason_code,
            intent.symbol,
            intent.side,
            intent.strategy_id or "(no strategy)",
            decision.text,
            decision.policy_ref,
            decision.policy_tier.name,
        )


def limit_lines(limits: Limits) -> dict[str, str]:
    """Returns the line of each limit, by its name."""
    return {
        "max_positions": f"[MSC AI] Max positions limit: {limits.max_positions}",
        "max_daily_trades": f"[MSC AI] Max daily trades: {limits.max_daily_trades}",
        "max_risk": f"[MSC AI] Max risk per trade: {_percent(limits.max_risk)}",
    }


def _percent(fraction: Decimal) -> str:
    return f"{fraction:.2%}"
