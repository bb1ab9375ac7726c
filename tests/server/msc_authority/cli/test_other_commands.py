"""Commands that need no authority: config show, version, replay, help."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from msc_authority.adapters.clock import SystemClock
from msc_authority.cli.app import build_app
from msc_authority.cli.version import versions
from msc_authority.core.facts import EquityPoint, Trade
from msc_authority.sample import sample_facts
from msc_authority.sample.files import csv_text


def msc(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), list(arguments))


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The first days of the sample as files: trades and equity."""
    folder = tmp_path_factory.mktemp("journal")
    facts = sample_facts(SystemClock().now().replace(minute=0, second=0, microsecond=0))
    trades = [fact for fact in facts if isinstance(fact, Trade)][:60]
    equity = [fact for fact in facts if isinstance(fact, EquityPoint)][:400]
    (folder / "trades.csv").write_text(csv_text(trades))
    (folder / "equity.csv").write_text(csv_text(equity))
    return str(folder / "trades.csv"), str(folder / "equity.csv")


def replayed(journal: tuple[str, str], *arguments: str) -> Result:
    return msc("replay", journal[0], "--equity", journal[1], *arguments)


def test_a_replay_is_the_same_twice_byte_for_byte(journal: tuple[str, str]) -> None:
    for flags in ((), ("--json",), ("--every",)):
        first, second = (replayed(journal, *flags) for _ in range(2))

        assert first.exit_code == 0, first.output
        assert first.stdout_bytes == second.stdout_bytes


def test_a_replay_in_json_has_one_line_an_evaluation_in_the_commissions_names(journal: tuple[str, str]) -> None:
    lines = [json.loads(line) for line in replayed(journal, "--json").stdout.splitlines()]

    names = {"risk_mode", "allowed_strategies", "max_risk_per_trade", "global_min_confidence", "evaluation_metrics"}
    assert len(lines) > 190
    assert all(line.keys() >= names for line in lines)
    assert [line["version"] for line in lines] == sorted(line["version"] for line in lines)
    assert sum(line["facts"] for line in lines) == 460


def test_a_replay_for_people_tells_each_mode_change_with_its_reason(journal: tuple[str, str]) -> None:
    out = replayed(journal).stdout

    assert "DEFENSIVE" in out
    assert "Time in each mode" in out
    assert max(map(len, out.splitlines()[:-3])) <= 80


def test_the_step_of_a_replay_can_be_chosen(journal: tuple[str, str]) -> None:
    halves, hours = (
        len(replayed(journal, "--json", *flags).stdout.splitlines()) for flags in ((), ("--step-minutes", "60"))
    )

    assert halves == pytest.approx(2 * hours, abs=2)


def test_refused_rows_are_listed_and_the_rest_is_replayed(journal: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "trades.csv"
    lines = Path(journal[0]).read_text().splitlines()
    file.write_text("\n".join([*lines[:10], lines[10].replace("BTCUSDT", ""), *lines[11:], ""]))

    result = msc("replay", str(file))

    assert result.exit_code == 1
    assert "trades.csv line 11: symbol" in result.stderr
    assert "59 facts" in result.stdout


@pytest.mark.parametrize(("content", "code"), [(None, 2), (b"", 2), (b"\xff\xfe\x00", 2), (b"a,b\n1,2\n", 2)])
def test_a_file_that_is_no_journal_is_a_usage_error(content: bytes | None, code: int, tmp_path: Path) -> None:
    file = tmp_path / "journal.csv"
    if content is not None:
        file.write_bytes(content)

    result = msc("replay", str(file))

    assert result.exit_code == code
    assert "journal.csv" in result.stderr


def test_config_show_tells_value_and_origin_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "my.toml"
    file.write_text("heartbeat_s = 2\n[decision.modes.normal]\nmax_positions = 9\n")
    monkeypatch.setenv("MSC_DATABASE_URL", "postgresql://msc:hunter2@localhost/msc")

    result = msc("config", "show", "--config", str(file), "--home", str(tmp_path), "--json")

    shown: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == 0
    assert shown["home"] == {"value": str(tmp_path), "origin": "--home"}
    assert shown["heartbeat_s"] == {"value": 2.0, "origin": str(file)}
    assert shown["decision.modes.normal.max_positions"] == {"value": 9, "origin": str(file)}
    assert shown["decision.modes.normal.max_daily_trades"]["origin"] == "default"
    assert shown["database_url"] == {"value": "postgresql://msc:***@localhost/msc", "origin": "MSC_DATABASE_URL"}


def test_config_show_for_people_cuts_nothing_off_and_says_what_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSC_DATABASE_URL", "postgresql://msc:hunter2@localhost/msc")
    monkeypatch.setenv("MSC_REDIS_KEY_PREFIX", "desk:")

    result = msc("config", "show")

    assert "decision.hysteresis.exit_defensive_winrate_fraction = " in result.stdout
    assert "redis_url is not: there is no Redis to keep keys in" in result.stdout
    assert "hunter2" not in result.stdout


def test_a_wrong_configuration_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSC_GRPC_PROT", "1")

    result = msc("config", "show", "--json")

    assert result.exit_code == 2
    assert json.loads(result.stderr)["reason"] == "CONFIGURATION_INVALID"


def test_version_names_what_runs() -> None:
    assert json.loads(msc("version", "--json").stdout) == versions()
    assert msc("version").stdout.startswith(f"msc {versions()['version']} ")


def test_every_command_explains_itself_and_takes_json() -> None:
    commands = (
        *("serve", "status", "watch", "history", "strategies", "health", "evaluate", "replay", "clients", "doctor"),
        *("version", "config show", "journal import", "top", "events", "alerts", "alerts test"),
    )
    for command in commands:
        result = msc(*command.split(), "--help")

        assert result.exit_code == 0
        assert "--json" in result.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    assert msc("statsu").exit_code == 2
