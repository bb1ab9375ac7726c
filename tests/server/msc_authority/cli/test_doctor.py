"""What the doctor finds, and what it says to do."""

from __future__ import annotations

import json
import socket
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msc_live import ManualTime
from msc_web import ScriptedAuthority, a_problem, a_status
from typer.testing import CliRunner, Result

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.cli.app import build_app
from msc_authority.cli.checks import Finding, Outcome, examine
from msc_authority.compose.replay import replay_into
from msc_authority.ports.audit import AuditLine
from msc_authority.sample import sample_facts
from msc_authority.settings import Settings, sqlite_url


def findings(settings: Settings, clock: ManualTime | None = None) -> dict[str, Finding]:
    """The gravest finding of each check."""
    order = list(Outcome)
    found = sorted(examine(settings, clock or ManualTime()), key=lambda finding: order.index(finding.outcome))
    return {finding.check: finding for finding in found}


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), ["doctor", *arguments])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", grpc_port=0, http_port=0)


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """Settings whose database has a schema and facts that end now."""
    clock = ManualTime()
    with open_store(settings.database_url, clock) as store:
        store.journal.record(sample_facts(clock.now())[-5:])
    return settings


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_fresh_machine_is_fine_and_stays_untouched(settings: Settings) -> None:
    found = findings(settings)

    assert {finding.outcome for finding in found.values()} == {Outcome.OK}
    assert "msc serve makes it" in found["database"].detail
    assert not settings.home.exists()


def test_a_database_in_order_is_named_with_its_schema(filled: Settings) -> None:
    found = findings(filled)

    assert found["database"].outcome is Outcome.OK
    assert "integrity ok" in found["database"].detail
    assert found["facts"].outcome is Outcome.OK


def test_a_database_of_a_newer_program_fails(filled: Settings) -> None:
    with sqlite3.connect(filled.home / "msc.db") as connection:
        connection.execute("UPDATE msc_schema_version SET version_num = '9999'")
    connection.close()

    assert findings(filled)["database"].outcome is Outcome.FAIL


def test_a_file_that_is_no_database_fails_without_a_traceback(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "msc.db").write_text("not a database, " * 500)

    found = findings(settings)["database"]

    assert found.outcome is Outcome.FAIL
    assert found.advice


