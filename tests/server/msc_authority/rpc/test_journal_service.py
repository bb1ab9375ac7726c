from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from msc_builders import START
from msc_served import Served, fields_of, served

from msc_policy import v1 as pb


def stamp(seconds_after_start: float = 0.0) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(START + timedelta(seconds=seconds_after_start))
    return timestamp


def a_trade(seq: int, trade_id: str = "", **overrides: object) -> pb.JournalEntry:
    trade = pb.ClosedTrade(
        trade_id=trade_id or f"trade-{seq}",
        strategy_id="TREND_001",
        symbol="BTCUSDT",
        direction=pb.DIRECTION_LONG,
        quantity="0.5",
        entry_price="46000.10",
        exit_price="46100",
        opened_at=stamp(-600),
        closed_at=stamp(),
        gross_pnl="49.95",
        fees="1.25",
        funding="-0.20",
        net_pnl="48.50",
        source=pb.TRADE_SOURCE_LIVE,
    )
    trade.MergeFrom(pb.ClosedTrade(**overrides))  # type: ignore[arg-type]  # fields are given by name
    return pb.JournalEntry(seq=seq, trade=trade)


def an_execution(seq: int, **overrides: object) -> pb.JournalEntry:
    execution = pb.Execution(
        event_id=f"event-{seq}",
        account="main",
        executor="executor-1",
        symbol="BTCUSDT",
        side=pb.SIDE_BUY,
        status="FILLED",
        quantity="0.5",
        at=stamp(),
    )
    execution.MergeFrom(pb.Execution(**overrides))  # type: ignore[arg-type]  # fields are given by name
    return pb.JournalEntry(seq=seq, execution=execution)


def a_reading(seq: int, **overrides: object) -> pb.JournalEntry:
    point = pb.EquityPoint(account="main", at=stamp(seq), wallet_balance="1000", unrealized_pnl="-2.5")
    point.MergeFrom(pb.EquityPoint(**overrides))  # type: ignore[arg-type]  # fields are given by name
    return pb.JournalEntry(seq=seq, equity=point)


async def record(scene: Served, *batches: list[pb.JournalEntry]) -> pb.RecordResponse:
    response = await scene.journal.Record(iter([pb.RecordRequest(entries=batch) for batch in batches]))
    assert isinstance(response, pb.RecordResponse)
    return response


async def test_facts_of_every_kind_are_stored_over_several_batches() -> None:
    async with served() as scene:
        response = await record(scene, [a_trade(1), an_execution(2)], [a_reading(3)])
        assert (response.accepted, response.duplicates, response.refused_total) == (3, 0, 0)
        trade, point = list(scene.store.journal.evidence_after(None, scene.store.journal.end()))
        assert trade.id == "trade-1"
        assert point.id == "main"


async def test_sending_again_is_harmless() -> None:
    async with served() as scene:
        batch = [a_trade(1), an_execution(2), a_reading(3)]
        await record(scene, batch)
        response = await record(scene, batch)
        assert (response.accepted, response.duplicates) == (0, 3)


async def test_a_refused_fact_is_named_by_its_number_and_the_good_ones_are_kept() -> None:
    async with served() as scene:
        response = await record(scene, [a_trade(10), a_trade(11, quantity="-1"), an_execution(12)])
        assert response.accepted == 2
        [refused] = response.refused
        assert (refused.seq, refused.id, refused.field, refused.code) == (11, "trade-11", "quantity", "NOT_POSITIVE")


async def test_the_same_id_with_other_content_is_refused_by_its_number() -> None:
    async with served() as scene:
        response = await record(scene, [a_trade(1, quantity="x"), a_trade(2), a_trade(3, "trade-2", symbol="ETHUSDT")])
        assert [(refused.seq, refused.code) for refused in response.refused] == [
            (1, "NOT_A_NUMBER"),
            (3, "ID_CONFLICT"),
        ]


@pytest.mark.parametrize(
    ("entry", "field", "code"),
    [
        (pb.JournalEntry(seq=1), "fact", "MISSING"),
        (pb.JournalEntry(seq=1, trade=pb.ClosedTrade()), "trade_id", "MISSING"),
        (an_execution(1, side=7), "side", "UNKNOWN_VALUE"),
        (
            pb.JournalEntry(seq=1, execution=pb.Execution(event_id="e", account="a", executor="x", symbol="s")),
            "side",
            "MISSING",
        ),
        (an_execution(1, confidence=float("nan")), "confidence", "NOT_FINITE"),
        (an_execution(1, price="1e400"), "price", "OUT_OF_RANGE"),
        (a_trade(1, closed_at=stamp(-700)), "closed_at", "CLOSED_BEFORE_OPENED"),
        (a_trade(1, closed_at=stamp(301)), "closed_at", "FROM_THE_FUTURE"),
        (a_trade(1, closed_at=Timestamp(seconds=10**15)), "closed_at", "BAD_TIMESTAMP"),
        (a_reading(1, wallet_balance="Infinity"), "wallet_balance", "NOT_FINITE"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_field_and_code(
    entry: pb.JournalEntry, field: str, code: str
) -> None:
    async with served() as scene:
        response = await record(scene, [entry])
        assert response.accepted == 0
        assert [(refused.field, refused.code) for refused in response.refused] == [(field, code)]


async def test_of_very_many_refused_facts_the_first_thousand_are_listed_and_all_are_counted() -> None:
    async with served() as scene:
        batch = [a_trade(seq, quantity="0") for seq in range(600)]
        response = await record(scene, batch, batch)
        assert len(response.refused) == 1000
        assert response.refused_total == 1200


async def test_the_longest_list_of_refused_facts_fits_into_what_a_client_receives() -> None:
    wide = "\N{OX}" * 127
    async with served() as scene:
        half = [an_execution(seq, event_id=wide + "x", symbol=f" {wide}") for seq in range(500)]
        response = await record(scene, half, half)
        assert len(response.refused) == 1000
        assert response.ByteSize() < 1024 * 1024
        assert response.refused[0].id.startswith("\N{OX}")


async def test_a_batch_of_more_than_a_thousand_facts_is_refused_and_stores_nothing() -> None:
    async with served() as scene:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await record(scene, [pb.JournalEntry(seq=seq) for seq in range(1001)])
        assert fields_of(caught.value) == ["entries"]
        assert (await record(scene, [a_trade(1)])).accepted == 1


async def test_a_stream_without_facts_is_answered() -> None:
    async with served() as scene:
        assert await record(scene) == pb.RecordResponse()
        assert await record(scene, []) == pb.RecordResponse()


async def test_a_batch_that_cannot_be_read_is_refused_and_the_server_stays_up() -> None:
    async with served() as scene:
        raw: grpc.aio.StreamUnaryMultiCallable[bytes, bytes] = scene.channel.stream_unary(
            "/msc_policy.v1.JournalService/Record"
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(iter([b"\xff\xff"]))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (await record(scene, [a_trade(1)])).accepted == 1


async def test_numbers_arrive_exactly() -> None:
    async with served() as scene:
        await record(scene, [a_trade(1, net_pnl="48.500000000000000001")])
        [trade] = list(scene.store.journal.evidence_after(None, scene.store.journal.end()))
        assert getattr(trade, "net_pnl", None) == Decimal("48.500000000000000001")
