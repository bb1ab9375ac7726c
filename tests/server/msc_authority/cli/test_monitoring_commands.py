"""`msc monitoring` prints what Prometheus and Grafana read."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from msc_authority.cli.app import build_app

SHIPPED = Path(__file__).parents[4] / "server" / "monitoring"


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(build_app(), ["monitoring", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_rules_are_printed_byte_for_byte_as_they_are_committed() -> None:
    assert printed("rules") == (SHIPPED / "alerts.yml").read_text(encoding="utf-8")


def test_the_dashboard_is_printed_byte_for_byte_as_it_is_committed() -> None:
    assert printed("grafana") == (SHIPPED / "grafana.json").read_text(encoding="utf-8")


def test_links_lead_to_where_the_readme_is_said_to_be() -> None:
    assert "runbook_url: 'https://docs.example/README.md#alert-client-safe'" in printed(
        "rules", "--runbook", "https://docs.example/README.md"
    )


def test_with_json_both_are_one_line() -> None:
    for command, key in (("rules", "groups"), ("grafana", "panels")):
        lines = printed(command, "--json").splitlines()

        assert len(lines) == 1
        assert json.loads(lines[0])[key]


def test_without_a_word_it_says_what_there_is() -> None:
    result = CliRunner().invoke(build_app(), ["monitoring"])

    assert "rules" in result.output
    assert "grafana" in result.output
