"""What the journal service counts of the rows it is sent, and when it says that reports have arrived."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from msc_builders import START
from msc_live import ManualTime, until

from msc_authority.adapters.memory import MemoryJournal, MemoryStore
from msc_authority.app.journal_tally import RowCounter
from msc_authority.app.observation import JournalTally
from msc_authority.app.work import Worker
from msc_authority.core.facts import Fact
from msc_authority.ports.journal import RecordOutcome
from msc_authority.ports.store import StoreUnavailable
from msc_authority.rpc.errors import InvalidRequest
from msc_authority.rpc.journal_service import JournalRecorder
from msc_policy import v1 as pb


def stamp() -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(START)
    return timestamp


def a_report(event_id: str = "E-1", quantity: str = "0.5") -> pb.JournalEntry:
    execution = pb.Execution(
        event_id=event_id,
        account="main",
        executor="executor-1",
        symbol="BTCUSDT",
        side=pb.SIDE_BUY,
        status="BLOCKED",
        quantity=quantity,
        at=stamp(),
    )
    return pb.JournalEntry(seq=1, execution=execution)


def a_reading() -> pb.JournalEntry:
    point = pb.EquityPoint(account="main", at=stamp(), wallet_balance="1000", unrealized_pnl="0")
    return pb.JournalEntry(seq=2, equity=point)


class SlowJournal(MemoryJournal):
    """Stores when it is let, or says that it is away."""

    def __init__(self) -> None:
        super().__init__()
        self.may_store = threading.Event()
        self.may_store.set()
        self.began = threading.Event()
        self.away = False

    def record(self, facts: Sequence[Fact]) -> RecordOutcome:
        self.began.set()
        self.may_store.wait()
        if self.away:
            raise StoreUnavailable("locked")
        return super().record(facts)


@dataclass
class Scene:
    time: ManualTime = field(default_factory=ManualTime)
    journal: SlowJournal = field(default_factory=SlowJournal)
    worker: Worker = field(default_factory=lambda: Worker(threads=1, name="store"))
    pokes: int = 0

    def __post_init__(self) -> None:
        self.rows = RowCounter(self.time)
        self.recorder = JournalRecorder(
            journal=self.journal, worker=self.worker, clock=self.time, rows=self.rows, on_recorded=self._poke
        )

    def _poke(self) -> None:
        self.pokes += 1

    async def send(self, *batches: Sequence[pb.JournalEntry]) -> pb.RecordResponse:
        async def requests() -> AsyncIterator[pb.RecordRequest]:
            for batch in batches:
                yield pb.RecordRequest(entries=batch)

        return await self.recorder.record(requests())

    def tally(self) -> JournalTally:
        return self.rows.snapshot(self.time.monotonic())


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.worker.close()


async def test_rows_are_counted_by_what_became_of_them(scene: Scene) -> None:
    await scene.send([a_report(), a_report("E-2", quantity="-1"), a_reading()], [a_report()])

    assert scene.tally() == JournalTally(
        accepted=2,
        duplicates=1,
        refused={"NOT_POSITIVE": 1},
        refused_recently=1,
        last_refusal="E-2: quantity is -1; it must be above 0 (NOT_POSITIVE)",
    )


async def test_a_conflict_found_by_the_store_is_a_refusal(scene: Scene) -> None:
    await scene.send([a_report()])
    await scene.send([a_report(quantity="7")])

    tally = scene.tally()
    assert (tally.accepted, tally.refused) == (1, {"ID_CONFLICT": 1})
    assert tally.last_refusal.startswith("E-1: event_id ")


async def test_a_row_without_an_id_is_named_as_one(scene: Scene) -> None:
    await scene.send([pb.JournalEntry(seq=4)])

    assert scene.tally().last_refusal.startswith("(no id): fact ")


async def test_a_message_that_is_refused_as_a_whole_counts_no_row(scene: Scene) -> None:
    with pytest.raises(InvalidRequest):
        await scene.send([a_report(f"E-{number}") for number in range(1001)])

    assert scene.tally() == JournalTally()


async def test_rows_that_the_store_did_not_take_are_not_counted(scene: Scene) -> None:
    scene.journal.away = True
    with pytest.raises(StoreUnavailable):
        await scene.send([a_report()])

    assert scene.tally() == JournalTally()
    assert scene.pokes == 0


async def test_reports_that_were_stored_are_told_batch_by_batch(scene: Scene) -> None:
    await scene.send([a_report()], [a_report("E-2"), a_report("E-3")])

    assert scene.pokes == 2


async def test_duplicates_refusals_and_facts_of_other_kinds_are_no_reports_that_arrived(scene: Scene) -> None:
    await scene.send([a_report()])
    scene.pokes = 0

    await scene.send([a_report()], [a_reading()], [a_report("E-2", quantity="0")], [])

    assert scene.pokes == 0


async def test_a_caller_that_goes_while_its_rows_are_stored_does_not_take_their_count_along(scene: Scene) -> None:
    scene.journal.may_store.clear()
    call = asyncio.create_task(scene.send([a_report()]))
    await until(scene.journal.began.is_set)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    scene.journal.may_store.set()

    await until(lambda: scene.tally().accepted == 1)
    assert scene.journal.last_execution() == 1


async def test_a_store_in_memory_offers_the_reports_it_was_sent() -> None:
    time = ManualTime()
    store = MemoryStore(time)
    worker = Worker(threads=1, name="store")
    rows = RowCounter(time)
    recorder = JournalRecorder(journal=store.journal, worker=worker, clock=time, rows=rows, on_recorded=lambda: None)

    async def requests() -> AsyncIterator[pb.RecordRequest]:
        yield pb.RecordRequest(entries=[a_report(), a_reading()])

    await recorder.record(requests())
    worker.close()

    (told,) = store.executions.executions_after(0, 10)
    assert (told.execution.event_id, told.execution.status) == ("E-1", "BLOCKED")


async def test_a_store_that_fails_ends_a_call_whose_sender_says_nothing_more(scene: Scene) -> None:
    scene.journal.away = True

    async def requests() -> AsyncIterator[pb.RecordRequest]:
        yield pb.RecordRequest(entries=[a_report()])
        await asyncio.Event().wait()

    with pytest.raises(StoreUnavailable, match="locked"):
        await scene.recorder.record(requests())


async def test_a_message_is_read_while_the_one_before_is_stored_and_its_refusals_come_second(scene: Scene) -> None:
    scene.journal.may_store.clear()
    await_answer = asyncio.create_task(
        scene.send([a_report(), a_report(quantity="7")], [a_report("E-2", quantity="-1")])
    )
    await until(lambda: scene.tally().refused == {"NOT_POSITIVE": 1})
    assert scene.tally().accepted == 0
    scene.journal.may_store.set()

    answer = await await_answer
    assert [refused.code for refused in answer.refused] == ["ID_CONFLICT", "NOT_POSITIVE"]


async def test_what_came_before_a_message_that_is_refused_as_a_whole_is_stored(scene: Scene) -> None:
    with pytest.raises(InvalidRequest):
        await scene.send([a_report("before")], [a_report(f"E-{number}") for number in range(1001)])

    assert scene.tally().accepted == 1
