"""The command line that trades, beside the authority's."""

from __future__ import annotations

import io
import json
import socket
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from loop_builders import Made, accepted, blocked, equity, fill, trade
from typer.testing import CliRunner

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.core.facts import Execution
from msc_authority.settings import sqlite_url
from msc_loop.cli import needs
from msc_loop.cli.app import build_app
from msc_loop.journal import count_fills, read_journal
from msc_loop.run import LoopState
from msc_loop.view import plain_line, render
from msc_trading.market import Candle, generated_candles

runner = CliRunner()


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    path = tmp_path / "bars.csv"
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [_row(one) for one in islice(generated_candles("BTCUSDT", seed=3, start=start), 600)]
    path.write_text("timestamp,open,high,low,close,volume\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def _row(one: Candle) -> str:
    return f"{one.open_time.isoformat()},{one.open},{one.high},{one.low},{one.close},{one.volume}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def journalled(home: Path, *facts: Execution) -> str:
    """Returns the URL of a database that holds these facts, and no policy."""
    home.mkdir()
    url = sqlite_url(home)
    with open_store(url, SystemClock()) as store:
        assert store.journal.record([*facts, trade("5"), equity(0, "100")]).refused == ()
    return url


def run(*words: str) -> tuple[int, str, str]:
    result = runner.invoke(build_app(), words)
    return result.exit_code, result.stdout, result.stderr


def test_the_authority_s_commands_and_those_that_trade_are_one_program() -> None:
    code, out, _ = run("--help")

    assert code == 0
    assert all(f" {name} " in out for name in ("serve", "status", "loop", "backtest", "audit", "paper"))


class TestBacktest:
    def test_prints_both_sides(self, bars: Path) -> None:
        code, out, _ = run("backtest", str(bars))

        assert code == 0
        assert "controller      fixed NORMAL" in out
        assert "BTCUSDT: 600 candles" in out

    def test_is_the_same_as_json(self, bars: Path) -> None:
        code, out, _ = run("backtest", str(bars), "--symbol", "XUSDT", "--json")
        document = json.loads(out)

        assert code == 0
        assert (document["symbols"], document["candles"]) == (["XUSDT"], 600)
        assert set(document["controlled"]) == set(document["fixed"])
        assert document["fixed"]["policy_versions"] == 1

    def test_says_what_is_wrong_with_a_file(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.csv"
        broken.write_text("timestamp,open,high,low,close,volume\n2026-01-01,1,2,3,x,5\n", encoding="utf-8")

        assert run("backtest", str(broken))[0] == 2
        assert run("backtest", str(tmp_path / "none.csv"))[0] == 2


class TestWhatIsMissing:
    @pytest.mark.parametrize("words", [("loop",), ("paper", "serve")])
    def test_is_named_with_what_to_do(self, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(needs, "find_spec", lambda _: None)

        code, _, err = run(*words)

        assert code == 2
        assert "not installed; pip install 'meta-strategy-controller[trading]'" in err

    def test_is_nothing_for_a_backtest(self, bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(needs, "find_spec", lambda _: None)

        assert run("backtest", str(bars))[0] == 0


class TestLoop:
    def test_refuses_a_home_of_something_else(self, home: Path) -> None:
        (home / "loop").mkdir(parents=True)
        (home / "loop" / "precious").touch()

        code, _, err = run("loop", "--home", str(home), "--days", "0.1", "--port", "0")

        assert (code, (home / "loop" / "precious").exists()) == (1, True)
        assert "choose another home" in err

    def test_names_the_http_port_that_is_taken_and_leaves_nobody_behind(self, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            words = ("--home", str(home), "--port", "0", "--http-port", str(port), "--executors", "1")
            code, _, err = run("loop", *words)

        assert code == 1
        assert f"another program uses port {port}" in err
        assert "--http-port" in err

    def test_names_a_file_that_it_cannot_read(self, home: Path) -> None:
        code, _, err = run("loop", "--home", str(home), "--candles", str(home / "none.csv"))

        assert code == 2
        assert "--candles" in err


class TestPaper:
    @pytest.mark.parametrize(
        ("option", "value"), [("--candles", "BTCUSDT"), ("--start", "yesterday"), ("--balance", "much")]
    )
    def test_names_what_it_cannot_use(self, option: str, value: str) -> None:
        code, _, err = run("paper", "serve", option, value)

        assert code == 2
        assert f"{option} {value}: write" in err


class TestAudit:
    def test_of_a_journal_with_nothing_to_find_is_good(self, home: Path) -> None:
        journalled(home, blocked())

        code, out, _ = run("audit", "--home", str(home))

        assert code == 0
        assert "Audit: no violation; 0 entries and 0 reductions sent, 1 refused, 0 revisions" in out

    def test_ends_with_1_and_names_what_it_found(self, home: Path) -> None:
        url = journalled(home, accepted(Made(ref=None)))

        code, out, _ = run("audit", "--database-url", url, "--json")
        document = json.loads(out)

        assert (code, document["clean"]) == (1, False)
        assert [one["rule"] for one in document["violations"]] == ["REVISION_UNKNOWN"]

    def test_of_orders_may_be_asked_for_by_name(self, home: Path) -> None:
        url = journalled(home, accepted(Made(ref=None)))

        assert run("audit", "orders", "--database-url", url) == run("audit", "--database-url", url)

    def test_of_the_log_stands_beside_that_of_orders(self, home: Path) -> None:
        journalled(home, blocked())

        code, out, _ = run("audit", "verify", "--home", str(home))

        assert code == 0
        assert "The audit log is intact" in out

    def test_takes_options_of_a_named_command_behind_its_name(self, home: Path) -> None:
        code, _, err = run("audit", "--home", str(home), "verify")

        assert code == 2
        assert "write it behind verify" in " ".join(err.split())

    def test_does_not_make_a_database_where_there_is_none(self, home: Path) -> None:
        code, _, err = run("audit", "--home", str(home))

        assert code == 2
        assert "no such database" in err
        assert not home.exists()


def test_a_journal_is_read_as_it_was_written(home: Path) -> None:
    url = journalled(home, accepted(), fill("1"), fill("2"))
    journal = read_journal(url)

    assert journal.executions == (accepted(), fill("1"), fill("2"))
    assert journal.fills == (fill("1"), fill("2"))
    assert (journal.trades, journal.equity, journal.revisions) == ((trade("5"),), (equity(0, "100"),), ())
    assert count_fills(url) == 2


class TestView:
    STATE = LoopState(
        now=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        url="http://127.0.0.1:8000",
        policy={
            "policy": {
                "version": 4,
                "risk_mode": "NORMAL",
                "trading_state": "ACTIVE",
                "allowed_strategies": ["TREND_001"],
                "max_risk_per_trade": 0.0075,
                "global_min_confidence": 0.6,
                "max_positions": 10,
                "max_daily_trades": 30,
            }
        },
        strategies={"strategies": [{"strategy_id": "TREND_001", "state": "PROBATION", "allowed": True, "score": 0.1}]},
        equity=Decimal("1012.5"),
        exchange={"wallet": "1000", "positions": {"BTCUSDT": "0.5"}, "trades": 3},
        executors={
            "BTCUSDT": {
                "ready": True,
                "tier": "FRESH",
                "version": 4,
                "waiting_signals": 0,
                "waiting_facts": 2,
                "positions": {"BTCUSDT": {"strategy": "TREND_001", "direction": "LONG", "quantity": "0.5"}},
            }
        },
    )

    def shown(self, state: LoopState) -> str:
        from rich.console import Console

        console = Console(width=140, record=True, file=io.StringIO())
        console.print(render(state, 1440))
        return console.export_text()

    def test_shows_policy_limits_strategies_positions_and_blocks(self) -> None:
        self.STATE.blocks.append(
            {"at": "2026-01-02 03:03:00+00:00", "symbol": "ETHUSDT", "strategy": "TREND_002", "reason": "SYMBOL_HELD"}
        )
        text = self.shown(self.STATE)

        for words in (
            "http://127.0.0.1:8000",
            "v4 NORMAL ACTIVE",
            "risk 0.75%, confidence 0.60, positions 10, day 30",
            "PROBATION",
            "LONG 0.5 by TREND_001",
            "0 signals, 2 facts",
            "1012.50, wallet 1000.00",
            "03:03:00",
            "SYMBOL_HELD",
        ):
            assert words in text

    def test_says_so_when_nobody_answers(self) -> None:
        state = LoopState(now=datetime(2026, 1, 1, tzinfo=UTC))

        assert "the authority does not answer" in self.shown(state)
        assert "dashboard" not in self.shown(state)
        assert "v? unknown" in plain_line(state)

    def test_is_one_line_without_a_terminal(self) -> None:
        assert plain_line(self.STATE) == (
            "2026-01-02 03:04:00Z  v4 NORMAL  allowed 1  equity 1012.50  BTCUSDT 0.5  fills 3  blocked 0"
        )
