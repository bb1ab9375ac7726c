"""Where people are told to look: what is printed works as it is printed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from loop_builders import a_plan

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_loop.looking import RECENT_POLICIES, query, where_to_look


def test_where_everything_listens_as_usual_no_command_needs_an_address() -> None:
    plan = a_plan(home=Path("/data/loop"))

    lines = list(where_to_look(plan, "127.0.0.1:7443", "http://127.0.0.1:8000"))

    assert lines[:5] == [
        "dashboard  http://127.0.0.1:8000/",
        "REST       curl http://127.0.0.1:8000/api/msc/status",
        "terminal   msc top; msc alerts; msc events --follow",
        "gRPC       msc status; msc watch; grpcurl -plaintext 127.0.0.1:7443 list",
        "log        grep 'MSC AI' /data/loop/quantum_trader.log",
    ]
    assert "/data/loop/msc.db" in lines[5]


def test_other_addresses_are_in_the_commands_and_without_http_there_is_no_page() -> None:
    lines = "\n".join(where_to_look(a_plan(), "127.0.0.1:7444", "http://127.0.0.1:8001"))
    assert "msc top --url http://127.0.0.1:8001; msc alerts --url http://127.0.0.1:8001" in lines
    assert "msc status --target 127.0.0.1:7444" in lines

    without = "\n".join(where_to_look(a_plan(), "127.0.0.1:7444", None))
    assert "dashboard" not in without
    assert "msc top" not in without


@pytest.mark.parametrize("found", ["/usr/bin/sqlite3", None], ids=["sqlite3", "python"])
def test_the_query_runs_on_the_database_of_the_run(
    found: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = a_plan(home=tmp_path / "it's a home")
    plan.home.mkdir()
    open_store(plan.database_url, SystemClock()).close()
    if found and subprocess.run(["bash", "-c", "command -v sqlite3"], capture_output=True, check=False).returncode:
        pytest.skip("there is no sqlite3 on this machine")
    monkeypatch.setattr("shutil.which", lambda name: found if name == "sqlite3" else None)

    command = query(plan, RECENT_POLICIES.replace("created_at, risk_mode", "count(*), 'it', risk_mode"))
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)

    assert done.stdout.strip() in {"0|it|||", "(0, 'it', None, None, None)"}
