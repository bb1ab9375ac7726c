"""The orchestrator: what it lays down always belongs to the policy of now."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from msc_client.policy import Policy
from msc_client.view import EntryDenial, PolicyView
from msc_trading.orchestrator.config import OrchestratorConfig
from msc_trading.orchestrator.orchestrate import orchestrate
from msc_trading.orchestrator.state import MarketState, RiskState
from msc_trading.orchestrator.trading_policy import TradingPolicy

_LOG = logging.getLogger("msc_trading.orchestrator")


class FollowedPolicies(Protocol):
    """A policy source of msc_client, as far as it is needed here."""

    def current(self) -> PolicyView:
        """Returns the policy in force at this instant."""
        ...

    def now_ns(self) -> int:
        """Returns the instant that the methods of a view ask for."""
        ...

    def subscribe(self, callback: Callable[[PolicyView], None]) -> Callable[[], None]:
        """Calls `callback` with each new view. Returns what ends that."""
        ...


class Orchestrator:
    """Lays down how to trade, from the policy and from what `observe` was told last. Safe for threads."""

    def __init__(self, policies: FollowedPolicies, config: OrchestratorConfig | None = None) -> None:
        self._policies = policies
        self._config = config or OrchestratorConfig()
        self._lock = threading.Lock()
        self._market = MarketState()
        self._risk = RiskState()
        self._key: tuple[PolicyView, EntryDenial | None, MarketState, RiskState] | None = None
        self._latest: TradingPolicy | None = None
        self._lines = _Lines()

    def follow(self) -> Callable[[], None]:
        """Recomputes whenever the policy changes, without being asked. Returns what ends that."""
        end = self._policies.subscribe(self._on_policy)
        self.update_policy()
        return end

    def observe(self, *, market: MarketState | None = None, risk: RiskState | None = None) -> None:
        """Takes in what was seen. A None leaves what was seen before."""
        with self._lock:
            self._market = self._market if market is None else market
            self._risk = self._risk if risk is None else risk

    def update_policy(self) -> TradingPolicy:
        """Returns how to trade now. It is computed again when the policy, its tier, the market or the risk changed."""
        with self._lock:
            view, now_ns = self._policies.current(), self._policies.now_ns()
            # A SAFE policy lets entries end by the clock alone: that is part of what the answer depends on.
            key = (view, view.entry_denial(now_ns), self._market, self._risk)
            if self._latest is not None and self._is_same(key):
                return self._latest
            latest = orchestrate(view, self._market, self._risk, self._config, now_ns=now_ns)
            news = self._lines.of(view.policy, latest, self._risk)
            self._key, self._latest = key, latest
        # Said outside the lock: a log handler may be slow, and may ask us.
        for line in news:
            _LOG.info("%s", line)
        return latest

    def _on_policy(self, _: PolicyView) -> None:
        self.update_policy()

    def _is_same(self, key: tuple[PolicyView, EntryDenial | None, MarketState, RiskState]) -> bool:
        known = self._key
        return known is not None and known[1] == key[1] and all(known[index] is key[index] for index in (0, 2, 3))


class _Lines:
    """What operators read. Those that they search for are pinned byte for byte."""

    def __init__(self) -> None:
        self._policy = ""
        self._mode = ""
        self._limit = ""
        self._notes: tuple[str, ...] = ()

    def of(self, policy: Policy, trading: TradingPolicy, risk: RiskState) -> list[str]:
        """Returns the lines that this result calls for: what it says that the one before did not."""
        name, max_risk = policy.risk_mode.name, f"{policy.max_risk_per_trade:.2%}"
        loaded = f"[MSC AI] Supreme policy loaded: risk_mode={name}, max_risk={max_risk}"
        mode = f"[POLICY UPDATE] MSC AI: {name} mode (risk={max_risk})"
        reached = risk.open_positions is not None and risk.open_positions >= policy.max_positions
        limit = f"[POLICY UPDATE] MSC AI: Position limit reached ({risk.open_positions}/{policy.max_positions})"
        lines = [loaded] if f"{trading.ref} {loaded}" != self._policy else []
        lines += [mode] if mode != self._mode else []
        lines += [limit] if reached and limit != self._limit else []
        lines += [f"[POLICY UPDATE] Orchestrator: {note}" for note in trading.notes if note not in self._notes]
        self._policy, self._mode = f"{trading.ref} {loaded}", mode
        self._limit, self._notes = limit if reached else "", trading.notes
        return lines
