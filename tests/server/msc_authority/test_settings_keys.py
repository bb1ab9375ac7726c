"""Every key of the configuration: its default, and the same value from a file, a variable and a flag."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from msc_authority.core.config import DecisionConfig
from msc_authority.settings import ConfigurationError, Settings, is_loopback, load, sqlite_url
from msc_authority.settings_table import TableError, build_table, flatten_table, table_of


@dataclass(frozen=True, slots=True)
class Key:
    """A key: its default, a value as TOML and as text of a variable, what it means, and values that are refused."""

    name: str
    default: object
    toml: str
    text: str
    value: object
    refused: tuple[str, ...]
    taken: tuple[str, ...] = ()


KEYS = [
    Key(
        "redis_url",
        None,
        '"redis://localhost"',
        "redis://localhost",
        "redis://localhost",
        ("localhost:6379", "http://localhost", "redis://", "redis://localhost:port", "redis://h:65536", "unix://"),
        ("rediss://:secret@[::1]:6380/2", "unix:///run/valkey.sock", "redis://h?socket_timeout=2"),
    ),
    Key(
        "redis_key_prefix",
        "msc:",
        '"{desk}:"',
        "{desk}:",
        "{desk}:",
        ("two words", "star*", "x" * 65),
        ("a", "x" * 64, "a_B-c.9:"),
    ),
    Key("grpc_host", "127.0.0.1", '"localhost"', "localhost", "localhost", ("192.0.2.1",), ("::1", "127.9.9.9")),
    Key("grpc_port", 7443, "7444", "7444", 7444, ("-1", "65536", "1.5", "x"), ("0", "65535")),
    Key("serve_http", True, "false", "false", False, ("perhaps", "2"), ("0", "1", "yes", "no")),
    Key("http_host", "127.0.0.1", '"localhost"', "localhost", "localhost", ("192.0.2.1",), ("::1", "127.9.9.9")),
    Key("http_port", 8000, "8001", "8001", 8001, ("-1", "65536", "x"), ("0", "65535")),
    Key(
        "http_allowed_hosts",
        (),
        '["msc.example", "desk"]',
        "msc.example desk",
        ("msc.example", "desk"),
        ("msc.example:8000", "http://msc.example", "a b/c", "*"),
        ("localhost", "192.0.2.1"),
    ),
    Key(
        "public_url",
        "",
        '"https://msc.example/authority"',
        "https://msc.example/authority",
        "https://msc.example/authority",
        (
            "msc.example",
            "ftp://msc.example",
            "https://",
            "https://h:port",
            "https://u:p@h",
            "https://h/?a",
            "https://h/#a",
        ),
        ("http://192.0.2.1:8000", "https://[::1]/"),
    ),
    Key("allow_plaintext_remote", False, "true", "true", True, ("perhaps", "2"), ("0", "1", "yes", "no", "off")),
    Key(
        "loopback_role",
        "operator",
        '"reader"',
        "reader",
        "reader",
        ("root", "OPERATOR"),
        ("none", "journal", "evaluator"),
    ),
    Key("allow_anonymous_remote", False, "true", "true", True, ("perhaps", "2"), ("0", "1", "yes", "no")),
    Key("remote_role", "reader", '"journal"', "journal", "journal", ("none", "root"), ("evaluator", "operator")),
    Key("max_requests_per_s", 1000.0, "5", "5", 5.0, ("0.9", "1000001", "nan", "x"), ("1", "1000000")),
    Key("max_streams", 30_000, "7", "7", 7, ("0", "1000001", "2.5"), ("1", "1000000")),
    Key(
        "advertised_address",
        "",
        '"one.example:7443"',
        "one.example:7443",
        "one.example:7443",
        ("one.example", "a b:1", ":7443"),
        ("[::1]:7443",),
    ),
    Key("lease_ttl_s", 5.0, "10", "10", 10.0, ("0.9", "86400.1", "nan", "x"), ("1", "86400")),
    Key(
        "evaluation_period_s",
        1800.0,
        "60",
        "60",
        60.0,
        ("0", "0.99", "-1", "nan", "inf", "86400.1", "x"),
        ("1", "86400"),
    ),
    Key("heartbeat_s", 5.0, "2.5", "2.5", 2.5, ("0.99", "30.1", "nan", "x"), ("1", "30")),
    Key("max_watchers", 10_000, "7", "7", 7, ("0", "1000001", "2.5"), ("1", "1000000")),
    Key("drain_s", 1.0, "0.5", "0.5", 0.5, ("-0.1", "1.41", "nan"), ("0", "1.4")),
    Key(
        "alert_urls",
        (),
        '["https://hooks.example/a", "json://hooks.example/b"]',
        "https://hooks.example/a\n json://hooks.example/b",
        ("https://hooks.example/a", "json://hooks.example/b"),
        ("hooks.example", "gopher://hooks.example", "https://", "https://h:port/x", "tgram://only"),
        ("http://127.0.0.1:9/x", "mailto://user:pass@mail.example"),
    ),
    Key("alert_min_severity", "warning", '"critical"', "critical", "critical", ("info", "CRITICAL"), ("warning",)),
    Key("log_format", "human", '"json"', "json", "json", ("xml", "JSON")),
    Key("auto_migrate", None, "false", "false", False, ("perhaps", "2"), ("0", "1", "yes", "no")),
    Key("keep_executions_days", 400, "30", "30", 30, ("6", "-1", "36501", "1.5", "x"), ("0", "7", "36500")),
    Key("keep_evaluations_days", 400, "30", "30", 30, ("6", "-1", "36501", "1.5", "x"), ("0", "7", "36500")),
    Key("keep_trades_days", 0, "365", "365", 365, ("89", "-1", "36501", "1.5", "x"), ("0", "90", "36500")),
    Key("keep_equity_days", 0, "365", "365", 365, ("89", "-1", "36501", "1.5", "x"), ("0", "90", "36500")),
    Key("log_level", "INFO", '"debug"', "debug", "DEBUG", ("LOUD",), ("warning", "Error", "CRITICAL")),
]
NAMES = [key.name for key in KEYS]
TESTED_ELSEWHERE = {
    "home",
    "database_url",
    "decision",
    "tls_certificate",
    "tls_key",
    "tls_client_ca",
    "certificates",
}


def from_variable(key: Key, text: str, home: Path) -> object:
    environ = {"MSC_HOME": str(home), f"MSC_{key.name.upper()}": text}
    return getattr(load(environ=environ).settings, key.name)


def test_no_key_is_missing_here() -> None:
    assert {*NAMES, *TESTED_ELSEWHERE} == set(Settings.model_fields)


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_the_default_is_this(key: Key, tmp_path: Path) -> None:
    loaded = load(environ={"MSC_HOME": str(tmp_path)})

    assert getattr(loaded.settings, key.name) == key.default
    assert key.name not in loaded.origins


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_the_file_sets_it(key: Key, tmp_path: Path) -> None:
    (tmp_path / "msc.toml").write_text(f"{key.name} = {key.toml}\n", encoding="utf-8")
    loaded = load(environ={"MSC_HOME": str(tmp_path)})

    assert getattr(loaded.settings, key.name) == key.value
    assert loaded.origins[key.name] == str(tmp_path / "msc.toml")


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_the_variable_sets_it_and_wins_over_the_file(key: Key, tmp_path: Path) -> None:
    stated = json.dumps(key.default) if key.default is not None else '"redis://elsewhere"'
    (tmp_path / "msc.toml").write_text(f"{key.name} = {stated}\n", encoding="utf-8")

    assert from_variable(key, key.text, tmp_path) == key.value


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_the_flag_wins_over_the_variable(key: Key, tmp_path: Path) -> None:
    variable = f"MSC_{key.name.upper()}"
    environ = {"MSC_HOME": str(tmp_path), variable: str(key.default if key.default is not None else "redis://x")}

    loaded = load(environ=environ, flags={key.name: key.value})

    assert getattr(loaded.settings, key.name) == key.value
    assert loaded.origins[key.name] == "--" + key.name.replace("_", "-")
    assert loaded.origins["home"] == "MSC_HOME"


@pytest.mark.parametrize("key", KEYS, ids=NAMES)
def test_a_flag_that_was_not_given_and_a_variable_that_is_empty_set_nothing(key: Key, tmp_path: Path) -> None:
    environ = {"MSC_HOME": str(tmp_path), f"MSC_{key.name.upper()}": ""}

    assert getattr(load(environ=environ, flags={key.name: None}).settings, key.name) == key.default


@pytest.mark.parametrize(
    ("key", "text"), [(key, text) for key in KEYS for text in key.taken], ids=lambda value: getattr(value, "name", "")
)
def test_values_at_the_bounds_are_taken(key: Key, text: str, tmp_path: Path) -> None:
    from_variable(key, text, tmp_path)


@pytest.mark.parametrize(
    ("key", "text"), [(key, text) for key in KEYS for text in key.refused], ids=lambda value: getattr(value, "name", "")
)
def test_a_value_outside_sense_is_refused_by_key_with_the_variable_it_came_from(
    key: Key, text: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        from_variable(key, text, tmp_path)

    assert refused.value.reason == "CONFIGURATION_INVALID"
    assert len(refused.value.problems) == 1
    assert key.name in refused.value.problems[0]


def test_a_problem_names_the_layer_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "msc.toml").write_text("grpc_port = -1\n", encoding="utf-8")
    environ = {"MSC_HOME": str(tmp_path), "MSC_HEARTBEAT_S": "0"}

    with pytest.raises(ConfigurationError) as refused:
        load(environ=environ, flags={"max_watchers": 0})

    problems = {problem.split(" ", maxsplit=1)[0]: problem for problem in refused.value.problems}
    assert set(problems) == {"grpc_port", "heartbeat_s", "max_watchers"}
    assert f"(from {tmp_path / 'msc.toml'})" in problems["grpc_port"]
    assert "(from MSC_HEARTBEAT_S)" in problems["heartbeat_s"]
    assert "(from --max-watchers)" in problems["max_watchers"]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("postgresql://msc@db/msc", "postgresql://msc@db/msc"),
        ("postgresql+psycopg://msc@db/msc", "postgresql+psycopg://msc@db/msc"),
        ("sqlite:///elsewhere.db", "sqlite:///elsewhere.db"),
    ],
)
def test_a_database_of_ones_own_is_kept_as_it_was_written(given: str, url: str, tmp_path: Path) -> None:
    assert load(environ={"MSC_HOME": str(tmp_path), "MSC_DATABASE_URL": given}).settings.database_url == url


def test_home_is_made_absolute_and_the_database_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    settings = load(environ={"MSC_HOME": "state"}).settings

    assert settings.home == tmp_path / "state"
    assert settings.database_url == sqlite_url(tmp_path / "state")


def test_home_may_be_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert load(environ={"MSC_HOME": "~/msc"}).settings.home == tmp_path / "msc"


@pytest.mark.parametrize("home", ["   ", "a?b"])
def test_a_home_that_cannot_stand_in_a_url_is_refused(home: str) -> None:
    with pytest.raises(ConfigurationError, match="home"):
        load(environ={}, flags={"home": home})


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("[::1]", True),
        ("10.0.0.1", False),
        ("::", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_only_what_names_this_machine_alone_is_loopback(host: str, local: bool) -> None:
    assert is_loopback(host) is local


LEAVES = list(flatten_table(table_of(DecisionConfig()), "decision"))


@pytest.mark.parametrize(("path", "value"), LEAVES, ids=[path for path, _ in LEAVES])
def test_every_number_of_the_decision_model_can_be_written_in_the_file(
    path: str, value: object, tmp_path: Path
) -> None:
    table, _, key = path.rpartition(".")
    (tmp_path / "msc.toml").write_text(f"[{table}]\n{key} = {value!r}\n", encoding="utf-8")

    loaded = load(environ={"MSC_HOME": str(tmp_path)})

    assert loaded.settings.decision == DecisionConfig()
    assert loaded.origins[path] == str(tmp_path / "msc.toml")


@pytest.mark.parametrize(("path", "value"), LEAVES, ids=[path for path, _ in LEAVES])
def test_no_number_of_the_decision_model_may_be_text_or_nan(path: str, value: object) -> None:
    def wrong(leaf: object) -> dict[str, object]:
        nested: object = leaf
        for name in reversed(path.split(".")[1:]):
            nested = {name: nested}
        assert isinstance(nested, dict)
        return nested

    for leaf in (str(value), float("nan"), None, True):
        with pytest.raises(TableError, match=path.replace(".", r"\.")):
            build_table(DecisionConfig(), wrong(leaf), "decision")


def test_an_unknown_key_of_a_table_with_no_neighbour_is_told_what_there_is() -> None:
    with pytest.raises(TableError, match=r"decision\.rebase\.colour: unknown key; known are after_quiet_s, "):
        build_table(DecisionConfig(), {"rebase": {"colour": 1}}, "decision")


def test_what_a_file_says_of_one_table_leaves_the_others_and_the_defaults_alone() -> None:
    built = build_table(DecisionConfig(), {"modes": {"normal": {"max_positions": 9}}}, "decision")

    changed = dict(flatten_table(table_of(built), "decision"))
    assert {path for path, value in LEAVES if changed[path] != value} == {"decision.modes.normal.max_positions"}
