"""The whole authority, watched from outside: its metrics scraped over HTTP, its alerts taken by a webhook."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx
from google.protobuf.timestamp_pb2 import Timestamp
from msc_hook import Hook, hook
from msc_live import DEADLINE_S, until
from prometheus_client.parser import text_string_to_metric_families as parse_text

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.app.alerts.rules import RULES
from msc_authority.compose.parts import Running
from msc_authority.compose.running import serve
from msc_authority.http.metric_table import METRICS
from msc_authority.sample import sample_facts
from msc_authority.settings import Settings
from msc_policy import v1 as pb


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[Running, grpc.aio.Channel]]:
    ready: asyncio.Future[Running] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    task = asyncio.create_task(serve(settings, on_ready=ready.set_result, stop=stop))
    task.add_done_callback(lambda ended: ready.cancel() if ended.exception() else None)
    running = await ready
    async with grpc.aio.insecure_channel(running.address) as channel:
        yield running, channel
    stop.set()
    await asyncio.wait_for(task, DEADLINE_S)


async def scraped(running: Running) -> dict[str, float]:
    """Every series of GET /metrics, as it is written."""
    async with httpx.AsyncClient(base_url=running.http_url or "", timeout=DEADLINE_S) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    samples = [sample for family in parse_text(answer.text) for sample in family.samples]
    series = {f"{sample.name}{sorted(sample.labels.items())}": sample.value for sample in samples}
    assert len(series) == len(samples)
    return series


def names_of(series: dict[str, float]) -> set[str]:
    return {re.sub(r"_(bucket|sum|count|created)$", "", name.partition("[")[0]) for name in series}


def a_busy_home(home: Path) -> None:
    """A database with the sample's facts."""
    clock = SystemClock()
    store = open_store(Settings(home=home).database_url, clock)
    try:
        store.journal.record(sample_facts(clock.now()))
    finally:
        store.close()


async def live_through_something(channel: grpc.aio.Channel) -> None:
    """A client reads, applies and reports; an executor journals a block, and a row that makes no sense."""
    policies, journal = pb.PolicyAuthorityStub(channel), pb.JournalServiceStub(channel)
    head = (await policies.GetPolicy(pb.GetPolicyRequest())).policy.ref
    counters = pb.ClientCounters(applied=1, reads=5, reconnects=1, reconnect_causes={"watchdog": 1})
    client = pb.ClientInfo(instance_id="i-1", name="executor-1", role=pb.CLIENT_ROLE_EXECUTOR)
    status = pb.ClientStatus(tier=pb.CLIENT_TIER_FRESH, applied=head, counters=counters)
    status.age.FromMilliseconds(300)
    await policies.ReportClientStatus(pb.ReportClientStatusRequest(client=client, status=status))
    now = Timestamp()
    now.FromDatetime(SystemClock().now())
    block = pb.Execution(
        event_id="block-1",
        account="main",
        executor="executor-1",
        strategy_id="TREND_001",
        symbol="BTCUSDT",
        side=pb.SIDE_BUY,
        status="BLOCKED",
        reason="MAX_POSITIONS",
        quantity="0.5",
        at=now,
    )
    senseless = pb.Execution(event_id="senseless", status="BLOCKED", quantity="NaN", at=now)
    entries = [pb.JournalEntry(seq=1, execution=block), pb.JournalEntry(seq=2, execution=senseless)]
    await journal.Record(iter([pb.RecordRequest(entries=entries)]))


async def until_scraped(running: Running, series: str, value: float) -> dict[str, float]:
    async with asyncio.timeout(DEADLINE_S):
        while (found := await scraped(running)).get(series) != value:  # noqa: ASYNC110 -- it is seen from outside only
            await asyncio.sleep(0.05)
    return found


async def test_an_authority_at_work_exports_every_metric_that_is_shipped(tmp_path: Path) -> None:
    await asyncio.to_thread(a_busy_home, tmp_path)
    with hook() as taker:
        settings = Settings(home=tmp_path, grpc_port=0, http_port=0, alert_urls=(taker.url(),))
        async with serving(settings) as (running, channel):
            await until(lambda: running.insight.current.head.ref.version > 0)
            await live_through_something(channel)
            blocked = "msc_signals_blocked_total[('reason', 'MAX_POSITIONS'), ('strategy', 'TREND_001')]"
            series = await until_scraped(running, blocked, 1)

    missing = {metric.name for metric in METRICS} - names_of(series)
    # There is no cache and no PostgreSQL here, and the daily upkeep begins later; nobody made a backup.
    assert {name for name in missing if not name.startswith(("msc_cache_", "msc_policy_source"))} == {
        *("msc_store_listening", "msc_upkeep_age_seconds", "msc_audit_rows", "msc_audit_intact"),
        "msc_last_backup_age_seconds",
    }
    assert series["msc_leader[]"] == 1
    assert 0 <= series["msc_lease_age_seconds[]"] < DEADLINE_S
    assert series["msc_leadership_changes_total[('cause', 'began')]"] == 1
    assert series["msc_replicas[('state', 'alive')]"] == 1
    assert series["msc_limit_enforcements_total[('limit', 'position')]"] == 1
    assert series["msc_journal_rows_total[('outcome', 'refused')]"] == 1
    assert (
        series["msc_client_reconnects_total[('cause', 'watchdog'), ('client', 'executor-1'), ('role', 'EXECUTOR')]"]
        == 1
    )
    assert sum(value for name, value in series.items() if name.startswith("msc_risk_mode[")) == 1
    assert series["msc_evaluations_total[('outcome', 'succeeded'), ('trigger', 'start')]"] == 1


async def test_an_alert_of_a_running_authority_reaches_a_webhook_that_fails_at_first(tmp_path: Path) -> None:
    with hook(503) as taker:
        # Nothing in the journal: nobody is allowed to trade.
        settings = Settings(home=tmp_path, grpc_port=0, http_port=0, alert_urls=(taker.url("/s3cret"),))
        async with serving(settings) as (running, _):
            await until(lambda: codes(taker).count("NO_STRATEGY_ALLOWED") >= 1 and len(taker.posted) >= 2)
            fires = "msc_alerts_firing[('code', 'NO_STRATEGY_ALLOWED'), ('severity', 'critical')]"
            series = await until_scraped(running, fires, 1)
            await until_scraped(running, "msc_alert_deliveries_total[('outcome', 'failed'), ('sink', 'webhook-1')]", 0)

    assert taker.posted[0].document == taker.posted[1].document
    assert sum(value for name, value in series.items() if name.startswith("msc_alerts_firing")) >= 1
    assert "s3cret" not in "".join(series)


def codes(taker: Hook) -> list[object]:
    known = {rule.code for rule in RULES}
    found = [posted.document["code"] for posted in taker.posted]
    assert known.issuperset(str(code) for code in found)
    return found
