"""What the doctor finds about a server of PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from msc_live import ManualTime
from msc_postgres import PASSWORD, PostgresServer
from sqlalchemy import make_url

from msc_authority.adapters.sql import open_store
from msc_authority.adapters.sql.about import ServerFacts
from msc_authority.cli.checks import Finding, Outcome, examine
from msc_authority.settings import Settings


def findings(url: str, home: Path) -> dict[str, Finding]:
    settings = Settings(home=home, database_url=url, grpc_port=0, http_port=0)
    return {finding.check: finding for finding in examine(settings, ManualTime())}


def test_a_server_in_order_is_named_with_its_version_and_takes_writes(postgres_url: str, tmp_path: Path) -> None:
    open_store(postgres_url, ManualTime()).close()
    found = findings(postgres_url, tmp_path)
    assert found["database server"].outcome is Outcome.OK
    assert found["database server"].detail.startswith("PostgreSQL 1")
    assert found["database server"].detail.endswith("it takes writes; a local socket")
    assert found["database"].outcome is Outcome.OK


def test_a_server_that_takes_no_writes_fails_with_what_to_do(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    name = make_url(postgres_url).database
    postgres.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    found = findings(postgres_url, tmp_path)["database server"]
    assert found.outcome is Outcome.FAIL
    assert "it takes NO writes" in found.detail
    assert "primary" in found.advice


def test_an_older_schema_of_a_shared_database_is_for_msc_migrate(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    postgres.sql("UPDATE msc_schema_version SET version_num = '0001'", str(make_url(postgres_url).database))
    found = findings(postgres_url, tmp_path)["database"]
    assert (found.outcome, found.advice.partition(":")[0]) == (Outcome.FAIL, "run msc migrate")


def test_a_wrong_password_fails_and_is_not_shown(postgres: PostgresServer, tmp_path: Path) -> None:
    found = findings(postgres.url("postgres", password="not-it"), tmp_path)["database"]
    assert found.outcome is Outcome.FAIL
    assert "password authentication failed" in found.detail
    assert "not-it" not in found.detail
    assert PASSWORD not in found.detail


@pytest.mark.parametrize(
    ("address", "tls", "in_clear"),
    [
        ("", "", False),
        ("127.0.0.1", "", False),
        ("::1", "", False),
        ("10.0.0.7", "", True),
        ("10.0.0.7", "TLSv1.3", False),
    ],
)
def test_what_goes_over_a_network_in_clear_is_known(address: str, tls: str, in_clear: bool) -> None:
    facts = ServerFacts(
        version="18.3",
        is_replica=False,
        is_read_only=False,
        max_connections=100,
        connections=3,
        tls=tls,
        address=address,
    )
    assert facts.in_clear is in_clear
    assert facts.takes_writes
