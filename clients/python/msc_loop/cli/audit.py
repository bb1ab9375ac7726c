"""`msc audit`: no order violates the policy in force at its decision, or here is which."""

from __future__ import annotations

from typing import Annotated

import typer

from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.loading import load_settings
from msc_authority.cli.options import ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import print_json


@command
def audit(
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Database to audit. Default: that of home.")
    ] = None,
    grace_s: Annotated[
        float,
        typer.Option(min=0, help="How long a new policy may take to reach an executor, in the journal's time."),
    ] = 1.0,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that no order in the journal violates the policy in force at its decision. Changes nothing.

    Every entry that was sent is judged by the history of policies: was the revision in force, the strategy allowed, the
    confidence high enough, the risk within bounds, trading ACTIVE, a position and a trade of the day left? Orders that
    only reduce are exempt. A journal of simulated time needs a --grace-s that is multiplied by its speed. Exit code 1:
    there are violations.
    """
    from msc_authority.ports import StoreError
    from msc_loop.audit import audit as judge
    from msc_loop.journal import read_journal, sqlite_file
    from msc_loop.report_text import audit_document, audit_lines

    url = load_settings(config, {"home": home, "database_url": database_url}).settings.database_url
    file = sqlite_file(url)
    if file is not None and not file.exists():
        raise CommandError(f"{file}: no such database", advice="check --home or --database-url", code=ExitCode.USAGE)
    try:
        journal = read_journal(url)
    except StoreError as error:
        raise CommandError(str(error), advice="msc doctor checks the database", reason="STORE") from error
    result = judge(journal.executions, journal.revisions, grace_s=grace_s)
    if as_json:
        print_json(audit_document(result))
    else:
        typer.echo("\n".join(audit_lines(result)))
    if not result.is_clean:
        raise typer.Exit(ExitCode.BAD_NEWS)
