"""The parts of one executor, as its workers share them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from msc_client.view import PolicyView
from msc_trading.executor.account import AccountView
from msc_trading.executor.blocks import Blocks
from msc_trading.executor.books import Books
from msc_trading.executor.config import ExecutorConfig
from msc_trading.executor.errors import ExecutorError, StateUnwritable
from msc_trading.executor.judgement import TradingPlan
from msc_trading.executor.orders import Orders
from msc_trading.executor.policy_lines import PolicyLines
from msc_trading.executor.ports import Guard, Planner, Policies
from msc_trading.executor.recorder import Recorder
from msc_trading.executor.records import DayStart
from msc_trading.executor.state_file import StateFile
from msc_trading.executor.timing import ExecutorClock
from msc_trading.guard.facts import GuardFacts, KillState
from msc_trading.orchestrator.state import RiskState
from msc_trading.venue.port import SymbolRules, Venue

_LOG = logging.getLogger("msc_trading.executor")
_ZERO: Final = Decimal(0)
_REREADS: Final = 100


@dataclass(slots=True, kw_only=True)
class Parts:
    """Everything a worker needs. Not safe for threads: all of it lives in one event loop."""

    config: ExecutorConfig
    clock: ExecutorClock
    venue: Venue
    guard: Guard
    planner: Planner
    policies: Policies
    state: StateFile
    recorder: Recorder
    account: AccountView
    blocks: Blocks
    books: Books
    orders: Orders
    kill: KillState = field(default_factory=KillState)
    locks: Mapping[str, datetime | None] = field(default_factory=dict)
    """Symbols that may not be entered, each until an instant (None: until somebody lifts it)."""
    lines: PolicyLines = field(default_factory=PolicyLines)
    peak_equity: Decimal | None = None
    unsettled: dict[str, str] = field(default_factory=dict)
    """Symbol of each order that filled and that the guard still counts beside the confirmed positions."""

    def snapshot(self) -> tuple[PolicyView, TradingPlan]:
        """Returns the policy in force and the plan that belongs to it, for one decision."""
        view = self.read_policy()
        self.planner.observe(risk=self.risk_state(view))
        plan = self.planner.update_policy()
        for _ in range(_REREADS):
            if plan.ref == view.ref:
                return view, plan
            # A policy came in between: both must be of the newer one.
            view, plan = self.read_policy(), self.planner.update_policy()
        raise ExecutorError("orchestrator: it follows another policy than the executor; give both the same source")

    def read_policy(self) -> PolicyView:
        """Returns the policy in force, and says so when it is another than before."""
        view = self.policies.current()
        self.lines.say(view)
        return view

    def risk_state(self, view: PolicyView) -> RiskState:
        """Returns how the account stands, as the orchestrator looks at it."""
        account, balance = self.account, self.account.balance
        equity = None if balance is None or balance.equity <= 0 else balance.equity
        pnl = account.day_pnl(self.state.day)
        positions = account.positions
        return RiskState(
            day_pnl_fraction=None if pnl is None or equity is None else float(pnl / equity),
            drawdown_pct=self._drawdown_pct(view, equity),
            losing_streak=self.state.losing_streak(),
            open_positions=None if positions is None else len(positions.quantities),
            exposure_fraction=None if positions is None or equity is None else float(positions.gross_exposure / equity),
        )

    def _drawdown_pct(self, view: PolicyView, equity: Decimal | None) -> float | None:
        """Returns the greater of what the authority measured and what was seen since the start."""
        told = view.policy.metrics.system_drawdown
        if equity is None:
            return told
        self.peak_equity = equity if self.peak_equity is None else max(self.peak_equity, equity)
        seen = float((self.peak_equity - equity) / self.peak_equity * 100)
        return seen if told is None else max(told, seen)

    def guard_facts(
        self, symbol: str, rules: SymbolRules | None, *, now: datetime, journal_writable: bool | None
    ) -> GuardFacts:
        """Returns what the guard is told of the world for one decision. `now` is the venue's."""
        account, balance = self.account, self.account.balance
        return GuardFacts(
            now=now,
            positions=account.positions,
            positions_age_s=account.positions_age_s,
            equity=None if balance is None else balance.equity,
            equity_age_s=account.equity_age_s,
            day_pnl=account.day_pnl(self.state.day),
            losing_streak=self.state.losing_streak(),
            open_risk=self._open_risk(),
            reference_price=account.price_of(symbol),
            reference_price_age_s=account.price_age_s(symbol),
            rules=rules,
            clock_offset_s=self.venue.clock_offset_s(),
            journal_writable=journal_writable,
            kill=self.kill,
            locks=self.locks,
            strategy_symbols=self._strategy_symbols(),
        )

    def _open_risk(self) -> Decimal | None:
        risks = [trip.risk for trip in self.books.trips().values()]
        return None if any(risk is None for risk in risks) else sum((risk or _ZERO for risk in risks), _ZERO)

    def _strategy_symbols(self) -> Mapping[str, frozenset[str]]:
        owned: dict[str, set[str]] = {}
        for symbol, trip in self.books.trips().items():
            owned.setdefault(trip.strategy_id, set()).add(symbol)
        return {strategy: frozenset(symbols) for strategy, symbols in owned.items()}

    async def read_positions(self) -> None:
        """Reads the positions in full.

        Raises:
            VenueError: they could not be read.
            ValueError: one makes no sense.
        """
        asked = self.account.news
        self.account.take_positions(await self.venue.positions(), asked=asked)

    def start_day(self, start: DayStart) -> None:
        """Remembers with what a day began."""
        try:
            self.state.start_day(start)
        except StateUnwritable as error:
            _LOG.critical("what the day began with is not written down: %s", error)

    def settle_filled(self, symbol: str) -> None:
        """Tells the guard what the confirmed positions hold by now, so that it is counted once."""
        if self.account.quantity(symbol) != self.books.quantity(symbol):
            return
        for id_ in [id_ for id_, known in self.unsettled.items() if known == symbol]:
            self.guard.settled(id_)
            del self.unsettled[id_]
