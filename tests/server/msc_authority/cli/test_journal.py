"""`msc journal import` against a real server: what is stored, what is told, and how it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from msc_authority.cli.journal import journal_app
from msc_authority.rpc import record_client
from msc_authority.rpc.dialing import Credentials
from msc_policy.v1 import (
    JournalServiceServicer,
    RecordResponse,
    RefusedEntry,
    add_JournalServiceServicer_to_server,
)

HEADER = "account,at,wallet_balance,unrealized_pnl,net_flow\n"


class RecordingJournal(JournalServiceServicer):
    """Stores accounts as ids, refuses those that begin with `conflict`, and fails by script."""

    def __init__(self) -> None:
        self.stored: set[str] = set()
        self.calls: list[int] = []
        self.failures: list[grpc.StatusCode | None] = []
        self.lock = threading.Lock()

    def Record(self, request_iterator: Any, context: Any) -> RecordResponse:  # noqa: N802, ANN401 -- as generated
        with self.lock:
            entries = [entry for request in request_iterator for entry in request.entries]
            self.calls.append(len(entries))
            if self.failures and (code := self.failures.pop(0)):
                context.abort(code, "scripted")
            return self._answer({entry.equity.account: entry.seq for entry in entries})

    def _answer(self, seqs: dict[str, int]) -> RecordResponse:
        conflicts = {account for account in seqs if account.startswith("conflict")}
        fresh = seqs.keys() - self.stored - conflicts
        self.stored |= fresh
        return RecordResponse(
            accepted=len(fresh),
            duplicates=len(seqs) - len(fresh) - len(conflicts),
            refused_total=len(conflicts),
            refused=[
                RefusedEntry(seq=seqs[account], id=account, field="account", code="ID_CONFLICT", reason="differs")
                for account in sorted(conflicts)
            ],
        )


class Desk:
    """The command line over one server, with a home of its own."""

    def __init__(self, journal: RecordingJournal, port: int, folder: Path) -> None:
        self.journal = journal
        self.target = f"127.0.0.1:{port}"
        self.folder = folder
        self.home = folder / "home"

    def csv(self, rows: str, name: str = "equity.csv") -> Path:
        path = self.folder / name
        path.write_text(HEADER + rows)
        return path

    def run(self, *arguments: object, target: str = "") -> Result:
        flags = ["--target", target or self.target, "--home", str(self.home)]
        return CliRunner().invoke(journal_app, ["import", *map(str, arguments), *flags])

    def bookmarks(self) -> list[Path]:
        return list(self.home.glob("imports/*.json"))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    real = record_client.RecordClient

    def impatient(
        target: str, *, credentials: Credentials, on_retry: Callable[[int, str], None]
    ) -> record_client.RecordClient:
        return real(target, credentials=credentials, on_retry=on_retry, deadline_s=10.0, sleep=lambda seconds: None)

    monkeypatch.setattr(record_client, "RecordClient", impatient)
    journal = RecordingJournal()
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    add_JournalServiceServicer_to_server(journal, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield Desk(journal, port, tmp_path)
    server.stop(None).wait()


def rows(count: int, prefix: str = "a") -> str:
    return "".join(f"{prefix}{index},2022-01-01T00:00:00Z,1000,0,0\n" for index in range(count))


def documents(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_good_rows_are_stored_in_batches_and_the_exit_code_is_0(desk: Desk) -> None:
    result = desk.run(desk.csv(rows(2500)))

    assert result.exit_code == 0, result.output
    assert (len(desk.journal.stored), desk.journal.calls) == (2500, [1000, 1000, 500])
    assert "2500" in result.stdout
    assert desk.bookmarks() == []


def test_importing_twice_stores_nothing_new_and_is_good(desk: Desk) -> None:
    path = desk.csv(rows(3))
    desk.run(path)

    result = desk.run(path, "--json")

    assert result.exit_code == 0
    assert documents(result)[-1] == {
        "event": "summary",
        "dry_run": False,
        "rows": 3,
        "accepted": 0,
        "duplicates": 3,
        "refused": 0,
    }


def test_refused_rows_are_listed_with_row_field_code_and_reason_and_the_exit_code_is_1(desk: Desk) -> None:
    path = desk.csv(rows(1) + "b,2022-01-01T00:00:00Z,NaN,0,0\n" + rows(1, "conflict") + rows(1, "c"))

    result = desk.run(path, "--json")

    *refused, file, summary = documents(result)
    assert result.exit_code == 1
    assert [(line["row"], line["id"], line["field"], line["code"]) for line in refused] == [
        (3, "b@2022-01-01T00:00:00Z", "wallet_balance", "NOT_FINITE"),
        (4, "conflict0", "account", "ID_CONFLICT"),
    ]
    assert (file["event"], file["file"]) == ("file", str(path))
    assert (summary["rows"], summary["accepted"], summary["refused"]) == (4, 2, 2)
    assert desk.journal.stored == {"a0", "c0"}


def test_a_person_sees_the_first_twenty_refused_rows_and_a_file_holds_all(desk: Desk, tmp_path: Path) -> None:
    path = desk.csv("x,yesterday,1,1,0\n" * 25)
    out = tmp_path / "refused.jsonl"

    result = desk.run(path, "--refused-out", out)

    assert result.exit_code == 1
    assert result.stdout.count("BAD_TIMESTAMP") == 20
    assert "and 5 more" in result.stdout
    assert [json.loads(line)["row"] for line in out.read_text().splitlines()] == list(range(2, 27))


def test_a_dry_run_checks_every_row_and_sends_nothing(desk: Desk) -> None:
    path = desk.csv(rows(2) + "b,2022-01-01T00:00:00Z,,0,0\n")

    result = desk.run(path, "--dry-run", "--json", target="127.0.0.1:1")

    assert result.exit_code == 1
    summary = documents(result)[-1]
    assert (summary["rows"], summary["refused"], summary["dry_run"]) == (3, 1, True)
    assert desk.journal.calls == []


def test_an_authority_that_cannot_be_reached_is_exit_code_3(desk: Desk) -> None:
    result = desk.run(desk.csv(rows(2)), target="127.0.0.1:1")

    assert result.exit_code == 3
    assert "no authority answers at 127.0.0.1:1" in result.stderr


def test_an_unusable_file_is_exit_code_2_before_anything_is_sent(desk: Desk, tmp_path: Path) -> None:
    good = desk.csv(rows(2))
    for content in (b"", b"a,b\n1,2\n", "æ".encode("latin-1")):
        bad = tmp_path / "bad.csv"
        bad.write_bytes(content)

        result = desk.run(good, bad)

        assert result.exit_code == 2, result.output
        assert str(bad) in result.stderr.replace("\n", "")
    assert desk.run(tmp_path / "none.csv").exit_code == 2
    assert desk.journal.calls == []


def test_a_wrong_target_and_an_unwritable_list_are_exit_code_2(desk: Desk, tmp_path: Path) -> None:
    path = desk.csv(rows(1))

    assert desk.run(path, target="nowhere").exit_code == 2
    assert desk.run(path, "--refused-out", tmp_path).exit_code == 2


def test_a_short_outage_is_told_and_overcome(desk: Desk) -> None:
    desk.journal.failures = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE]

    result = desk.run(desk.csv(rows(2)))

    assert result.exit_code == 0
    assert len(desk.journal.calls) == 3
    assert "trying again" in result.stderr


def test_an_interrupted_import_goes_on_where_it_stopped(desk: Desk) -> None:
    path = desk.csv("bad\n" + rows(1, "conflict") + rows(2500))
    desk.journal.failures = [None, None, grpc.StatusCode.INTERNAL]
    assert desk.run(path).exit_code == 4
    assert len(desk.bookmarks()) == 1
    desk.journal.calls.clear()

    result = desk.run(path, "--json")

    # The last batch once more, to see that it is still there; then the rest.
    assert desk.journal.calls == [1000, 501]
    *refused, file, summary = documents(result)
    assert {line["code"] for line in refused} == {"WRONG_COLUMNS", "ID_CONFLICT"}
    assert (file["resumed_after"], summary["rows"], summary["refused"]) == (2002, 2502, 2)
    assert (summary["accepted"], len(desk.journal.stored), result.exit_code) == (2500, 2500, 1)
    assert desk.bookmarks() == []


def test_an_import_begins_anew_when_the_journal_has_lost_what_it_had(desk: Desk) -> None:
    path = desk.csv(rows(2500))
    desk.journal.failures = [None, None, grpc.StatusCode.INTERNAL]
    desk.run(path)
    desk.journal.stored.clear()

    result = desk.run(path, "--json")

    assert result.exit_code == 0
    assert len(desk.journal.stored) == 2500
    assert documents(result)[0]["resumed_after"] == 0


@pytest.mark.parametrize("content", ["", "[]", '{"row": 5}', '{"row": 1, "tally": 2, "refused": 3}'])
def test_a_damaged_bookmark_starts_the_import_over(desk: Desk, content: str) -> None:
    path = desk.csv(rows(1500))
    desk.journal.failures = [None, grpc.StatusCode.INTERNAL]
    desk.run(path)
    desk.bookmarks()[0].write_text(content)

    assert desk.run(path).exit_code == 0
    assert len(desk.journal.stored) == 1500


def test_ctrl_c_ends_at_once_and_the_next_run_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = desk.csv(rows(1500))
    wrapped = record_client.RecordClient

    def interrupted(target: str, **options: Any) -> Any:  # noqa: ANN401 -- whatever the client takes
        client = wrapped(target, **options)
        send = client.record
        sent: list[object] = []

        def record(facts: Any) -> record_client.Recorded:  # noqa: ANN401 -- as the client's
            if sent:
                raise KeyboardInterrupt
            sent.append(facts)
            return send(facts)

        monkeypatch.setattr(client, "record", record)
        return client

    with monkeypatch.context() as patch:
        patch.setattr(record_client, "RecordClient", interrupted)
        result = desk.run(path)
    assert result.exit_code == 130
    assert "run the same command again" in result.stderr

    assert desk.run(path).exit_code == 0
    assert len(desk.journal.stored) == 1500
