"""A real authority in this process, with the bundled sample in memory, for commands that talk."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

import pytest
from msc_answers import ScriptedRemote
from msc_operating import good_hours
from typer.testing import CliRunner, Result

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.memory import MemoryStore
from msc_authority.cli.app import build_app
from msc_authority.compose.parts import this_machine
from msc_authority.compose.running import running
from msc_authority.core.facts import Fact
from msc_authority.rpc.plain import Plain
from msc_authority.sample import sample_facts
from msc_authority.settings import Settings

DEADLINE_S = 30.0

Run = Callable[..., Result]


def run_command(*arguments: str) -> Result:
    """Runs `msc` with the arguments, as a shell would."""
    return CliRunner().invoke(build_app(), list(arguments))


class LiveAuthority:
    """Serves until it is stopped, from a thread of its own."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._facts = facts
        self._ready: queue.Queue[str | BaseException] = queue.Queue()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="authority")

    def start(self) -> str:
        """Returns the address it serves on, once its first evaluation is made."""
        self._thread.start()
        address = self._ready.get(timeout=DEADLINE_S)
        if isinstance(address, BaseException):
            raise address
        return address

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._ready.put(error)
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        store = MemoryStore(SystemClock())
        if self._facts:
            store.journal.record(self._facts)
        async with running(Settings(grpc_port=0), store, this_machine()) as authority:
            async with asyncio.timeout(DEADLINE_S):
                while store.log.latest() is None:  # noqa: ASYNC110 -- made in a worker thread
                    await asyncio.sleep(0.002)
            self._ready.put(authority.address)
            await self._stop.wait()


@pytest.fixture(scope="session")
def target() -> Iterator[str]:
    """Address of an authority that has evaluated the sample."""
    authority = LiveAuthority(sample_facts(SystemClock().now()))
    yield authority.start()
    authority.stop()


@pytest.fixture
def empty_target() -> Iterator[str]:
    """Address of an authority without any fact."""
    authority = LiveAuthority([])
    yield authority.start()
    authority.stop()


@pytest.fixture
def operable() -> Iterator[str]:
    """Address of an authority of the test's own, after four good hours: DEFENSIVE, TREND and RANGE on trial."""
    authority = LiveAuthority(good_hours(4, SystemClock().now() - timedelta(hours=4, minutes=1)))
    yield authority.start()
    authority.stop()


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> ScriptedRemote:
    """The authority that every command of the test asks."""
    scripted = ScriptedRemote()
    monkeypatch.setattr("msc_authority.rpc.remote.Remote", lambda target, credentials: scripted)
    monkeypatch.setenv("COLUMNS", "80")
    return scripted


@pytest.fixture
def screen(remote: ScriptedRemote) -> Callable[[str, Mapping[str, Plain | list[Plain]]], Result]:
    """Runs a command against these answers."""

    def run(command: str, answers: Mapping[str, Plain | list[Plain]]) -> Result:
        remote.answers = answers
        return CliRunner().invoke(build_app(), command.split())

    return run
