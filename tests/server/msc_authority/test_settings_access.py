"""Settings about who may do what: certificates, roles, and secrets in files of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from msc_authority.settings import ConfigurationError, Settings, load

PAIR = {"tls_certificate": "server.pem", "tls_key": "server-key.pem"}


def refused(**values: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(flags=values, environ={})
    (problem,) = caught.value.problems
    return problem


def test_by_default_it_speaks_plaintext_and_lets_only_this_machine_in() -> None:
    settings = Settings()

    assert (settings.tls, settings.loopback_role, settings.allow_anonymous_remote) == (False, "operator", False)
    assert settings.notices() == ()


def test_with_certificates_it_may_be_reached_from_elsewhere() -> None:
    settings = load(flags={**PAIR, "grpc_host": "192.0.2.1", "http_host": "192.0.2.1"}, environ={}).settings

    assert settings.tls
    assert settings.tls_certificate is not None
    assert settings.tls_certificate.is_absolute()
    assert settings.notices() == ()


def test_without_them_that_is_refused_with_both_ways_out() -> None:
    problem = refused(grpc_host="192.0.2.1")

    assert problem.startswith("grpc_host: 192.0.2.1 can be reached")
    assert "tls_certificate" in problem
    assert "allow_plaintext_remote" in problem


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"tls_certificate": "a.pem"}, "tls_key"),
        ({"tls_key": "a.pem"}, "tls_certificate"),
        ({"tls_client_ca": "ca.pem"}, "tls_client_ca"),
        ({**PAIR, "certificates": {"a": ["reader"]}}, "certificates"),
    ],
)
def test_halves_are_refused_by_name(values: dict[str, object], key: str) -> None:
    assert refused(**values).startswith(f"{key}: ")


@pytest.mark.parametrize("table", ['executor-1 = "journal"', 'executor-1 = ["journal"]'])
def test_the_roles_of_certificates_stand_in_a_table_of_the_file(tmp_path: Path, table: str) -> None:
    pair = "".join(f'{key} = "{value}"\n' for key, value in {**PAIR, "tls_client_ca": "ca.pem"}.items())
    (tmp_path / "msc.toml").write_text(f"{pair}[certificates]\n{table}\n", encoding="utf-8")

    settings = load(environ={"MSC_HOME": str(tmp_path)}).settings

    assert settings.certificates == {"executor-1": ("journal",)}


@pytest.mark.parametrize("table", ['a = "root"', "a = 5", 'a = ["reader", "root"]'])
def test_a_role_that_there_is_not_is_refused(tmp_path: Path, table: str) -> None:
    (tmp_path / "msc.toml").write_text(f"[certificates]\n{table}\n", encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"certificates\.a"):
        load(environ={"MSC_HOME": str(tmp_path)})


def test_the_table_cannot_be_set_in_the_environment() -> None:
    with pytest.raises(ConfigurationError, match=r"\[certificates\] table"):
        load(environ={"MSC_CERTIFICATES": "{}"})


def test_doors_that_stand_open_are_named_at_the_start() -> None:
    settings = Settings(grpc_host="192.0.2.1", allow_plaintext_remote=True, allow_anonymous_remote=True)

    plaintext, anonymous = settings.notices()
    assert "tokens included" in plaintext
    assert "is a reader" in anonymous


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"public_url": "https://msc.example"}, "public_url is set"),
        ({"http_allowed_hosts": ["msc.example"]}, "http_allowed_hosts is set"),
        (
            {"public_url": "https://msc.example", "http_allowed_hosts": ["a.example"], "loopback_role": "reader"},
            "http_allowed_hosts and public_url are set",
        ),
    ],
)
def test_behind_a_proxy_it_is_said_as_whom_those_come_in_whom_it_forwards(
    values: dict[str, object], named: str
) -> None:
    settings = Settings.model_validate(values)

    (notice,) = settings.notices()

    assert notice.startswith(named)
    assert f"comes in as {settings.loopback_role}" in notice
    assert 'set loopback_role = "none"' in notice
    assert Settings.model_validate({**values, "loopback_role": "none"}).notices() == ()
    assert Settings.model_validate({**values, "serve_http": False}).notices() == ()


def test_variables_of_clients_are_not_taken_for_settings() -> None:
    names = ("MSC_TOKEN", "MSC_TOKEN_FILE", "MSC_TLS_CA", "MSC_TLS_CLIENT_CERTIFICATE", "MSC_TLS_CLIENT_KEY")

    assert load(environ=dict.fromkeys((*names, "MSC_TLS_SERVER_NAME"), "x")).origins == {}


# Secrets in files.


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("database_url", "postgresql://msc:hunter2@db/msc\n", "postgresql://msc:hunter2@db/msc"),
        ("redis_url", "redis://:hunter2@cache", "redis://:hunter2@cache"),
        ("alert_urls", "https://hooks.example/hunter2\n", ("https://hooks.example/hunter2",)),
    ],
)
def test_a_secret_is_read_from_the_file_that_the_variable_names(
    tmp_path: Path, key: str, text: str, value: object
) -> None:
    file = tmp_path / "secret"
    file.write_text(text)
    variable = f"MSC_{key.upper()}_FILE"
    loaded = load(environ={variable: str(file)})

    assert getattr(loaded.settings, key) == value
    assert loaded.origins[key] == variable


def test_the_file_and_the_variable_together_are_a_contradiction(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("sqlite:///a.db")
    environ = {"MSC_DATABASE_URL": "sqlite:///b.db", "MSC_DATABASE_URL_FILE": str(file)}

    with pytest.raises(ConfigurationError, match="unset one of them"):
        load(environ=environ)


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("", "is empty"), (b"\xff", "UTF-8")])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | bytes | None, said: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(ConfigurationError, match=said) as caught:
        load(environ={"MSC_REDIS_URL_FILE": str(file)})

    assert str(file) in str(caught.value)


def test_only_secrets_have_such_a_variable() -> None:
    with pytest.raises(ConfigurationError, match="unknown variable"):
        load(environ={"MSC_GRPC_PORT_FILE": "/run/port"})


def test_an_error_in_a_secret_does_not_repeat_it(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("mysql://msc:hunter2@db")

    with pytest.raises(ConfigurationError) as caught:
        load(environ={"MSC_DATABASE_URL_FILE": str(file)})

    assert "hunter2" not in str(caught.value)
