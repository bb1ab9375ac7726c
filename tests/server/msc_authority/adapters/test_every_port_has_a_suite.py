"""No port of a store is without a contract that runs in memory, on SQLite and on PostgreSQL."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol

import pytest

import msc_authority.ports

HERE = Path(__file__).parent
MODULES = tuple(
    import_module(f"msc_authority.ports.{found.name}") for found in iter_modules(msc_authority.ports.__path__)
)
ALL_THREE = "store"
"""The fixture of a store in memory, on SQLite and on PostgreSQL."""
SUITES = {
    "Journal": ("test_journal_contract.py", ALL_THREE),
    "ExecutionLog": ("test_execution_log_contract.py", ALL_THREE),
    "EvaluationStore": ("test_evaluation_store_contract.py", ALL_THREE),
    "PolicyStore": ("test_evaluation_store_contract.py", ALL_THREE),
    "EvaluationLog": ("test_evaluation_store_contract.py", ALL_THREE),
    "ActLog": ("test_override_commits_contract.py", ALL_THREE),
    "Lease": ("test_lease_contract.py", ALL_THREE),
    "Replicas": ("test_replicas_contract.py", ALL_THREE),
    "EvaluationRequests": ("test_replicas_contract.py", ALL_THREE),
    "TokenStore": ("test_token_store_contract.py", ALL_THREE),
    "AuditLog": ("test_audit_log_contract.py", ALL_THREE),
    "Retention": ("test_retention_contract.py", ALL_THREE),
    "Announcements": ("test_announcements_contract.py", "announcements"),
    "PolicyCache": ("test_policy_cache_contract.py", "cache"),
}
"""The suite of each port, and the fixture that it takes."""
WITHOUT = {
    "Clock": "no store has one of its own: the machine's is looked at in test_clock.py, and tests set theirs",
    "TlsSource": "certificates are files, and never in a database: test_tls_files.py",
}
"""Ports that are of no store, and why."""


def a_port(name: str, value: object, module: object) -> bool:
    is_protocol = inspect.isclass(value) and Protocol in value.__mro__ and getattr(value, "_is_protocol", False)
    return is_protocol and getattr(value, "__module__", "") == getattr(module, "__name__", None)


def test_each_port_has_a_suite_or_a_reason_to_have_none() -> None:
    found = {name for module in MODULES for name, value in vars(module).items() if a_port(name, value, module)}

    assert found == set(SUITES) | set(WITHOUT)


@pytest.mark.parametrize(("suite", "fixture"), sorted(set(SUITES.values())))
def test_each_suite_takes_what_runs_on_all_kinds_there_are(suite: str, fixture: str) -> None:
    assert f"{fixture}: " in (HERE / suite).read_text(encoding="utf-8")
    # A store of one kind would leave the others out.
    assert "sqlite_store" not in (HERE / suite).read_text(encoding="utf-8")


def test_the_fixture_is_of_all_three_kinds() -> None:
    text = (HERE / "conftest.py").read_text(encoding="utf-8")

    assert '@pytest.fixture(params=["memory", "sqlite", "postgresql"])\ndef fresh_store(' in text
