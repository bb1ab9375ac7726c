"""A whole authority while somebody is at its Redis: it mends what is there, says so once, counts it, and goes on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import pytest
from msc_live import DEADLINE_S, until
from msc_valkey import ValkeyServer, valkey_or_skip
from prometheus_client.parser import text_string_to_metric_families as parse_text
from redis import Redis

from msc_authority.compose.parts import Running
from msc_authority.compose.running import serve
from msc_authority.settings import Settings
from msc_policy import v1 as pb

CURRENT, FIELDS, CONFIRMED, CHANGES = (
    "msc:policy:current",
    "msc:policy:current:hash",
    "msc:policy:confirmed",
    "msc:policy:changes",
)
AWAY, BACK = "The cache cannot be used", "The cache is used again"


@pytest.fixture
def redis() -> Iterator[ValkeyServer]:
    """A Valkey of a test's own."""
    with valkey_or_skip(ValkeyServer) as server:
        yield server


@dataclass
class Scene:
    """An authority, what is in its Redis, and every policy that anybody was served meanwhile."""

    running: Running
    stub: pb.PolicyAuthorityAsyncStub
    client: Redis
    served: list[tuple[int, int]] = field(default_factory=list)

    async def look(self) -> None:
        """Reads the policy as a client does, again and again."""
        while True:
            ref = (await self.stub.GetPolicy(pb.GetPolicyRequest())).policy.ref
            self.served.append((ref.epoch, ref.version))
            await asyncio.sleep(0.005)

    def whole(self) -> bool:
        """Whether all four keys say what is served."""
        ref = self.running.insight.current.head.ref
        kinds = [self.client.type(key) for key in (CURRENT, FIELDS, CONFIRMED, CHANGES)]
        if kinds != ["string", "hash", "string", "stream"]:
            return False
        found: dict[str, Any] = json.loads(str(self.client.get(CURRENT)))
        newest = cast("list[tuple[str, dict[str, str]]]", self.client.xrevrange(CHANGES, count=1))[0][1]
        return (
            (found["ref"]["epoch"], found["ref"]["version"]) == (ref.epoch, ref.version)
            and found["schema"] == 1
            and self.client.hget(FIELDS, "version") == str(ref.version)
            and self.client.get(CONFIRMED) == f"{ref.epoch}:{ref.version}"
            and newest["version"] == str(ref.version)
        )

    async def get(self, path: str) -> httpx.Response:
        """What the HTTP side answers, when it has been observed anew."""
        async with httpx.AsyncClient(base_url=self.running.http_url or "", timeout=DEADLINE_S) as client:
            return await client.get(path)

    async def metrics(self) -> dict[str, float]:
        """The series of GET /metrics by name and labels, and each name summed over its labels."""
        summed: dict[str, float] = {}
        for family in parse_text((await self.get("/metrics")).text):
            for sample in family.samples:
                for name in {sample.name, " ".join((sample.name, *sample.labels.values()))}:
                    summed[name] = summed.get(name, 0.0) + sample.value
        return summed

    async def observed(self) -> None:
        """Returns when everything was looked at once more."""
        before = self.running.insight.observation
        await until(lambda: self.running.insight.observation is not before)


@asynccontextmanager
async def a_scene(home: Path, redis: ValkeyServer) -> AsyncIterator[Scene]:
    ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    settings = Settings(home=home, redis_url=redis.url, grpc_port=0, http_port=0)
    task = asyncio.create_task(serve(settings, on_ready=ready.set_result, stop=stop))
    running = await ready
    with redis.client(decode_responses=True) as client:
        async with grpc.aio.insecure_channel(running.address) as channel:
            scene = Scene(running, pb.PolicyAuthorityStub(channel), client)
            await until(lambda: running.insight.current.head.ref.version > 0)
            await until(scene.whole)
            looking = asyncio.create_task(scene.look())
            yield scene
            looking.cancel()
            assert not await asyncio.gather(looking, return_exceptions=True) or looking.cancelled()
    stop.set()
    await asyncio.wait_for(task, DEADLINE_S)


async def publish(scene: Scene, confidence: float) -> None:
    """Publishes a stricter policy, by an act of a person, and waits until Redis has it."""
    limits = pb.LimitValues(global_min_confidence=confidence)
    act = pb.ActRequest(reason="a drill", set_limits=pb.SetLimitsAction(limits=limits))
    async with grpc.aio.insecure_channel(scene.running.address) as channel:
        await pb.OperatorServiceStub(channel).Act(act)
    await until(scene.whole)


