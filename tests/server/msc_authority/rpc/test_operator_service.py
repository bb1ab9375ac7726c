"""OperatorService as callers meet it: every act, what it answers, who is told, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from msc_live import until
from msc_operated import Operated, operated
from msc_served import fields_of, reason_of

from msc_authority.app.access import Role
from msc_authority.app.alerts.conditions import trading_not_active
from msc_authority.app.tokens import mint
from msc_authority.core.policy import RiskMode, TradingState
from msc_policy import v1 as pb

HALT = {"halt": pb.HaltAction()}
REDUCE = {"reduce": pb.ReduceAction()}
RESUME = {"resume": pb.ResumeAction()}
PIN = {"pin_mode": pb.PinModeAction(risk_mode=pb.RISK_MODE_DEFENSIVE)}


async def refused(scene: Operated, **fields: object) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await scene.act(**fields)
    return caught.value


async def test_a_caller_without_a_token_cannot_choose_the_name_it_is_known_by() -> None:
    async with operated() as scene:
        for claimed in ("ops-anna", "authority", "anonymous@192.0.2.7", ""):
            await scene.act(actor=claimed, **HALT)

        rows = [row for row in scene.store.audit.page(None, 100) if row.action == "halt"]

    assert [row.actor for row in rows] == [
        "anonymous@127.0.0.1",
        "anonymous@127.0.0.1 (anonymous@192.0.2.7)",
        "anonymous@127.0.0.1 (authority)",
        "anonymous@127.0.0.1 (ops-anna)",
    ]
    assert {str(row.detail["credential"]) for row in rows} == {"{'kind': 'loopback', 'id': ''}"}


async def test_the_audit_log_has_the_token_that_an_act_was_done_with() -> None:
    async with operated() as scene:
        minted = mint(name="ops-anna", roles=[Role.OPERATOR], now=scene.time.now(), created_by="a test")
        scene.store.tokens.add(minted.stored)
        request = pb.ActRequest(reason="exchange incident", actor="mallory", halt=pb.HaltAction())
        await scene.operator.Act(request, metadata=(("authorization", f"Bearer {minted.text}"),))

        row = next(row for row in scene.store.audit.page(None, 100) if row.action == "halt")

    assert row.actor == "ops-anna (mallory)"
    assert row.detail["credential"] == {"kind": "token", "id": minted.stored.token_id}


async def test_a_halt_is_in_force_when_it_is_answered_and_an_evaluation_follows() -> None:
    async with operated() as scene:
        before, evaluations = scene.store.policies.head(), scene.evaluations

        answer = await scene.act(**HALT)

        assert (answer.before.version, answer.head.version) == (before.ref.version, before.ref.version + 1)
        assert answer.policy.trading_state == pb.TRADING_STATE_HALTED
        assert answer.policy.ref == answer.head
        assert answer.policy.author == "operator:anonymous@127.0.0.1 (alice)"
        assert [(change.field, change.before, change.after) for change in answer.changes] == [
            ("trading_state", "ACTIVE", "HALTED")
        ]
        assert (await scene.policies.GetPolicy(pb.GetPolicyRequest())).head == answer.head
        await scene.evaluated(evaluations + 1)
        newest = scene.store.log.page(None, 1)[0]
        assert (newest.trigger, newest.committed) == ("operator", None)


async def test_who_watches_is_told_that_a_person_decided_and_what_was_rolled_back() -> None:
    async with operated() as scene:
        watch = scene.policies.WatchPolicy(pb.WatchPolicyRequest())
        await watch.read()

        await scene.act(**HALT)
        halted = await watch.read()
        await scene.act(rollback=pb.RollbackAction(version=1))
        back = await watch.read()

        assert isinstance(halted, pb.WatchPolicyResponse)
        assert isinstance(back, pb.WatchPolicyResponse)
        assert halted.snapshot.reason == pb.SNAPSHOT_REASON_OVERRIDE
        assert list(halted.snapshot.changed_fields) == ["trading_state"]
        assert back.snapshot.reason == pb.SNAPSHOT_REASON_ROLLBACK
        assert back.snapshot.policy.rollback_of == 1
        watch.cancel()


async def test_an_authority_without_a_policy_can_be_halted() -> None:
    async with operated(with_facts=False) as scene:
        answer = await scene.act(**HALT)

        assert answer.policy.trading_state == pb.TRADING_STATE_HALTED
        assert not answer.policy.allowed_strategies


async def test_a_resume_reduces_and_the_evaluation_behind_it_lets_entries_resume() -> None:
    async with operated() as scene:
        evaluations = scene.evaluations
        await scene.act(**HALT)
        await scene.evaluated(evaluations + 1)

        answer = await scene.act(**RESUME)

        assert answer.policy.trading_state == pb.TRADING_STATE_REDUCING
        await until(lambda: scene.content.trading_state is TradingState.ACTIVE)


async def test_every_kind_of_override_is_listed_with_what_it_sets() -> None:
    hour = Duration(seconds=3600)
    async with operated() as scene:
        answers = [
            await scene.act(reduce=pb.ReduceAction(lasts=hour)),
            await scene.act(**PIN),
            await scene.act(set_limits=pb.SetLimitsAction(limits=pb.LimitValues(max_risk_per_trade=0.002))),
            await scene.act(bench=pb.BenchAction(strategy_id="TREND")),
            await scene.act(rollback=pb.RollbackAction(version=2, allow_loosening=True)),
        ]

        listed = await scene.operator.ListOverrides(pb.ListOverridesRequest())

        assert list(listed.overrides) == [answer.override for answer in answers] == list(answers[-1].overrides)
        assert listed.head == answers[-1].head
        assert [pb.OverrideKind.Name(one.kind) for one in listed.overrides] == [
            f"OVERRIDE_KIND_{name}" for name in ("REDUCE", "PIN_MODE", "SET_LIMITS", "BENCH", "ROLLBACK")
        ]
        assert [one.WhichOneof("setting") for one in listed.overrides] == [
            None,
            "risk_mode",
            "limits",
            "strategy_id",
            "version",
        ]
        limits = listed.overrides[2].limits
        assert (limits.max_risk_per_trade, limits.HasField("max_positions")) == (0.002, False)
        assert [one.HasField("expires_at") for one in listed.overrides] == [True, False, False, False, True]
        assert [one.loosens for one in listed.overrides] == [False, False, False, False, True]
        assert scene.authority.insight.overrides[0].actor == "anonymous@127.0.0.1 (alice)"


async def test_an_override_is_lifted_by_its_id() -> None:
    async with operated() as scene:
        placed = (await scene.act(**PIN)).override

        lifted = await scene.operator.LiftOverride(
            pb.LiftOverrideRequest(override_id=placed.override_id, reason="over", actor="bob")
        )

        assert lifted.outcome.policy.risk_mode == pb.RISK_MODE_NORMAL
        assert lifted.outcome.policy.reasons[0].text == "lifted: pinned to DEFENSIVE by anonymous@127.0.0.1 (bob): over"
        assert not lifted.outcome.overrides


async def test_a_strategy_is_retired_and_reinstated() -> None:
    async with operated() as scene:
        answer = await scene.act(retire=pb.RetireAction(strategy_id="TREND"))
        assert list(answer.policy.allowed_strategies) == ["RANGE"]

        answer = await scene.act(reinstate=pb.ReinstateAction(strategy_id="TREND"))

        assert answer.before == pb.PolicyRef(epoch=answer.head.epoch, version=answer.head.version)
        assert answer.policy.ref == answer.head


async def test_a_preview_answers_with_a_policy_without_reference_and_changes_nothing() -> None:
    async with operated() as scene:
        head = scene.store.policies.head()

        answer = await scene.act(validate_only=True, **HALT)

        assert scene.store.policies.head() == head
        assert answer.policy.trading_state == pb.TRADING_STATE_HALTED
        assert not answer.policy.HasField("ref")
        assert (answer.head.version, len(answer.changes)) == (head.ref.version, 1)


async def test_the_same_request_is_answered_again_without_being_done_again() -> None:
    async with operated() as scene:
        first = await scene.act(request_id="r-1", **REDUCE)

        again = await scene.act(request_id="r-1", **REDUCE)

        assert (again.act_id, again.override) == (first.act_id, first.override)
        assert not again.HasField("before")
        assert len(scene.store.acts.page(None, 10)) == 1


async def test_an_override_ends_on_time_and_an_evaluation_follows() -> None:
    async with operated() as scene:
        pin = pb.PinModeAction(risk_mode=pb.RISK_MODE_AGGRESSIVE, allow_loosening=True, lasts=Duration(seconds=30))
        await scene.act(pin_mode=pin)
        assert scene.content.risk_mode is RiskMode.AGGRESSIVE
        await until(lambda: bool(scene.authority.insight.overrides))

        await scene.time.advance(29.0)
        assert scene.content.risk_mode is RiskMode.AGGRESSIVE
        await scene.time.advance(1.0)

        await until(lambda: scene.content.risk_mode is not RiskMode.AGGRESSIVE)
        await until(lambda: scene.store.log.page(None, 1)[0].trigger == "expiry")
        assert [act.act for act in scene.store.acts.page(None, 10)] == ["EXPIRE", "PIN_MODE"]


async def test_the_alert_says_who_stopped_trading_and_why() -> None:
    async with operated() as scene:
        await scene.act(**REDUCE)
        await scene.time.advance(2.0)

        await until(lambda: bool(scene.authority.insight.observation.overrides))
        (finding,) = trading_not_active(scene.authority.insight.observation) or ()
        assert finding.text.endswith("entries stopped (REDUCING) by anonymous@127.0.0.1 (alice): exchange incident")


@pytest.mark.parametrize(
    ("fields", "complaints"),
    [
        ({}, ["action"]),
        ({"reason": "", **HALT}, ["reason"]),
        ({"reason": " ", **HALT}, ["reason"]),
        ({"reason": "x" * 257, **HALT}, ["reason"]),
        ({"reason": "two\nlines", **HALT}, ["reason"]),
        ({"actor": "x" * 65, **HALT}, ["actor"]),
        ({"request_id": "ö", "actor": "\x07", **HALT}, ["actor", "request_id"]),
        ({"pin_mode": pb.PinModeAction()}, ["pin_mode.risk_mode"]),
        ({"set_limits": pb.SetLimitsAction()}, ["set_limits.limits"]),
        (
            {"set_limits": pb.SetLimitsAction(limits=pb.LimitValues(max_positions=0))},
            ["set_limits.limits.max_positions"],
        ),
        (
            {"set_limits": pb.SetLimitsAction(limits=pb.LimitValues(max_risk_per_trade=float("nan")))},
            ["set_limits.limits.max_risk_per_trade"],
        ),
        ({"bench": pb.BenchAction()}, ["bench.strategy_id"]),
        ({"retire": pb.RetireAction(strategy_id="x" * 129)}, ["retire.strategy_id"]),
        ({"reinstate": pb.ReinstateAction(strategy_id="\x00")}, ["reinstate.strategy_id"]),
        ({"rollback": pb.RollbackAction()}, ["rollback.version"]),
        ({"rollback": pb.RollbackAction(version=2**63)}, ["rollback.version"]),
        ({"reduce": pb.ReduceAction(lasts=Duration())}, ["reduce.lasts"]),
        ({"reduce": pb.ReduceAction(lasts=Duration(seconds=-1))}, ["reduce.lasts"]),
        ({"reduce": pb.ReduceAction(lasts=Duration(seconds=315_576_000_000))}, ["lasts"]),
        ({"reduce": pb.ReduceAction(lasts=Duration(seconds=2**62))}, ["reduce.lasts"]),
        (
            {
                "pin_mode": pb.PinModeAction(
                    risk_mode=pb.RISK_MODE_NORMAL, allow_loosening=True, lasts=Duration(seconds=86_401)
                )
            },
            ["lasts"],
        ),
    ],
)
async def test_what_makes_no_sense_is_refused_by_field_and_changes_nothing(
    fields: Mapping[str, object], complaints: list[str]
) -> None:
    async with operated(with_facts=False) as scene:
        error = await refused(scene, **fields)

        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert fields_of(error) == complaints
        assert scene.store.acts.page(None, 1) == []


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        (RESUME, grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_TO_RESUME"),
        (
            {"pin_mode": pb.PinModeAction(risk_mode=pb.RISK_MODE_AGGRESSIVE)},
            grpc.StatusCode.FAILED_PRECONDITION,
            "LOOSENING_NOT_ALLOWED",
        ),
        ({"bench": pb.BenchAction(strategy_id="TREN")}, grpc.StatusCode.NOT_FOUND, "STRATEGY_UNKNOWN"),
        ({"retire": pb.RetireAction(strategy_id="TREN")}, grpc.StatusCode.NOT_FOUND, "STRATEGY_UNKNOWN"),
        (
            {"reinstate": pb.ReinstateAction(strategy_id="TREND")},
            grpc.StatusCode.FAILED_PRECONDITION,
            "WRONG_STRATEGY_STATE",
        ),
        ({"rollback": pb.RollbackAction(version=99)}, grpc.StatusCode.NOT_FOUND, "VERSION_NOT_FOUND"),
    ],
)
async def test_what_cannot_be_done_now_says_why(
    fields: Mapping[str, object], code: grpc.StatusCode, reason: str
) -> None:
    async with operated() as scene:
        error = await refused(scene, **fields)

        assert (error.code(), reason_of(error)) == (code, reason)


async def test_an_override_that_is_not_there_cannot_be_lifted() -> None:
    async with operated(with_facts=False) as scene:
        for request, code in (
            (pb.LiftOverrideRequest(override_id="nope", reason="x"), grpc.StatusCode.NOT_FOUND),
            (pb.LiftOverrideRequest(override_id="", reason="x"), grpc.StatusCode.INVALID_ARGUMENT),
            (pb.LiftOverrideRequest(override_id="nope"), grpc.StatusCode.INVALID_ARGUMENT),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await scene.operator.LiftOverride(request)
            assert caught.value.code() is code


async def test_a_request_id_is_good_for_one_thing() -> None:
    async with operated() as scene:
        await scene.act(request_id="r-1", **REDUCE)

        error = await refused(scene, request_id="r-1", **HALT)

        assert (error.code(), reason_of(error)) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
        assert scene.content.trading_state is TradingState.REDUCING


async def test_who_does_not_say_who_they_are_is_anonymous() -> None:
    async with operated() as scene:
        answer = await scene.act(actor="", **HALT)

        assert answer.policy.author == "operator:anonymous@127.0.0.1"
