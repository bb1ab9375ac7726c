"""`msc token`: made once, listed without the secret, taken back by id or name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.sql import open_store
from msc_authority.cli.app import build_app
from msc_authority.ports.tokens import StoredToken
from msc_authority.settings import sqlite_url

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def running(*arguments: str) -> Result:
        return CliRunner().invoke(build_app(), ["token", *arguments, "--home", str(tmp_path)])

    return running


def kept(home: Path) -> list[StoredToken]:
    with open_store(sqlite_url(home), SystemClock()) as store:
        return store.tokens.tokens()


def test_the_token_alone_goes_to_standard_output(run: Run, tmp_path: Path) -> None:
    result = run("create", "executor-1", "--role", "journal")
    (token,) = kept(tmp_path)

    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"msc_{token.token_id}_")
    assert result.stdout.count("\n") == 1
    assert token.token_id in result.stderr
    assert result.stdout.strip() not in result.stderr
    assert token.expires_at is not None
    assert (token.expires_at - token.created_at).days == 90


def test_what_it_is_for_is_kept(run: Run, tmp_path: Path) -> None:
    result = run(
        "create", "bot", "--role", "journal", "--role", "evaluator", "--for", "never",
        "--scope", "account=main", "--scope", "account=sub-", "--scope", "strategy=TREND_", "--json",
    )  # fmt: skip
    told = json.loads(result.stdout)
    (token,) = kept(tmp_path)

    assert told["roles"] == ["evaluator", "journal"]
    assert told["scope"] == {"account": ["main", "sub-"], "strategy": ["TREND_"]}
    assert (told["expires_at"], token.expires_at) == (None, None)
    assert told["token"].startswith(f"msc_{told['token_id']}_")
    assert dict(token.scope) == {"account": ("main", "sub-"), "strategy": ("TREND_",)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("two words", "--role", "reader"), "name"),
        (("a", "--role", "root"), "root"),
        (("a",), "--role"),
        (("a", "--role", "reader", "--for", "1y"), "1y"),
        (("a", "--role", "reader", "--for", "0d"), "0d"),
        (("a", "--role", "reader", "--for", "999999999w"), "create"),
        (("authority", "--role", "reader"), "somebody else"),
        (("a", "--role", "reader", "--scope", "symbol=BTC"), "account"),
        (("a", "--role", "reader", "--scope", "account"), "account"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = run("create", *arguments)

    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "msc.db").exists()


@pytest.mark.parametrize("duration", ["20s", "1h30m", "52w"])
def test_a_token_holds_for_as_long_as_other_commands_write_it(run: Run, duration: str) -> None:
    assert run("create", "anna", "--role", "reader", "--for", duration).exit_code == 0


def test_the_list_shows_what_holds_and_with_all_what_is_over(run: Run) -> None:
    first = json.loads(run("create", "anna", "--role", "operator", "--json").stdout)
    second = json.loads(run("create", "bert", "--role", "reader", "--json").stdout)
    assert run("revoke", first["token_id"]).exit_code == 0

    holds = [json.loads(line) for line in run("list", "--json").stdout.splitlines()]
    every = [json.loads(line) for line in run("list", "--all", "--json").stdout.splitlines()]
    table = run("list", "--all").stdout

    assert [(one["name"], one["state"]) for one in holds] == [("bert", "valid")]
    assert [(one["name"], one["state"]) for one in every] == [("anna", "revoked"), ("bert", "valid")]
    for token in (first, second):
        assert token["token"] not in table + json.dumps(every)
        assert token["token_id"] in table


def test_without_tokens_the_list_says_how_to_make_one(run: Run) -> None:
    run("create", "anna", "--role", "reader")
    run("revoke", "anna")

    assert "msc token create" in run("list").stdout


def test_a_token_is_revoked_by_id_by_name_or_as_a_whole(run: Run, tmp_path: Path) -> None:
    texts = [run("create", name, "--role", "reader").stdout.strip() for name in ("a", "b", "c")]
    identifiers = (texts[0].split("_")[1], "b", texts[2])

    assert [run("revoke", which).exit_code for which in identifiers] == [0, 0, 0]
    assert all(token.revoked_at is not None for token in kept(tmp_path))


def test_a_name_of_several_tokens_is_not_guessed(run: Run, tmp_path: Path) -> None:
    ids = [json.loads(run("create", "a", "--role", "reader", "--json").stdout)["token_id"] for _ in range(2)]
    result = run("revoke", "a")

    assert result.exit_code == 1
    assert all(token_id in result.stderr for token_id in ids)
    assert all(token.revoked_at is None for token in kept(tmp_path))


@pytest.mark.parametrize("which", ["nobody", "0123456789ab"])
def test_what_does_not_hold_cannot_be_revoked(run: Run, which: str) -> None:
    run("create", "a", "--role", "reader")
    result = run("revoke", which)

    assert result.exit_code == 1
    assert "msc token list" in result.stderr


@pytest.mark.parametrize("arguments", [("list",), ("revoke", "a")])
def test_a_database_that_is_not_there_is_not_made_by_looking(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert "no such database" in result.stderr
    assert not (tmp_path / "msc.db").exists()