def said(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(words in record.getMessage() and record.levelno >= logging.INFO for record in caplog.records)


def another_kind(key: str) -> Callable[[Redis, str], None]:
    def damage(client: Redis, _: str) -> None:
        with client.pipeline(transaction=True) as pipeline:
            pipeline.delete(key)
            pipeline.sadd(key, "not ours")
            pipeline.execute()

    return damage


def written_again(**changes: object) -> Callable[[Redis, str], None]:
    def damage(client: Redis, _: str) -> None:
        document = json.loads(str(client.get(CURRENT)))
        document["ref"] |= changes.pop("ref", {})
        client.set(CURRENT, json.dumps(document | changes, separators=(",", ":")), keepttl=True)

    return damage


def flushed(client: Redis, _: str) -> None:
    client.flushall()


def no_policy(client: Redis, _: str) -> None:
    client.set(CURRENT, "{}")


def put_back(client: Redis, older: str) -> None:
    client.set(CURRENT, older, keepttl=True)


OTHER_THINGS = "The cache had other things under names of ours"
SOMEBODY_OLDER = "Somebody had put an older policy into the cache"
DAMAGES: dict[str, tuple[Callable[[Redis, str], None], str]] = {
    "flushed": (flushed, "The cache had lost the policy"),
    "another kind of current": (another_kind(CURRENT), OTHER_THINGS),
    "another kind of hash": (another_kind(FIELDS), OTHER_THINGS),
    "another kind of mark": (another_kind(CONFIRMED), OTHER_THINGS),
    "another kind of stream": (another_kind(CHANGES), OTHER_THINGS),
    "an older version": (put_back, SOMEBODY_OLDER),
    "an older epoch": (written_again(ref={"epoch": 1, "version": 999}), SOMEBODY_OLDER),
    "an older schema": (written_again(schema=0), "as an older version of this program writes it"),
    "no policy": (no_policy, "is not what this program wrote"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_what_somebody_did_to_the_keys_is_mended_told_once_and_counted(
    damage: str, tmp_path: Path, redis: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "msc_authority")
    do, words = DAMAGES[damage]
    async with a_scene(tmp_path, redis) as scene:
        older = str(scene.client.get(CURRENT))
        await publish(scene, 0.9)
        assert (await scene.metrics())["msc_cache_overwritten_total"] == 0
        do(scene.client, older)
        await until(lambda: said(caplog, words) == 1)
        await until(scene.whole)
        await scene.observed()
        counted = await scene.metrics()
        looks = len(scene.served)
        await until(lambda: len(scene.served) > looks)

    assert counted["msc_cache_overwritten_total"] == 1
    assert counted["msc_cache_up"] == 1
    assert counted["msc_policy_source database"] == 1
    assert said(caplog, words) == 1
    assert said(caplog, AWAY) == 0
    assert scene.served == sorted(scene.served)
    assert len({epoch for epoch, _ in scene.served}) == 1


def no_writes(client: Redis) -> None:
    # The port of nobody: a replica that waits for its primary.
    client.replicaof("127.0.0.1", "1")


def writes(client: Redis) -> None:
    client.replicaof("NO", "ONE")


def another_password(client: Redis) -> None:
    client.config_set("requirepass", "another")
    client.client_kill_filter(_type="normal", skipme=True)


def no_password(client: Redis) -> None:
    client.config_set("requirepass", "")


REFUSALS = {"read-only": (no_writes, writes), "denied": (another_password, no_password)}


@pytest.mark.parametrize("fault", REFUSALS)
async def test_a_redis_that_refuses_is_told_once_counted_by_why_and_used_again_when_it_does_not(
    fault: str, tmp_path: Path, redis: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "msc_authority")
    refuse, relent = REFUSALS[fault]
    async with a_scene(tmp_path, redis) as scene:
        for times in (1, 2):
            refuse(scene.client)
            await until(lambda times=times: said(caplog, AWAY) == times)  # type: ignore[misc]  # bound now
            await scene.observed()
            meanwhile, status = await scene.metrics(), (await scene.get("/api/msc/status")).json()
            relent(scene.client)
            await until(lambda times=times: said(caplog, BACK) == times)  # type: ignore[misc]  # bound now
            await until(scene.whole)
            assert meanwhile["msc_cache_up"] == 0
            assert meanwhile[f"msc_cache_faults_total {fault}"] >= times
            assert (status["cache"]["usable"], status["cache"]["source"]) == (False, "database")
        await publish(scene, 0.9)
        await scene.observed()
        recovered = await scene.metrics()

    assert recovered["msc_cache_recoveries_total"] == 2
    assert said(caplog, AWAY) == 2
    assert scene.served == sorted(scene.served)
