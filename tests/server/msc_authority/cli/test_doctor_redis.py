"""What the doctor finds out about Redis, and that the server says why it cannot use it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from msc_live import a_head
from msc_valkey import ValkeyServer, valkey_or_skip
from typer.testing import CliRunner

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.redis.cache import RedisPolicyCache
from msc_authority.cli.app import build_app
from msc_authority.cli.checks import Finding, Outcome
from msc_authority.cli.checks_redis import redis_finding
from msc_authority.settings import Settings

CLOCK = SystemClock()


def found(home: Path, url: str | None) -> Finding:
    return redis_finding(Settings(home=home, redis_url=url), CLOCK)


def test_without_one_the_database_is_enough(tmp_path: Path) -> None:
    finding = found(tmp_path, None)
    assert (finding.outcome, finding.advice) == (Outcome.OK, "")
    assert "redis_url is not set" in finding.detail


def test_one_that_answers_is_named_with_its_policy(tmp_path: Path, valkey: ValkeyServer, valkey_url: str) -> None:
    assert found(tmp_path, valkey_url).detail.endswith("has no policy yet")
    cache = RedisPolicyCache(valkey_url, CLOCK)
    cache.put(a_head(3), confirmed_at=CLOCK.monotonic() - 5, ttl_s=100.0)
    cache.close()
    finding = found(tmp_path, valkey_url)
    assert finding.outcome is Outcome.OK
    assert finding.detail.startswith("Valkey 9.")
    assert "has policy 7:3, confirmed by the database 5." in finding.detail
    with valkey.client() as client:
        assert client.dbsize() == 4


def test_what_is_no_policy_is_a_warning(tmp_path: Path, valkey: ValkeyServer, valkey_url: str) -> None:
    with valkey.client() as client:
        client.set("msc:policy:current", "junk")
    finding = found(tmp_path, valkey_url)
    assert finding.outcome is Outcome.WARN
    assert "overwrites it" in finding.advice


def test_one_that_is_not_there_fails_and_its_password_is_not_shown(tmp_path: Path) -> None:
    finding = found(tmp_path, "redis://:hunter2@127.0.0.1:1")
    assert finding.outcome is Outcome.FAIL
    assert finding.detail.startswith("redis://:***@127.0.0.1:1: Redis cannot be reached")
    assert "the database is enough" in finding.advice


def test_a_wrong_password_and_a_copy_of_another_fail_with_what_to_do(tmp_path: Path) -> None:
    with valkey_or_skip(lambda: ValkeyServer(requirepass="hunter2")) as server:
        denied = found(tmp_path, server.url.replace("//", "//:letmein@"))
    assert denied.outcome is Outcome.FAIL
    assert "check user and password" in denied.advice
    assert "letmein" not in denied.detail
    with valkey_or_skip(lambda: ValkeyServer(replicaof="127.0.0.1 1")) as server:
        copying = found(tmp_path, server.url)
    assert copying.outcome is Outcome.FAIL
    assert "primary" in copying.advice


def test_without_the_driver_doctor_and_server_say_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("msc_authority.adapters.redis.c")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setenv("MSC_REDIS_URL", "redis://localhost")
    finding = found(tmp_path, "redis://localhost")
    assert finding.outcome is Outcome.FAIL
    assert "meta-strategy-controller[authority,redis]" in finding.detail
    served = CliRunner().invoke(build_app(), ["serve", "--home", str(tmp_path), "--grpc-port", "0", "--no-http"])
    assert served.exit_code == 2
    assert "meta-strategy-controller[authority,redis]" in served.output
