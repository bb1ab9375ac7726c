"""The example clients of other languages build on the generated stubs, and understand what a Python server says."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from msc_policy import v1 as pb

CLIENTS = Path(__file__).resolve().parents[2] / "clients"
DEADLINE_S = 120.0
POLICY = pb.Policy(
    ref=pb.PolicyRef(epoch=2, version=3, etag='"a"'),
    risk_mode=pb.RISK_MODE_NORMAL,
    trading_state=pb.TRADING_STATE_REDUCING,
    allowed_strategies=["TREND_001"],
    max_risk_per_trade=0.0075,
    strategy_grants=[
        pb.StrategyGrant(strategy_id="TREND_001", state=pb.STRATEGY_STATE_ACTIVE, risk_multiplier=1.0),
    ],
)


class _Authority(pb.PolicyAuthorityServicer):
    def GetPolicy(self, request: pb.GetPolicyRequest, context: object) -> pb.GetPolicyResponse:  # noqa: N802 - the contract's name
        return pb.GetPolicyResponse(policy=POLICY, head=POLICY.ref)

    def WatchPolicy(  # noqa: N802 - the contract's name
        self, request: pb.WatchPolicyRequest, context: object
    ) -> Iterator[pb.WatchPolicyResponse]:
        fresh = pb.Freshness(ttl=Duration(seconds=3600))
        snapshot = pb.Snapshot(policy=POLICY, reason=pb.SNAPSHOT_REASON_INITIAL)
        yield pb.WatchPolicyResponse(head=POLICY.ref, freshness=fresh, snapshot=snapshot)


@pytest.fixture
def port() -> Iterator[int]:
    """Where an authority in Python listens."""
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    pb.add_PolicyAuthorityServicer_to_server(_Authority(), server)  # type: ignore[abstract]  # two methods are called
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(grace=None).wait()


def _run(command: list[str], folder: Path) -> str:
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=DEADLINE_S, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def _first_line(command: list[str], folder: Path) -> str:
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            return process.stdout.readline()
        finally:
            process.kill()


def _prepare(command: list[str], folder: Path) -> None:
    """Fetches dependencies; a machine that has no way to get them skips, unless toolchains are required."""
    if shutil.which(command[0]) is None:
        _give_up(f"{command[0]} is not installed")
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        _give_up(f"`{' '.join(command)}` failed: {result.stderr.strip()}")


def _give_up(reason: str) -> None:
    if os.environ.get("MSC_REQUIRE_TOOLCHAINS") == "1":
        pytest.fail(f"{reason}, and MSC_REQUIRE_TOOLCHAINS=1 asks for it")
    pytest.skip(reason)


def test_the_go_client_is_sound_and_follows_a_python_server(port: int, tmp_path: Path) -> None:
    folder = CLIENTS / "go"
    example = str(tmp_path / "example")
    _prepare(["go", "mod", "download"], folder)

    assert not _run(["gofmt", "-l", "."], folder)
    _run(["go", "vet", "./..."], folder)
    _run(["go", "test", "-count=1", "./..."], folder)
    _run(["go", "build", "-o", example, "./example"], folder)
    once = _run([example, "-target", f"127.0.0.1:{port}", "-once"], folder)
    watched = _first_line([example, "-target", f"127.0.0.1:{port}"], folder)

    assert once == watched
    assert "epoch=2 version=3 risk_mode=RISK_MODE_NORMAL trading_state=TRADING_STATE_REDUCING" in watched
    assert "max_risk_per_trade=0.0075 strategies=1" in watched


def test_the_typescript_client_is_sound_and_follows_a_python_server(port: int) -> None:
    folder = CLIENTS / "typescript"
    _prepare(["node", "--version"], folder)
    if not (folder / "node_modules" / ".package-lock.json").is_file():
        _prepare(["npm", "ci"], folder)

    _run(["npm", "test"], folder)
    watched = _first_line(["node", "dist/clients/typescript/src/example.js", f"http://127.0.0.1:{port}"], folder)

    assert "epoch=2 version=3 risk_mode=NORMAL trading_state=REDUCING" in watched
    assert "max_risk_per_trade=0.0075 strategies=1" in watched


@pytest.mark.parametrize(("required", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_toolchain_that_is_missing_is_named_and_fails_only_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, required: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("MSC_REQUIRE_TOOLCHAINS", required)

    with pytest.raises(outcome, match="no-such-compiler is not installed"):
        _prepare(["no-such-compiler"], CLIENTS)
