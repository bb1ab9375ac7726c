"""Facts to the authority and back: nothing changes on the way, messages stay small, and counts are checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.facts import Direction, EquityPoint, Execution, Fact, Side, Trade, TradeSource
from msc_authority.rpc.mapping.journal import fact_of
from msc_authority.rpc.record_client import RecordClient, entry_of
from msc_authority.rpc.remote_error import RemoteError
from msc_policy.v1 import (
    JournalServiceServicer,
    RecordRequest,
    RecordResponse,
    RefusedEntry,
    add_JournalServiceServicer_to_server,
)

AT = datetime(2022, 1, 1, tzinfo=UTC)
EXECUTION = Execution(
    event_id="E-1",
    account="main",
    executor="x",
    strategy_id="",
    symbol="BTCUSDT",
    side=Side.SELL,
    order_id="1",
    client_order_id="c",
    status="FILLED",
    quantity=Decimal("0.5"),
    price=None,
    fee=Decimal(0),
    realized_pnl=Decimal("-1.25"),
    reduce_only=True,
    confidence=0.0,
    policy_version=2**63 - 1,
    at=AT,
)
TRADE = Trade(
    trade_id="T-1",
    strategy_id="S",
    symbol="BTCUSDT",
    direction=Direction.LONG,
    quantity=Decimal(1),
    entry_price=Decimal(1),
    exit_price=Decimal(2),
    opened_at=AT,
    closed_at=AT + timedelta(microseconds=1),
    gross_pnl=Decimal(1),
    fees=Decimal("0.000000000000000001"),
    funding=Decimal(0),
    net_pnl=Decimal(1),
    risk_at_entry=None,
    source=TradeSource.SHADOW,
)
EQUITY = EquityPoint(account="a", at=AT, wallet_balance=Decimal(-1), unrealized_pnl=Decimal(0), net_flow=Decimal("1e3"))

Answer = Callable[[list[RecordRequest], Any], RecordResponse]


class ScriptedJournal(JournalServiceServicer):
    """Answers as the test says."""

    def __init__(self) -> None:
        self.calls: list[list[RecordRequest]] = []
        self.answer: Answer = lambda requests, context: RecordResponse(accepted=sum(map(entries_in, requests)))

    def Record(self, request_iterator: Any, context: Any) -> RecordResponse:  # noqa: N802, ANN401 -- as generated
        requests = list(request_iterator)
        self.calls.append(requests)
        return self.answer(requests, context)


def entries_in(request: RecordRequest) -> int:
    return len(request.entries)


@pytest.fixture
def journal() -> ScriptedJournal:
    return ScriptedJournal()


@pytest.fixture
def client(journal: ScriptedJournal) -> Iterator[RecordClient]:
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    add_JournalServiceServicer_to_server(journal, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with RecordClient(f"127.0.0.1:{port}", deadline_s=10.0, sleep=lambda seconds: None) as client:
        yield client
    server.stop(None).wait()


@pytest.mark.parametrize("fact", [EXECUTION, TRADE, EQUITY], ids=["execution", "trade", "equity"])
def test_a_fact_is_the_same_after_the_wire(fact: Fact) -> None:
    assert fact_of(entry_of(1, fact), AT + timedelta(days=1)) == fact


@given(
    pnl=st.decimals(min_value=-(10**14), max_value=10**14, places=18),
    confidence=st.none() | st.floats(0, 1),
    at=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_numbers_and_instants_are_exact_after_the_wire(pnl: Decimal, confidence: float | None, at: datetime) -> None:
    fact = replace(EXECUTION, realized_pnl=pnl, confidence=confidence, at=at)

    assert fact_of(entry_of(1, fact), at) == fact


def test_facts_go_out_in_messages_of_bounded_number_and_size(client: RecordClient, journal: ScriptedJournal) -> None:
    heavy = replace(EXECUTION, detail_json='{"a": "%s"}' % ("x" * 16_000))

    assert client.record([(number, heavy) for number in range(100)]).accepted == 100
    assert client.record([(number, EQUITY) for number in range(2500)]).accepted == 2500

    first, second = journal.calls
    assert all(request.ByteSize() < 600_000 for request in first)
    assert [entries_in(request) for request in second] == [1000, 1000, 500]


def test_refused_facts_come_back_under_the_senders_number(client: RecordClient, journal: ScriptedJournal) -> None:
    entry = RefusedEntry(seq=7, id="a", field="at", code="FROM_THE_FUTURE", reason="ahead")
    journal.answer = lambda requests, context: RecordResponse(duplicates=1, refused_total=1, refused=[entry])

    recorded = client.record([(6, EQUITY), (7, EQUITY)])

    assert (recorded.duplicates, recorded.refused_total) == (1, 1)
    assert [(fact.number, fact.field, fact.code) for fact in recorded.refused] == [(7, "at", "FROM_THE_FUTURE")]


@pytest.mark.parametrize(
    "answer",
    [RecordResponse(accepted=1), RecordResponse(accepted=3), RecordResponse(accepted=1, refused_total=1)],
    ids=["one short", "one over", "refused but not named"],
)
def test_an_answer_that_does_not_add_up_is_an_error(
    client: RecordClient, journal: ScriptedJournal, answer: RecordResponse
) -> None:
    journal.answer = lambda requests, context: answer

    with pytest.raises(RemoteError) as caught:
        client.record([(1, EQUITY), (2, EQUITY)])

    assert caught.value.reason == "ANSWER_MISMATCH"
    assert len(journal.calls) == 1


@pytest.mark.parametrize(("code", "calls"), [(grpc.StatusCode.UNAVAILABLE, 6), (grpc.StatusCode.INTERNAL, 1)])
def test_a_failed_call_is_repeated_as_a_whole_where_that_may_help(
    client: RecordClient, journal: ScriptedJournal, code: grpc.StatusCode, calls: int
) -> None:
    def fail(requests: list[RecordRequest], context: Any) -> RecordResponse:  # noqa: ANN401 -- as generated
        context.abort(code, "scripted")
        raise AssertionError("abort raises")

    journal.answer = fail

    with pytest.raises(RemoteError, match="scripted"):
        client.record([(1, EQUITY)])

    assert [sum(map(entries_in, requests)) for requests in journal.calls] == [1] * calls
