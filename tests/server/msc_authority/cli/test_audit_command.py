"""`msc audit verify` and `msc audit list` on a real database that somebody laid hands on."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msc_builders import START, ManualClock, a_commit, at
from typer.testing import CliRunner, Result

from msc_authority.adapters.sql import open_store
from msc_authority.cli.app import build_app
from msc_authority.ports.audit import AuditLine
from msc_authority.settings import sqlite_url


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose log has four rows, a minute apart."""
    clock = ManualClock()
    with open_store(sqlite_url(tmp_path / "home"), clock) as store:
        clock.instant = at(1)
        store.evaluations.commit(a_commit("one"), store.evaluations.load())
        for minute in (2, 3):
            clock.instant = at(minute)
            line = AuditLine(actor="ops", action="halt", target="trading", detail={"reason": f"[news] {minute}"})
            store.audit.append(clock.now(), line)
    return tmp_path / "home"


def msc(*words: str) -> Result:
    return CliRunner().invoke(build_app(), ["audit", *words])


def tamper(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / "msc.db")) as raw, raw:
        for trigger in ("keeps_content", "keeps_rows", "takes_the_next"):
            raw.execute(f"DROP TRIGGER IF EXISTS msc_audit_{trigger}")
        for statement in statements:
            raw.execute(statement)


def anchor_of(home: Path) -> str:
    return str(json.loads(msc("verify", "--home", str(home), "--json").stdout)["anchor"])


def test_an_intact_log_says_so_and_gives_an_anchor_to_keep(home: Path) -> None:
    result = msc("verify", "--home", str(home))

    assert result.exit_code == 0
    assert "The audit log is intact: 4 rows." in result.stdout
    assert f"--anchor {anchor_of(home)}" in result.stdout


def test_a_changed_row_is_bad_news_that_names_it(home: Path) -> None:
    tamper(home, "UPDATE msc_audit SET actor = 'nobody' WHERE sequence = 3")

    result = msc("verify", "--home", str(home))

    assert result.exit_code == 1
    assert result.stdout.startswith("BROKEN at row 3 (changed): row 3 does not say what it said")
    assert "up to row 2 it holds" in result.stdout


def test_programs_read_where_and_how_it_is_broken(home: Path) -> None:
    tamper(home, "DELETE FROM msc_audit WHERE sequence = 2")

    result = msc("verify", "--home", str(home), "--json")
    document = json.loads(result.stdout)

    assert result.exit_code == 1
    assert document["intact"] is False
    assert document["broken"] == {"row": 2, "what": "missing", "text": "row 2 is gone"}


def test_an_end_that_was_cut_off_shows_by_the_anchor_that_was_kept(home: Path) -> None:
    anchor = anchor_of(home)
    tamper(home, "DELETE FROM msc_audit WHERE sequence = 4")

    assert msc("verify", "--home", str(home)).exit_code == 0
    result = msc("verify", "--home", str(home), "--anchor", anchor)
    assert result.exit_code == 1
    assert "BROKEN at row 4 (missing)" in result.stdout


def test_a_log_that_is_empty_has_lost_its_rows(home: Path) -> None:
    tamper(home, "DELETE FROM msc_audit")

    result = msc("verify", "--home", str(home))

    assert result.exit_code == 1
    assert result.stdout.startswith("BROKEN: the log is empty")


def test_a_check_may_begin_later(home: Path) -> None:
    tamper(home, "UPDATE msc_audit SET actor = 'nobody' WHERE sequence = 1")

    result = msc("verify", "--home", str(home), "--since", at(2).isoformat())

    assert result.exit_code == 0
    assert "2 rows behind row 2, which was believed" in result.stdout


def test_an_anchor_from_before_the_beginning_of_a_check_is_refused(home: Path) -> None:
    result = msc("verify", "--home", str(home), "--since", at(2).isoformat(), "--anchor", f"1:{'a' * 64}")

    assert result.exit_code == 2
    assert "leave one of the two out" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [(("--anchor", "4"), "SEQ:HASH"), (("--since", "yesterday"), "write 2026-01-31")],
)
def test_words_that_mean_nothing_are_refused(home: Path, words: tuple[str, str], told: str) -> None:
    result = msc("verify", "--home", str(home), *words)

    assert result.exit_code == 2
    assert told in result.stderr


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = msc("verify", "--home", str(tmp_path / "nowhere"))

    assert result.exit_code == 2
    assert "no such database" in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_database_of_an_older_program_is_left_alone(home: Path) -> None:
    with closing(sqlite3.connect(home / "msc.db")) as raw, raw:
        raw.execute("UPDATE msc_schema_version SET version_num = '0001'")

    result = msc("verify", "--home", str(home))

    assert result.exit_code == 1
    assert "run msc migrate" in result.stderr


def test_rows_are_listed_newest_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")

    lines = msc("list", "--home", str(home), "--limit", "3").stdout.splitlines()

    assert lines[0].split() == ["ROW", "AT", "ACTOR", "KNOWN", "BY", "ACTION", "WHAT"]
    assert [line.split()[0] for line in lines[1:]] == ["4", "3", "2"]
    assert lines[1].rstrip().endswith("trading: [news] 3")


@pytest.mark.parametrize(
    ("credential", "shown"),
    [
        ({"kind": "token", "id": "0123456789ab"}, "token 0123456789ab"),
        ({"kind": "console session", "id": "0123456789ab"}, "console session 0123456789ab"),
        ({"kind": "certificate", "id": "ab" * 32}, "certificate abababababab"),
        ({"kind": "loopback", "id": ""}, "loopback"),
        (None, ""),
    ],
)
def test_a_row_shows_by_what_it_was_known_who_acted(
    home: Path, monkeypatch: pytest.MonkeyPatch, credential: dict[str, str] | None, shown: str
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    with open_store(sqlite_url(home), ManualClock()) as store:
        detail = {"reason": "news", "credential": credential}
        store.audit.append(START, AuditLine(actor="anna (x)", action="halt", target="trading", detail=detail))

    line = msc("list", "--home", str(home), "--limit", "1").stdout.splitlines()[1]

    assert " ".join(line.split()).endswith(" ".join(f"anna (x) {shown} halt trading: news".split()))
    assert json.loads(msc("list", "--home", str(home), "--limit", "1", "--json").stdout)["detail"] == detail


def test_programs_read_one_row_a_line(home: Path) -> None:
    lines = msc("list", "--home", str(home), "--before", "3", "--json").stdout.splitlines()

    rows = [json.loads(line) for line in lines]
    assert [row["sequence"] for row in rows] == [2, 1]
    assert rows[0]["action"] == "publish"
    assert rows[0]["previous_hash"] == rows[1]["hash"]
