"""Those who change the policy and fill the journal; and the line by which the resident clients reach the authority.

python -m soaking.load.steering '{"port": 7443, "acts_per_s": 2, "breaks_after_s": 20, "seed": 1}'

Says {"line": PORT} when it is ready. The line breaks in shifts only.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc
from benching.child import tell

from msc_policy import v1 as pb
from soaking.load.crowd import OPTIONS
from soaking.load.relay import Break, Fate, Relay
from soaking.load.shift import Tally, chance, for_ever, in_shifts

CALL_WITHIN_S = 20.0
EVALUATE_EVERY_S = 3.0
RECORD_EVERY_S = 1.0
ROWS = 6
EQUITY_EVERY = 5
STRATEGIES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How often the policy changes, and after how long the residents' line breaks, about."""

    port: int
    acts_per_s: float
    breaks_after_s: float
    seed: int


class Steering:
    """Acts of a person, evaluations, and rows of the journal."""

    def __init__(self, plan: Plan, channel: grpc.aio.Channel) -> None:
        self._plan, self._chance, self.tally = plan, chance(plan.seed), Tally()
        self._operator: pb.OperatorServiceAsyncStub = pb.OperatorServiceStub(channel)
        self._policies: pb.PolicyAuthorityAsyncStub = pb.PolicyAuthorityStub(channel)
        self._journal: pb.JournalServiceAsyncStub = pb.JournalServiceStub(channel)
        self._numbers = itertools.count(1)
        self._batches = itertools.count(1)
        self._run = uuid.uuid4().hex[:8]
        self._in_shift = False

    def jobs(self) -> list[Coroutine[None, None, None]]:
        """Returns the jobs of a shift."""
        works = (self._act_and_lift, self._evaluate, self._record)
        return [self._breaking(), *(for_ever(work, self.tally, (grpc.RpcError,)) for work in works)]

    def fate(self) -> Fate | None:
        """Returns what becomes of a resident's line that is made now."""
        if not self._in_shift:
            return None
        how, after_s = self._chance.choice(tuple(Break)), self._plan.breaks_after_s
        return Fate(how=how, after_s=self._chance.uniform(1.0, 2 * after_s), stalled_s=after_s / 2)

    async def _breaking(self) -> None:
        self._in_shift = True
        try:
            await asyncio.Event().wait()
        finally:
            self._in_shift = False

    async def _act_and_lift(self) -> None:
        pause_s = 1.0 / self._plan.acts_per_s
        answer = await self._operator.Act(self._next_act(), timeout=CALL_WITHIN_S)
        self.tally.note("acts")
        await asyncio.sleep(pause_s)
        lift = pb.LiftOverrideRequest(override_id=answer.override.override_id, reason="soak", actor="soak")
        await self._operator.LiftOverride(lift, timeout=CALL_WITHIN_S)
        self.tally.note("lifts")
        await asyncio.sleep(pause_s)

    def _next_act(self) -> pb.ActRequest:
        number = next(self._numbers)
        request = pb.ActRequest(reason=f"soak, act {number}", actor="soak", request_id=f"{self._run}-{number}")
        match number % 10:
            case 0:
                request.pin_mode.risk_mode = pb.RISK_MODE_DEFENSIVE
            case 5:
                request.reduce.SetInParent()
            case _:
                request.set_limits.limits.max_positions = 1 + number % 2
                request.set_limits.limits.max_risk_per_trade = 0.0001 * (1 + number % 9)
        return request

    async def _evaluate(self) -> None:
        await self._policies.Evaluate(pb.EvaluateRequest(reason="soak"), timeout=CALL_WITHIN_S)
        self.tally.note("evaluations")
        await asyncio.sleep(EVALUATE_EVERY_S)

    async def _record(self) -> None:
        batch, now = next(self._batches), datetime.now(UTC)
        entries = [pb.JournalEntry(seq=row, execution=self._execution(batch, row, now)) for row in range(ROWS)]
        if batch % EQUITY_EVERY == 1:
            entries.append(pb.JournalEntry(seq=ROWS, equity=_equity(batch, now)))
            entries.append(pb.JournalEntry(seq=ROWS + 1, trade=self._trade(batch, now)))
        answer = await self._journal.Record(iter([pb.RecordRequest(entries=entries)]), timeout=CALL_WITHIN_S)
        self.tally.note("rows", answer.accepted)
        self.tally.note("rows refused", answer.refused_total)
        await asyncio.sleep(RECORD_EVERY_S)

    def _execution(self, batch: int, row: int, now: datetime) -> pb.Execution:
        blocked = row % 3 == 0
        execution = pb.Execution(
            event_id=f"{self._run}-{batch}-{row}",
            account="soak",
            executor="soak",
            strategy_id=f"STRATEGY_{(batch + row) % STRATEGIES:03}",
            symbol="BTCUSDT",
            side=pb.SIDE_BUY,
            client_order_id=f"{self._run}-{batch}-{row}",
            status="BLOCKED" if blocked else "NEW",
            quantity="0.01",
            confidence=0.5,
            reason="STRATEGY_NOT_ALLOWED" if blocked else "",
        )
        execution.at.FromDatetime(now)
        return execution

    def _trade(self, batch: int, now: datetime) -> pb.ClosedTrade:
        won = self._chance.random() < 0.6
        trade = pb.ClosedTrade(
            trade_id=f"{self._run}-{batch}",
            strategy_id=f"STRATEGY_{batch % STRATEGIES:03}",
            symbol="BTCUSDT",
            direction=pb.DIRECTION_LONG,
            quantity="0.01",
            entry_price="50000",
            exit_price="50100" if won else "49950",
            gross_pnl="1" if won else "-0.5",
            fees="0",
            funding="0",
            net_pnl="1" if won else "-0.5",
            risk_at_entry="1",
            source=pb.TRADE_SOURCE_LIVE,
        )
        trade.opened_at.FromDatetime(now - timedelta(minutes=5))
        trade.closed_at.FromDatetime(now)
        return trade


def _equity(batch: int, now: datetime) -> pb.EquityPoint:
    point = pb.EquityPoint(account="soak", wallet_balance=str(10_000 + batch % 50), unrealized_pnl="0")
    point.at.FromDatetime(now)
    return point


async def run(plan: Plan) -> None:
    """Works in shifts."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{plan.port}", options=OPTIONS) as channel:
        steering = Steering(plan, channel)
        relay = Relay(plan.port, steering.fate)
        tell(line=await relay.start())
        await in_shifts(steering.jobs, steering.tally)
        await relay.close()


if __name__ == "__main__":
    asyncio.run(run(Plan(**json.loads(sys.argv[1]))))
