"""Addresses of alerts are judged before they are used, and never repeated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from msc_authority.adapters.notify.addresses import notifiers_for, problem_of
from msc_authority.app.alerts.links import Links
from msc_authority.cli.app import build_app
from msc_authority.masking import MASK, mask_address
from msc_authority.settings import ConfigurationError, Settings, load

SECRET = "T0P-s3cret-token"


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/T/B/x",
        "http://127.0.0.1:8080",
        "HTTPS://hooks.example",
        "https://user:pass@hooks.example/a?b=c",
        "mailto://user:pass@mail.example",
        "json://hooks.example/x",
    ],
)
def test_a_whole_address_has_no_problem(url: str) -> None:
    assert problem_of(url) == ""


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (SECRET, "not a URL"),
        ("", "not a URL"),
        (f"://{SECRET}", "not a URL"),
        (f"gopher://{SECRET}", "unknown scheme gopher://"),
        (f"https:///{SECRET}", "not a whole URL"),
        (f"https://host:{SECRET}/x", "not a whole URL"),
        (f"https://[{SECRET}/x", "not a whole URL"),
        (f"tgram://{SECRET}", "Apprise knows tgram://, but something is missing"),
    ],
)
def test_what_is_wrong_is_said_without_repeating_the_address(url: str, problem: str) -> None:
    assert problem_of(url).startswith(problem)
    assert SECRET not in problem_of(url)


def test_notifiers_are_named_by_kind_and_place() -> None:
    notifiers = notifiers_for(["https://hooks.example/x", "json://hooks.example/x", "http://127.0.0.1/y"], Links())

    assert [notifier.name for notifier in notifiers] == ["webhook-1", "json-2", "webhook-3"]


def test_a_wrong_address_makes_no_notifier() -> None:
    with pytest.raises(ValueError, match="unknown scheme gopher://"):
        notifiers_for(["gopher://x"], Links())


@pytest.mark.parametrize(
    "given_as",
    [f"https://hooks.example/x gopher://{SECRET}", ["https://hooks.example/x", f"gopher://{SECRET}"]],
)
def test_a_wrong_setting_is_refused_by_its_key_and_place_and_nothing_more(given_as: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(environ={"MSC_HOME": str(tmp_path)}, flags={"alert_urls": given_as})

    assert "alert_urls (from --alert-urls): address 2: unknown scheme gopher://" in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("toml", ["3", "[3]", f'[["{SECRET}"]]', f'{{"a" = "{SECRET}"}}'])
def test_what_is_no_list_of_addresses_is_refused_by_its_key(toml: str, tmp_path: Path) -> None:
    (tmp_path / "msc.toml").write_text(f"alert_urls = {toml}\n", encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"alert_urls .*: must be a list of URLs") as refused:
        load(environ={"MSC_HOME": str(tmp_path)})

    assert SECRET not in str(refused.value)


def test_no_representation_of_the_settings_shows_an_address(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, alert_urls=(f"https://hooks.example/{SECRET}",))

    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_config_show_masks_addresses(flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = f"https://ops:{SECRET}@hooks.example:8443/T/{SECRET}?k={SECRET} json://{SECRET}/{SECRET}"
    monkeypatch.setenv("MSC_HOME", str(tmp_path))
    monkeypatch.setenv("MSC_ALERT_URLS", urls)

    shown = CliRunner().invoke(build_app(), ["config", "show", *flags]).output

    assert "https://hooks.example:8443/***" in shown
    assert "json://***" in shown
    assert SECRET not in shown
    if flags:
        assert json.loads(shown)["alert_urls"]["origin"] == "MSC_ALERT_URLS"


def test_config_show_tells_a_wrong_address_without_showing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSC_HOME", str(tmp_path))
    monkeypatch.setenv("MSC_ALERT_URLS", f"gopher://{SECRET}")

    result = CliRunner().invoke(build_app(), ["config", "show"])

    assert result.exit_code == 2
    assert "MSC_ALERT_URLS" in result.output
    assert SECRET not in result.output


@given(st.text(max_size=30), st.sampled_from(["discord", "tgram", "", "x"]))
def test_no_part_of_an_address_of_a_service_is_shown_but_its_scheme(rest: str, scheme: str) -> None:
    assert mask_address(f"{scheme}://{rest}") == f"{scheme}://{MASK}"


@given(st.text(max_size=40))
def test_masking_an_address_never_fails_and_twice_changes_nothing_more(text: str) -> None:
    assert mask_address(mask_address(text)) == mask_address(text)
