"""`msc audit orders`, and bare `msc audit`: no order violates the policy in force at its decision, or here is which."""

from __future__ import annotations

from typing import Annotated

import typer

from msc_authority.cli.audit import build_audit_app as authority_audit_app
from msc_authority.cli.database import existing_database, settings_of
from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.options import ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import print_json

_HELP = "Orders against the history of policies, and the log of who did what."

UrlOption = Annotated[str | None, typer.Option(metavar="URL", help="Database to audit. Default: that of home.")]
GraceOption = Annotated[
    float, typer.Option(min=0, help="How long a new policy may take to reach an executor, in the journal's time.")
]


def build_audit_app() -> typer.Typer:
    """The authority's audit commands, and the one that judges orders, which is meant where none is named."""
    app = authority_audit_app()
    app.command("orders")(orders)
    app.callback(invoke_without_command=True, help=_HELP)(_audit)
    return app


def _audit(
    context: typer.Context,
    database_url: UrlOption = None,
    grace_s: GraceOption = 1.0,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    if context.invoked_subcommand is None:
        orders(database_url=database_url, grace_s=grace_s, config=config, home=home, as_json=as_json)
        return
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(
                f"write it behind {context.invoked_subcommand}", ctx=context, param_hint=parameter.opts[0]
            )


@command
def orders(
    database_url: UrlOption = None,
    grace_s: GraceOption = 1.0,
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
    from msc_authority.ports.store import StoreError
    from msc_loop.audit import audit as judge
    from msc_loop.journal import read_journal
    from msc_loop.report_text import audit_document, audit_lines

    url = settings_of(config, {"home": home, "database_url": database_url}).database_url
    existing_database(url)
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
