"""JournalService on the wire: facts in, a list of those that were refused out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from functools import partial

import grpc

from msc_authority.app.access import Identity, caller
from msc_authority.app.journal_tally import RowCounter
from msc_authority.app.scopes import field_out_of_scope
from msc_authority.app.work import Worker
from msc_authority.core.facts import EquityPoint, Execution, Fact, Trade
from msc_authority.core.intake import Refusal
from msc_authority.ports.clock import Clock
from msc_authority.ports.journal import Journal, RecordOutcome, RefusedFact
from msc_authority.rpc.calls import client_stream
from msc_authority.rpc.errors import FieldProblem, InvalidRequest
from msc_authority.rpc.mapping.journal import fact_of
from msc_policy import v1 as pb

SERVICE = "msc_policy.v1.JournalService"
OUT_OF_SCOPE = "OUT_OF_SCOPE"
MAX_ENTRIES = 1000
MAX_REFUSED_LISTED = 1000
MAX_REFUSED_TEXT_BYTES = 256
"""Longest text of a refusal: so many of them, with three texts each, fit into what a client receives (1 MiB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """What was read of a message: facts with the numbers that their sender gave them, and what makes no sense."""

    facts: list[Fact]
    seqs: list[int]
    refused: list[tuple[int, Refusal]]


class JournalRecorder:
    """Stores facts batch by batch, each in one transaction."""

    def __init__(
        self,
        *,
        journal: Journal,
        worker: Worker,
        clock: Clock,
        rows: RowCounter,
        on_recorded: Callable[[], None],
    ) -> None:
        """`rows` counts what came; `on_recorded` is called on the event loop after execution reports were stored."""
        self._journal, self._worker, self._clock = journal, worker, clock
        self._rows, self._on_recorded = rows, on_recorded

    async def record(self, requests: AsyncIterator[pb.RecordRequest]) -> pb.RecordResponse:
        """Stores or refuses every fact sent, and says which. Facts of the batches before a failure are stored."""
        tally = pb.RecordResponse()
        try:
            # Who fails while the next message is waited for ends the wait.
            async with asyncio.TaskGroup() as group:
                await self._record_all(requests, tally, group)
        except ExceptionGroup as failures:
            first = failures.exceptions[0]
            raise first from first.__cause__
        return tally

    async def _record_all(
        self, requests: AsyncIterator[pb.RecordRequest], tally: pb.RecordResponse, group: asyncio.TaskGroup
    ) -> None:
        # A message is read while the one before is being stored: a store works without us for half of its time.
        storing: asyncio.Task[None] | None = None
        async for request in requests:
            sent = len(request.entries)
            batch = self._read(request.entries) if sent <= MAX_ENTRIES else None
            if storing is not None:
                await storing
            if batch is None:
                problem = f"has {sent} facts; send at most {MAX_ENTRIES} in a message"
                raise InvalidRequest(FieldProblem(field="entries", problem=problem))
            storing = group.create_task(self._record(batch, tally))

    async def _record(self, batch: _Batch, tally: pb.RecordResponse) -> None:
        for seq, refusal in batch.refused:
            _list(tally, seq, refusal)
        facts, seqs = batch.facts, batch.seqs
        if not facts:
            return
        outcome = await self._worker.run(partial(self._store, facts))
        tally.accepted += outcome.accepted
        tally.duplicates += outcome.duplicates
        for refused in outcome.refused:
            _list(tally, seqs[refused.index], refused)
        if outcome.accepted and any(isinstance(fact, Execution) for fact in facts):
            self._on_recorded()

    def _store(self, facts: list[Fact]) -> RecordOutcome:
        # Counted where it is stored: a caller that has gone meanwhile does not take its facts along.
        outcome = self._journal.record(facts)
        self._rows.stored(accepted=outcome.accepted, duplicates=outcome.duplicates)
        for refused in outcome.refused:
            self._count(refused)
        return outcome

    def _count(self, refused: Refusal | RefusedFact) -> None:
        text = f"{refused.id or '(no id)'}: {refused.field} {refused.reason} ({refused.code})"
        self._rows.refused(code=refused.code, text=text)

    def _read(self, entries: Iterable[pb.JournalEntry]) -> _Batch:
        batch = _Batch(facts=[], seqs=[], refused=[])
        now, identity = self._clock.now(), caller()
        for entry in entries:
            try:
                fact = fact_of(entry, now)
                if identity is not None:
                    _check_scope(identity, fact)
                batch.facts.append(fact)
            except Refusal as refusal:
                self._count(refusal)
                batch.refused.append((entry.seq, refusal))
            else:
                batch.seqs.append(entry.seq)
        return batch


def _check_scope(identity: Identity, fact: Fact) -> None:
    field = field_out_of_scope(identity, fact)
    if field is not None:
        raise Refusal(_id_of(fact), field, OUT_OF_SCOPE, "is beyond what the token of this caller may record")


def _id_of(fact: Fact) -> str:
    match fact:
        case Execution():
            return fact.event_id
        case Trade():
            return fact.trade_id
        case EquityPoint():
            return fact.account


def _list(tally: pb.RecordResponse, seq: int, refused: Refusal | RefusedFact) -> None:
    tally.refused_total += 1
    if len(tally.refused) < MAX_REFUSED_LISTED:
        tally.refused.add(
            seq=seq,
            id=_cut(refused.id),
            field=_cut(refused.field),
            reason=_cut(refused.reason),
            code=refused.code,
        )


def _cut(text: str) -> str:
    return text.encode()[:MAX_REFUSED_TEXT_BYTES].decode(errors="ignore")


def journal_handlers(recorder: JournalRecorder) -> grpc.GenericRpcHandler:
    """Returns the handlers of JournalService."""
    return grpc.method_handlers_generic_handler(SERVICE, {"Record": client_stream(pb.RecordRequest, recorder.record)})
