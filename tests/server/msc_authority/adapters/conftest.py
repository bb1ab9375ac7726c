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


@pytest.fixture
def sql_store(sqlite_url: str, clock: ManualClock) -> Iterator[SqlStore]:
    with open_store(sqlite_url, clock) as store:
        yield store


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, clock: ManualClock) -> Store:
    if request.param == "memory":
        return MemoryStore(clock)
    found: SqlStore = request.getfixturevalue("sql_store")
    return found
