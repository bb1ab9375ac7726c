"""What can be read over HTTP, from an authority that stands still and from one that lives."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import httpx
import pytest
from msc_builders import a_content, a_ranking, a_verdict, an_entry, at
from msc_http import talking
from msc_live import a_head, a_policy
from msc_observed import StillInsight, a_client, an_alert, an_observation
from msc_served import served

from msc_authority.app.alerts.values import AlertState, Severity
from msc_authority.app.broker import Freshness
from msc_authority.app.clients import ClientCounters, ClientTier
from msc_authority.app.insight import Evaluations
from msc_authority.app.observation import ModeShares
from msc_authority.app.signals import SignalActivity, SignalTally
from msc_authority.core.evaluation import HealthMetric, StrategyRanking
from msc_authority.core.policy import PolicyRef, RiskMode
from msc_authority.ports.store import StoreError, StoreUnavailable

READ = ("status", "health", "history", "strategies", "clients", "alerts")


async def get(client: httpx.AsyncClient, path: str, **parameters: str | int) -> dict[str, object]:
    response = await client.get(f"/api/msc/{path}", params=parameters)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    document: dict[str, object] = response.json()
    return document


async def test_status_says_the_policy_in_the_words_of_its_schema() -> None:
    async with talking() as client:
        status = await get(client, "status")

    policy = status["policy"]
    assert isinstance(policy, dict)
    expected = {
        "ref": {"epoch": 7, "version": 1, "etag": a_policy().etag},
        "risk_mode": "NORMAL",
        "trading_state": "ACTIVE",
        "allowed_strategies": ["TREND_001"],
        "max_risk_per_trade": 0.0075,
        "global_min_confidence": 0.6,
        "max_positions": 10,
        "max_daily_trades": 30,
        "created_at": "2025-11-30T10:30:00Z",
        "author": "evaluator",
        "rollback_of": None,
        "valid_for_s": 3600.0,
    }
    assert {name: policy[name] for name in expected} == expected
    assert policy["evaluation_metrics"] == {
        "system_drawdown": 0.5,
        "global_winrate": 0.58,
        "equity_slope": None,
        "system_health": "NORMAL",
        "trades_n": 120,
        "equity_source": "equity points",
    }
    assert policy["strategy_grants"] == [
        {
            "strategy_id": "TREND_001",
            "state": "ACTIVE",
            "risk_multiplier": 1.0,
            "max_positions": 0,
            "max_daily_trades_fraction": 1.0,
        }
    ]
    assert policy["reasons"][0]["code"] == "DRAWDOWN_LOW"
    assert status["head"] == policy["ref"]


async def test_status_counts_clients_signals_and_alerts_and_how_long_the_mode_has_lasted() -> None:
    behind = replace(a_client("executor-2", tier=ClientTier.STALE), versions_behind=2)
    seen = an_observation(
        clients=(a_client(), behind),
        signals=SignalActivity(
            last_hour=SignalTally(seen=Counter(TREND=3, RANGE=1), blocked={("TREND", "CONFIDENCE"): 1})
        ),
        mode_shares=ModeShares(since=at(0), seconds={RiskMode.NORMAL: 300.0, RiskMode.DEFENSIVE: 100.0}),
        watchers=2,
    )
    alerts = (an_alert(), an_alert(severity=Severity.WARNING), an_alert(state=AlertState.PENDING))
    async with talking(StillInsight(observation=seen, alerts=alerts)) as client:
        status = await get(client, "status")

    assert status["clients"] == {"total": 2, "by_tier": {"FRESH": 1, "STALE": 1}, "behind": 1}
    assert status["signals"] == {
        "seen_last_hour": 4,
        "blocked_last_hour": 1,
        "blocked_fraction": 0.25,
        "blocked_by_reason": {"CONFIDENCE": 1},
    }
    assert status["alerts"] == {"firing": 2, "critical": 1}
    assert status["mode_shares"] == {
        "since": "2025-11-30T10:30:00Z",
        "defensive_fraction": 0.25,
        "normal_fraction": 0.75,
        "aggressive_fraction": 0.0,
    }
    assert (status["risk_mode_since"], status["risk_mode_for_s"]) == ("2025-11-30T10:30:00Z", 600.0)
    assert (status["watchers"], status["next_evaluation_in_s"]) == (2, 1200.0)
    assert status["freshness"] == {"replica_age_s": 0.4, "ttl_s": 3000.0}


async def test_clients_that_have_ended_are_listed_but_not_counted() -> None:
    gone = a_client("executor-2")
    ended = replace(gone, entry=replace(gone.entry, watches=0), versions_behind=3, report_age_s=600.0)
    async with talking(StillInsight(observation=an_observation(clients=(a_client(), ended)))) as client:
        status = await get(client, "status")
        listed = await get(client, "clients")

    assert status["clients"] == {"total": 1, "by_tier": {"FRESH": 1}, "behind": 0}
    assert isinstance(listed["clients"], list)
    assert len(listed["clients"]) == 2


async def test_what_is_unknown_is_null_and_not_0() -> None:
    empty = an_observation(
        head=a_head(0),
        freshness=Freshness(replica_age_s=0.1, ttl_s=None),
        risk_mode_since=None,
        trading_state_since=None,
        mode_shares=ModeShares(since=at(0), seconds={}),
    )
    async with talking(StillInsight(observation=empty)) as client:
        status = await get(client, "status")
        health = await get(client, "health")
        strategies = await get(client, "strategies")

    unknown = ("policy", "health", "last_evaluation", "last_failure", "risk_mode_since", "risk_mode_for_s")
    assert [status[name] for name in unknown] == [None] * len(unknown)
    assert status["head"] == {"epoch": 7, "version": 0, "etag": ""}
    signals = status["signals"]
    assert isinstance(signals, dict)
    assert (signals["seen_last_hour"], signals["blocked_fraction"]) == (0, None)
    shares = status["mode_shares"]
    assert isinstance(shares, dict)
    assert shares["normal_fraction"] is None
    assert health == {"health": None, "next_evaluation_in_s": 1200.0, "last_failure": None}
    assert strategies == {"as_of": None, "strategies": []}


async def test_a_number_that_is_none_goes_out_as_unknown() -> None:
    metrics = (HealthMetric(name="expectancy", value=float("nan"), threshold=float("inf")),)
    entry = an_entry(verdict=a_verdict(metrics=metrics))
    async with talking(StillInsight(latest=Evaluations(latest=entry, failure=None))) as client:
        health = (await get(client, "health"))["health"]

    assert isinstance(health, dict)
    assert (health["metrics"][0]["value"], health["metrics"][0]["threshold"]) == (None, None)


async def test_health_shows_each_metric_beside_its_line_and_the_failure_since() -> None:
    failure = an_entry("eval-2", verdict=None, failure="ValueError: no")
    async with talking(StillInsight(latest=Evaluations(latest=an_entry(), failure=failure))) as client:
        answer = await get(client, "health")
        status = await get(client, "status")

    health = answer["health"]
    assert isinstance(health, dict)
    metric = health["metrics"][0]
    assert (metric["name"], metric["value"], metric["threshold"], metric["margin"]) == ("drawdown_pct", 0.5, 2.0, 1.5)
    assert (health["system_health"], health["mode_target"], health["mode_after"]) == ("NORMAL", "NORMAL", "NORMAL")
    assert answer["last_failure"] == {
        "evaluation_id": "eval-2",
        "trigger": "SCHEDULE",
        "started_at": "2025-11-30T10:30:00Z",
        "failure": "ValueError: no",
    }
    assert status["health"] == health
    assert status["last_failure"] == answer["last_failure"]


@pytest.mark.parametrize(("error", "answer"), [(StoreUnavailable("gone"), 503), (StoreError("malformed"), 500)])
async def test_the_policy_is_told_while_the_database_is_away_or_damaged(error: StoreError, answer: int) -> None:
    async with talking(StillInsight(error=error)) as client:
        status = await get(client, "status")
        health = await client.get("/api/msc/health")

    assert status["store_unavailable"] is True
    assert (status["health"], status["last_evaluation"]) == (None, None)
    assert isinstance(status["policy"], dict)
    assert health.status_code == answer


class Ranked(StillInsight):
    ranking = a_ranking(net_pnl=Decimal("1E+3"), winrate_fraction=None, last_trade_at=None)

    async def strategies(self) -> tuple[list[StrategyRanking], datetime | None]:
        return [self.ranking], at(1)


async def test_every_part_of_a_score_is_told_and_money_is_exact() -> None:
    async with talking(Ranked()) as client:
        answer = await get(client, "strategies")

    assert answer["as_of"] == "2025-11-30T10:31:00Z"
    assert isinstance(answer["strategies"], list)
    told = answer["strategies"][0]
    assert set(told) == set(Ranked.ranking.__dataclass_fields__)
    assert (told["net_pnl"], told["winrate_fraction"], told["state"]) == ("1000", None, "ACTIVE")


async def test_clients_are_told_with_everything_they_said() -> None:
    counters = ClientCounters(applied=3, reads=50, fallback_reads=2, reconnect_causes={"gap": 1})
    view = replace(a_client(counters=counters, last_error="refused"), versions_behind=1, behind_for_s=12.5)
    nobody = a_client("new", applied=None, age_s=None)
    async with talking(StillInsight(observation=an_observation(clients=(view, nobody)))) as client:
        answer = await get(client, "clients")

    assert answer["head"] == {"epoch": 7, "version": 1, "etag": a_policy().etag}
    assert isinstance(answer["clients"], list)
    first, second = answer["clients"]
    assert (first["name"], first["role"], first["tier"]) == ("executor-1", "EXECUTOR", "FRESH")
    assert (first["applied"], first["versions_behind"], first["behind_for_s"]) == ({"epoch": 7, "version": 1}, 1, 12.5)
    assert (first["age_s"], first["report_age_s"], first["watching"]) == (0.7, 0.2, True)
    assert first["counters"]["reconnect_causes"] == {"gap": 1}
    assert (first["counters"]["reads"], first["counters"]["fallback_reads"]) == (50, 2)
    assert (second["applied"], second["started_at"]) == (None, None)


async def test_an_alert_says_what_to_do_and_where_more_is_said() -> None:
    async with talking(StillInsight(alerts=(an_alert(),))) as client:
        answer = await get(client, "alerts")

    assert isinstance(answer["alerts"], list)
    alert = answer["alerts"][0]
    assert set(alert) == {*an_alert().__dataclass_fields__, "link"}
    assert alert["link"] == "https://msc.example/troubleshooting#alert-client-safe"
    assert (alert["severity"], alert["state"], alert["resolved_at"]) == ("critical", "firing", None)


async def test_history_comes_in_pages_that_join_without_gap_or_repetition() -> None:
    async with served() as scene:
        for number in range(5):
            await scene.publish(a_content(author=f"author-{number}"))
        async with talking(scene.authority.insight) as client:
            versions: list[int] = []
            before: dict[str, str] = {}
            while True:
                page = await get(client, "history", limit=2, **before)
                assert isinstance(page["revisions"], list)
                versions += [revision["policy"]["ref"]["version"] for revision in page["revisions"]]
                if page["next_before"] is None:
                    break
                before = {"before": str(page["next_before"])}
            first = await get(client, "history", limit=1, before="7:1")
            newest = await get(client, "history")

    assert versions == [5, 4, 3, 2, 1]
    assert first == {"revisions": [], "next_before": None}
    assert isinstance(newest["revisions"], list)
    assert len(newest["revisions"]) == 5
    assert newest["revisions"][-1]["changes"][0] == {"field": "risk_mode", "before": "", "after": "NORMAL"}


async def test_the_tag_of_status_stays_while_only_time_moves() -> None:
    insight = StillInsight()
    async with talking(insight) as client:
        first = await client.get("/api/msc/status")
        tag = first.headers["etag"]
        insight.observation = an_observation(
            at=at(11),
            monotonic=1660.0,
            freshness=Freshness(replica_age_s=0.9, ttl_s=2940.0),
            next_evaluation_in_s=1140.0,
            mode_shares=ModeShares(since=at(1), seconds={RiskMode.NORMAL: 660.0}),
        )
        same = await client.get("/api/msc/status", headers={"If-None-Match": tag})
        insight.observation = an_observation(head=a_head(2))
        other = await client.get("/api/msc/status", headers={"If-None-Match": tag})

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == tag
    assert same.headers["cache-control"] == "no-cache"
    assert other.status_code == 200
    assert other.headers["etag"] != tag


@pytest.mark.parametrize(
    "change",
    [
        {"watchers": 3},
        {"clients": (a_client(),)},
        {"risk_mode_since": at(2)},
        {"trading_state_since": at(2)},
        {"signals": SignalActivity(last_hour=SignalTally(seen={"TREND": 1}))},
        {"head": a_head(1, content=a_content(RiskMode.DEFENSIVE))},
        {"server_id": "authority-2"},
    ],
)
async def test_the_tag_of_status_changes_with_everything_else(change: dict[str, object]) -> None:
    insight = StillInsight()
    async with talking(insight) as client:
        before = (await client.get("/api/msc/status")).headers["etag"]
        insight.observation = an_observation(**change)
        after = (await client.get("/api/msc/status")).headers["etag"]

    assert before != after


async def test_a_living_authority_answers_everything() -> None:
    async with served() as scene:
        await scene.publish()
        async with talking(scene.authority.insight) as client:
            answers = {path: await get(client, path) for path in READ}

    status = answers["status"]
    assert status["head"] == {"epoch": scene.store.policies.head().ref.epoch, "version": 1, "etag": a_etag(answers)}
    assert status["server_id"] == scene.authority.server_id
    assert status["versions"] == answers["status"]["versions"]
    assert PolicyRef(1, 1) < scene.store.policies.head().ref


def a_etag(answers: dict[str, dict[str, object]]) -> object:
    revisions = answers["history"]["revisions"]
    assert isinstance(revisions, list)
    return revisions[0]["policy"]["ref"]["etag"]