def test_a_damaged_database_fails(filled: Settings) -> None:
    file = filled.home / "msc.db"
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(size // 2)
        raw.write(b"\xff" * (size // 2))

    assert findings(filled)["database"].outcome is Outcome.FAIL


def test_a_policy_that_was_changed_behind_the_authoritys_back_fails(settings: Settings) -> None:
    few = sample_facts(ManualTime().now())[:5]
    list(replay_into(settings.database_url, few, settings.decision, timedelta(minutes=30)))
    with sqlite3.connect(settings.home / "msc.db") as connection:
        connection.execute("UPDATE msc_policies SET max_risk_per_trade = 0.5")
    connection.close()

    found = findings(settings)["database"]

    assert found.outcome is Outcome.FAIL
    assert "etag" in found.detail


def test_a_database_that_cannot_be_reached_fails_with_its_password_masked(settings: Settings) -> None:
    url = "postgresql://msc:hunter2@127.0.0.1:1/msc"

    found = findings(settings.model_copy(update={"database_url": url}))["database"]

    assert found.outcome is Outcome.FAIL
    assert "hunter2" not in found.detail


@pytest.mark.parametrize(
    ("minutes", "outcome"), [(-6, Outcome.FAIL), (-4, Outcome.OK), (359, Outcome.OK), (361, Outcome.WARN)]
)
def test_facts_are_judged_by_their_age(minutes: float, outcome: Outcome, settings: Settings) -> None:
    clock = ManualTime()
    with open_store(settings.database_url, clock) as store:
        newest = clock.now() - timedelta(minutes=minutes)
        store.journal.record([sample_facts(newest)[-1]])

    assert findings(settings, clock)["facts"].outcome is outcome


def test_an_empty_journal_is_worth_a_warning(settings: Settings) -> None:
    open_store(settings.database_url, ManualTime()).close()

    assert "msc journal import" in findings(settings)["facts"].advice


def test_a_home_that_is_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")

    settings = Settings(home=tmp_path / "home", grpc_port=0, http_port=0)

    assert findings(settings)["home"].outcome is Outcome.FAIL


def test_a_port_taken_by_something_else_fails(
    settings: Settings, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msc_authority.cli.checks.DEADLINE_S", 0.2)

    found = findings(settings.model_copy(update={"grpc_port": taken_port}))["port"]

    assert found.outcome is Outcome.FAIL
    assert str(taken_port) in found.detail


def test_a_port_where_an_authority_answers_is_fine(settings: Settings, target: str) -> None:
    port = int(target.rpartition(":")[2])

    found = {
        finding.check: finding for finding in examine(settings.model_copy(update={"grpc_port": port}), SystemClock())
    }

    assert "an authority answers" in found["port"].detail
    assert "of the authority" in found["clock"].detail


def on_http_port(settings: Settings, port: int) -> Finding:
    return findings(settings.model_copy(update={"http_port": port}))["http"]


def test_an_http_port_taken_by_something_else_fails(
    settings: Settings, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("msc_authority.cli.checks.DEADLINE_S", 0.2)

    found = on_http_port(settings, taken_port)

    assert found.outcome is Outcome.FAIL
    assert f"http://127.0.0.1:{taken_port} is taken" in found.detail
    assert "MSC_HTTP_PORT" in found.advice


def test_an_http_port_where_an_authority_answers_is_fine(settings: Settings) -> None:
    with ScriptedAuthority() as authority:
        authority.answers["/api/msc/status"] = a_status()
        found = on_http_port(settings, authority.port)

    assert found.outcome is Outcome.OK
    assert found.detail == f"an authority answers at {authority.url}, policy version 12"


def test_an_authority_that_refuses_to_say_how_it_stands_is_worth_a_warning(settings: Settings) -> None:
    with ScriptedAuthority() as authority:
        authority.problems["/api/msc/status"] = a_problem(500, "INTERNAL", "error 7")
        found = on_http_port(settings, authority.port)

    assert found.outcome is Outcome.WARN
    assert "error 7 [INTERNAL]" in found.detail


def test_without_http_its_port_and_its_address_do_not_matter(settings: Settings, taken_port: int) -> None:
    # A documentation address: nothing listens on it.
    changed = {"serve_http": False, "http_port": taken_port, "http_host": "192.0.2.1"}

    found = findings(settings.model_copy(update=changed))

    assert found["http"].outcome is Outcome.OK
    assert found["configuration"].outcome is Outcome.OK


def test_a_clock_that_differs_from_the_authoritys_is_worth_a_warning(settings: Settings, target: str) -> None:
    port = int(target.rpartition(":")[2])

    found = findings(settings.model_copy(update={"grpc_port": port}))["clock"]

    assert found.outcome is Outcome.WARN
    assert "NTP" in found.advice


class LostClock(ManualTime):
    """A clock that came up long ago."""

    def now(self) -> datetime:
        return datetime.fromisoformat("1970-01-01T00:00:07Z")


def test_a_clock_that_is_far_off_fails(settings: Settings) -> None:
    assert findings(settings, LostClock())["clock"].outcome is Outcome.FAIL


def test_what_has_no_effect_and_what_is_open_to_others_is_said(settings: Settings) -> None:
    # A documentation address: nothing listens on it.
    changed = {"redis_key_prefix": "desk:", "grpc_host": "192.0.2.1", "http_host": "192.0.2.2"}

    details = [finding.detail for finding in examine(settings.model_copy(update=changed), ManualTime())]

    assert any("redis_key_prefix" in detail for detail in details)
    assert any("plaintext gRPC on 192.0.2.1" in detail for detail in details)
    assert any("plaintext HTTP on 192.0.2.2" in detail for detail in details)


def test_the_command_ends_with_1_when_something_fails(tmp_path: Path) -> None:
    config = tmp_path / "msc.toml"
    config.write_text("grpc_prot = 1\n")

    result = doctor("--config", str(config), "--json")

    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == (1, False)
    assert "grpc_port" in document["checks"][0]["detail"]


def test_the_command_ends_with_0_and_a_table_when_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSC_GRPC_PORT", "0")
    monkeypatch.setenv("MSC_HTTP_PORT", "0")
    monkeypatch.setenv("MSC_DATABASE_URL", sqlite_url(tmp_path))

    result = doctor("--home", str(tmp_path))

    assert result.exit_code == 0, result.output
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_it_says_when_the_last_backup_was_made_and_warns_when_that_is_long_ago(filled: Settings) -> None:
    clock = ManualTime()
    assert findings(filled, clock)["backup"].detail.startswith("none is in the audit log")
    with open_store(filled.database_url, clock) as store:
        store.audit.append(clock.now(), AuditLine(actor="ops", action="backup", target="file x", detail={}))
    clock.leap(2 * 86_400)
    before = findings(filled, clock)["backup"]
    clock.leap(3600)
    after = findings(filled, clock)["backup"]

    assert (before.outcome, before.detail) == (Outcome.OK, "the last one was made 48.0 h ago")
    assert (after.outcome, after.detail) == (Outcome.WARN, "the last one was made 49.0 h ago")
    assert "msc-backup.timer" in after.advice


def test_it_says_what_a_proxy_on_this_machine_could_let_in_and_what_to_set(settings: Settings) -> None:
    found = findings(settings.model_copy(update={"public_url": "https://msc.example"}))["configuration"]

    assert (found.outcome, found.advice) == (Outcome.WARN, 'set loopback_role = "none"')
    assert "public_url is set" in found.detail
