"""The demo's home: a database of its own, filled once with the bundled sample by replaying it."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msc_authority.adapters.sql import open_store
from msc_authority.app.replay import ReplayStep
from msc_authority.compose.replay import replay_into
from msc_authority.ports.clock import Clock
from msc_authority.sample import sample_facts
from msc_authority.settings import DATABASE_FILE_NAME, Settings, sqlite_url

STEP = timedelta(minutes=30)

_LOADING_FILE = "loading.db"
_LOCK_FILE = "loading.lock"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

OnStep = Callable[[ReplayStep], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The sample as it lies in the demo's database. `loaded` says whether this call brought it there."""

    loaded: bool
    newest_fact_at: datetime


def prepare_demo(settings: Settings, clock: Clock, on_step: OnStep) -> Demo:
    """The demo, loaded if it was not. `settings` are those of the demo; `on_step` hears of each evaluation.

    The sample is loaded into a file beside the database and takes its name when it is complete: a load that was cut
    off leaves nothing behind, and two starts at once do not meet.

    Raises:
        OSError: The home cannot be written.
        StoreError: The database cannot be opened.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    database = settings.home / DATABASE_FILE_NAME
    with _alone(settings.home / _LOCK_FILE):
        loaded = not database.exists()
        if loaded:
            _load(settings, clock, on_step).replace(database)
    with open_store(settings.database_url, clock) as store:
        newest = store.journal.newest_fact_at()
    return Demo(loaded=loaded, newest_fact_at=newest or _EPOCH)


def _load(settings: Settings, clock: Clock, on_step: OnStep) -> Path:
    path = settings.home / _LOADING_FILE
    for leftover in settings.home.glob(f"{_LOADING_FILE}*"):
        leftover.unlink()
    facts = sample_facts(_last_step(clock.now()))
    url = sqlite_url(settings.home, _LOADING_FILE)
    for step in replay_into(url, facts, settings.decision, STEP):
        _check(step)
        on_step(step)
    return path


def _check(step: ReplayStep) -> None:
    if step.refused:
        first = step.refused[0]
        raise AssertionError(f"the bundled sample is damaged: {first.id}: {first.field}: {first.reason}")


def _last_step(now: datetime) -> datetime:
    return now - (now - _EPOCH) % STEP


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
