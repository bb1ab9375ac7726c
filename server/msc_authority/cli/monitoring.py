"""`msc monitoring`: what Prometheus and Grafana need to know, printed."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from msc_authority.cli.errors import command
from msc_authority.cli.options import JsonOption
from msc_authority.cli.output import print_json

monitoring_app = typer.Typer(help="Alert rules for Prometheus and a dashboard for Grafana.", no_args_is_help=True)


@monitoring_app.callback()
def _monitoring() -> None:
    """Print what monitoring needs. The metrics themselves are at GET /metrics of the HTTP port."""


@monitoring_app.command("rules")
@command
def rules(
    runbook: Annotated[
        str, typer.Option("--runbook", metavar="URL", help="Where the runbook is that the alerts link to.")
    ] = "server/RUNBOOK.md",
    as_json: JsonOption = False,
) -> None:
    """Print the alert rules as a rule file for Prometheus.

    They are the conditions that the authority itself watches: use its own alerts (alert_urls), or these.
    """
    from msc_authority.app.alerts.rules import RULES
    from msc_authority.http.monitoring.alert_rules import rule_file, rule_yaml

    if as_json:
        print_json(rule_file(RULES, runbook=runbook))
    else:
        typer.echo(rule_yaml(RULES, runbook=runbook), nl=False)


@monitoring_app.command("grafana")
@command
def grafana(as_json: JsonOption = False) -> None:
    """Print the dashboard as JSON, for Grafana to import; with --json on one line."""
    from msc_authority.http.monitoring.dashboard import dashboard

    if as_json:
        print_json(dashboard())
    else:
        typer.echo(json.dumps(dashboard(), indent=2, ensure_ascii=False))
