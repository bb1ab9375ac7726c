"""A running authority, asked over gRPC: plain dictionaries in the contract's names, and one kind of error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import grpc
from google.protobuf.message import Message
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from msc_authority.rpc.dialing import NOTHING, Credentials, dial
from msc_authority.rpc.plain import Plain, plain
from msc_authority.rpc.remote_acts import Asked, act_request, lift_request, outcome_of, overrides_of
from msc_authority.rpc.remote_error import RemoteError, remote_error
from msc_policy.v1 import (
    CLIENT_ROLE_OTHER,
    ActResponse,
    ClientInfo,
    EvaluateRequest,
    EvaluateResponse,
    GetPolicyRequest,
    GetSystemHealthRequest,
    ListClientsRequest,
    ListEvaluationsRequest,
    ListOverridesRequest,
    ListPolicyRevisionsRequest,
    ListStrategiesRequest,
    OperatorServiceStub,
    Policy,
    PolicyAuthorityStub,
    PolicyRef,
    SuppliedMetrics,
    WatchPolicyRequest,
    WatchPolicyResponse,
)

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.min_reconnect_backoff_ms", 3_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)
DEADLINE_S = 5.0
"""How long an answer is waited for unless a call says otherwise."""
EVALUATION_DEADLINE_S = 60.0
MAX_ATTEMPTS = 3
PAGE_SIZE = 200

if TYPE_CHECKING:
    WatchCall = grpc._CallIterator[WatchPolicyResponse]

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """Who opens a watch, and what it holds already. `known` is (epoch, version, etag), None for nothing."""

    instance_id: str
    name: str
    known: tuple[int, int, str] | None = None


class Watch:
    """One open watch: an iterator of events that can be cancelled from another thread."""

    def __init__(self, call: WatchCall) -> None:
        """Takes the open call."""
        self._call = call

    def __iter__(self) -> Iterator[Plain]:
        """Yields each message until the authority ends the watch.

        Raises:
            RemoteError: It ended otherwise.
        """
        try:
            for message in self._call:
                yield _event(message)
        except grpc.RpcError as error:
            raise remote_error(error) from error

    def cancel(self) -> None:
        """Ends the watch; harmless when it has ended."""
        self._call.cancel()


class Remote:
    """The authority at one address. Unary calls are tried again while it cannot be reached, within their deadline."""

    def __init__(self, target: str, *, deadline_s: float = DEADLINE_S, credentials: Credentials = NOTHING) -> None:
        """Connects on first use to `target`, host:port."""
        self._deadline_s, self._metadata = deadline_s, credentials.metadata
        self._channel = dial(target, CHANNEL_OPTIONS, credentials)
        self._stub = PolicyAuthorityStub(self._channel)
        self._operator = OperatorServiceStub(self._channel)

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connection."""
        self.close()

    def close(self) -> None:
        """Closes the connection; twice is fine."""
        self._channel.close()

    def policy(self, version: int = 0) -> Plain:
        """The current policy, or one version of it, with head, freshness and the authority's clock."""
        answer = plain(self._ask(self._stub.GetPolicy, GetPolicyRequest(version=version)))
        return {**answer, "policy": _named(answer["policy"])}

    def revisions(self, limit: int) -> Iterator[Plain]:
        """Yields up to `limit` policies of history with the changes each made, newest first."""
        token = ""
        while limit > 0:
            request = ListPolicyRevisionsRequest(page_size=min(limit, PAGE_SIZE), page_token=token)
            page = self._ask(self._stub.ListPolicyRevisions, request)
            for revision in page.revisions:
                yield {**_policy(revision.policy), "changes": [plain(change) for change in revision.changes]}
            limit, token = limit - len(page.revisions), page.next_page_token
            if not token or not page.revisions:
                return

    def evaluations(self, limit: int) -> Iterator[Plain]:
        """Yields up to `limit` evaluations, newest first, failed ones included."""
        token = ""
        while limit > 0:
            request = ListEvaluationsRequest(page_size=min(limit, PAGE_SIZE), page_token=token)
            page = self._ask(self._stub.ListEvaluations, request)
            yield from (plain(evaluation) for evaluation in page.evaluations)
            limit, token = limit - len(page.evaluations), page.next_page_token
            if not token or not page.evaluations:
                return

    def strategies(self) -> Plain:
        """The ranking of the last evaluation, best first."""
        return plain(self._ask(self._stub.ListStrategies, ListStrategiesRequest()))

    def health(self) -> Plain:
        """The last evaluation with each metric, and when the next one is due."""
        return plain(self._ask(self._stub.GetSystemHealth, GetSystemHealthRequest()))

    def clients(self) -> Plain:
        """The fleet, and the head it is compared with."""
        return plain(self._ask(self._stub.ListClients, ListClientsRequest()))

    def evaluate(
        self,
        *,
        request_id: str = "",
        dry_run: bool = False,
        reason: str = "",
        what_if: Mapping[str, float | int] | None = None,
        deadline_s: float = EVALUATION_DEADLINE_S,
    ) -> Plain:
        """Evaluates now, or says what an evaluation would decide. Tried again only where that cannot evaluate twice."""
        request = EvaluateRequest(request_id=request_id, validate_only=dry_run, reason=reason)
        if what_if is not None:
            request.what_if.CopyFrom(_supplied(what_if))
        repeatable = bool(request_id) or dry_run or what_if is not None
        answer = self._ask(self._stub.Evaluate, request, repeatable=repeatable, deadline_s=deadline_s)
        return _evaluated(answer)

    def act(self, asked: Asked) -> Plain:
        """Has one thing done at once, and says what became of it. Tried again only where that cannot do it twice."""
        return _done(self._ask(self._operator.Act, act_request(asked), repeatable=_is_repeatable(asked)))

    def lift(self, override_id: str, asked: Asked) -> Plain:
        """Ends an override, as `act` does other things."""
        request = lift_request(override_id, asked)
        return _done(self._ask(self._operator.LiftOverride, request, repeatable=_is_repeatable(asked)).outcome)

    def overrides(self) -> Plain:
        """The overrides in force, and the head."""
        return overrides_of(self._ask(self._operator.ListOverrides, ListOverridesRequest()))

    def watch(self, watcher: Watcher, *, wait_for_ready: bool = True) -> Watch:
        """Opens a watch; waits for the authority to come up if it is away."""
        client = ClientInfo(instance_id=watcher.instance_id, name=watcher.name, role=CLIENT_ROLE_OTHER, sdk="msc")
        request = WatchPolicyRequest(client=client)
        if watcher.known is not None:
            epoch, version, etag = watcher.known
            request.known.CopyFrom(PolicyRef(epoch=epoch, version=version, etag=etag))
        return Watch(self._stub.WatchPolicy(request, metadata=self._metadata, wait_for_ready=wait_for_ready))

    def _ask(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        repeatable: bool = True,
        deadline_s: float | None = None,
    ) -> Response:
        timeout = self._deadline_s if deadline_s is None else deadline_s
        unsure = False
        for attempt in _retrying(MAX_ATTEMPTS if repeatable else 1):
            with attempt:
                try:
                    return method(request, timeout=timeout, metadata=self._metadata)
                except grpc.RpcError as error:
                    told = remote_error(error, earlier_unsure=unsure)
                    unsure = unsure or told.unsure
                    raise told from error
        raise AssertionError("unreachable: the last attempt returns or raises")


