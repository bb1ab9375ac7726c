"""The small parts: plan, pace, symbols, market watch, home, journal's witness, simulated venue."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from loop_builders import T0, a_plan, candle

from msc_authority.compose.parts import valid_for_s
from msc_authority.rpc.watch import HEARTBEAT_JITTER, heartbeat_interval
from msc_client import EquityPoint
from msc_client.facts import Fact
from msc_loop.authority_process import Start, settings_of
from msc_loop.exchange_process import config_of
from msc_loop.executor_process import executor_id_of
from msc_loop.home import HomeUnusable, fresh_home
from msc_loop.market_watch import MarketWatch
from msc_loop.pace import REAL_GRACE_S, client_config, executor_config, guard_config, pace_at, venue_config
from msc_loop.plan import MADE_UP_START, WARM_UP, Addresses, LoopPlan, first_instant
from msc_loop.run import equity_at
from msc_loop.symbols import SYMBOLS, spec_of
from msc_loop.watched_journal import WatchedJournal
from msc_trading.market import MINUTE
from msc_trading.orchestrator import Regime, Volatility
from msc_trading.strategies import strategy_set

ADDRESSES = Addresses(target="127.0.0.1:7443", rest_url="http://127.0.0.1:1", stream_url="ws://127.0.0.1:1/")


def candle_file(folder: Path) -> Path:
    path = folder / "bars.csv.gz"
    rows = "\n".join(f"{(T0 + n * MINUTE).isoformat()},100,101,99,100,5" for n in range(5))
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("timestamp,open,high,low,close,volume\n" + rows + "\n")
    return path


class TestPlan:
    @pytest.mark.parametrize("changes", [{}, {"candles": Path("/a/b.csv"), "config": Path("/c.toml")}])
    def test_reaches_other_processes_whole(self, changes: dict[str, object]) -> None:
        made = a_plan(**changes)

        assert LoopPlan.from_json(made.as_json()) == made
        assert "\n" not in made.as_json()

    def test_addresses_reach_other_processes_whole(self) -> None:
        assert Addresses.from_json(ADDRESSES.as_json()) == ADDRESSES

    @pytest.mark.parametrize("http_port", [None, 0, 8000])
    def test_the_authority_s_start_reaches_it_whole(self, http_port: int | None) -> None:
        start = Start(started_at=T0, port=7443, http_port=http_port)

        assert Start.from_json(start.as_json()) == start

    def test_every_process_makes_up_the_same_candles(self) -> None:
        for symbol in SYMBOLS:
            first, second = (list(islice(a_plan().feed(symbol), 50)) for _ in range(2))
            assert first == second
            assert first[0].open_time == MADE_UP_START

    def test_a_file_is_bitcoin_s_and_the_others_are_made_up_from_its_start(self, tmp_path: Path) -> None:
        file = candle_file(tmp_path)
        made = a_plan(candles=file, start=first_instant(file))

        assert [one.close for one in made.feed("BTCUSDT")] == [Decimal(100)] * 5
        assert next(made.feed("ETHUSDT")).open_time == T0

    def test_history_ends_where_candles_have_not_ended(self) -> None:
        until = MADE_UP_START + timedelta(minutes=2, seconds=59)

        assert len(list(a_plan().history("BTCUSDT", until))) == 2

    def test_a_file_without_candles_is_refused(self, tmp_path: Path) -> None:
        empty = tmp_path / "empty.csv"
        empty.write_text("timestamp,open,high,low,close,volume\n", encoding="utf-8")

        with pytest.raises(ValueError, match="no candles"):
            first_instant(empty)

    def test_the_warm_up_is_enough_for_every_strategy(self) -> None:
        assert all(strategy.warmup_minutes * MINUTE <= WARM_UP for strategy in strategy_set())


class TestPace:
    def test_real_time_keeps_every_limit_as_it_is(self) -> None:
        pace, usual = (
            pace_at(1.0),
            executor_config(pace_at(1.0), executor_id="e", symbol="BTCUSDT", state_file=Path("s"), first=True),
        )

        assert (pace.price_age_s, pace.account_age_s, pace.signal_age_s) == (5.0, 60.0, 120.0)
        assert (usual.account_every_s, usual.tick_s) == (15.0, 0.25)

    @pytest.mark.parametrize("speed", [1.0, 10.0, 60.0, 480.0, 1440.0, 10_000.0])
    def test_faster_is_never_looser(self, speed: float) -> None:
        pace, real = pace_at(speed), pace_at(1.0)

        assert pace.price_age_s <= real.price_age_s
        assert pace.account_age_s <= real.account_age_s
        assert pace.account_every_s < pace.account_age_s
        assert pace.tick_s > 0

    def test_a_signal_gets_one_real_second(self) -> None:
        assert pace_at(1440.0).signal_age_s == REAL_GRACE_S * 1440

    def test_only_the_first_executor_tells_the_equity(self) -> None:
        first, second = (
            executor_config(pace_at(60), executor_id=executor_id_of(s), symbol=s, state_file=Path(s), first=s == "A")
            for s in "AB"
        )

        assert (first.records_equity, second.records_equity) == (True, False)
        assert first.executor_id != second.executor_id

    def test_the_guard_pays_the_exchange_s_fee(self) -> None:
        guard = guard_config(pace_at(1440), Decimal(1000))

        assert all(spec_of(symbol).taker_fee <= guard.fee_rate for symbol in SYMBOLS)
        assert guard.max_order_notional == 4000

    @pytest.mark.parametrize("speed", [1.0, 10.0, 60.0, 480.0, 1440.0, 1441.0, 2400.0, 10_000.0, 1e6])
    def test_what_is_left_of_a_policy_stays_above_the_alarm_as_long_as_the_authority_evaluates(
        self, speed: float, tmp_path: Path
    ) -> None:
        settings = settings_of(a_plan(home=tmp_path, speed=speed), Start(started_at=T0, port=1, http_port=None))
        client = client_config(speed)
        heartbeat_s = heartbeat_interval(client.heartbeat_interval_s, settings.heartbeat_s) * HEARTBEAT_JITTER[1]

        period_s, valid_s = settings.evaluation_period_s / speed, valid_for_s(settings) / speed
        left_s = valid_s - period_s - heartbeat_s

        assert client.heartbeat_interval_s == settings.heartbeat_s
        assert left_s - client.ttl_alert_s > 0.5
        # Half a period late, a busy authority is still in time.
        assert left_s > period_s / 2
        assert client.ttl_alert_s >= 0.25

    def test_evaluations_come_every_thirty_minutes_up_to_the_usual_speed(self, tmp_path: Path) -> None:
        start = Start(started_at=T0, port=1, http_port=None)
        periods = [settings_of(a_plan(home=tmp_path, speed=s), start).evaluation_period_s for s in (1, 60, 1440, 2880)]

        assert periods == [1800, 1800, 1800, 3600]

    def test_client_and_venue_go_by_the_speed(self) -> None:
        assert client_config(1440).ttl_alert_s < 3600 / 1440 / 4
        assert venue_config(1440, ADDRESSES).time_scale == 1440


class TestSymbols:
    def test_each_is_listed_with_its_own_name(self) -> None:
        config = config_of(a_plan())

        assert [spec.symbol for spec in config.symbols] == list(SYMBOLS)
        assert [spec.base_asset for spec in config.symbols] == ["BTC", "ETH", "SOL"]
        assert (config.paused, config.speed, config.origin) == (True, 1440.0, a_plan().origin)

    def test_made_up_prices_lie_on_ticks_and_within_the_filters(self) -> None:
        for symbol in SYMBOLS:
            spec = spec_of(symbol)
            for one in islice(a_plan().feed(symbol), 300):
                assert one.close % spec.tick_size == 0
                assert spec.min_price < one.close < spec.max_price


class TestMarketWatch:
    def test_knows_nothing_of_a_market_that_it_has_hardly_seen(self) -> None:
        watch = MarketWatch("BTCUSDT")
        for number in range(60):
            watch.take(candle(number))

        assert (watch.state().volatility, watch.state().regime) == (Volatility.UNKNOWN, Regime.UNKNOWN)
        assert list(watch.state().symbols) == ["BTCUSDT"]

    @pytest.mark.parametrize(
        ("step", "level"),
        [
            (0.0001, Volatility.LOW),
            (0.001, Volatility.NORMAL),
            (0.003, Volatility.HIGH),
            (0.006, Volatility.EXTREME),
        ],
    )
    def test_tells_how_wild_it_is(self, step: float, level: Volatility) -> None:
        watch = MarketWatch("BTCUSDT")
        for number in range(241):
            watch.take(candle(number, str(1000 * (1 + step * (number % 2)))))

        assert (watch.state().volatility, watch.state().regime) == (level, Regime.RANGE)

    @pytest.mark.parametrize(
        ("minute", "regime"),
        [("0.2", Regime.TREND_UP), ("-0.1", Regime.TREND_DOWN), ("-0.3", Regime.CRASH)],
    )
    def test_tells_which_way_it_goes(self, minute: str, regime: Regime) -> None:
        watch = MarketWatch("BTCUSDT")
        for number in range(241):
            watch.take(candle(number, str(1000 + Decimal(minute) * number)))

        assert watch.state().regime is regime


class TestHome:
    def test_a_run_begins_anew_and_keeps_what_is_not_its_own(self, tmp_path: Path) -> None:
        home = tmp_path / "loop"
        with fresh_home(home):
            (home / "msc.db").touch()
            (home / "msc.db-wal").touch()
            (home / "executors" / "BTCUSDT").mkdir(parents=True)
            (home / "quantum_trader.log").touch()
            (home / "notes.txt").touch()

        with fresh_home(home):
            assert not (home / "msc.db").exists()
            assert not (home / "msc.db-wal").exists()
            assert not (home / "executors").exists()
            assert not (home / "quantum_trader.log").exists()
            assert (home / "notes.txt").exists()

    def test_a_folder_of_something_else_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "msc.db").write_text("precious", encoding="utf-8")

        with pytest.raises(HomeUnusable, match="choose another home"), fresh_home(tmp_path):
            pass

        assert (tmp_path / "msc.db").read_text(encoding="utf-8") == "precious"

    def test_a_second_run_is_refused(self, tmp_path: Path) -> None:
        with (
            fresh_home(tmp_path / "loop"),
            pytest.raises(HomeUnusable, match="another run"),
            fresh_home(tmp_path / "loop"),
        ):
            pass


class TestTheAuthority:
    @pytest.fixture
    def plan(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoopPlan:
        monkeypatch.setenv("MSC_ALERT_URLS", "https://pager.example/hook")
        monkeypatch.setenv("MSC_HTTP_HOST", "192.0.2.1")
        monkeypatch.setenv("MSC_ALLOW_PLAINTEXT_REMOTE", "true")
        return a_plan(home=tmp_path)

    def test_listens_on_this_machine_alone_where_it_is_told_to(self, plan: LoopPlan) -> None:
        settings = settings_of(plan, Start(started_at=T0, port=1, http_port=2))

        assert (settings.grpc_host, settings.grpc_port) == ("127.0.0.1", 1)
        assert (settings.serve_http, settings.http_host, settings.http_port) == (True, "127.0.0.1", 2)

    def test_serves_no_http_without_a_port(self, plan: LoopPlan) -> None:
        assert not settings_of(plan, Start(started_at=T0, port=1, http_port=None)).serve_http

    def test_wakes_nobody_for_money_that_is_not_there(self, plan: LoopPlan) -> None:
        assert settings_of(plan, Start(started_at=T0, port=1, http_port=None)).alert_urls == ()


class TestTheSharedLog:
    def test_has_whole_lines_of_every_process_with_its_name_and_the_instant_in_utc(self, tmp_path: Path) -> None:
        log = tmp_path / "quantum_trader.log"
        program = (
            "import logging, sys; from pathlib import Path; from msc_loop.child import log_to_shared, log_to_stderr\n"
            "log_to_stderr(); log_to_shared(Path(sys.argv[1]), sys.argv[2])\n"
            "[logging.getLogger('x').warning('[MSC AI] BLOCKED: %s', 'y' * 300) for _ in range(200)]"
        )
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", program, str(log), name],
                env={**os.environ, "TZ": "Asia/Tokyo"},
                stderr=subprocess.DEVNULL,
            )
            for name in ("BTCUSDT", "ETHUSDT")
        ]
        assert [writer.wait(30) for writer in writers] == [0, 0]

        lines = log.read_text(encoding="utf-8").splitlines()
        whole = re.compile(r"(BTCUSDT|ETHUSDT)   (\S+)Z WARNING  x: \[MSC AI\] BLOCKED: y{300}")
        found = [whole.fullmatch(line) for line in lines]
        assert len(found) == 400
        assert all(found)
        last = found[-1]
        assert last is not None
        written = datetime.fromisoformat(last[2] + "+00:00")
        assert abs(datetime.fromtimestamp(log.stat().st_mtime, tz=UTC) - written) < timedelta(hours=1)


def test_who_watches_the_journal_sees_what_it_took_and_nothing_else() -> None:
    class Pen:
        def write(self, fact: Fact) -> int:
            if isinstance(fact, EquityPoint) and fact.wallet_balance == 0:
                raise ValueError("refused")
            return 7

        def flush(self, timeout_s: float) -> bool:
            return timeout_s > 1

    seen = list[Fact]()
    journal = WatchedJournal(Pen(), seen.append)
    fact = EquityPoint(
        account="a", at=datetime(2026, 1, 1, tzinfo=UTC), wallet_balance=Decimal(1), unrealized_pnl=Decimal(0)
    )

    assert (journal.write(fact), journal.flush(2), journal.flush(1)) == (7, True, False)
    with pytest.raises(ValueError, match="refused"):
        journal.write(replace(fact, wallet_balance=Decimal(0)))
    assert seen == [fact]


def test_equity_is_the_wallet_and_what_is_open_at_the_last_price() -> None:
    def told(side: str, qty: str, price: str, realized: str) -> dict[str, object]:
        return {"symbol": "BTCUSDT", "side": side, "qty": qty, "price": price, "realizedPnl": realized}

    trades = [told("BUY", "3", "100", "0"), told("SELL", "1", "110", "10")]
    status: dict[str, object] = {"wallet": "1010", "prices": {"BTCUSDT": "95"}}

    assert equity_at(status, trades) == 1000
    assert equity_at(status, []) == 1010
