"""The whole authority comes and goes: watchers are told, ports are given back, and nothing that was said is lost."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from msc_builders import a_content, a_trade, an_equity_point, at
from msc_live import DEADLINE_S, until
from msc_served import served

from msc_authority.adapters.sql import open_store
from msc_authority.app.broker import Draining
from msc_authority.compose.parts import Running, this_machine
from msc_authority.compose.running import serve
from msc_authority.core.policy import RiskMode
from msc_authority.http import serving as http_serving
from msc_authority.rpc.serving import PolicyServer, PortInUse
from msc_authority.settings import Settings
from msc_policy import v1 as pb


class Authority:
    """`serve` as a program runs it, in a task."""

    def __init__(self, settings: Settings) -> None:
        self.stop = asyncio.Event()
        self._ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(serve(settings, on_ready=self._ready.set_result, stop=self.stop))
        self.task.add_done_callback(lambda ended: ended.cancelled() or (ended.exception() and self._ready.cancel()))

    async def ready(self) -> Running:
        return await asyncio.wait_for(self._ready, DEADLINE_S)

    async def ended(self) -> None:
        self.stop.set()
        await asyncio.wait_for(self.task, DEADLINE_S)


async def last_message(
    watch: grpc.aio.UnaryStreamCall[pb.WatchPolicyRequest, pb.WatchPolicyResponse],
) -> pb.WatchPolicyResponse:
    last = pb.WatchPolicyResponse()
    while isinstance(message := await watch.read(), pb.WatchPolicyResponse):
        last = message
    return last


def settings_in(home: Path, port: int = 0) -> Settings:
    return Settings(home=home, grpc_port=port, http_port=0)


async def test_every_watcher_gets_a_goodbye_and_a_clean_end_and_the_port_is_free_again(tmp_path: Path) -> None:
    authority = Authority(settings_in(tmp_path))
    running = await authority.ready()
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub = pb.PolicyAuthorityStub(channel)
        watches = [stub.WatchPolicy(pb.WatchPolicyRequest()) for _ in range(5)]
        for watch in watches:
            await watch.read()
        authority.stop.set()
        for watch in watches:
            last = await last_message(watch)
            assert last.goodbye.reason == pb.GOODBYE_REASON_DRAINING
            assert await watch.code() is grpc.StatusCode.OK
        await authority.ended()

    again = Authority(settings_in(tmp_path, running.port))
    assert (await again.ready()).port == running.port
    await again.ended()


async def test_a_second_authority_on_the_port_ends_with_the_port_in_words_and_leaves_the_first_alone(
    tmp_path: Path,
) -> None:
    first = Authority(settings_in(tmp_path / "one"))
    running = await first.ready()

    with pytest.raises(PortInUse, match=f"uses port {running.port}"):
        await serve(settings_in(tmp_path / "two", running.port), stop=asyncio.Event())

    async with grpc.aio.insecure_channel(running.address) as channel:
        answer = await pb.PolicyAuthorityStub(channel).ListClients(pb.ListClientsRequest())
        assert answer.head.epoch == running.head.ref.epoch
    await first.ended()


async def test_after_a_restart_versions_go_on_in_the_same_epoch_and_history_is_whole(tmp_path: Path) -> None:
    refs: list[tuple[int, int]] = []
    triggers: list[str] = []
    for _ in range(3):
        authority = Authority(settings_in(tmp_path))
        running = await authority.ready()
        async with grpc.aio.insecure_channel(running.address) as channel:
            stub = pb.PolicyAuthorityStub(channel)
            answer = await stub.Evaluate(pb.EvaluateRequest(request_id=f"round-{len(refs)}"))
            refs.append((answer.head.epoch, answer.head.version))
            listed = await stub.ListEvaluations(pb.ListEvaluationsRequest())
            triggers = [one.trigger for one in listed.evaluations]
        await authority.ended()

    assert len({epoch for epoch, _ in refs}) == 1
    assert [version for _, version in refs] == [1, 1, 1]
    assert triggers.count("request") == 3


async def test_the_same_request_id_is_remembered_over_a_restart(tmp_path: Path) -> None:
    ids: list[str] = []
    for _ in range(2):
        authority = Authority(settings_in(tmp_path))
        running = await authority.ready()
        async with grpc.aio.insecure_channel(running.address) as channel:
            answer = await pb.PolicyAuthorityStub(channel).Evaluate(pb.EvaluateRequest(request_id="deploy-7"))
            ids.append(answer.evaluation.evaluation_id)
        await authority.ended()

    assert ids[0] == ids[1]


async def test_facts_recorded_before_a_restart_are_judged_after_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with open_store(settings.database_url, this_machine().clock) as store:
        store.journal.record([an_equity_point(at(0)), a_trade("T-1")])

    authority = Authority(settings)
    running = await authority.ready()
    async with grpc.aio.insecure_channel(running.address) as channel:
        stub = pb.PolicyAuthorityStub(channel)
        answer = await stub.Evaluate(pb.EvaluateRequest())
    await authority.ended()

    metrics = {metric.name: metric for metric in answer.evaluation.metrics}
    assert metrics["equity"].value == 99_987.5
    assert metrics["winrate_unfaded_fraction"].sample_size == 1


async def test_a_host_in_the_same_process_follows_by_the_feed_and_is_told_of_the_end() -> None:
    frames: list[pb.WatchPolicyResponse] = []
    async with served() as scene:
        await scene.publish(a_content(RiskMode.DEFENSIVE))
        scene.authority.feed.subscribe(lambda frame: frames.append(pb.WatchPolicyResponse.FromString(frame)))
        await scene.publish(a_content(RiskMode.NORMAL))
        await until(lambda: len(frames) == 2)
        feed = scene.authority.feed

    assert [frame.WhichOneof("event") for frame in frames] == ["snapshot", "snapshot", "goodbye"]
    assert [frame.snapshot.policy.risk_mode for frame in frames[:2]] == [
        pb.RISK_MODE_DEFENSIVE,
        pb.RISK_MODE_NORMAL,
    ]
    with pytest.raises(Draining):
        feed.subscribe(lambda frame: None)


async def test_a_thread_of_the_host_gets_the_policy_before_it_goes_on() -> None:
    versions: list[int] = []

    async with served() as scene:
        await scene.publish()
        feed = scene.authority.feed

        def host() -> None:
            leave = feed.subscribe(lambda frame: versions.append(pb.WatchPolicyResponse.FromString(frame).head.version))
            assert versions == [1]
            leave()

        thread = threading.Thread(target=host)
        thread.start()
        await asyncio.to_thread(thread.join, DEADLINE_S)
        await scene.publish(a_content(author="ada"))
        await until(lambda: scene.store.policies.head().ref.version == 2)

    assert versions == [1]


async def test_what_was_watched_over_a_restart_is_confirmed_and_not_sent_again(tmp_path: Path) -> None:
    known = pb.PolicyRef()
    events: list[str | None] = []
    for _ in range(2):
        authority = Authority(settings_in(tmp_path))
        running = await authority.ready()
        async with grpc.aio.insecure_channel(running.address) as channel:
            stub = pb.PolicyAuthorityStub(channel)
            await stub.Evaluate(pb.EvaluateRequest())
            message = await stub.WatchPolicy(pb.WatchPolicyRequest(known=known)).read()
            assert isinstance(message, pb.WatchPolicyResponse)
            events.append(message.WhichOneof("event"))
            known = message.head
        await authority.ended()

    assert events == ["snapshot", "unchanged"]


@pytest.mark.parametrize("starts", [True, False])
async def test_calls_are_waited_for_behind_the_stop_of_their_server_also_where_the_start_failed(
    starts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    stop = PolicyServer.stop

    async def stopped(server: PolicyServer, drain_s: float) -> None:
        await stop(server, drain_s)
        order.append("server")

    @asynccontextmanager
    async def outlived() -> AsyncIterator[None]:
        try:
            yield
        finally:
            order.append("calls")

    monkeypatch.setattr(PolicyServer, "stop", stopped)
    monkeypatch.setattr("msc_authority.compose.running.calls_outlived", outlived)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = 0 if starts else taken.getsockname()[1]
        authority = Authority(Settings(home=tmp_path, grpc_port=0, http_port=port))
        if starts:
            await authority.ready()
            await authority.ended()
        else:
            with pytest.raises(http_serving.PortInUse):
                await authority.ended()

    assert order == ["server", "calls"]
