"""Watchers that come and go in every way there is. The whole process may be killed at any moment, too.

python -m soaking.load.crowd '{"port": 7443, "watchers": 20, "stay_s": 8, "seed": 1}'
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass

import grpc
from benching.child import tell

from msc_policy import v1 as pb
from soaking.load.relay import Break, Fate, Relay
from soaking.load.shift import Tally, chance, for_ever, in_shifts

WAYS = ("cancel", "close", "cancel", "close", *Break)
GAP_S = 0.5
# Each watcher has a connection of its own, as another process would.
OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many watchers there are and how long each stays, about."""

    port: int
    watchers: int
    stay_s: float
    seed: int


class Crowd:
    """The watchers."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._chance, self.tally = plan, chance(plan.seed), Tally()

    def jobs(self) -> list[Coroutine[None, None, None]]:
        """Returns one job for each watcher."""
        return [for_ever(self._watch, self.tally, (grpc.RpcError,)) for _ in range(self._plan.watchers)]

    async def _watch(self) -> None:
        how, stay_s = self._chance.choice(WAYS), self._chance.uniform(0.1, 2 * self._plan.stay_s)
        self.tally.note(how)
        if how in tuple(Break):
            await self._through_a_line(Fate(how=Break(how), after_s=stay_s, stalled_s=self._plan.stay_s))
        else:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{self._plan.port}", options=OPTIONS) as channel:
                await self._look(channel, stay_s, cancels=how == "cancel")
        await asyncio.sleep(self._chance.uniform(0.0, GAP_S))

    async def _look(self, channel: grpc.aio.Channel, stay_s: float, *, cancels: bool) -> None:
        call = stub_of(channel).WatchPolicy(request())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(stay_s):
                async for _ in call:
                    self.tally.note("messages")
        if cancels:
            call.cancel()
            await stub_of(channel).GetPolicy(pb.GetPolicyRequest(), timeout=10)

    async def _through_a_line(self, fate: Fate) -> None:
        relay = Relay(self._plan.port, lambda: fate)
        port = await relay.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
                with contextlib.suppress(grpc.RpcError):
                    async for _ in stub_of(channel).WatchPolicy(request()):
                        self.tally.note("messages")
        finally:
            await relay.close()


def request() -> pb.WatchPolicyRequest:
    """Returns what a client that never was here before asks for."""
    client = pb.ClientInfo(instance_id=uuid.uuid4().hex, name="crowd", role=pb.CLIENT_ROLE_OTHER, sdk="soak/1")
    return pb.WatchPolicyRequest(client=client, status=pb.ClientStatus(tier=pb.CLIENT_TIER_FRESH))


def stub_of(channel: grpc.aio.Channel) -> pb.PolicyAuthorityAsyncStub:
    """Returns the stub of a channel of asyncio."""
    return pb.PolicyAuthorityStub(channel)


async def run(plan: Plan) -> None:
    """Works in shifts."""
    crowd = Crowd(plan)
    tell(ready=True)
    await in_shifts(crowd.jobs, crowd.tally)


if __name__ == "__main__":
    asyncio.run(run(Plan(**json.loads(sys.argv[1]))))
