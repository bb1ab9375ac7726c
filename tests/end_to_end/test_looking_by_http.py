"""The command line against the pages of a real authority: what one sends the other understands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_harness import AuthorityProcess, clean_environment, free_port, until


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthorityProcess]:
    """An authority with the sample journal that serves pages."""
    home = tmp_path_factory.mktemp("authority")
    process = AuthorityProcess(home=home, http_port=free_port(), arguments=("--demo",))
    try:
        process.start()
        until(lambda: msc(process, "top", "--json").returncode == 0, deadline_s=60, what="its pages are loaded")
        yield process
    finally:
        process.close()


def msc(authority: AuthorityProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "msc_authority", *arguments],
        env=clean_environment(authority.home, MSC_URL=authority.url, COLUMNS="80", MSC_SERVE_HTTP="true"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_top_has_every_part_and_prints_them(authority: AuthorityProcess) -> None:
    document = json.loads(msc(authority, "top", "--json").stdout)
    printed = msc(authority, "top", "--once")

    assert document["problems"] == []
    assert document["strategies"]["strategies"]
    for part in ("policy", "health", "mode_shares", "signals", "freshness"):
        assert document["status"][part]
    assert printed.returncode == 0
    for words in (
        f"{document['status']['policy']['risk_mode']} for ",
        f"v{document['status']['head']['version']}, epoch ",
        f"health {document['status']['health']['system_health']}",
        "drawdown_pct",
        document["strategies"]["strategies"][0]["strategy_id"],
        "0 of 0 signals",
    ):
        assert words in printed.stdout
    assert "unknown for" not in printed.stdout
    assert max(map(len, printed.stdout.splitlines())) <= 80


def test_events_are_remembered_and_told_in_words(authority: AuthorityProcess) -> None:
    assert msc(authority, "evaluate", "--target", authority.target).returncode in {0, 1}

    def evaluations() -> list[dict[str, object]]:
        told = msc(authority, "events", "--types", "evaluation", "--json")
        assert told.returncode == 0, told.stderr
        return [json.loads(line) for line in told.stdout.splitlines()]

    (*_, newest) = until(evaluations)
    assert newest["event"] == "evaluation"
    assert "evaluation  request: health " in msc(authority, "events").stdout


def test_alerts_are_listed_with_where_to_read_more(authority: AuthorityProcess) -> None:
    found = [json.loads(line) for line in msc(authority, "alerts", "--all", "--json").stdout.splitlines()]
    critical = any(alert["severity"] == "critical" and alert["state"] == "firing" for alert in found)

    printed = msc(authority, "alerts", "--all")

    assert printed.returncode == int(critical)
    assert all(f"{alert['severity'].upper()}  {alert['code']}" in printed.stdout for alert in found)
    assert printed.stdout.count(f"see http://127.0.0.1:{authority.http_port}/troubleshooting#alert-") == len(found)


def test_the_doctor_finds_both_ports_answered(authority: AuthorityProcess, tmp_path: Path) -> None:
    environment = clean_environment(
        tmp_path,
        MSC_SERVE_HTTP="true",
        MSC_GRPC_PORT=str(authority.port),
        MSC_HTTP_PORT=str(authority.http_port),
    )
    command = [sys.executable, "-m", "msc_authority", "doctor", "--json"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    found = {check["check"]: check for check in json.loads(told.stdout)["checks"]}
    assert f"an authority answers at {authority.target}" in found["port"]["detail"]
    assert f"an authority answers at {authority.url}" in found["http"]["detail"]
