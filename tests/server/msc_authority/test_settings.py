"""Configuration: which layer wins, what is refused, and how the refusal helps."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.core.config import DecisionConfig
from msc_authority.settings import ConfigurationError, Settings, load, sqlite_url
from msc_authority.settings_table import build_table, flatten_table, table_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "msc.toml"


def load_file(file: Path, text: str) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load(config=file, environ={}).settings


def problem(file: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_file(file, text)
    return str(caught.value)


def test_defaults_listen_on_loopback_and_keep_the_database_in_home(tmp_path: Path) -> None:
    settings = load(environ={"MSC_HOME": str(tmp_path)}).settings

    assert settings.target == "127.0.0.1:7443"
    assert settings.database_url == f"sqlite:///{tmp_path}/msc.db"
    assert settings.evaluation_period_s == 1800.0
    assert settings.decision == DecisionConfig()


def test_flags_win_over_environment_over_file_over_defaults(file: Path) -> None:
    file.write_text("grpc_port = 1001\nheartbeat_s = 2\nmax_watchers = 7\n", encoding="utf-8")
    environ = {"MSC_GRPC_PORT": "1002", "MSC_HEARTBEAT_S": "3"}

    loaded = load(config=file, environ=environ, flags={"grpc_port": 1003, "grpc_host": None})

    assert (loaded.settings.grpc_port, loaded.settings.heartbeat_s, loaded.settings.max_watchers) == (1003, 3.0, 7)
    assert loaded.origins == {
        "grpc_port": "--grpc-port",
        "heartbeat_s": "MSC_HEARTBEAT_S",
        "max_watchers": str(file),
    }


def test_the_file_in_home_is_found(tmp_path: Path) -> None:
    (tmp_path / "msc.toml").write_text("grpc_port = 1001\n", encoding="utf-8")

    assert load(environ={"MSC_HOME": str(tmp_path)}).settings.grpc_port == 1001
    assert load(environ={}, flags={"home": tmp_path}).settings.grpc_port == 1001


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such file; check --config"):
        load(config=tmp_path / "other.toml", environ={})


def test_the_file_found_through_home_cannot_move_home(tmp_path: Path) -> None:
    (tmp_path / "msc.toml").write_text(f'home = "{tmp_path}/elsewhere"\n', encoding="utf-8")

    with pytest.raises(ConfigurationError, match="use MSC_HOME or --home"):
        load(environ={"MSC_HOME": str(tmp_path)})


@pytest.mark.parametrize("text", ["grpc_port = ", "\x00", "[decision\n"])
def test_a_file_that_is_not_toml_is_named_in_the_error(file: Path, text: str) -> None:
    assert problem(file, text).startswith(f"{file}: cannot be read: ")


def test_a_file_in_another_encoding_is_an_error(file: Path) -> None:
    file.write_bytes('log_level = "é"\n'.encode("latin-1"))

    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(config=file, environ={})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("grpc_port = 65536", "grpc_port"),
        ("grpc_port = -1", "grpc_port"),
        ("grpc_port = true", "grpc_port"),
        ("evaluation_period_s = nan", "evaluation_period_s"),
        ("evaluation_period_s = inf", "evaluation_period_s"),
        ("evaluation_period_s = -5", "evaluation_period_s"),
        ("evaluation_period_s = 0", "evaluation_period_s"),
        ("heartbeat_s = 0.5", "heartbeat_s"),
        ("heartbeat_s = 31", "heartbeat_s"),
        ("max_watchers = 0", "max_watchers"),
        ("drain_s = -0.1", "drain_s"),
        ('log_format = "xml"', "log_format"),
        ('log_level = "LOUD"', "log_level"),
        ('database_url = "mysql://localhost/msc"', "database_url"),
        ('database_url = "postgresql://[::1/msc"', "database_url"),
        ('home = ""', "home"),
        ('grpc_host = ""', "grpc_host"),
        ("decision = 3", "decision"),
        ("[decision]\nfacts_max_age_s = nan", "decision.facts_max_age_s"),
        ("[decision.grade]\npoor_drawdown_pct = inf", "decision.grade.poor_drawdown_pct"),
        ('[decision.grade]\npoor_drawdown_pct = "4"', "decision.grade.poor_drawdown_pct"),
        ("[decision.grade]\npoor_drawdown_pct = -4", "poor_drawdown_pct"),
        ("[decision.grade]\nexcellent_min_trades = 1.5", "decision.grade.excellent_min_trades"),
        ("[decision]\ngrade = 1", "decision.grade"),
    ],
)
def test_a_value_outside_sense_is_refused_with_its_key(file: Path, text: str, key: str) -> None:
    assert key in problem(file, text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("grcp_port = 1", "did you mean grpc_port"),
        ("colour = 1", "unknown key"),
        ("[decision]\nfacts_max_age = 1", "decision.facts_max_age: unknown key; did you mean facts_max_age_s"),
        ("[decision.grade]\npoor_drawdown = 1", "did you mean poor_drawdown_pct"),
    ],
)
def test_an_unknown_key_in_the_file_is_an_error_with_its_neighbour(file: Path, text: str, hint: str) -> None:
    assert hint in problem(file, text)


def test_an_unknown_variable_is_an_error_with_its_neighbour() -> None:
    with pytest.raises(ConfigurationError, match=r"MSC_GRPC_PROT: unknown variable; did you mean MSC_GRPC_PORT"):
        load(environ={"MSC_GRPC_PROT": "1"})


def test_the_decision_model_is_not_set_by_variables() -> None:
    with pytest.raises(ConfigurationError, match=r"\[decision\] table"):
        load(environ={"MSC_DECISION__GRADE": "{}"})


def test_variables_of_other_parts_and_empty_ones_are_passed_over(tmp_path: Path) -> None:
    environ = {
        "MSC_HOME": str(tmp_path),
        "MSC_TARGET": "x:1",
        "MSC_URL": "http://x:1",
        "MSC_REQUIRE_TOOLCHAINS": "1",
        "MSC_DATABASE_URL": "",
    }

    assert load(environ=environ).settings.database_url == sqlite_url(tmp_path)


def test_every_problem_is_told_at_once(file: Path) -> None:
    text = problem(file, "grpc_port = -1\nheartbeat_s = nan\ncolour = 1\n")

    assert all(key in text for key in ("grpc_port", "heartbeat_s", "colour"))
    assert str(file) in text


def test_a_nested_table_changes_only_what_it_names(file: Path) -> None:
    settings = load_file(file, "[decision.modes.normal]\nmax_positions = 9\n")

    assert settings.decision.modes.normal.max_positions == 9
    assert settings.decision.modes.normal.max_daily_trades == DecisionConfig().modes.normal.max_daily_trades
    assert settings.decision.modes.aggressive == DecisionConfig().modes.aggressive
    assert load(config=file, environ={}).origins == {"decision.modes.normal.max_positions": str(file)}


def test_limits_that_contradict_each_other_are_refused(file: Path) -> None:
    assert "max_positions" in problem(file, "[decision.modes.normal]\nmax_positions = 99\n")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "msc.example"])  # noqa: S104 - refused
def test_plaintext_beyond_this_machine_needs_an_explicit_word(host: str, tmp_path: Path) -> None:
    environ = {"MSC_HOME": str(tmp_path), "MSC_GRPC_HOST": host}
    with pytest.raises(ConfigurationError, match="allow_plaintext_remote"):
        load(environ=environ)

    allowed = load(environ={**environ, "MSC_ALLOW_PLAINTEXT_REMOTE": "true"}).settings

    assert allowed.grpc_host == host


@pytest.mark.parametrize(
    ("host", "target"), [("localhost", "localhost:7443"), ("127.0.0.2", "127.0.0.2:7443"), ("::1", "[::1]:7443")]
)
def test_loopback_addresses_are_fine(host: str, target: str) -> None:
    assert Settings(grpc_host=host).target == target


def test_what_has_no_effect_is_said(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).notices() == ()
    assert Settings(home=tmp_path, redis_url="redis://localhost", redis_key_prefix="desk:").notices() == ()
    notices = Settings(home=tmp_path, redis_key_prefix="desk:").notices()

    assert [notice.split(" ", maxsplit=1)[0] for notice in notices] == ["redis_key_prefix"]


def test_the_demo_has_a_home_and_a_database_of_its_own(tmp_path: Path) -> None:
    demo = Settings(home=tmp_path, database_url="postgresql://localhost/real", grpc_port=7000).for_demo()

    assert demo.home == tmp_path / "demo"
    assert demo.database_url == f"sqlite:///{tmp_path}/demo/msc.db"
    assert demo.grpc_port == 7000


def test_neither_alerts_nor_the_policy_of_the_sample_leave_the_demo(tmp_path: Path) -> None:
    given = Settings(home=tmp_path, alert_urls=("https://hooks.example/x",), redis_url="redis://localhost")
    assert (given.for_demo().alert_urls, given.for_demo().redis_url) == ((), None)


def test_a_password_in_the_address_of_redis_is_in_no_text_of_ours(tmp_path: Path) -> None:
    assert "hunter2" not in repr(Settings(home=tmp_path, redis_url="redis://:hunter2@localhost"))
    with pytest.raises(ConfigurationError) as raised:
        load(environ={"MSC_HOME": str(tmp_path), "MSC_REDIS_URL": "redsi://:hunter2@localhost"})
    assert "redis_url (from MSC_REDIS_URL): must be redis://HOST" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_settings_made_directly_read_no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MSC_GRPC_PORT", "1")

    assert Settings(home=tmp_path).grpc_port == 7443


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings(home=tmp_path).grpc_port = 1


def test_the_decision_model_survives_a_round_trip_through_tables() -> None:
    assert build_table(DecisionConfig(), table_of(DecisionConfig()), "decision") == DecisionConfig()
    assert len(list(flatten_table(table_of(DecisionConfig()), "decision"))) > 50


@given(st.one_of(st.floats(), st.integers(), st.text(max_size=5), st.booleans(), st.none(), st.lists(st.integers())))
def test_any_value_of_a_number_is_taken_as_it_is_or_refused_by_name(value: object) -> None:
    try:
        built = build_table(DecisionConfig(), {"facts_max_age_s": value}, "decision")
    except ValueError as error:
        assert "facts_max_age_s" in str(error)
    else:
        assert isinstance(value, int | float)
        assert not isinstance(value, bool)
        assert built.facts_max_age_s == float(value)