def _retrying(attempts: int) -> Retrying:
    return Retrying(
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=0.1, max=1.0),
        retry=retry_if_exception(lambda error: isinstance(error, RemoteError) and error.worth_retrying),
        reraise=True,
    )


def _supplied(values: Mapping[str, float | int]) -> SuppliedMetrics:
    metrics = SuppliedMetrics()
    for name, value in values.items():
        setattr(metrics, name, value)
    return metrics


def _evaluated(answer: EvaluateResponse) -> Plain:
    document = plain(answer)
    return {**document, "candidate": _named(document["candidate"])}


def _done(answer: ActResponse) -> Plain:
    document = outcome_of(answer)
    return {**document, "policy": _named(document["policy"])}


def _is_repeatable(asked: Asked) -> bool:
    return bool(asked.request_id) or asked.dry_run


def _event(message: WatchPolicyResponse) -> Plain:
    document = plain(message)
    kind = message.WhichOneof("event") or "unknown"
    body = document.get(kind)
    fields = dict(body) if isinstance(body, dict) else {}
    if "policy" in fields:
        fields["policy"] = _named(fields["policy"])
    common = {name: document[name] for name in ("head", "freshness", "server_time", "info")}
    return {"event": kind, **fields, **common}


def _policy(policy: Policy) -> Plain:
    named = _named(plain(policy))
    return named if named is not None else {}


def _named(policy: object) -> Plain | None:
    """A policy with its reference's parts beside its other fields."""
    if not isinstance(policy, dict):
        return None
    rest = {key: value for key, value in policy.items() if key != "ref"}
    ref = policy.get("ref") or {"epoch": None, "version": None, "etag": None}
    return {**ref, **rest}
