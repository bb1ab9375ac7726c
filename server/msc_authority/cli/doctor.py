"""`msc doctor`: checks configuration, home, database, ports and clock, and says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.loading import load_settings
from msc_authority.cli.options import ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import console, grid, print_json, text

if TYPE_CHECKING:
    from msc_authority.cli.checks import Finding


@command
def doctor(config: ConfigOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Check configuration, home, database, ports and clock, and say what to do. Changes nothing.

    Exit code 1: something fails.
    """
    findings = _findings(config=config, home=home)
    failed = any(finding.outcome == "FAIL" for finding in findings)
    if as_json:
        print_json({"ok": not failed, "checks": [_plain(finding) for finding in findings]})
    else:
        table = grid("check", "found", "detail")
        for finding in findings:
            advice = f"\n→ {finding.advice}" if finding.advice else ""
            table.add_row(finding.check, finding.outcome, text(finding.detail + advice))
        console().print(table)
    raise typer.Exit(ExitCode.BAD_NEWS if failed else ExitCode.OK)


def _findings(*, config: ConfigOption, home: HomeOption) -> list[Finding]:
    from msc_authority.adapters.clock import SystemClock
    from msc_authority.cli.checks import Finding, Outcome, examine

    try:
        settings = load_settings(config, {"home": home}).settings
    except CommandError as error:
        return [Finding(check="configuration", outcome=Outcome.FAIL, detail=error.message, advice=error.advice)]
    return list(examine(settings, SystemClock()))


def _plain(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "outcome": finding.outcome.value.lower(),
        "detail": finding.detail,
        "advice": finding.advice,
    }
