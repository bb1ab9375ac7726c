"""The way to the operator: a halt waits for nobody, what was done is served and told, and callers may go away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from msc_builders import a_content
from msc_live import ManualTime, Told, a_broker, a_head, until

from msc_authority.app.access import Identity, Kind, acting_as
from msc_authority.app.acts import Act, Halt, Resume, kind_of
from msc_authority.app.broker import Broker
from msc_authority.app.events import OperatorActed
from msc_authority.app.operate import ActOutcome, Operator
from msc_authority.app.operations import MAX_WAITING, Operations, TooManyActs, actor_of
from msc_authority.app.patience import Patience
from msc_authority.app.work import Worker
from msc_authority.core.policy import FieldChange, TradingState
from msc_authority.ports.operator import ActEntry, Credential

HALTED = a_content(trading_state=TradingState.HALTED)


class ScriptedOperator(Operator):
    """Answers every act with version 2, HALTED; an act waits while its gate is closed."""

    def __init__(self, time: ManualTime) -> None:
        self._time = time
        self.gates: dict[str, threading.Event] = {}
        self.over = False
        self.credentials: list[Credential | None] = []
        self.repeats = False

    def act(
        self,
        act: Act,
        actor: str,
        reason: str,
        request_id: str = "",
        credential: Credential | None = None,
        patience: Patience | None = None,
    ) -> ActOutcome:
        self.credentials.append(credential)
        gate = self.gates.get(kind_of(act))
        if gate is not None:
            assert gate.wait(20.0)
        return self._outcome_of(kind_of(act), actor)

    def preview(self, act: Act, actor: str, reason: str) -> ActOutcome:
        return self._outcome_of(kind_of(act), actor)

    def expire(self) -> ActOutcome | None:
        return self._outcome_of("EXPIRE", "authority") if self.over else None

    def _outcome_of(self, kind: str, actor: str) -> ActOutcome:
        changes = (FieldChange(field="trading_state", before="ACTIVE", after="HALTED"),)
        entry = ActEntry(
            act_id="1", act=kind, target="trading", at=self._time.now(), actor=actor, reason="why", changes=changes
        )
        head = a_head(2, content=HALTED)
        before = None if self.repeats else a_head(1).ref
        return ActOutcome(
            entry=entry, summary="x", before=before, head=head, content=HALTED, override=None, overrides=()
        )


@dataclass
class Scene:
    """Operations over a scripted operator; `triggers` are the evaluations that were to follow."""

    operations: Operations
    operator: ScriptedOperator
    broker: Broker
    told: Told
    triggers: list[str] = field(default_factory=list)

    async def act(self, act: Act) -> ActOutcome:
        return await self.operations.act(act, actor="alice", reason="why")


@asynccontextmanager
async def operating() -> AsyncIterator[Scene]:
    time, told = ManualTime(), Told()
    broker, operator = a_broker(time, told=told), ScriptedOperator(time)
    worker, folds = Worker(threads=1, name="operate"), Worker(threads=1, name="resume")
    triggers: list[str] = []

    class Follows:
        def evaluate_soon(self, trigger: str) -> None:
            triggers.append(trigger)

    operations = Operations(
        operator=operator,
        broker=broker,
        schedule=Follows(),
        events=told.bus,
        clock=time,
        worker=worker,
        folds=folds,
    )
    try:
        yield Scene(operations=operations, operator=operator, broker=broker, told=told, triggers=triggers)
    finally:
        for gate in operator.gates.values():
            gate.set()
        worker.close()
        folds.close()


def acted(scene: Scene) -> list[str]:
    return [event.entry.act for event in scene.told.events if isinstance(event, OperatorActed)]


@pytest.mark.parametrize(
    ("kind", "note", "actor"),
    [
        (Kind.TOKEN, "", "ops-anna"),
        (Kind.CERTIFICATE, "", "ops-anna"),
        (Kind.TOKEN, "ops-anna", "ops-anna"),
        (Kind.TOKEN, "mallory", "ops-anna (mallory)"),
        (Kind.ANONYMOUS_LOOPBACK, "anna", "ops-anna (anna)"),
        (Kind.ANONYMOUS_REMOTE, "authority", "ops-anna (authority)"),
    ],
)
def test_whom_the_door_knows_is_the_actor_and_what_callers_say_is_a_note(kind: Kind, note: str, actor: str) -> None:
    with acting_as(Identity(name="ops-anna", kind=kind)):
        assert actor_of(note) == actor


def test_without_any_door_nobody_can_say_who_acts() -> None:
    assert (actor_of("anna"), actor_of("")) == ("unknown (anna)", "unknown")


@pytest.mark.parametrize(
    ("identity", "credential"),
    [
        (
            Identity(name="anna", kind=Kind.TOKEN, credential="0123456789ab"),
            Credential(kind="token", id="0123456789ab"),
        ),
        (
            Identity(name="anna", kind=Kind.TOKEN, credential="0123456789ab", session=True),
            Credential(kind="console session", id="0123456789ab"),
        ),
        (
            Identity(name="anna", kind=Kind.CERTIFICATE, credential="ab" * 32),
            Credential(kind="certificate", id="ab" * 32),
        ),
        (Identity(name="anonymous@127.0.0.1", kind=Kind.ANONYMOUS_LOOPBACK), Credential(kind="loopback")),
        (Identity(name="anonymous@192.0.2.7", kind=Kind.ANONYMOUS_REMOTE), Credential(kind="none")),
    ],
)
async def test_an_act_goes_with_the_credential_that_the_door_knows_its_actor_by(
    identity: Identity, credential: Credential
) -> None:
    async with operating() as scene:
        with acting_as(identity):
            await scene.act(Halt())
        await scene.act(Halt())

        assert scene.operator.credentials == [credential, None]


async def test_what_was_done_is_served_told_and_followed_by_an_evaluation() -> None:
    async with operating() as scene:
        outcome = await scene.act(Halt())

        assert scene.broker.current.head == outcome.head
        assert scene.broker.current.changed_fields == ("trading_state",)
        assert acted(scene) == ["HALT"]
        assert "TradingStateChanged" in scene.told.names()
        assert scene.triggers == ["operator"]


async def test_a_halt_does_not_wait_for_a_resume_that_reads_the_journal() -> None:
    async with operating() as scene:
        scene.operator.gates["RESUME"] = threading.Event()
        resume = asyncio.create_task(scene.act(Resume()))

        await scene.act(Halt())

        assert not resume.done()
        scene.operator.gates["RESUME"].set()
        await resume
        assert acted(scene) == ["HALT", "RESUME"]


async def test_an_act_is_done_and_served_even_if_the_caller_goes_away() -> None:
    async with operating() as scene:
        scene.operator.gates["HALT"] = threading.Event()
        caller = asyncio.create_task(scene.act(Halt()))
        await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)

        scene.operator.gates["HALT"].set()

        await until(lambda: acted(scene) == ["HALT"])
        assert scene.broker.current.head.ref.version == 2


async def test_what_was_done_before_is_no_news() -> None:
    async with operating() as scene:
        scene.operator.repeats = True

        await scene.act(Halt())

        assert (acted(scene), scene.triggers) == ([], [])


async def test_a_preview_is_no_news() -> None:
    async with operating() as scene:
        await scene.operations.preview(Resume(), actor="alice", reason="why")

        assert (acted(scene), scene.triggers, scene.broker.current.head.ref.version) == ([], [], 1)


@pytest.mark.parametrize(("over", "triggers"), [(True, ["expiry"]), (False, [])])
async def test_the_end_of_an_override_is_served_and_followed_by_an_evaluation(over: bool, triggers: list[str]) -> None:
    async with operating() as scene:
        scene.operator.over = over

        await scene.operations.expire()

        assert scene.triggers == triggers
        assert scene.broker.current.head.ref.version == (2 if over else 1)


async def test_acts_under_way_are_bounded() -> None:
    async with operating() as scene:
        scene.operator.gates["HALT"] = threading.Event()
        tasks = [asyncio.create_task(scene.act(Halt())) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)

        with pytest.raises(TooManyActs, match="64"):
            await scene.act(Halt())

        scene.operator.gates["HALT"].set()
        await asyncio.gather(*tasks)
        assert len(acted(scene)) == MAX_WAITING
