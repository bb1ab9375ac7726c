"""`msc alerts`: what fires, and whether what is sent arrives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from msc_web import Document, ScriptedAuthority, a_critical_alert, a_problem, an_alert
from process_harness import free_port
from typer.testing import CliRunner, Result

from msc_authority.cli.app import build_app


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAuthority]:
    with ScriptedAuthority() as authority:
        monkeypatch.setenv("MSC_URL", authority.url)
        monkeypatch.setenv("COLUMNS", "80")
        yield authority


def alerts(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), ["alerts", *arguments])


def answer(authority: ScriptedAuthority, *found: Document) -> None:
    authority.answers["/api/msc/alerts"] = {"alerts": list(found)}


def test_nothing_wrong_is_said_and_ends_with_0(authority: ScriptedAuthority) -> None:
    answer(authority)

    result = alerts()

    assert (result.exit_code, result.stdout) == (0, "No alert fires.\n")


def test_a_critical_alert_ends_with_1_and_says_what_to_do(authority: ScriptedAuthority) -> None:
    answer(authority, a_critical_alert(), an_alert())

    result = alerts()

    assert result.exit_code == 1
    for words in (
        "CRITICAL  DEFENSIVE_TOO_LONG  firing, since 2026-01-02 03:03:00Z\n  in DEFENSIVE for 3700 s\n",
        "  → look at msc health\n",
        "WARNING  CLIENT_BEHIND guard-1  firing, ",
        "  see http://127.0.0.1:8000/troubleshooting#alert-client-behind\n",
    ):
        assert words in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_warning_alone_ends_with_0(authority: ScriptedAuthority) -> None:
    answer(authority, an_alert())

    assert alerts().exit_code == 0


def test_pending_and_resolved_ones_are_shown_on_request_and_are_no_bad_news(authority: ScriptedAuthority) -> None:
    pending = a_critical_alert(state="pending", firing_since=None)
    answer(authority, pending, an_alert(state="resolved", resolved_at="2026-01-02T03:04:00Z"))

    assert (alerts().exit_code, alerts().stdout) == (0, "No alert fires.\n")
    everything = alerts("--all")
    assert everything.exit_code == 0
    assert "pending, since 2026-01-02 03:02:00Z" in everything.stdout
    assert "resolved, since" in everything.stdout
    assert "→" not in everything.stdout


def test_json_is_one_line_for_each_as_the_authority_has_it(authority: ScriptedAuthority) -> None:
    answer(authority, a_critical_alert(), an_alert(state="pending"))

    result = alerts("--json")

    assert result.exit_code == 1
    assert [json.loads(line) for line in result.stdout.splitlines()] == [a_critical_alert()]
    assert len(alerts("--all", "--json").stdout.splitlines()) == 2


def test_what_a_client_is_called_cannot_command_the_terminal(authority: ScriptedAuthority) -> None:
    answer(authority, an_alert(subject="\x1b[2J[red]guard"))

    assert "CLIENT_BEHIND �[2J[red]guard" in alerts().stdout


def test_nobody_there_is_3_and_a_refusal_4(authority: ScriptedAuthority) -> None:
    assert alerts("--url", f"http://127.0.0.1:{free_port()}").exit_code == 3

    authority.problems["/api/msc/alerts"] = a_problem(500, "INTERNAL", "error 7")
    assert alerts().exit_code == 4


class Webhook:
    """Takes what is posted, and answers with a status."""

    def __init__(self, status: int) -> None:
        self.bodies: list[Document] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing: the test asserts what came."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?token=hunter2"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def hooks() -> Iterator[tuple[Webhook, Webhook]]:
    pair = Webhook(200), Webhook(403)
    yield pair
    for hook in pair:
        hook.close()


def test_a_test_alert_goes_to_every_sink_and_each_is_told(hooks: tuple[Webhook, Webhook], tmp_path: Path) -> None:
    config = tmp_path / "msc.toml"
    config.write_text(f"alert_urls = {json.dumps([hook.url for hook in hooks])}\n")

    result = alerts("test", "--config", str(config), "--json")

    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert result.exit_code == 1
    assert (first["taken"], second["taken"]) == (True, False)
    assert "403" in second["problem"]
    assert [len(hook.bodies) for hook in hooks] == [1, 1]
    assert "hunter2" not in result.output


def test_in_words_it_is_one_line_a_sink(hooks: tuple[Webhook, Webhook], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSC_ALERT_URLS", hooks[0].url)

    result = alerts("test")

    assert (result.exit_code, result.stdout) == (0, "webhook-1: taken\n")


def test_without_a_sink_it_says_how_to_name_one(tmp_path: Path) -> None:
    result = alerts("test", "--home", str(tmp_path))

    assert result.exit_code == 2
    assert "alert_urls" in result.stderr
