"""A host process that lives long: clients that follow, all the time read, and write to the journal in shifts.

python -m soaking.load.residents '{"line": PORT, "port": 7443, "sources": 20, "home": FOLDER}'

The clients follow by a line that breaks; facts go straight to the authority.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import sys
import uuid
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from benching.child import tell

from msc_client import Execution, JournalWriter, PolicySource, Role, Side
from soaking.load.shift import Tally, for_ever, in_shifts

READ_EVERY_S = 0.1
WRITE_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the authority is, directly and by the line, and how many clients there are."""

    line: int
    port: int
    sources: int
    home: str


class Residents:
    """The clients of one process."""

    def __init__(self, sources: Sequence[PolicySource], writer: JournalWriter) -> None:
        self._sources, self._writer, self.tally = sources, writer, Tally()
        self._run, self._numbers = uuid.uuid4().hex[:8], itertools.count(1)

    def jobs(self) -> list[Coroutine[None, None, None]]:
        """Returns the jobs of a shift."""
        return [for_ever(self._read, self.tally, ()), for_ever(self._write, self.tally, ())]

    async def _read(self) -> None:
        for source in self._sources:
            view = source.current()
            self.tally.note(f"reads {view.tier.name}")
        await asyncio.sleep(READ_EVERY_S)

    async def _write(self) -> None:
        number = next(self._numbers)
        self._writer.write(
            Execution(
                event_id=f"{self._run}-{number}",
                account="soak",
                executor="resident",
                symbol="ETHUSDT",
                side=Side.SELL,
                status="FILLED",
                quantity=Decimal("0.5"),
                price=Decimal(2000),
                reduce_only=True,
                at=datetime.now(UTC),
                strategy_id="STRATEGY_000",
            )
        )
        self.tally.note("facts")
        await asyncio.sleep(WRITE_EVERY_S)


async def run(plan: Plan) -> None:
    """Works in shifts. The clients follow in between, too."""
    with ExitStack() as stack:
        writer = stack.enter_context(
            JournalWriter(f"127.0.0.1:{plan.port}", spool_dir=Path(plan.home) / "spool", name="resident")
        )
        sources = [
            stack.enter_context(
                PolicySource(
                    f"127.0.0.1:{plan.line}",
                    role=Role.EXECUTOR,
                    name=f"resident-{n}",
                    state_dir=Path(plan.home) / f"{n}",
                )
            )
            for n in range(plan.sources)
        ]
        residents = Residents(sources, writer)
        tell(ready=True)
        await in_shifts(residents.jobs, residents.tally)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(run(Plan(**json.loads(sys.argv[1]))))
