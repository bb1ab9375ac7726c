"""What a person types to operate the policy: before and after, confirmations, durations, and how it ends."""

from __future__ import annotations

import getpass
import json
from typing import Any, Self

import pytest
from typer.testing import CliRunner, Result

from msc_authority.cli.app import build_app
from msc_authority.cli.durations import seconds_of
from msc_authority.cli.errors import CommandError
from msc_authority.cli.operate_text import outcome_rows, setting_text
from msc_authority.rpc.plain import Plain
from msc_authority.rpc.remote import Remote
from msc_authority.rpc.remote_acts import Asked
from msc_authority.rpc.remote_error import RemoteError

WHY = ("--reason", "exchange incident")
LINE = {
    "act_id",
    "before",
    "head",
    "policy",
    "changes",
    "override",
    "overrides",
    "summary",
}
OVERRIDE = {"override_id", "kind", "actor", "reason", "created_at", "expires_at", "loosens", "setting"}


def msc(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(build_app(), list(arguments), input=typed)


@pytest.fixture(autouse=True)
def at_the_authority(operable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSC_TARGET", operable)
    monkeypatch.setenv("COLUMNS", "200")


def answer(*arguments: str) -> dict[str, Any]:
    result = msc(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def policy() -> dict[str, Any]:
    return answer("status")


def test_a_halt_asks_nothing_and_says_before_after_and_the_new_version() -> None:
    before = policy()["version"]

    result = msc("halt", *WHY, "--actor", "alice")

    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    assert "done HALTED by anonymous@127.0.0.1 (alice): exchange incident" in words
    assert "trading_state: ACTIVE → HALTED" in words
    assert f"version {before} → {before + 1}" in words
    assert policy()["trading_state"] == "HALTED"


def test_a_resume_shows_what_it_would_do_and_asks() -> None:
    msc("halt", *WHY)
    version = policy()["version"]

    no = msc("resume", *WHY, typed="n\n")
    nobody = msc("resume", *WHY)
    assert [result.exit_code for result in (no, nobody)] == [1, 1]
    assert "trading_state: HALTED → REDUCING" in no.stderr
    assert "an evaluation follows at once, and may make trading ACTIVE" in " ".join(no.stderr.split())
    assert "--yes does it without asking" in nobody.stderr
    assert policy()["version"] == version

    yes = msc("resume", *WHY, typed="y\n")

    assert yes.exit_code == 0
    assert "may make trading ACTIVE; msc status shows what it leads to" in " ".join(yes.stdout.split())
    assert policy()["trading_state"] != "HALTED"


def test_yes_resumes_without_asking() -> None:
    msc("reduce", *WHY)

    result = msc("resume", *WHY, "--yes")

    assert result.exit_code == 0
    assert "Do it?" not in result.stderr
    assert policy()["trading_state"] == "ACTIVE"


def test_loosening_is_refused_until_it_is_allowed_and_then_asks() -> None:
    wanted = ("pin", "normal", *WHY)

    refused = msc(*wanted)
    asked = msc(*wanted, "--allow-loosening", typed="n\n")
    done = msc(*wanted, "--allow-loosening", "--for", "30m", typed="y\n")

    assert (refused.exit_code, asked.exit_code, done.exit_code) == (4, 1, 0)
    assert "LOOSENING_NOT_ALLOWED" in refused.stderr
    assert "--allow-loosening" in refused.stderr
    assert "risk_mode: DEFENSIVE → NORMAL" in asked.stderr
    assert policy()["risk_mode"] == "NORMAL"


def test_limits_are_given_as_fractions_or_percent() -> None:
    document = answer("limit", *WHY, "--max-risk-per-trade", "0.2%", "--min-confidence", "0.8", "--max-positions", "3")

    assert document["override"]["setting"] == {
        "limits": {"max_risk_per_trade": 0.002, "global_min_confidence": 0.8, "max_positions": 3}
    }
    assert (policy()["max_risk_per_trade"], policy()["max_positions"]) == (0.002, 3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("limit", *WHY), "no limit is given"),
        (("limit", *WHY, "--max-risk-per-trade", "half"), "no fraction"),
        (("reduce", *WHY, "--for", "soon"), "no duration"),
        (("reduce", *WHY, "--for", "0m"), "no duration above 0"),
        (("pin", "careless", *WHY), "careless"),
        (("halt",), "--reason"),
        (("limit", *WHY, "--max-positions", "0"), "max-positions"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anybody_is_asked(arguments: tuple[str, ...], text: str) -> None:
    result = msc(*arguments)

    assert result.exit_code == 2
    assert text in result.stderr
    assert "version 1," in msc("status").stdout


@pytest.mark.parametrize(
    ("arguments", "reason", "advice"),
    [
        (("bench", "TREN", *WHY), "STRATEGY_UNKNOWN", "did you mean TREND"),
        (("lift", "nope", *WHY), "OVERRIDE_NOT_FOUND", "msc overrides"),
        (("rollback", "99", *WHY), "VERSION_NOT_FOUND", "msc history"),
        (("reinstate", "TREND", *WHY), "WRONG_STRATEGY_STATE", "not RETIRED"),
        (("resume", *WHY, "--yes"), "NOTHING_TO_RESUME", "neither halted nor reduced"),
        (("halt", "--reason", " "), "INVALID_REQUEST", "say why"),
        (("limit", *WHY, "--max-risk-per-trade", "5"), "INVALID_REQUEST", "at most 1"),
    ],
)
def test_what_the_authority_refuses_ends_with_4_and_what_to_do(
    arguments: tuple[str, ...], reason: str, advice: str
) -> None:
    result = msc(*arguments)

    assert result.exit_code == 4
    assert reason in result.stderr
    assert advice in result.stderr


def test_overrides_are_listed_and_lifted_by_id() -> None:
    assert "None" in msc("overrides").stdout
    placed = answer("bench", "TREND", *WHY, "--for", "2h")["override"]

    listed = msc("overrides").stdout
    assert placed["override_id"] in listed
    assert "TREND benched" in listed
    (found,) = answer("overrides")["overrides"]
    assert found == placed

    lifted = msc("lift", placed["override_id"], *WHY)
    assert "strategies: +TREND" in lifted.stdout
    assert answer("overrides")["overrides"] == []


def test_a_strategy_is_retired_and_reinstated() -> None:
    retired = answer("retire", "TREND", *WHY)
    assert retired["policy"]["allowed_strategies"] == ["RANGE"]

    result = msc("reinstate", "TREND", *WHY)

    assert "nothing in the policy" in result.stdout
    assert "TREND BENCHED" in result.stdout


def test_a_rollback_names_the_version_it_brings_back() -> None:
    msc("reduce", *WHY)
    version = policy()["version"]
    msc("resume", *WHY, "--yes")

    document = answer("rollback", str(version), *WHY)

    assert document["policy"]["rollback_of"] == version
    assert document["policy"]["trading_state"] == "REDUCING"


def test_a_dry_run_changes_nothing() -> None:
    result = msc("halt", *WHY, "--dry-run")

    assert "nothing was done" in result.stdout
    assert "ACTIVE → HALTED" in result.stdout
    assert policy()["trading_state"] == "ACTIVE"


def test_json_has_the_contracts_fields_and_one_setting_an_override() -> None:
    document = answer("pin", "defensive", *WHY, "--for", "1h30m")

    assert set(document) == LINE
    assert set(document["override"]) == OVERRIDE
    assert document["override"]["setting"] == {"risk_mode": "DEFENSIVE"}
    assert document["policy"]["version"] == document["head"]["version"]


def test_who_is_asked_of_the_machine_unless_it_is_said() -> None:
    assert answer("reduce", *WHY)["override"]["actor"] == f"anonymous@127.0.0.1 ({getpass.getuser()})"
    assert answer("reduce", *WHY, "--actor", "ops")["override"]["actor"] == "anonymous@127.0.0.1 (ops)"


def test_an_account_without_a_name_is_anonymous(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)

    assert answer("reduce", *WHY)["override"]["actor"] == "anonymous@127.0.0.1"


def test_what_is_in_force_besides_is_shown_too() -> None:
    msc("pin", "defensive", *WHY)

    result = msc("reduce", *WHY)

    assert "mode DEFENSIVE" in result.stdout
    assert "until msc lift" in result.stdout


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2d", 172_800), ("0.5h", 1800), (" 1H ", 3600)]
)
def test_durations_are_written_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text, "--for") == seconds


@pytest.mark.parametrize("text", ["", "90", "h", "-1h", "1h 30m", "0s", "1y", "٣h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="--for"):
        seconds_of(text, "--for")


def test_a_kind_that_a_newer_authority_knows_is_named_as_it_is() -> None:
    override = {"kind": "UNKNOWN_9", "setting": {}, "loosens": False}

    assert setting_text(override) == "UNKNOWN_9"


def test_a_request_that_was_done_before_says_so() -> None:
    document = answer("reduce", *WHY)

    rows = dict(outcome_rows({**document, "before": None}, dry_run=False))

    assert rows["outcome"].startswith("this was done before")


class Unanswering:
    """A remote that shows what an act would come to, and lets its deadline go by."""

    def __init__(self, authority: Remote, error: RemoteError) -> None:
        self._authority, self._error = authority, error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._authority.close()

    def act(self, asked: Asked) -> Plain:
        if asked.dry_run:
            return self._authority.act(asked)
        raise self._error


def silence(reason: str, *, unsure: bool = False, earlier_unsure: bool = False) -> RemoteError:
    return RemoteError("x", reason=reason, reachable=False, unsure=unsure, earlier_unsure=earlier_unsure)


def an_answer(reason: str, *, unsure: bool = False, earlier_unsure: bool = False) -> RemoteError:
    return RemoteError("what it says", reason=reason, reachable=True, unsure=unsure, earlier_unsure=earlier_unsure)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (silence("DEADLINE_EXCEEDED", unsure=True), 3, "no answer within 5 s: it may have been done"),
        (silence("UNAVAILABLE", unsure=True), 3, "no answer: it may have been done"),
        (silence("UNAVAILABLE", earlier_unsure=True), 3, "no answer: it may have been done"),
        (an_answer("STORE_UNAVAILABLE", unsure=True), 4, "may have been done: what it says [STORE_UNAVAILABLE]"),
        (an_answer("NOTHING_TO_RESUME", earlier_unsure=True), 4, "an earlier attempt had no answer and may have been"),
    ],
)
def test_where_nobody_knows_whether_an_act_was_done_that_is_said(
    error: RemoteError, code: int, text: str, operable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "msc_authority.rpc.remote.Remote", lambda target, credentials: Unanswering(Remote(operable), error)
    )

    result, as_json = msc("halt", *WHY), msc("halt", *WHY, "--json")

    assert result.exit_code == as_json.exit_code == code
    assert text in result.stderr
    assert "look with msc status and msc overrides" in result.stderr
    assert json.loads(as_json.stderr)["reason"] == "OUTCOME_UNKNOWN"


def test_an_act_that_never_left_was_not_done(operable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = silence("UNAVAILABLE")
    monkeypatch.setattr(
        "msc_authority.rpc.remote.Remote", lambda target, credentials: Unanswering(Remote(operable), error)
    )

    result = msc("halt", *WHY)

    assert result.exit_code == 3
    assert "no authority answers at" in result.stderr
