"""One run of the loop: starts every process, keeps them going, and ends them in order."""

from __future__ import annotations

import queue
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from msc_authority.adapters.clock import SimulatedClock
from msc_authority.rpc.remote import Remote
from msc_authority.rpc.remote_error import RemoteError
from msc_loop.authority_process import Start
from msc_loop.exchange_admin import ExchangeAdmin, ExchangeUnreachable
from msc_loop.fleet import Child, Fleet, Heard, Message
from msc_loop.journal import count_fills
from msc_loop.looking import where_to_look
from msc_loop.plan import Addresses, LoopPlan
from msc_trading.clock import Clock

HEAD_START_S = 2.0
"""Simulated time begins so much later than the authority is told to start."""
START_S = 60.0
SETTLE_S = 15.0
LAST_LIVES = 5
SHOWN_BLOCKS = 12
LOOK_EVERY_S = 0.5
CHILDREN_S = 25.0


class LoopFailed(Exception):
    """The run cannot go on. The message says why, and where to look."""


@dataclass(slots=True, kw_only=True)
class LoopState:
    """The run as it is known now, for display. A None was not answered."""

    now: datetime
    url: str | None = None
    policy: Message | None = None
    strategies: Message | None = None
    exchange: Message | None = None
    equity: Decimal | None = None
    executors: dict[str, Message] = field(default_factory=dict)
    blocks: deque[Message] = field(default_factory=lambda: deque(maxlen=SHOWN_BLOCKS))
    block_counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended: when, in simulated and in real time, why, and what the exchange then held."""

    at: datetime
    real_s: float
    why: str
    trades: list[dict[str, object]]
    equity: Decimal
    restarts: int
    undelivered: int


class LoopRun:
    """Runs a plan. `look` is shown the state twice a second; `note` is told what people should know at once."""

    def __init__(
        self,
        plan: LoopPlan,
        fleet: Fleet,
        clock: Clock,
        *,
        port: int,
        http_port: int | None = None,
        look: Callable[[LoopState], None],
        note: Callable[[str], None],
    ) -> None:
        """Takes the plan and a fleet without children. Port 0 takes a free one for the authority; None: no HTTP."""
        self._plan, self._fleet, self._clock = plan, fleet, clock
        self._port, self._http_port = port, http_port
        self._look, self._note = look, note
        self._stopped = threading.Event()
        self._executors: dict[str, Child] = {}
        self._ending = False
        self._restarts = 0
        self.state = LoopState(now=plan.origin)

    def stop(self) -> None:
        """Ends the run soon. From any thread, and from a signal handler."""
        self._stopped.set()

    def run(self, days: float | None) -> Ended:
        """Runs until so many simulated days have passed (None: until `stop`), and returns how it ended.

        Raises:
            LoopFailed: a process could not be started, or one that nothing works without has died.
        """
        self._start()
        began, why = self._clock.monotonic(), self._go_on(days)
        at, real_s = self._sim.now(), self._clock.monotonic() - began
        return self._end(at, real_s, why)

    def _start(self) -> None:
        plan, fleet = self._plan, self._fleet
        self._exchange = fleet.start("exchange", "msc_loop.exchange_process")
        self._authority = fleet.start("authority", "msc_loop.authority_process")
        for symbol in plan.symbols:
            self._executors[symbol] = fleet.start(symbol, "msc_loop.executor_process", symbol, "1")
        for child in (self._exchange, self._authority, *self._executors.values()):
            child.say(plan.as_json())
        self._await("ready", self._exchange)
        self._await("loaded", self._authority, *self._executors.values())
        self._begin()

    def _begin(self) -> None:
        """Starts simulated time in all processes at one instant."""
        plan, told = self._plan, self._exchange.told["ready"]
        self._admin = ExchangeAdmin(str(told["admin_url"]))
        started_at = self._clock.now() + timedelta(seconds=HEAD_START_S)
        self._sim = SimulatedClock(origin=plan.origin, started_at=started_at, speed=plan.speed)
        self._started_at = started_at
        self._authority.say(self._authority_start())
        self._await("ready", self._authority)
        target = self._take_addresses(self._authority.told["ready"])
        self._addresses = Addresses(target=target, rest_url=str(told["rest_url"]), stream_url=str(told["stream_url"]))
        self._remote = Remote(target, deadline_s=1.0)
        for line in where_to_look(plan, target, self.state.url):
            self._note(line)
        while (ahead_s := (started_at - self._clock.now()).total_seconds()) > 0:
            self._hear(ahead_s)
        late_s = -ahead_s * plan.speed
        if late_s > 1:
            self._admin.step(late_s)
        self._admin.resume()
        for child in self._executors.values():
            child.say(self._addresses.as_json())

    def _authority_start(self) -> str:
        return Start(started_at=self._started_at, port=self._port, http_port=self._http_port).as_json()

    def _take_addresses(self, ready: Message) -> str:
        """Returns where the authority listens. One that is started again comes back where its clients look for it."""
        target, url = str(ready["target"]), ready["url"]
        self._port = int(target.rpartition(":")[2])
        if url is not None:
            self.state.url = str(url)
            self._http_port = int(self.state.url.rpartition(":")[2])
        return target

    def _await(self, event: str, *children: Child) -> None:
        deadline = self._clock.monotonic() + START_S
        while not all(event in child.told for child in children):
            if self._stopped.is_set():
                raise LoopFailed("stopped before it began")
            left_s = deadline - self._clock.monotonic()
            if left_s <= 0:
                missing = ", ".join(child.name for child in children if event not in child.told)
                raise LoopFailed(f"not {event} within {START_S:g} s: {missing}; see the logs")
            self._hear(min(left_s, 0.2))

    def _hear(self, timeout_s: float) -> None:
        """Takes in what a child says within the time."""
        try:
            heard = self._fleet.heard.get(timeout=timeout_s)
        except queue.Empty:
            return
        if heard.message is None:
            self._on_end(heard.child)
        else:
            self._on_message(heard, heard.message)

    def _on_message(self, heard: Heard, message: Message) -> None:
        event = str(message["event"])
        heard.child.told[event] = message
        if event == "failed":
            raise LoopFailed(f"{heard.child.name}: {message.get('why')}")
        if event == "status":
            self.state.executors[heard.child.name] = message
        if event == "block":
            self.state.blocks.append(message)
            self.state.block_counts[str(message["reason"])] += 1

    def _on_end(self, child: Child) -> None:
        if self._ending or child.name not in (*self._executors, "authority", "exchange"):
            return
        code, log = child.process.returncode, self._fleet.log_of(child.name)
        if child is self._exchange or child.life >= LAST_LIVES or "loaded" not in child.told:
            raise LoopFailed(f"{child.name} ended with code {code}: {self._fleet.last_words(child)} (log: {log})")
        self._note(f"{child.name} died with code {code} and is started again (log: {log})")
        self._restarts += 1
        self._restart(child)

    def _restart(self, child: Child) -> None:
        life, lines = child.life + 1, [self._plan.as_json()]
        if child is self._authority:
            self._authority = self._fleet.start(child.name, child.module, life=life)
            lines.append(self._authority_start())
            child = self._authority
        else:
            self._executors[child.name] = self._fleet.start(child.name, child.module, child.name, str(life), life=life)
            lines.append(self._addresses.as_json())
            child = self._executors[child.name]
        for line in lines:
            child.say(line)

    def _go_on(self, days: float | None) -> str:
        end_at = None if days is None else self._plan.origin + timedelta(days=days)
        look_at = self._clock.monotonic()
        while not self._stopped.is_set():
            now = self.state.now = self._sim.now()
            if end_at is not None and now >= end_at:
                return f"{days:g} simulated days have passed"
            if self.state.exchange is not None and self.state.exchange.get("feed_ended"):
                return "the candles have ended"
            if self._clock.monotonic() >= look_at:
                look_at = self._clock.monotonic() + LOOK_EVERY_S
                self._refresh()
                self._look(self.state)
            self._hear(0.05)
        return "stopped"

    def _refresh(self) -> None:
        state = self.state
        try:
            state.exchange = self._admin.status()
            state.equity = equity_at(state.exchange, self._admin.trades())
        except ExchangeUnreachable as error:
            self._note(f"the exchange does not answer: {error}")
        try:
            state.policy, state.strategies = self._remote.policy(), self._remote.strategies()
        except RemoteError:
            # Shown as such; if it has died, its end is heard.
            state.policy = None

    def _end(self, at: datetime, real_s: float, why: str) -> Ended:
        """Stops time, waits until the journal has caught up, and ends the processes: those that trade first."""
        self._admin.pause()
        self._settle()
        self._ending = True
        executors = list(self._executors.values())
        self._fleet.end(executors, within_s=CHILDREN_S)
        while not all("ended" in child.told or self._has_no_more(child) for child in executors):
            self._hear(0.2)
        trades, equity = self._admin.trades(), self._equity()
        self._remote.close()
        self._fleet.end([self._authority])
        self._fleet.end([self._exchange])
        undelivered = sum(_count(child.told.get("ended", {}), "undelivered") for child in executors)
        return Ended(
            at=at,
            real_s=real_s,
            why=why,
            trades=trades,
            equity=equity,
            restarts=self._restarts,
            undelivered=undelivered,
        )

    def _equity(self) -> Decimal:
        """Returns what the account is worth at the exchange: the wallet, and what is open at the last price."""
        status, trades = self._admin.status(), self._admin.trades()
        return equity_at(status, trades)

    def _has_no_more(self, child: Child) -> bool:
        return not child.is_alive and self._fleet.heard.empty()

    def _settle(self) -> None:
        """Waits until every fill is in the journal: a stop that triggered at the last moment is still on its way."""
        deadline = self._clock.monotonic() + SETTLE_S
        while self._clock.monotonic() < deadline:
            self._hear(0.2)
            if count_fills(self._plan.database_url) >= len(self._admin.trades()):
                return
        self._note(f"the journal has not caught up with the exchange within {SETTLE_S:g} s")


def _count(message: Message, name: str) -> int:
    value = message.get(name)
    return value if isinstance(value, int) else 0


def equity_at(status: Message, trades: list[dict[str, object]]) -> Decimal:
    """Returns the wallet, and what is open valued at the last price. Entry prices are those of the fills."""
    wallet, prices = Decimal(str(status["wallet"])), status["prices"]
    cash = sum((_cash(trade) for trade in trades), Decimal(0))
    realized = sum((Decimal(str(trade["realizedPnl"])) for trade in trades), Decimal(0))
    held = sum((_held(trade, prices) for trade in trades), Decimal(0))
    return wallet + cash + held - realized


def _signed(trade: dict[str, object]) -> Decimal:
    quantity = Decimal(str(trade["qty"]))
    return quantity if trade["side"] == "BUY" else -quantity


def _cash(trade: dict[str, object]) -> Decimal:
    return -_signed(trade) * Decimal(str(trade["price"]))


def _held(trade: dict[str, object], prices: object) -> Decimal:
    price = prices[str(trade["symbol"])] if isinstance(prices, dict) else 0
    return _signed(trade) * Decimal(str(price))
