"""Asking for an evaluation over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import a_content
from msc_http import talking
from msc_observed import StillInsight
from msc_served import served

from msc_authority.app.evaluate import EvaluationOutcome
from msc_authority.core.evaluation import SuppliedMetrics
from msc_authority.core.policy import RiskMode
from msc_authority.http.models.evaluations import WhatIf

EVALUATE = "/api/msc/evaluate"


@dataclass
class Asked(StillInsight):
    """Keeps what it was asked for, and fails."""

    calls: ClassVar[list[tuple[str, object]]] = []

    async def evaluate(self, *, request_id: str, requested_by: str, reason: str) -> EvaluationOutcome:
        self.calls.append(("evaluate", (request_id, requested_by, reason)))
        raise AssertionError("only what was asked matters")

    async def preview(self, *, requested_by: str, reason: str) -> EvaluationOutcome:
        self.calls.append(("preview", (requested_by, reason)))
        raise AssertionError("only what was asked matters")

    async def what_if(self, supplied: SuppliedMetrics) -> EvaluationOutcome:
        self.calls.append(("what_if", supplied))
        raise AssertionError("only what was asked matters")


async def test_a_request_without_a_body_evaluates_now_and_commits() -> None:
    async with served() as scene, talking(scene.authority.insight) as client:
        scene.evaluator.publish = a_content(RiskMode.AGGRESSIVE)
        response = await client.post(EVALUATE)
        status = (await client.get("/api/msc/status")).json()

    answer = response.json()
    assert response.status_code == 200
    assert answer["committed"] is True
    assert answer["candidate"]["risk_mode"] == "AGGRESSIVE"
    assert "ref" not in answer["candidate"]
    assert answer["evaluation"]["trigger"] == "request"
    assert answer["evaluation"]["committed_version"] == answer["head"]["version"] == 1
    assert answer["health"]["system_health"] == "NORMAL"
    assert status["last_evaluation"] == answer["evaluation"]


@pytest.mark.parametrize("body", ["{}", "null", '{"what_if": null}', '{"reason": "", "request_id": ""}'])
async def test_an_empty_body_means_the_same(body: str) -> None:
    async with served() as scene, talking(scene.authority.insight) as client:
        response = await client.post(EVALUATE, content=body, headers={"Content-Type": "application/json"})

    assert response.status_code == 200
    assert response.json()["committed"] is False


async def test_the_same_request_id_leads_to_the_same_evaluation() -> None:
    async with served() as scene, talking(scene.authority.insight) as client:
        answers = [(await client.post(EVALUATE, json={"request_id": "deploy-7"})).json() for _ in range(2)]

    assert answers[0]["evaluation"]["evaluation_id"] == answers[1]["evaluation"]["evaluation_id"]


async def test_a_dry_run_and_a_what_if_write_nothing() -> None:
    async with served() as scene, talking(scene.authority.insight) as client:
        before = len(scene.store.log.page(None, 100))
        dry = (await client.post(EVALUATE, json={"dry_run": True})).json()
        supposed = (await client.post(EVALUATE, json={"what_if": {"drawdown_pct": 4, "trades_n": 10.0}})).json()
        after = len(scene.store.log.page(None, 100))

    assert (dry["evaluation"]["trigger"], dry["committed"]) == ("preview", False)
    assert dry["evaluation"]["committed_version"] is None
    assert (supposed["evaluation"]["trigger"], supposed["committed"]) == ("what_if", False)
    assert scene.evaluator.seen == [SuppliedMetrics(drawdown_pct=4.0, trades_n=10)]
    assert before == after


async def test_what_was_asked_for_is_passed_on_with_who_asked() -> None:
    asked = Asked()
    asked.calls.clear()
    async with talking(asked) as client:
        await client.post(EVALUATE, json={"reason": "deploy", "request_id": "a-1"})
        await client.post(EVALUATE, json={"reason": "look", "dry_run": True})
        await client.post(EVALUATE, json={"dry_run": True, "what_if": {}})

    assert asked.calls == [
        ("evaluate", ("a-1", "anonymous@127.0.0.1", "deploy")),
        ("preview", ("anonymous@127.0.0.1", "look")),
        ("what_if", SuppliedMetrics()),
    ]


async def test_many_who_ask_at_once_each_get_an_evaluation_or_are_told_to_wait() -> None:
    async with served() as scene, talking(scene.authority.insight) as client:
        responses = await asyncio.gather(*(client.post(EVALUATE) for _ in range(40)))

    assert {response.status_code for response in responses} <= {200, 429}
    assert any(response.status_code == 200 for response in responses)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "drawdown_pct": st.floats(0, 100),
            "winrate_fraction": st.floats(0, 1),
            "trades_n": st.integers(0, 2**32 - 1),
            "slope_pct_per_day": st.floats(-100, 1e9),
            "loss_streak": st.integers(0, 2**32 - 1),
            "days_without_profit": st.floats(0, 1e9),
            "expectancy": st.floats(-1e9, 1e9),
            "volatility_ratio": st.floats(0, 1e9),
        },
    )
)
def test_every_metric_within_its_range_reaches_the_core_as_it_was_sent(metrics: dict[str, float]) -> None:
    assert WhatIf.model_validate(metrics).supplied() == SuppliedMetrics(**metrics)  # type: ignore[arg-type]  # by name
