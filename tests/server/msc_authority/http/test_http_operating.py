"""Operating the policy over HTTP: every act, what it answers, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest
from msc_http import problem_of, talking
from msc_operated import operated

from msc_authority.app.access import Role
from msc_authority.app.tokens import mint
from msc_authority.core.policy import TradingState

ACT, OVERRIDES = "/api/msc/act", "/api/msc/overrides"
HALT = {"action": "halt"}


async def act(client: httpx.AsyncClient, asked: Mapping[str, object]) -> httpx.Response:
    return await client.post(ACT, json={"reason": "exchange incident", "actor": "alice", **asked})


async def test_over_rest_too_the_audit_log_says_by_what_it_was_known_who_acted() -> None:
    async with operated() as scene:
        minted = mint(name="ops-anna", roles=[Role.OPERATOR], now=scene.time.now(), created_by="a test")
        scene.store.tokens.add(minted.stored)
        async with talking(scene.authority.insight, admission=scene.authority.admission) as client:
            bearer = {"Authorization": f"Bearer {minted.text}"}
            cookie = {"Cookie": f"msc_token={minted.text}"}
            for headers in ({}, bearer, cookie):
                asked = {"reason": "exchange incident", "actor": "mallory", **HALT}
                assert (await client.post(ACT, json=asked, headers=headers)).status_code == 200

        rows = [row for row in reversed(scene.store.audit.page(None, 100)) if row.action == "halt"]

    token_id = minted.stored.token_id
    assert [(row.actor, row.detail["credential"]) for row in rows] == [
        ("anonymous@127.0.0.1 (mallory)", {"kind": "loopback", "id": ""}),
        ("ops-anna (mallory)", {"kind": "token", "id": token_id}),
        ("ops-anna (mallory)", {"kind": "console session", "id": token_id}),
    ]


async def test_a_halt_is_in_force_when_it_is_answered() -> None:
    async with operated() as scene, talking(scene.authority.insight) as client:
        before = scene.store.policies.head().ref

        response = await act(client, HALT)

        answer = response.json()
        assert response.status_code == 200
        assert answer["summary"] == "HALTED by anonymous@127.0.0.1 (alice): exchange incident"
        assert answer["before"] == {"epoch": before.epoch, "version": before.version}
        assert answer["head"]["version"] == before.version + 1
        assert answer["committed"] is True
        assert answer["policy"]["trading_state"] == "HALTED"
        assert [change["after"] for change in answer["changes"]] == ["HALTED"]
        status = (await client.get("/api/msc/status")).json()
        assert status["policy"]["trading_state"] == "HALTED"


@pytest.mark.parametrize(
    ("asked", "kind", "setting"),
    [
        ({"action": "reduce", "lasts_s": 60.0}, "REDUCE", {}),
        ({"action": "pin_mode", "risk_mode": "DEFENSIVE"}, "PIN_MODE", {"risk_mode": "DEFENSIVE"}),
        (
            {"action": "set_limits", "limits": {"max_risk_per_trade": 0.002, "max_positions": 2}},
            "SET_LIMITS",
            {"limits": {"max_risk_per_trade": 0.002, "max_positions": 2.0}},
        ),
        ({"action": "bench", "strategy_id": "TREND"}, "BENCH", {"strategy_id": "TREND"}),
        ({"action": "rollback", "version": 1}, "ROLLBACK", {"version": 1}),
        (
            {"action": "pin_mode", "risk_mode": "AGGRESSIVE", "allow_loosening": True, "lasts_s": 86_400},
            "PIN_MODE",
            {"risk_mode": "AGGRESSIVE"},
        ),
    ],
)
async def test_each_override_is_listed_with_what_it_sets_and_lifted(
    asked: Mapping[str, object], kind: str, setting: Mapping[str, object]
) -> None:
    async with operated() as scene, talking(scene.authority.insight) as client:
        content = scene.content
        placed = (await act(client, asked)).json()["override"]

        (listed,) = (await client.get(OVERRIDES)).json()["overrides"]
        assert listed == placed
        assert (listed["kind"], listed["actor"], listed["loosens"]) == (
            kind,
            "anonymous@127.0.0.1 (alice)",
            "allow_loosening" in asked,
        )
        assert {name: value for name, value in listed["setting"].items() if value is not None} == setting
        assert (listed["expires_at"] is None) is ("lasts_s" not in asked)

        lifted = await act(client, {"action": "lift", "override_id": placed["override_id"]})
        assert lifted.status_code == 200
        assert lifted.json()["overrides"] == []
        assert (scene.content.limits, scene.content.grants) == (content.limits, content.grants)


async def test_a_strategy_is_retired_and_reinstated_and_trading_resumed() -> None:
    async with operated() as scene, talking(scene.authority.insight) as client:
        retired = (await act(client, {"action": "retire", "strategy_id": "TREND"})).json()
        assert retired["policy"]["allowed_strategies"] == ["RANGE"]
        back = (await act(client, {"action": "reinstate", "strategy_id": "TREND"})).json()
        assert (back["committed"], back["override"]) == (False, None)
        await act(client, {"action": "reduce"})

        resumed = (await act(client, {"action": "resume"})).json()

        assert resumed["policy"]["trading_state"] == "ACTIVE"


async def test_a_dry_run_writes_nothing_and_the_same_request_is_done_once() -> None:
    async with operated() as scene, talking(scene.authority.insight) as client:
        dry = (await act(client, {**HALT, "dry_run": True})).json()
        assert (dry["committed"], dry["policy"]["trading_state"]) == (False, "HALTED")
        assert scene.content.trading_state is TradingState.ACTIVE

        first = (await act(client, {**HALT, "request_id": "r-1"})).json()
        again = (await act(client, {**HALT, "request_id": "r-1"})).json()

        assert (again["act_id"], again["before"]) == (first["act_id"], None)
        assert len(scene.store.acts.page(None, 10)) == 1


@pytest.mark.parametrize(
    ("asked", "status", "reason"),
    [
        ({"action": "resume"}, 409, "NOTHING_TO_RESUME"),
        ({"action": "pin_mode", "risk_mode": "AGGRESSIVE"}, 409, "LOOSENING_NOT_ALLOWED"),
        ({"action": "reinstate", "strategy_id": "TREND"}, 409, "WRONG_STRATEGY_STATE"),
        ({"action": "bench", "strategy_id": "TREN"}, 404, "STRATEGY_UNKNOWN"),
        ({"action": "rollback", "version": 99}, 404, "VERSION_NOT_FOUND"),
        ({"action": "lift", "override_id": "nope"}, 404, "OVERRIDE_NOT_FOUND"),
    ],
)
async def test_what_cannot_be_done_now_says_why(asked: Mapping[str, object], status: int, reason: str) -> None:
    async with operated() as scene, talking(scene.authority.insight) as client:
        response = await act(client, asked)

        assert response.status_code == status
        assert problem_of(response)["reason"] == reason


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "action"),
        ({"action": "panic"}, "action"),
        ({**HALT, "reason": ""}, "reason"),
        ({**HALT, "reason": "  "}, "reason"),
        ({**HALT, "reason": "two\nlines"}, "reason"),
        ({**HALT, "reason": "two\u2028lines"}, "reason"),
        ({**HALT, "actor": "x" * 65}, "actor"),
        ({**HALT, "request_id": "ö"}, "request_id"),
        ({**HALT, "lasts_s": 60}, "lasts_s"),
        ({"action": "reduce", "lasts_s": 0}, "lasts_s"),
        ({"action": "reduce", "lasts_s": "60"}, "lasts_s"),
        ({"action": "reduce", "allow_loosening": True}, "allow_loosening"),
        ({"action": "set_limits", "limits": {}}, "limits"),
        ({"action": "set_limits", "limits": {"max_positions": 0}}, "max_positions"),
        ({"action": "set_limits", "limits": {"max_risk_per_trade": 1.5}}, "max_risk_per_trade"),
        ({"action": "bench", "strategy_id": ""}, "strategy_id"),
        ({"action": "bench", "strategy_id": "\u0000"}, "strategy_id"),
        ({"action": "rollback", "version": 0}, "version"),
        (
            {"action": "pin_mode", "risk_mode": "AGGRESSIVE", "allow_loosening": True, "lasts_s": 86_401},
            "lasts_s",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused_by_field(asked: Mapping[str, object], field: str) -> None:
    async with operated(with_facts=False) as scene, talking(scene.authority.insight) as client:
        response = await act(client, asked)

        problem = problem_of(response)
        assert response.status_code == 422
        assert field in str(problem["errors"])
        assert scene.store.acts.page(None, 1) == []


async def test_an_act_is_sent_as_json_and_by_post_alone() -> None:
    async with operated(with_facts=False) as scene, talking(scene.authority.insight) as client:
        as_form = await client.post(ACT, data={"action": "halt", "reason": "x"})
        by_get = await client.get(ACT)

        assert problem_of(as_form)["reason"] == "NOT_JSON"
        assert by_get.status_code == 405
        assert scene.store.acts.page(None, 1) == []


async def test_a_page_of_another_site_cannot_halt() -> None:
    async with operated(with_facts=False) as scene, talking(scene.authority.insight) as client:
        response = await client.post(ACT, json={"reason": "x", **HALT}, headers={"Origin": "https://elsewhere.example"})

        assert problem_of(response)["reason"] == "ORIGIN_NOT_ALLOWED"
        assert scene.store.acts.page(None, 1) == []
