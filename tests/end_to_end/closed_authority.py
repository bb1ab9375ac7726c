"""An authority that lets nobody in without a token, and what is needed to get in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import grpc
from process_harness import AuthorityProcess, clean_environment

from msc_policy import v1 as pb

CLOSED = {"MSC_LOOPBACK_ROLE": "none"}
GIVEN_OUT: list[str] = []
"""The secrets of all tokens that were made, to look for."""


def msc(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of the authority's."""
    return subprocess.run(
        [sys.executable, "-m", "msc_authority", *arguments],
        env=clean_environment(home, **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def a_token(home: Path, name: str, role: str) -> dict[str, str]:
    """Makes a token, as an operator does."""
    made = msc(home, "token", "create", name, "--role", role, "--json")
    assert made.returncode == 0, made.stderr
    token: dict[str, str] = json.loads(made.stdout)
    GIVEN_OUT.append(token["token"].split("_", 2)[2])
    return token


def refuses(authority: AuthorityProcess) -> bool:
    """Whether it answers, that it wants a token."""
    with authority.stub() as stub:
        try:
            stub.GetPolicy(pb.GetPolicyRequest(), timeout=1)
        except grpc.RpcError as error:
            return bool(error.code() is grpc.StatusCode.UNAUTHENTICATED)
    return False
