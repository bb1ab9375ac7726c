"""Keys: where they come from, and that they are not seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from msc_trading.venue.credentials import Credentials, credentials_from_environment, scrub_parameters
from msc_trading.venue.port import VenueMisconfigured


def test_neither_key_is_shown() -> None:
    credentials = Credentials("k3y", "s3cret")

    assert not any(part in f"{credentials} {credentials!r} {[credentials]}" for part in ("k3y", "s3cret"))


def test_keys_come_from_the_environment() -> None:
    credentials = credentials_from_environment({"BINANCE_API_KEY": "k3y", "BINANCE_API_SECRET": "s3cret"})

    assert credentials == Credentials("k3y", "s3cret")


def test_keys_come_from_files_without_their_last_newline(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k3y\n")
    (tmp_path / "secret").write_text("s3cret\n")

    credentials = credentials_from_environment(
        {"BINANCE_API_KEY_FILE": str(tmp_path / "key"), "BINANCE_API_SECRET_FILE": str(tmp_path / "secret")}
    )

    assert credentials == Credentials("k3y", "s3cret")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"BINANCE_API_KEY": "k3y"},
        {"BINANCE_API_KEY": "k3y", "BINANCE_API_KEY_FILE": "key", "BINANCE_API_SECRET": "s3cret"},
    ],
)
def test_a_key_that_is_missing_or_given_twice_is_refused_with_what_to_set(environment: dict[str, str]) -> None:
    with pytest.raises(VenueMisconfigured, match=r"set exactly one of BINANCE_API_\w+ and BINANCE_API_\w+_FILE"):
        credentials_from_environment(environment)


def test_a_file_that_cannot_be_read_is_refused_without_its_path(tmp_path: Path) -> None:
    environment = {"BINANCE_API_KEY_FILE": str(tmp_path / "none"), "BINANCE_API_SECRET": "s3cret"}

    with pytest.raises(VenueMisconfigured, match="BINANCE_API_KEY_FILE: cannot be read") as refused:
        credentials_from_environment(environment)

    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("value", ["", " ", "two words", "line\n", "käse"])
def test_what_is_no_key_is_refused_without_being_repeated(value: str) -> None:
    with pytest.raises(VenueMisconfigured, match="api_secret") as refused:
        Credentials("k3y", value)

    assert not value.strip() or value not in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [
        "GET https://venue/fapi/v1/order?symbol=A&timestamp=1&signature=abc123ef",
        "GET /private/ws?listenKey=abc123ef HTTP/1.1",
        '{"listenKey": "abc123ef"}',
        "{'listenKey':'abc123ef'}",
        "X-MBX-APIKEY: abc123ef",
        "<URL('https://venue/order?signature=abc123ef')>",
    ],
)
def test_parameters_that_open_doors_are_scrubbed(words: str) -> None:
    assert "abc123ef" not in scrub_parameters(words)


def test_what_is_no_secret_survives_scrubbing() -> None:
    words = "order id-1 of BTCUSDT refused: Signature for this request is not valid."

    assert Credentials("k3y", "s3cret").scrub(words) == words


def test_a_secret_is_scrubbed_wherever_it_stands() -> None:
    assert Credentials("k3y", "s3cret").scrub("a k3y and a s3cret") == "a *** and a ***"
