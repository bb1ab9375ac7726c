"""Runs tests that are coroutines, and lends them a PostgreSQL and a Valkey."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import pytest
from msc_postgres import PostgresServer, postgres_or_skip
from msc_valkey import ValkeyServer, valkey_or_skip

DEADLINE_S = 60.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in wanted}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), DEADLINE_S))
    return True


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for all tests of this process that leave it as it was; each takes a database of its own."""
    with postgres_or_skip(PostgresServer) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """A new database with the present schema."""
    url = postgres.new_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A Valkey for all tests of this process that leave it as it was, but for its keys."""
    with valkey_or_skip(ValkeyServer) as server:
        yield server


@pytest.fixture
def valkey_url(valkey: ValkeyServer) -> str:
    """Where a Valkey is that has no keys."""
    with valkey.client() as client:
        client.flushall()
    return valkey.url
