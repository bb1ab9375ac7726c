"""Stores to test: each contract runs on all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msc_builders import ManualClock, Store

from msc_authority.adapters.memory import MemoryStore
from msc_authority.adapters.sql import SqlStore, open_store


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/home/msc.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def sql_url(request: pytest.FixtureRequest) -> str:
    """Where a new database is, or will be made."""
    found: str = request.getfixturevalue(f"{'postgres' if request.param == 'postgresql' else request.param}_url")
    return found


@pytest.fixture
def sql_store(sql_url: str, clock: ManualClock) -> Iterator[SqlStore]:
    with open_store(sql_url, clock) as store:
        yield store


@pytest.fixture
def sqlite_store(sqlite_url: str, clock: ManualClock) -> Iterator[SqlStore]:
    with open_store(sqlite_url, clock) as store:
        yield store


@pytest.fixture
def postgres_store(postgres_url: str, clock: ManualClock) -> Iterator[SqlStore]:
    with open_store(postgres_url, clock) as store:
        yield store


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def fresh_store(request: pytest.FixtureRequest, clock: ManualClock) -> Store:
    """A store with nothing in it."""
    if request.param == "memory":
        return MemoryStore(clock)
    found: SqlStore = request.getfixturevalue("postgres_store" if request.param == "postgresql" else "sqlite_store")
    return found


@pytest.fixture
def store(fresh_store: Store) -> Store:
    """The store that a contract is about. A suite may fill it first."""
    return fresh_store
