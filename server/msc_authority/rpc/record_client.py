"""Facts sent to a running authority's journal, with patience, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Self

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from tenacity.nap import sleep as nap

from msc_authority.core.facts import EquityPoint, Execution, Fact, Trade
from msc_authority.rpc.dialing import NOTHING, Credentials, dial
from msc_authority.rpc.remote import CHANNEL_OPTIONS
from msc_authority.rpc.remote_error import RemoteError, remote_error
from msc_policy import v1 as pb

MAX_ENTRIES = 1000
MAX_LISTED = 1000
MAX_MESSAGE_BYTES = 524_288
"""Half of what the authority takes, so that no count of overheads matters."""

_ATTEMPTS = 6
_WAIT_S = wait_random_exponential(multiplier=0.25, max=5.0)

NumberedFact = tuple[int, Fact]
OnRetry = Callable[[int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFact:
    """A fact that the authority refused. `number` is the sender's."""

    number: int
    id: str
    field: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of facts that were sent. Of `refused_total`, at most 1000 of a call are listed."""

    accepted: int
    duplicates: int
    refused_total: int
    refused: tuple[RefusedFact, ...]


class RecordClient:
    """The journal of the authority at one address. A call that fails is repeated as a whole, which is harmless."""

    def __init__(
        self,
        target: str,
        *,
        deadline_s: float = 30.0,
        credentials: Credentials = NOTHING,
        on_retry: OnRetry = lambda attempt, reason: None,
        sleep: Callable[[float], None] = nap,
    ) -> None:
        """Connects on first use to `target`, host:port. `on_retry` hears of failed attempts."""
        self._deadline_s, self._metadata = deadline_s, credentials.metadata
        self._channel = dial(target, CHANNEL_OPTIONS, credentials)
        self._stub = pb.JournalServiceStub(self._channel)
        self._retrying = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=_WAIT_S,
            retry=retry_if_exception(_worth_retrying),
            before_sleep=lambda state: on_retry(state.attempt_number, _reason(state)),
            sleep=sleep,
            reraise=True,
        )

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

    def record(self, facts: Sequence[NumberedFact]) -> Recorded:
        """Returns what became of `facts`: each is stored durably now, or refused.

        Raises:
            RemoteError: the authority could not be reached or failed; nobody knows what was stored.
        """
        return self._retrying(self._record_once, facts)

    def _record_once(self, facts: Sequence[NumberedFact]) -> Recorded:
        try:
            answer = self._stub.Record(_requests(facts), timeout=self._deadline_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise remote_error(error) from error
        recorded = _recorded(answer)
        _check_sum(recorded, len(facts))
        return recorded


def _check_sum(recorded: Recorded, sent: int) -> None:
    counted = recorded.accepted + recorded.duplicates + recorded.refused_total
    if counted != sent or len(recorded.refused) != min(recorded.refused_total, MAX_LISTED):
        # Going on after a wrong count would lose facts unnoticed.
        raise RemoteError(
            f"of {sent} facts the authority accounts for {counted}", reason="ANSWER_MISMATCH", reachable=True
        )


def _worth_retrying(error: BaseException) -> bool:
    return isinstance(error, RemoteError) and (error.worth_retrying or not error.reachable)


def _reason(state: RetryCallState) -> str:
    error = state.outcome.exception() if state.outcome else None
    return error.reason if isinstance(error, RemoteError) else ""


def _recorded(answer: pb.RecordResponse) -> Recorded:
    return Recorded(
        accepted=answer.accepted,
        duplicates=answer.duplicates,
        refused_total=answer.refused_total,
        refused=tuple(
            RefusedFact(number=entry.seq, id=entry.id, field=entry.field, code=entry.code, reason=entry.reason)
            for entry in answer.refused
        ),
    )


def _requests(facts: Sequence[NumberedFact]) -> Iterator[pb.RecordRequest]:
    request, size = pb.RecordRequest(), 0
    for number, fact in facts:
        entry = entry_of(number, fact)
        added = entry.ByteSize()
        if request.entries and (len(request.entries) >= MAX_ENTRIES or size + added > MAX_MESSAGE_BYTES):
            yield request
            request, size = pb.RecordRequest(), 0
        request.entries.append(entry)
        size += added
    if request.entries:
        yield request


def entry_of(number: int, fact: Fact) -> pb.JournalEntry:
    """Returns a fact as it goes over the wire, under the sender's number."""
    match fact:
        case Execution():
            return pb.JournalEntry(seq=number, execution=_execution(fact))
        case Trade():
            return pb.JournalEntry(seq=number, trade=_trade(fact))
        case EquityPoint():
            return pb.JournalEntry(seq=number, equity=_equity(fact))


def _execution(fact: Execution) -> pb.Execution:
    return pb.Execution(
        event_id=fact.event_id,
        account=fact.account,
        executor=fact.executor,
        strategy_id=fact.strategy_id,
        symbol=fact.symbol,
        side=pb.Side.Value(f"SIDE_{fact.side}"),
        order_id=fact.order_id,
        client_order_id=fact.client_order_id,
        status=fact.status,
        quantity=_plain(fact.quantity),
        price=_plain(fact.price),
        fee=_plain(fact.fee),
        realized_pnl=_plain(fact.realized_pnl),
        reduce_only=fact.reduce_only,
        confidence=fact.confidence,
        policy_version=fact.policy_version,
        at=_timestamp(fact.at),
        reason=fact.reason,
        detail_json=fact.detail_json,
    )


def _trade(fact: Trade) -> pb.ClosedTrade:
    return pb.ClosedTrade(
        trade_id=fact.trade_id,
        strategy_id=fact.strategy_id,
        symbol=fact.symbol,
        direction=pb.Direction.Value(f"DIRECTION_{fact.direction}"),
        quantity=_plain(fact.quantity),
        entry_price=_plain(fact.entry_price),
        exit_price=_plain(fact.exit_price),
        opened_at=_timestamp(fact.opened_at),
        closed_at=_timestamp(fact.closed_at),
        gross_pnl=_plain(fact.gross_pnl),
        fees=_plain(fact.fees),
        funding=_plain(fact.funding),
        net_pnl=_plain(fact.net_pnl),
        risk_at_entry=_plain(fact.risk_at_entry),
        source=pb.TradeSource.Value(f"TRADE_SOURCE_{fact.source}"),
        policy_version=fact.policy_version,
    )


def _equity(fact: EquityPoint) -> pb.EquityPoint:
    return pb.EquityPoint(
        account=fact.account,
        at=_timestamp(fact.at),
        wallet_balance=_plain(fact.wallet_balance),
        unrealized_pnl=_plain(fact.unrealized_pnl),
        net_flow=_plain(fact.net_flow),
    )


def _plain(number: Decimal | None) -> str:
    return "" if number is None else format(number, "f")


def _timestamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
