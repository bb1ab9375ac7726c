"""PolicyAuthority on the wire: each method maps, asks, and maps back."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import grpc

from msc_authority.app.access import actor
from msc_authority.app.broker import Broker
from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.app.fleet import Fleet
from msc_authority.app.observation import Standing
from msc_authority.app.scheduler import Scheduler
from msc_authority.app.work import Worker
from msc_authority.core.policy import Policy, PolicyRef
from msc_authority.ports.clock import Clock
from msc_authority.ports.evaluations import EvaluationLog
from msc_authority.ports.policies import PolicyStore
from msc_authority.rpc.calls import server_stream, unary
from msc_authority.rpc.current_answer import CurrentAnswer
from msc_authority.rpc.errors import EtagMismatch, FieldProblem, InvalidRequest, PolicyNotFound
from msc_authority.rpc.mapping.basics import duration_to_proto, instant_to_proto
from msc_authority.rpc.mapping.fleet import client_of, entry_to_proto, replica_to_proto, status_of
from msc_authority.rpc.mapping.insight import evaluation_to_proto, ranking_to_proto, supplied_of
from msc_authority.rpc.mapping.policies import (
    changes_to_proto,
    content_to_proto,
    freshness_to_proto,
    policy_to_proto,
    ref_of,
    revision_to_proto,
)
from msc_authority.rpc.mapping.served import ServedPolicy
from msc_authority.rpc.pages import fitting, make_token, page_size, read_token
from msc_authority.rpc.watch import check_not_behind
from msc_policy import v1 as pb

if TYPE_CHECKING:
    from msc_authority.rpc.calls import Context

    WatchMethod = Callable[[pb.WatchPolicyRequest, Context], Awaitable[None]]

SERVICE = "msc_policy.v1.PolicyAuthority"
REPORT_PERIOD_S = 30.0
MAX_REASON_CHARS = 256
REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{0,64}", re.ASCII)


class PolicyService:
    """The unary methods. Answers from memory where it can; the store is asked on `worker`."""

    def __init__(
        self,
        *,
        broker: Broker,
        scheduler: Scheduler,
        fleet: Fleet,
        policies: PolicyStore,
        log: EvaluationLog,
        served: ServedPolicy,
        worker: Worker,
        clock: Clock,
        standing: Callable[[], Standing] = Standing,
    ) -> None:
        self._standing = standing
        self._broker, self._scheduler, self._fleet = broker, scheduler, fleet
        self._policies, self._log, self._worker, self._clock = policies, log, worker, clock
        self._served = served
        self._current = CurrentAnswer(broker, clock, served)

    def current_policy(self) -> bytes | None:
        """Returns the serialized answer to who asks for the current policy and sets no condition; None: none yet."""
        now = self._clock.monotonic()
        answer = self._current.get(now)
        if answer is not None:
            self._fleet.policy_read(now, failed=False)
        return answer

    async def get_policy(self, request: pb.GetPolicyRequest, context: Context) -> pb.GetPolicyResponse:
        """Returns the current policy, or one revision."""
        with self._counted(request):
            return await self._policy(request)

    @contextmanager
    def _counted(self, request: pb.GetPolicyRequest) -> Iterator[None]:
        # A look at a revision of the past is no read of the policy in force.
        if request.version:
            yield
            return
        try:
            yield
        except Exception:
            self._fleet.policy_read(self._clock.monotonic(), failed=True)
            raise
        self._fleet.policy_read(self._clock.monotonic(), failed=False)

    async def _policy(self, request: pb.GetPolicyRequest) -> pb.GetPolicyResponse:
        head = self._broker.current.head
        if request.HasField("min_ref"):
            self._check_min_ref(request.min_ref)
        policy = await self._find(request.version)
        message = self._served.message(policy)
        not_modified = bool(request.if_none_match) and request.if_none_match == message.ref.etag
        return pb.GetPolicyResponse(
            policy=None if not_modified else message,
            head=self._served.ref(head),
            freshness=freshness_to_proto(self._broker.freshness()),
            not_modified=not_modified,
            server_time=instant_to_proto(self._clock.now()),
        )

    def _check_min_ref(self, min_ref: pb.PolicyRef) -> None:
        head = self._broker.current.head
        check_not_behind(ref_of(min_ref), head.ref)
        same = ref_of(min_ref) == head.ref
        if same and head.policy and min_ref.etag not in ("", self._served.ref(head).etag):
            raise EtagMismatch(f"version {head.ref.version} has other content here than in min_ref")

    async def _find(self, version: int) -> Policy:
        current = self._broker.current.head.policy
        if current and version in (0, current.ref.version):
            return current
        if version == 0:
            raise PolicyNotFound("there is no policy yet; the first evaluation makes one")
        # A version is a 64-bit number in any store; no store has a greater one.
        found = await self._worker.run(partial(self._policies.revision, version)) if version < 2**63 else None
        if found is None:
            raise PolicyNotFound(f"there is no version {version} in this epoch")
        return found

    async def evaluate(self, request: pb.EvaluateRequest, context: Context) -> pb.EvaluateResponse:
        """Evaluates now, or says what an evaluation would decide."""
        _check_evaluate(request)
        if request.HasField("what_if"):
            outcome = await self._scheduler.what_if(supplied_of(request.what_if))
        elif request.validate_only:
            outcome = await self._scheduler.preview(requested_by=actor(), reason=request.reason)
        else:
            outcome = await self._scheduler.evaluate(
                request_id=request.request_id, requested_by=actor(), reason=request.reason
            )
        committed = await self._committed(outcome)
        return pb.EvaluateResponse(
            evaluation=evaluation_to_proto(outcome.entry),
            candidate=policy_to_proto(committed) if committed else content_to_proto(outcome.candidate),
            changes=changes_to_proto(outcome.changes),
            committed=committed is not None,
            head=self._served.ref(outcome.head),
        )

    async def _committed(self, outcome: EvaluationOutcome) -> Policy | None:
        ref = outcome.entry.committed
        if ref is None or (outcome.head.policy and outcome.head.ref == ref):
            return outcome.head.policy if ref else None
        # The same request_id again, with newer policies since.
        return await self._worker.run(partial(self._policies.revision, ref.version))

    async def list_policy_revisions(
        self, request: pb.ListPolicyRevisionsRequest, context: Context
    ) -> pb.ListPolicyRevisionsResponse:
        """Returns a page of history."""
        size = page_size(request.page_size)
        before = PolicyRef(*read_token(request.page_token, "policies", 2)) if request.page_token else None
        found = await self._worker.run(partial(self._policies.revisions, before, size + 1))
        page = fitting([revision_to_proto(revision) for revision in found], size)
        last = found[len(page) - 1].policy.ref if page else None
        more = last is not None and len(found) > len(page)
        return pb.ListPolicyRevisionsResponse(
            revisions=page, next_page_token=make_token("policies", last.epoch, last.version) if last and more else ""
        )

    async def list_evaluations(
        self, request: pb.ListEvaluationsRequest, context: Context
    ) -> pb.ListEvaluationsResponse:
        """Returns a page of evaluations."""
        size = page_size(request.page_size)
        before = read_token(request.page_token, "evaluations", 1)[0] if request.page_token else None
        found = await self._worker.run(partial(self._log.page, before, size + 1))
        page = fitting([evaluation_to_proto(entry) for entry in found], size)
        more = len(found) > len(page)
        return pb.ListEvaluationsResponse(
            evaluations=page,
            next_page_token=make_token("evaluations", found[len(page) - 1].sequence) if more else "",
        )

    async def list_strategies(self, request: pb.ListStrategiesRequest, context: Context) -> pb.ListStrategiesResponse:
        """Returns the ranking of the last evaluation."""
        rankings, as_of = await self._worker.run(self._log.strategies)
        return pb.ListStrategiesResponse(
            strategies=map(ranking_to_proto, rankings), as_of=None if as_of is None else instant_to_proto(as_of)
        )

    async def get_system_health(
        self, request: pb.GetSystemHealthRequest, context: Context
    ) -> pb.GetSystemHealthResponse:
        """Returns the last evaluation, and when the next one is due."""
        latest = await self._worker.run(self._log.latest)
        failure = await self._worker.run(self._log.latest_failure)
        return pb.GetSystemHealthResponse(
            evaluation=evaluation_to_proto(latest) if latest else None,
            next_evaluation_in=duration_to_proto(self._scheduler.next_in_s()),
            head=self._served.ref(self._broker.current.head),
            freshness=freshness_to_proto(self._broker.freshness()),
            last_failure=evaluation_to_proto(failure) if failure else None,
            replicas=map(replica_to_proto, self._standing().replicas),
        )

    async def report_client_status(
        self, request: pb.ReportClientStatusRequest, context: Context
    ) -> pb.ReportClientStatusResponse:
        """Keeps what a client says of itself."""
        self._fleet.report(client_of(request.client), status_of(request.status))
        return pb.ReportClientStatusResponse(
            head=self._served.ref(self._broker.current.head), next_report_after=duration_to_proto(REPORT_PERIOD_S)
        )

    async def list_clients(self, request: pb.ListClientsRequest, context: Context) -> pb.ListClientsResponse:
        """Returns the fleet."""
        head = self._broker.current.head
        return pb.ListClientsResponse(
            clients=[entry_to_proto(entry, head.ref) for entry in self._fleet.entries()], head=self._served.ref(head)
        )


def _check_evaluate(request: pb.EvaluateRequest) -> None:
    problems = []
    if not REQUEST_ID.fullmatch(request.request_id):
        problems.append(FieldProblem(field="request_id", problem="must be up to 64 characters of A-Z a-z 0-9 _ . -"))
    if len(request.reason) > MAX_REASON_CHARS or not request.reason.isprintable():
        text = f"must be up to {MAX_REASON_CHARS} characters without control characters"
        problems.append(FieldProblem(field="reason", problem=text))
    if problems:
        raise InvalidRequest(*problems)


def policy_handlers(service: PolicyService, watch: WatchMethod) -> grpc.GenericRpcHandler:
    """Returns the handlers of PolicyAuthority."""
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "GetPolicy": unary(pb.GetPolicyRequest, service.get_policy, empty=service.current_policy),
            "WatchPolicy": server_stream(pb.WatchPolicyRequest, watch),
            "Evaluate": unary(pb.EvaluateRequest, service.evaluate),
            "ListPolicyRevisions": unary(pb.ListPolicyRevisionsRequest, service.list_policy_revisions),
            "ListEvaluations": unary(pb.ListEvaluationsRequest, service.list_evaluations),
            "ListStrategies": unary(pb.ListStrategiesRequest, service.list_strategies),
            "GetSystemHealth": unary(pb.GetSystemHealthRequest, service.get_system_health),
            "ReportClientStatus": unary(pb.ReportClientStatusRequest, service.report_client_status),
            "ListClients": unary(pb.ListClientsRequest, service.list_clients),
        },
    )
