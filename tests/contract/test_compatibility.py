"""What was once said on the wire stays readable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.json_format import MessageToJson, Parse
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from msc_policy import v1 as pb

HERE = Path(__file__).resolve().parent
GOLDEN = sorted((HERE / "golden").glob("v*/*.binpb"))
MESSAGES = {name for name in pb.__all__ if isinstance(getattr(getattr(pb, name), "DESCRIPTOR", None), Descriptor)}


def _parsed(path: Path) -> Message:
    message: Message = getattr(pb, path.name.split(".")[0]).FromString(path.read_bytes())
    return message


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_released_message_is_understood_as_it_was_meant(path: Path) -> None:
    message = _parsed(path)

    assert json.loads(MessageToJson(message, preserving_proto_field_name=True)) == json.loads(
        path.with_suffix(".json").read_text()
    )
    assert len(UnknownFieldSet(message)) == 0


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_released_message_reads_the_same_from_json_and_from_bytes(path: Path) -> None:
    message = _parsed(path)

    assert Parse(path.with_suffix(".json").read_text(), type(message)()) == message


def test_the_newest_release_has_a_golden_message_of_every_type_it_had() -> None:
    baseline = FileDescriptorSet.FromString((HERE / "baseline" / "msc_policy_v1.binpb").read_bytes())
    released = {
        message.name for file in baseline.file if file.package == "msc_policy.v1" for message in file.message_type
    }
    newest = max((HERE / "golden").iterdir(), key=lambda path: [int(part) for part in path.name[1:].split(".")])
    frozen = {path.name.split(".")[0] for path in newest.glob("*.binpb")}

    assert released == frozen
    assert released <= MESSAGES


def test_a_message_from_a_newer_contract_keeps_what_this_one_does_not_know() -> None:
    newer = pb.Heartbeat(seq=7).SerializeToString() + bytes([0xF2, 0x3F, 1, 0x41])

    message = pb.Heartbeat.FromString(newer)

    assert message.seq == 7
    assert message.SerializeToString() == newer


def test_an_enum_value_from_a_newer_contract_arrives_as_its_number() -> None:
    policy = pb.Policy.FromString(bytes([0x10, 99]))

    assert policy.risk_mode == 99
    assert policy.risk_mode not in pb.RiskMode.values()


def test_the_commissions_names_are_fields_of_a_policy() -> None:
    names = {field.name for field in pb.Policy.DESCRIPTOR.fields}
    metrics = {field.name for field in pb.EvaluationMetrics.DESCRIPTOR.fields}

    assert names >= {
        "risk_mode",
        "allowed_strategies",
        "max_risk_per_trade",
        "global_min_confidence",
        "max_positions",
        "max_daily_trades",
        "created_at",
        "evaluation_metrics",
    }
    assert metrics >= {"system_drawdown", "global_winrate", "equity_slope", "system_health"}


@pytest.mark.parametrize("kind", [pb.RiskMode, pb.TradingState, pb.SystemHealth, pb.StrategyState, pb.ClientTier])
def test_an_enum_that_was_not_set_says_so(kind: type[pb.RiskMode]) -> None:
    assert kind.Name(kind.values()[0]).endswith("_UNSPECIFIED")
    assert kind.values()[0] == 0
