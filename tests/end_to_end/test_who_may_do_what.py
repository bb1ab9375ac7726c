"""Real processes: an authority that wants to know who asks; clients and commands with tokens and certificates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from closed_authority import CLOSED, GIVEN_OUT, a_token, msc, refuses
from msc_certificates import ServerFiles
from process_harness import AuthorityProcess, free_port, until

from msc_client import (
    ClientConfig,
    ConnectionState,
    EquityPoint,
    JournalWriter,
    PolicySource,
    Role,
    Tier,
    TlsFiles,
)


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[AuthorityProcess]:
    """An authority that lets nobody in without a token."""
    authority = AuthorityProcess(tmp_path / "home", environment=CLOSED, http_port=free_port())
    authority.spawn()
    until(lambda: refuses(authority), deadline_s=120, what="the authority refuses")
    yield authority
    authority.close()


def a_source(target: str, token_file: Path, name: str = "executor-1") -> PolicySource:
    config = ClientConfig(token_file=token_file, start_wait_s=0.01)
    return PolicySource(target, role=Role.EXECUTOR, name=name, config=config, state_dir=None)


def test_a_client_is_denied_until_its_token_is_right_and_again_when_it_is_revoked(
    closed: AuthorityProcess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "token"
    with a_source(closed.target, file) as source:

        def denied(why: str) -> bool:
            status = source.status()
            return status.connection is ConnectionState.DENIED and why in status.last_error

        until(lambda: denied("No such file"), what="denied without a file")
        file.write_text("msc_0123456789ab_" + "x" * 43)
        until(lambda: denied("TOKEN_INVALID"), what="denied with a wrong token")
        assert source.current().tier is Tier.SAFE_NONE

        first = a_token(closed.home, "executor-1", "journal")
        file.write_text(f"{first['token']}\n")
        until(lambda: source.current().tier is Tier.FRESH, what="let in")

        assert msc(closed.home, "token", "revoke", "executor-1").returncode == 0
        until(lambda: denied("TOKEN_REVOKED"), deadline_s=10, what="denied once revoked")
        assert source.current().policy is not None, "what is known stays, and ages"

        file.write_text(a_token(closed.home, "executor-1", "reader")["token"])
        until(lambda: source.status().connection is ConnectionState.LIVE, what="let in again")
        source.start()

    listed = msc(closed.home, "token", "list", "--all")
    assert [line.split()[-1] for line in listed.stdout.splitlines()[1:] if line.startswith(first["token_id"])]
    shown = closed.printed() + caplog.text + listed.stdout + msc(closed.home, "audit", "list").stdout
    assert "TOKEN_INVALID" in shown
    assert not [secret for secret in GIVEN_OUT if secret in shown]
    assert not [secret for secret in GIVEN_OUT if secret.encode() in (closed.home / "msc.db").read_bytes()]


def test_facts_wait_for_a_token_that_may_record_them(closed: AuthorityProcess, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(a_token(closed.home, "executor-1", "reader")["token"])
    point = EquityPoint(
        account="main",
        at=datetime(2026, 1, 2, tzinfo=UTC),
        wallet_balance=Decimal(1000),
        unrealized_pnl=Decimal(0),
        net_flow=Decimal(0),
    )
    with JournalWriter(closed.target, spool_dir=tmp_path / "spool", name="e", token_file=file) as writer:
        writer.write(point)
        until(lambda: "PERMISSION_DENIED" in writer.status().last_error, what="denied")
        assert writer.status().pending == 1
    file.write_text(a_token(closed.home, "executor-1", "journal")["token"])
    with JournalWriter(closed.target, spool_dir=tmp_path / "spool", name="e", token_file=file) as writer:
        assert writer.drain(20.0)
        assert (writer.status().delivered, writer.status().refused) == (1, 0)


def test_commands_show_the_token_they_are_given_and_say_what_is_missing(closed: AuthorityProcess) -> None:
    reader = a_token(closed.home, "anna", "reader")["token"]
    file = closed.home / "token"
    file.write_text(reader)
    target, url = ("--target", closed.target), ("--url", closed.url)

    nothing = msc(closed.home, "strategies", *target)
    by_variable = msc(closed.home, "history", *target, "--json", MSC_TOKEN=reader)
    by_file = msc(closed.home, "--token-file", str(file), "alerts", *url, "--json")
    lacking = msc(closed.home, "evaluate", *target, MSC_TOKEN_FILE=str(file))

    assert (nothing.returncode, by_variable.returncode, lacking.returncode) == (4, 0, 4)
    assert by_file.returncode in {0, 1}, by_file.stderr
    assert "TOKEN_MISSING" in nothing.stderr
    assert "--token-file" in nothing.stderr
    assert "anna needs the role evaluator" in lacking.stderr
    for ended in (nothing, by_variable, by_file, lacking):
        assert reader not in ended.stdout + ended.stderr


def test_over_tls_clients_and_commands_trust_the_ca_they_are_given(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path)
    environment = {
        **CLOSED,
        "MSC_TLS_CERTIFICATE": str(files.certificate),
        "MSC_TLS_KEY": str(files.key),
    }
    authority = AuthorityProcess(tmp_path / "home", environment=environment, http_port=free_port())
    authority.spawn()
    try:
        until(lambda: "The authority is ready" in authority.printed(), deadline_s=120, what="ready")
        token = a_token(authority.home, "anna", "reader")["token"]
        target = f"localhost:{authority.port}"
        config = ClientConfig(tls=TlsFiles(root_certificates=files.ca), token=token)
        with PolicySource(target, role=Role.OTHER, name="anna", config=config, state_dir=None) as source:
            source.wait_for(lambda view: view.tier is Tier.FRESH, 20.0)
        shown = msc(authority.home, "--tls-ca", str(files.ca), "history", "--target", target, MSC_TOKEN=token)
        url = f"https://localhost:{authority.http_port}"
        alerts = msc(authority.home, "alerts", "--url", url, MSC_TLS_CA=str(files.ca), MSC_TOKEN=token)
        plain = msc(authority.home, "history", "--target", target, MSC_TOKEN=token)
    finally:
        authority.close()

    assert shown.returncode == 0, shown.stderr
    assert alerts.returncode in {0, 1}, alerts.stderr
    assert plain.returncode == 3
    assert "-----BEGIN" not in authority.printed()


def test_settings_may_stand_in_files_of_their_own(tmp_path: Path) -> None:
    secret = tmp_path / "database-url"
    secret.write_text(f"sqlite:///{tmp_path}/elsewhere/msc.db\n")
    shown = msc(tmp_path / "home", "config", "show", MSC_DATABASE_URL_FILE=str(secret))

    assert f"sqlite:///{tmp_path}/elsewhere/msc.db  (MSC_DATABASE_URL_FILE)" in shown.stdout
