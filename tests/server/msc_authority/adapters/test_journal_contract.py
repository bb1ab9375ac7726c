"""What every journal does with facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msc_builders import START, ManualClock, Store, a_trade, an_equity_point, an_execution, at

from msc_authority.adapters.memory import MemoryStore
from msc_authority.adapters.sql import SqlStore
from msc_authority.core.evidence import EquityEvidence, TradeColumns, TradeEvidence
from msc_authority.core.facts import Fact, TradeSource
from msc_authority.ports.journal import JournalCursor, RecordOutcome
from msc_authority.ports.store import StoreError

NOTHING = JournalCursor()


def test_an_empty_journal_has_nothing_to_tell(store: Store) -> None:
    assert store.journal.end() == NOTHING
    assert store.journal.newest_fact_at() is None
    assert store.journal.earliest_between(NOTHING, NOTHING) is None
    assert list(store.journal.evidence_after(None, NOTHING)) == []


def test_an_empty_batch_is_stored_as_nothing(store: Store) -> None:
    assert store.journal.record([]) == RecordOutcome(accepted=0, duplicates=0)


def test_facts_of_all_kinds_in_one_batch_are_accepted(store: Store) -> None:
    outcome = store.journal.record([a_trade(), an_equity_point(), an_execution()])

    assert outcome == RecordOutcome(accepted=3, duplicates=0)
    assert store.journal.end() == JournalCursor(trades=1, equity=1)


@pytest.mark.parametrize("fact", [a_trade(), an_equity_point(), an_execution()], ids=["trade", "equity", "execution"])
def test_sending_a_fact_again_is_a_duplicate_in_the_same_batch_and_in_a_later_one(store: Store, fact: Fact) -> None:
    assert store.journal.record([fact, replace(fact)]) == RecordOutcome(accepted=1, duplicates=1)
    assert store.journal.record([replace(fact), fact]) == RecordOutcome(accepted=0, duplicates=2)


def test_a_batch_of_many_is_stored_whole_and_in_its_order(store: Store) -> None:
    trades = [a_trade(f"T-{number:04d}", closed_at=at(number // 2)) for number in range(1203)]

    outcome = store.journal.record([*trades, replace(trades[600]), replace(trades[7], symbol="OTHER")])

    assert (outcome.accepted, outcome.duplicates, [refused.index for refused in outcome.refused]) == (1203, 1, [1204])
    stored = store.journal.evidence_after(None, store.journal.end())
    assert [evidence.id for evidence in stored] == [trade.trade_id for trade in trades]


@pytest.mark.parametrize(
    "text", ['"', "\\", '\\"', "a,b", "{x}", "NULL", "null", "", "'", "%s", "%", "é☃", '{"a": "\\\\ \\" %"}'], ids=repr
)
def test_every_text_is_stored_as_it_is(store: Store, text: str) -> None:
    odd = an_execution(f"E{text}", reason=text, detail_json=text, confidence=None, price=None)

    assert store.journal.record([odd]) == RecordOutcome(accepted=1, duplicates=0)

    assert store.journal.record([replace(odd)]) == RecordOutcome(accepted=0, duplicates=1)
    assert store.journal.record([replace(odd, reason=text + " ")]).refused[0].id == odd.event_id


def test_the_same_object_twice_in_a_batch_is_stored_once(store: Store) -> None:
    trade = a_trade()

    assert store.journal.record([trade, trade]) == RecordOutcome(accepted=1, duplicates=1)


def test_numbers_and_instants_written_otherwise_are_the_same_content(store: Store) -> None:
    store.journal.record([a_trade(fees=Decimal("1.25"), closed_at=START)])

    again = a_trade(fees=Decimal("1.2500"), closed_at=START.astimezone(timezone(timedelta(hours=9))))

    assert store.journal.record([again]) == RecordOutcome(accepted=0, duplicates=1)


@pytest.mark.parametrize(
    ("stored", "sent", "field", "refused_id"),
    [
        (a_trade("T-9"), a_trade("T-9", net_pnl=Decimal("1")), "trade_id", "T-9"),
        (an_execution("E-9"), an_execution("E-9", status="CANCELED"), "event_id", "E-9"),
        (
            an_equity_point(account="main"),
            an_equity_point(account="main", net_flow=Decimal("5")),
            "at",
            "main@2025-11-30T10:30:00.000000Z",
        ),
    ],
    ids=["trade", "execution", "equity"],
)
def test_other_content_under_a_stored_id_is_refused_by_the_id_and_the_rest_is_stored(
    store: Store, stored: Fact, sent: Fact, field: str, refused_id: str
) -> None:
    store.journal.record([stored])

    outcome = store.journal.record([a_trade("T-new"), sent, an_equity_point(at(5))])

    assert (outcome.accepted, outcome.duplicates) == (2, 0)
    (refused,) = outcome.refused
    assert (refused.index, refused.id, refused.field, refused.code) == (1, refused_id, field, "ID_CONFLICT")


def test_within_a_batch_the_first_content_of_an_id_holds(store: Store) -> None:
    first, other = a_trade(fees=Decimal("1")), a_trade(fees=Decimal("2"))

    outcome = store.journal.record([first, other, first])

    assert (outcome.accepted, outcome.duplicates, [refusal.index for refusal in outcome.refused]) == (1, 1, [1])
    assert store.journal.record([first]).duplicates == 1


def test_when_the_first_of_a_batch_conflicts_the_stored_content_judges_the_others(store: Store) -> None:
    stored, other = a_trade(fees=Decimal("1")), a_trade(fees=Decimal("2"))
    store.journal.record([stored])

    outcome = store.journal.record([other, stored, other])

    assert (outcome.accepted, outcome.duplicates, [refusal.index for refusal in outcome.refused]) == (0, 1, [0, 2])


def test_refusals_of_different_kinds_come_in_the_order_of_the_batch(store: Store) -> None:
    store.journal.record([a_trade(), an_execution(), an_equity_point()])

    outcome = store.journal.record(
        [
            an_equity_point(net_flow=Decimal("1")),
            a_trade(net_pnl=Decimal("1")),
            an_execution(status="NEW"),
            a_trade("T-2"),
        ]
    )

    assert [refusal.index for refusal in outcome.refused] == [0, 1, 2]
    assert outcome.accepted == 1


def test_an_instant_without_time_zone_is_refused_and_nothing_of_the_batch_is_stored(store: Store) -> None:
    naive = an_equity_point(datetime(2025, 11, 30, 10, 30))

    with pytest.raises((StoreError, ValueError), match="no time zone"):
        store.journal.record([a_trade(), naive])

    assert store.journal.end() == NOTHING


def test_evidence_is_exactly_what_was_recorded(store: Store) -> None:
    pnl = Decimal("-0.00000000000000000000000123456789")
    closed = START.replace(microsecond=1)
    store.journal.record(
        [
            a_trade("T-1", closed_at=closed, net_pnl=pnl, risk_at_entry=None, source=TradeSource.SHADOW),
            an_equity_point(closed, account="spot", wallet_balance=Decimal("123456789012345678901234.5")),
        ]
    )

    evidence = list(store.journal.evidence_after(None, store.journal.end()))

    assert evidence == [
        TradeEvidence(at=closed, id="T-1", strategy_id="TREND_001", net_pnl=pnl, risk_at_entry=None, live=False),
        EquityEvidence(
            at=closed,
            id="spot",
            wallet_balance=Decimal("123456789012345678901234.5"),
            unrealized_pnl=Decimal("-12.5"),
            net_flow=Decimal("0"),
        ),
    ]
    assert [type(each) for each in evidence] == [TradeEvidence, EquityEvidence]
    assert type(evidence[0][-1]) is bool


def test_evidence_comes_by_time_then_id_with_equity_behind_the_trades_of_its_instant(store: Store) -> None:
    store.journal.record(
        [
            an_equity_point(at(1), account="zeta"),
            an_equity_point(at(1), account="Alpha"),
            a_trade("b", closed_at=at(1)),
            a_trade("a", closed_at=at(2)),
            a_trade("B", closed_at=at(1)),
            an_equity_point(at(0)),
            an_equity_point(at(3)),
        ]
    )

    evidence = store.journal.evidence_after(None, store.journal.end())

    assert [(each.at, each.id) for each in evidence] == [
        (at(0), "main"),
        (at(1), "B"),
        (at(1), "b"),
        (at(1), "Alpha"),
        (at(1), "zeta"),
        (at(2), "a"),
        (at(3), "main"),
    ]


def test_evidence_after_an_instant_leaves_out_that_instant(store: Store) -> None:
    store.journal.record([a_trade(str(n), closed_at=at(n)) for n in range(4)])
    store.journal.record([an_equity_point(at(1)), an_equity_point(at(1).replace(microsecond=1))])

    evidence = store.journal.evidence_after(at(1), store.journal.end())

    assert [(each.at, each.id) for each in evidence] == [
        (at(1).replace(microsecond=1), "main"),
        (at(2), "2"),
        (at(3), "3"),
    ]


def test_evidence_in_bulk_is_the_same_evidence_readings_first(store: Store) -> None:
    record = store.journal.record
    record([a_trade(f"T-{n:04}", closed_at=at(n // 2), net_pnl=Decimal(n) / 8) for n in range(1203)])
    record(
        [a_trade("late", closed_at=at(2.5), source=TradeSource.SHADOW, risk_at_entry=None, net_pnl=Decimal("-0.10"))]
    )
    record([an_equity_point(at(n), account=account) for n in (0, 500, 3000) for account in ("b", "a")])
    upto = store.journal.end()
    record([a_trade("behind", closed_at=at(3)), an_equity_point(at(3))])

    for after, until in ((None, at(9000)), (None, at(400)), (at(2).replace(microsecond=1), at(499)), (at(1), at(1))):
        bulk = list(store.journal.evidence_in_bulk(after, upto, until))
        rows = [row for row in store.journal.evidence_after(after, upto) if row.at <= until]
        readings = [row for row in rows if isinstance(row, EquityEvidence)]
        trades = [row._replace(id="") for row in rows if isinstance(row, TradeEvidence)]

        assert bulk[: len(readings)] == readings
        columns = [some for some in bulk[len(readings) :] if isinstance(some, TradeColumns)]
        assert len(columns) == len(bulk) - len(readings)
        assert [repr(row) for some in columns for row in some.rows()] == [repr(row) for row in trades]


def test_evidence_that_arrived_behind_the_cursor_is_left_out_however_old_it_is(store: Store) -> None:
    store.journal.record([a_trade("new", closed_at=at(60)), an_equity_point(at(60))])
    cursor = store.journal.end()

    store.journal.record([a_trade("late", closed_at=at(1)), an_equity_point(at(1))])

    assert [each.at for each in store.journal.evidence_after(None, cursor)] == [at(60), at(60)]
    assert [each.at for each in store.journal.evidence_after(None, store.journal.end())] == [
        at(1),
        at(1),
        at(60),
        at(60),
    ]


def test_the_earliest_of_what_came_late_is_found_in_either_table(store: Store) -> None:
    store.journal.record([a_trade("early", closed_at=at(0)), an_equity_point(at(0))])
    cursor = store.journal.end()
    store.journal.record([a_trade("late", closed_at=at(7)), a_trade("later", closed_at=at(9)), an_equity_point(at(8))])
    behind_trades = store.journal.end()
    store.journal.record([an_equity_point(at(3))])

    journal = store.journal
    assert journal.earliest_between(cursor, behind_trades) == at(7)
    assert journal.earliest_between(cursor, journal.end()) == at(3)
    assert journal.earliest_between(behind_trades, behind_trades) is None
    assert journal.earliest_between(NOTHING, journal.end()) == at(0)


def test_the_newest_fact_may_be_of_any_table(store: Store) -> None:
    store.journal.record([a_trade(closed_at=at(1))])
    assert store.journal.newest_fact_at() == at(1)

    store.journal.record([an_equity_point(at(2))])
    assert store.journal.newest_fact_at() == at(2)

    store.journal.record([an_execution(at=at(3))])
    assert store.journal.newest_fact_at() == at(3)

    store.journal.record([a_trade("old", closed_at=at(-9))])
    assert store.journal.newest_fact_at() == at(3)


def test_a_reader_that_stops_half_way_holds_nothing_up(store: Store) -> None:
    store.journal.record([a_trade(str(n), closed_at=at(n)) for n in range(50)])

    evidence = store.journal.evidence_after(None, store.journal.end())
    first = next(evidence)
    outcome = store.journal.record([a_trade("while reading", closed_at=at(-1))])

    assert (first.id, outcome.accepted) == ("0", 1)
    assert [each.id for each in evidence] == [str(n) for n in range(1, 50)]


BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.booleans()), max_size=8), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES)
def test_any_batches_end_as_if_each_fact_had_come_alone(
    sql_store: SqlStore, batches: list[list[tuple[int, int, bool]]]
) -> None:
    one_by_one = MemoryStore(ManualClock())
    fresh = uuid4().hex

    for batch in batches:
        facts: list[Fact] = [
            a_trade(f"{fresh}-{name}", fees=Decimal(fee))
            if trade
            else an_equity_point(at(name), account=fresh, net_flow=Decimal(fee))
            for name, fee, trade in batch
        ]
        together = sql_store.journal.record(facts)
        alone = [one_by_one.journal.record([fact]) for fact in facts]
        assert together.accepted == sum(outcome.accepted for outcome in alone)
        assert together.duplicates == sum(outcome.duplicates for outcome in alone)
        assert [refusal.index for refusal in together.refused] == [
            index for index, outcome in enumerate(alone) if outcome.refused
        ]
