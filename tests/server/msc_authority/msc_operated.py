"""An authority on a port of this machine that persons operate: the real wiring and evaluator, time by hand."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from msc_builders import START, Store
from msc_live import ManualTime, lowest, until
from msc_operating import Operating

from msc_authority.adapters.memory import MemoryStore
from msc_authority.compose.parts import Machine, Running
from msc_authority.compose.running import running
from msc_authority.core.policy import PolicyContent
from msc_authority.settings import Settings
from msc_policy import v1 as pb

HOURS = 4
DAY_S = 86_400.0


@dataclass
class Operated:
    """An authority that answers calls, and a channel to it."""

    time: ManualTime
    store: Store
    authority: Running
    channel: grpc.aio.Channel
    policies: pb.PolicyAuthorityAsyncStub = field(init=False)
    operator: pb.OperatorServiceAsyncStub = field(init=False)

    def __post_init__(self) -> None:
        self.policies = pb.PolicyAuthorityStub(self.channel)
        self.operator = pb.OperatorServiceStub(self.channel)

    async def act(self, **fields: object) -> pb.ActResponse:
        """Does one thing, as Alice, for an incident, unless said otherwise."""
        usual = {"reason": "exchange incident", "actor": "alice"}
        return await self.operator.Act(pb.ActRequest(**{**usual, **fields}))  # type: ignore[arg-type]  # named by tests

    async def evaluated(self, count: int) -> None:
        """Returns when so many evaluations have been made."""
        await until(lambda: len(self.store.log.page(None, 1000)) >= count)

    @property
    def evaluations(self) -> int:
        """How many have been made."""
        return len(self.store.log.page(None, 1000))

    @property
    def content(self) -> PolicyContent:
        """What the policy in force says."""
        policy = self.store.policies.head().policy
        assert policy is not None
        return policy.content


@asynccontextmanager
async def operated(
    *, with_facts: bool = True, configured: Mapping[str, object] | None = None
) -> AsyncIterator[Operated]:
    """Yields an authority after four good hours with an evaluation each half hour: NORMAL, two strategies on trial."""
    time = ManualTime()
    operating = Operating(store=MemoryStore(time))
    if with_facts:
        operating.after_good_hours(HOURS)
        time.leap((operating.clock.now() - START).total_seconds())
    ids = itertools.count(1)
    machine = Machine(clock=time, timer=time, uniform=lowest, new_id=lambda: f"{next(ids):08x}-id")
    settings = Settings.model_validate({"grpc_port": 0, "lease_ttl_s": DAY_S, **(configured or {})})
    store = operating.store
    async with running(settings, store, machine) as authority:
        await until(lambda: store.policies.head().policy is not None)
        async with grpc.aio.insecure_channel(authority.address) as channel:
            yield Operated(time, store, authority, channel)
