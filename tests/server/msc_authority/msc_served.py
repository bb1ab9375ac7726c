"""An authority on a port of this machine: the real wiring, a store in memory, a scripted evaluator, time by hand."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import grpc
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no type information
from msc_builders import a_commit, a_content, a_verdict, an_entry
from msc_live import ManualTime, lowest, until

from msc_authority.adapters.memory import MemoryStore
from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.compose.parts import Machine, Running
from msc_authority.compose.running import running
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.policy import PolicyContent
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.ports.policies import Head
from msc_authority.settings import Settings
from msc_policy import v1 as pb

DAY_S = 86_400.0
"""Whoever moves time by hand renews no lease in the middle of it."""


class StagedEvaluator:
    """Commits what stands in `publish`, once; else confirms what is. Raises `error` when there is one."""

    def __init__(self, store: MemoryStore, time: ManualTime) -> None:
        self._store, self._time = store, time
        self._numbers = itertools.count(1)
        self.publish: PolicyContent | None = None
        self.error: Exception | None = None
        self.seen: list[SuppliedMetrics] = []

    def evaluate(
        self, *, trigger: str, request_id: str = "", requested_by: str = "", reason: str = ""
    ) -> EvaluationOutcome:
        if self.error is not None:
            raise self.error
        known = self._store.log.by_request(request_id, self._time.now()) if request_id else None
        if known is not None:
            return self._outcome(known.verdict.candidate if known.verdict else a_content(), known)
        content, self.publish = self.publish, None
        entry = an_entry(
            f"eval-{next(self._numbers)}",
            trigger=trigger,
            started_at=self._time.now(),
            request_id=request_id,
            verdict=a_verdict(content, as_of=self._time.now()),
        )
        stored = self._store.evaluations.load()
        head = self._store.evaluations.commit(a_commit(entry=entry, publish=content), stored)
        committed = replace(entry, committed=head.ref if content else None)
        return self._outcome(content or a_content(), committed)

    def preview(self, *, requested_by: str = "", reason: str = "") -> EvaluationOutcome:
        return self._outcome(self.publish or a_content(), an_entry("preview", trigger="preview"))

    def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        if self.error is not None:
            raise self.error
        self.seen.append(supplied)
        return self._outcome(a_content(), an_entry("what-if", trigger="what_if"))

    def _outcome(self, content: PolicyContent, entry: EvaluationEntry) -> EvaluationOutcome:
        head = self._store.policies.head()
        return EvaluationOutcome(entry=entry, candidate=content, changes=(), head=head)


@dataclass
class Served:
    """An authority that answers calls, and a channel to it."""

    time: ManualTime
    store: MemoryStore
    evaluator: StagedEvaluator
    authority: Running
    channel: grpc.aio.Channel
    stub: pb.PolicyAuthorityAsyncStub = field(init=False)
    journal: pb.JournalServiceAsyncStub = field(init=False)

    def __post_init__(self) -> None:
        self.stub = pb.PolicyAuthorityStub(self.channel)
        self.journal = pb.JournalServiceStub(self.channel)

    async def publish(self, content: PolicyContent | None = None) -> Head:
        """Publishes a policy by an evaluation on demand."""
        self.evaluator.publish = content or a_content()
        response = await self.stub.Evaluate(pb.EvaluateRequest())
        assert response.committed
        return self.store.policies.head()


@asynccontextmanager
async def served(
    *,
    store: MemoryStore | None = None,
    time: ManualTime | None = None,
    max_watchers: int = 100,
    host: str = "127.0.0.1",
    port: int = 0,
    configured: Mapping[str, object] | None = None,
) -> AsyncIterator[Served]:
    """Yields an authority that has made its first evaluation, which changed nothing. `configured`: further settings."""
    time = time or ManualTime()
    store = store or MemoryStore(time)
    evaluator = StagedEvaluator(store, time)
    ids = itertools.count(1)
    machine = Machine(clock=time, timer=time, uniform=lowest, new_id=lambda: f"id-{next(ids)}")
    usual = {
        "grpc_host": host,
        "grpc_port": port,
        "allow_plaintext_remote": True,
        "max_watchers": max_watchers,
        "lease_ttl_s": DAY_S,
    }
    settings = Settings.model_validate({**usual, **(configured or {})})
    async with running(settings, store, machine, evaluator=evaluator) as authority:
        await until(lambda: store.log.latest() is not None)
        async with grpc.aio.insecure_channel(authority.address) as channel:
            yield Served(time, store, evaluator, authority, channel)


def details_of(error: grpc.aio.AioRpcError) -> dict[str, object]:
    """The rich details of a status, by the name of their message."""
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    found: dict[str, object] = {}
    for detail in status.details:
        kind = detail.type_url.rpartition(".")[2]
        message = getattr(error_details_pb2, kind)()
        detail.Unpack(message)
        assert kind not in found
        found[kind] = message
    return found


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason of a status, after a look at its domain."""
    info = details_of(error)["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert info.domain == "msc_policy"
    return str(info.reason)


def fields_of(error: grpc.aio.AioRpcError) -> list[str]:
    """The fields a status complains of."""
    request = details_of(error)["BadRequest"]
    assert isinstance(request, error_details_pb2.BadRequest)
    return [violation.field for violation in request.field_violations]
