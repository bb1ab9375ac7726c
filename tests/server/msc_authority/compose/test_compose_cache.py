"""Whole authorities on a real database and a real Valkey: what is served while one of them, or both, are away."""

from __future__ import annotations

import asyncio
import itertools
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from msc_live import DEADLINE_S, until
from msc_postgres import PostgresServer, postgres_or_skip
from msc_served import reason_of
from msc_valkey import ValkeyServer, valkey_or_skip
from sqlalchemy import make_url

from msc_authority.compose.parts import Running
from msc_authority.compose.running import serve
from msc_authority.ports.store import StoreUnavailable
from msc_authority.settings import Settings, sqlite_url
from msc_policy import v1 as pb

AWAY = "The cache cannot be used"
BACK = "The cache is used again"
FROM_CACHE = "The policy is read from the cache"
CONFIDENCES = itertools.count(701)
FROM_DATABASE = "The database confirms the policy again"


@pytest.fixture(scope="module")
def module_postgres() -> Iterator[PostgresServer]:
    with postgres_or_skip(PostgresServer) as server:
        yield server


@pytest.fixture
def database(module_postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A PostgreSQL that only this test uses, and may stop."""
    yield module_postgres
    if not module_postgres.is_running:
        module_postgres.start()


@pytest.fixture
def redis() -> Iterator[ValkeyServer]:
    """A Valkey of a test's own."""
    with valkey_or_skip(ValkeyServer) as server:
        yield server


@dataclass
class Scene:
    """An authority and a channel to it."""

    channel: grpc.aio.Channel
    stub: pb.PolicyAuthorityAsyncStub = field(init=False)

    def __post_init__(self) -> None:
        self.stub = pb.PolicyAuthorityStub(self.channel)

    async def answer(self) -> pb.GetPolicyResponse:
        return await self.stub.GetPolicy(pb.GetPolicyRequest())

    async def age_s(self) -> float:
        return (await self.answer()).freshness.replica_age.ToTimedelta().total_seconds()

    async def publish(self) -> int:
        """Publishes a stricter policy, by an act of a person; returns its version."""
        limits = pb.LimitValues(global_min_confidence=next(CONFIDENCES) / 1000)
        act = pb.ActRequest(reason="a drill", set_limits=pb.SetLimitsAction(limits=limits))
        return (await pb.OperatorServiceStub(self.channel).Act(act)).head.version

    async def eventually(self, condition: Callable[[pb.GetPolicyResponse], bool]) -> None:
        """Waits for what GetPolicy answers."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    if condition(await self.answer()):
                        return
                except grpc.aio.AioRpcError as error:
                    assert error.code() is grpc.StatusCode.NOT_FOUND, error
                await asyncio.sleep(0.005)

    async def has(self, version: int) -> None:
        await self.eventually(lambda answer: answer.policy.ref.version == version)


@asynccontextmanager
async def serving(home: Path, redis_url: str, database_url: str = "") -> AsyncIterator[Scene]:
    ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    settings = Settings(
        home=home,
        database_url=database_url or sqlite_url(home),
        redis_url=redis_url,
        grpc_port=0,
        serve_http=False,
        heartbeat_s=1.0,
    )
    task = asyncio.create_task(serve(settings, on_ready=ready.set_result, stop=stop))
    await until(lambda: ready.done() or task.done())
    if task.done():
        # It could not start, and says why.
        await task
    running = await ready
    async with grpc.aio.insecure_channel(running.address) as channel:
        scene = Scene(channel)
        await scene.eventually(lambda answer: answer.policy.ref.version > 0)
        yield scene
    stop.set()
    await asyncio.wait_for(task, DEADLINE_S)


class Line:
    """A way of its own to a PostgreSQL, which can be cut."""

    NAME = "on-the-line"

    def __init__(self, server: PostgresServer, url: str) -> None:
        self._server = server
        (self._socket,) = server.folder.glob(".s.PGSQL.*[0-9]")
        # Not pytest's folder: the path of a socket has to be short.
        self.folder = Path(tempfile.mkdtemp(prefix="msc-line-", dir="/tmp"))
        self.mend()
        changed = make_url(url).update_query_dict({"host": str(self.folder), "application_name": self.NAME})
        self.url = changed.render_as_string(hide_password=False)

    def cut(self) -> None:
        (self.folder / self._socket.name).unlink()
        self._server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'on-the-line'"
        )

    def mend(self) -> None:
        (self.folder / self._socket.name).symlink_to(self._socket)


@pytest.fixture
def line(database: PostgresServer) -> Iterator[Line]:
    line = Line(database, database.new_database())
    yield line
    shutil.rmtree(line.folder)


def said(caplog: pytest.LogCaptureFixture, words: str, level: int = logging.INFO) -> int:
    return sum(words in record.message and record.levelno >= level for record in caplog.records)


async def test_the_policy_is_in_redis_for_other_programs_as_soon_as_it_is_committed(
    tmp_path: Path, redis: ValkeyServer
) -> None:
    with redis.client(decode_responses=True) as client:
        async with serving(tmp_path, redis.url) as one:
            version = await one.publish()
            await until(lambda: version_in(redis) == version)
            assert (await one.answer()).policy.ref.etag == client.hget("msc:policy:current:hash", "etag")
        assert client.exists("msc:policy:current", "msc:policy:changes") == 2


async def test_what_was_flushed_is_back_within_a_second_or_so_and_said_once(
    tmp_path: Path, redis: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "msc_authority")
    url = sqlite_url(tmp_path)
    async with serving(tmp_path, redis.url, url) as one, serving(tmp_path / "other", redis.url, url):
        with redis.client(decode_responses=True) as client:
            await until(lambda: client.exists("msc:policy:current") == 1)
            version = (await one.answer()).policy.ref.version
            for _ in range(3):
                client.flushall()
                await until(lambda: client.get("msc:policy:confirmed") is not None)
            assert client.hget("msc:policy:current:hash", "version") == str(version)
    assert said(caplog, "The cache had lost the policy") <= 3 + 3
    assert said(caplog, "The cache had lost the policy") >= 1


async def test_a_redis_that_goes_away_stops_nothing_and_is_used_again_when_it_is_back(
    tmp_path: Path, redis: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "msc_authority")
    async with serving(tmp_path, redis.url) as one:
        await until(lambda: version_in(redis) > 0)
        redis.stop()
        await until(lambda: said(caplog, AWAY) == 1)
        version = await one.publish()
        assert (await one.stub.Evaluate(pb.EvaluateRequest())).head.version >= version
        assert await one.age_s() < 5
        redis.start()
        await until(lambda: version_in(redis) > 0)
        await until(lambda: said(caplog, BACK) == 1)
    assert said(caplog, AWAY) == 1


def version_in(redis: ValkeyServer) -> int:
    with redis.client() as client:
        return int(client.hgetall("msc:policy:current:hash").get(b"version", 0))


async def test_a_frozen_redis_slows_nothing_down_not_even_a_stop(
    tmp_path: Path, redis: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, redis.url) as one:
        await until(lambda: version_in(redis) > 0)
        redis.freeze()
        for _ in range(3):
            await one.publish()
        await until(lambda: said(caplog, AWAY) == 1)
        assert await one.age_s() < 5


async def test_an_authority_that_is_cut_off_from_the_database_stays_fresh_while_another_vouches(
    tmp_path: Path, redis: ValkeyServer, line: Line, database: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "msc_authority")
    direct = line.url.replace(str(line.folder), str(database.folder)).replace(Line.NAME, "direct")
    async with (
        serving(tmp_path / "a", redis.url, direct) as leader,
        serving(tmp_path / "b", redis.url, line.url) as cut,
    ):
        line.cut()
        await until(lambda: said(caplog, FROM_CACHE) == 1)
        version = await leader.publish()
        await cut.has(version)
        await ages_over(cut, heartbeats=5, below_s=5.0)
        assert version == (await cut.answer()).policy.ref.version
        line.mend()
        await until(lambda: said(caplog, FROM_DATABASE) == 1)
        assert await cut.publish() == version + 1
        await leader.has(version + 1)
    assert said(caplog, FROM_CACHE) == 1
    assert not said(caplog, "unconfirmed")


async def ages_over(scene: Scene, *, heartbeats: int, below_s: float) -> None:
    """Watches for so many heartbeats; none may tell of an age above that."""
    watch = scene.stub.WatchPolicy(pb.WatchPolicyRequest())
    messages = aiter(watch)
    for _ in range(heartbeats + 1):
        async with asyncio.timeout(DEADLINE_S):
            message = await anext(messages)
        assert message.freshness.replica_age.ToTimedelta().total_seconds() < below_s
    watch.cancel()


async def test_started_without_a_database_it_serves_what_redis_has_and_the_database_when_that_is_back(
    tmp_path: Path, redis: ValkeyServer, database: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "msc_authority")
    url = database.new_database()
    async with serving(tmp_path / "a", redis.url, url) as first:
        version = await first.publish()
        await until(lambda: version_in(redis) == version)
        etag = (await first.answer()).policy.ref.etag
    database.stop()
    async with serving(tmp_path / "b", redis.url, url) as second:
        assert (await second.answer()).policy.ref.etag == etag
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await second.stub.Evaluate(pb.EvaluateRequest())
        assert reason_of(refused.value) in ("STORE_UNAVAILABLE", "NOT_LEADER")
        # Nobody vouches: it ages.
        await second.eventually(lambda answer: answer.freshness.replica_age.seconds >= 2)
        database.start()
        await second.eventually(lambda answer: answer.freshness.replica_age.seconds < 1)
        assert (await second.answer()).policy.ref.version == version
        await until(lambda: said(caplog, "The database is open") == 1)
        await until(lambda: said(caplog, "Leading from now on") >= 1)
        assert await second.publish() == version + 1
    assert said(caplog, "from the cache, because the database cannot be read", logging.WARNING) == 1


async def test_with_neither_database_nor_redis_there_is_nothing_to_start_with(
    tmp_path: Path, redis: ValkeyServer, database: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = database.new_database()
    database.stop()
    with pytest.raises(StoreUnavailable):
        async with serving(tmp_path / "empty", redis.url, url):
            pass
    redis.stop()
    with pytest.raises(StoreUnavailable):
        async with serving(tmp_path / "away", redis.url, url):
            pass
    assert said(caplog, "The policy cannot be read from the cache, either") == 1
