"""`msc serve` as a process of its own, and the demo that it loads."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from msc_live import ManualTime
from typer.testing import CliRunner

from msc_authority.adapters.sql import open_store
from msc_authority.app.replay import ReplayStep
from msc_authority.cli.app import build_app
from msc_authority.cli.demo import prepare_demo
from msc_authority.core.policy import RiskMode, StrategyState
from msc_authority.http.serving import listen
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.settings import Settings, sqlite_url

DEADLINE_S = 60


@contextmanager
def served(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "msc_authority", "serve", "--home", str(home), "--grpc-port", "0", *arguments]
    environment = os.environ | {"MSC_HTTP_PORT": "0"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def stopped(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, ManualTime, list[ReplayStep]]:
    """A demo that was loaded, when, and in which steps."""
    clock, steps = ManualTime(), list[ReplayStep]()
    settings = Settings(home=tmp_path_factory.mktemp("home")).for_demo()
    prepared = prepare_demo(settings, clock, steps.append)
    assert prepared.loaded
    assert prepared.newest_fact_at == clock.now()
    return settings, clock, steps


def test_serve_says_when_it_is_ready_and_ctrl_c_ends_it_with_0(tmp_path: Path) -> None:
    with served(tmp_path, "--json") as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        code, _, err = stopped(process)

    assert ready["event"] == "ready"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", ready["http_url"])
    assert re.fullmatch(r"127\.0\.0\.1:\d+", ready["target"])
    assert (ready["demo"], ready["home"]) == (False, str(tmp_path))
    assert code == 0
    assert "Traceback" not in err


def test_a_port_that_is_taken_ends_with_1_and_names_it(target: str, tmp_path: Path) -> None:
    port = target.rpartition(":")[2]

    result = CliRunner().invoke(build_app(), ["serve", "--home", str(tmp_path), "--grpc-port", port])

    assert result.exit_code == 1
    assert port in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_an_http_port_that_is_taken_ends_with_1_and_says_what_to_do(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        arguments = ["serve", "--home", str(tmp_path), "--grpc-port", "0", "--http-port", port]
        result = CliRunner().invoke(build_app(), arguments)

    assert result.exit_code == 1
    assert f"uses port {port}" in result.stderr.splitlines()[-1]
    assert "--http-port or MSC_HTTP_PORT" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_without_http_the_banner_names_no_page(tmp_path: Path) -> None:
    with served(tmp_path, "--no-http") as process:
        assert process.stdout is not None
        banner = "".join(iter(process.stdout.readline, "Ctrl-C stops it.\n"))

    assert "http://" not in banner


def test_an_address_of_another_machine_ends_with_2_and_says_what_to_check(tmp_path: Path) -> None:
    config = tmp_path / "msc.toml"
    config.write_text('grpc_host = "192.0.2.1"\nallow_plaintext_remote = true\n')

    result = CliRunner().invoke(build_app(), ["serve", "--home", str(tmp_path), "--config", str(config)])

    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("msc: cannot listen on 192.0.2.1:7443: ")
    assert "Check --grpc-host and --grpc-port" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("--grpc-port", "70000"), 2, "grpc_port"),
        (("--evaluation-period-s", "nan"), 2, "evaluation_period_s"),
        (("--grpc-host", "0.0.0.0"), 2, "allow_plaintext_remote"),  # noqa: S104 -- refused
        (("--http-host", "0.0.0.0"), 2, "http_host"),  # noqa: S104 -- refused
        (("--http-port", "70000"), 2, "http_port"),
        (("--log-format", "xml"), 2, "log_format"),
        (("--config", "nowhere.toml"), 2, "nowhere.toml"),
        (("--database-url", "sqlite:///"), 1, "SQLite"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    arguments: tuple[str, ...], code: int, word: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(build_app(), ["serve", "--home", str(tmp_path), *arguments])

    assert result.exit_code == code, result.output
    assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_a_home_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = tmp_path / "msc.toml"
    config.write_text("grpc_port = 0\n")

    result = CliRunner().invoke(
        build_app(), ["serve", "--demo", "--config", str(config), "--home", str(tmp_path / "file")]
    )

    assert result.exit_code == 1
    assert "--home" in result.stderr


def test_the_sample_shows_life_and_ends_with_someone_allowed(
    demo: tuple[Settings, ManualTime, list[ReplayStep]],
) -> None:
    settings, clock, steps = demo

    with open_store(settings.database_url, clock) as store:
        head, ranking = store.policies.head(), store.log.strategies()[0]
        log: list[EvaluationEntry] = store.log.page(None, 5000)

    modes = {entry.verdict.mode_after for entry in log if entry.verdict}
    assert modes == {RiskMode.DEFENSIVE, RiskMode.NORMAL, RiskMode.AGGRESSIVE}
    assert len(log) == len(steps) > 900
    assert head.policy is not None
    assert len(head.policy.content.grants) >= 2
    assert head.policy.content.risk_mode > RiskMode.DEFENSIVE
    assert {row.state for row in ranking} & {StrategyState.BENCHED, StrategyState.SHADOW}


def test_a_second_start_loads_nothing(demo: tuple[Settings, ManualTime, list[ReplayStep]]) -> None:
    settings, clock, _ = demo
    steps: list[ReplayStep] = []

    again = prepare_demo(settings, clock, steps.append)

    assert not again.loaded
    assert steps == []
    assert sorted(file.name for file in settings.home.iterdir()) == ["loading.lock", "msc.db"]


def test_a_load_that_was_cut_off_leaves_no_database_and_the_next_start_begins_anew(tmp_path: Path) -> None:
    settings, clock = Settings(home=tmp_path).for_demo(), ManualTime()

    def cut(step: ReplayStep) -> None:
        if step.number == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_demo(settings, clock, cut)
    assert not (settings.home / "msc.db").exists()

    numbers: list[int] = []

    def cut_at_once(step: ReplayStep) -> None:
        numbers.append(step.number)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_demo(settings, clock, cut_at_once)
    assert numbers == [1]


def test_the_demo_keeps_to_its_own_database(demo: tuple[Settings, ManualTime, list[ReplayStep]]) -> None:
    home = demo[0].home.parent
    real = home / "real.db"
    (home / "msc.toml").write_text('alert_urls = ["https://hooks.example/s3cret"]\n', encoding="utf-8")
    with served(home, "--demo", "--database-url", f"sqlite:///{real}") as process:
        assert process.stdout is not None
        banner = "".join(iter(process.stdout.readline, "Ctrl-C stops it.\n"))
        code, _, err = stopped(process)

    assert code == 0
    assert not real.exists()
    assert "database_url (--database-url) is not used" in err
    assert f"alert_urls ({home / 'msc.toml'}) is not used" in err
    assert "s3cret" not in err
    assert "THIS IS SAMPLE DATA" in banner
    assert sqlite_url(home / "demo") in banner
    assert "grpcurl -plaintext" in banner
    assert re.search(r"http://127\.0\.0\.1:\d+/ +the dashboard", banner)
    assert re.search(r"curl http://127\.0\.0\.1:\d+/api/msc/status", banner)
    assert max(len(line) for line in banner.splitlines() if str(home) not in line and "--target" not in line) <= 80
