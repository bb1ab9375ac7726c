"""All commands under one name. Each imports what it needs when it runs, so that help and errors come at once."""

from __future__ import annotations

from typing import Annotated

import typer

from msc_authority.cli.alerts import alerts_app
from msc_authority.cli.audit import build_audit_app
from msc_authority.cli.backup import backup, restore
from msc_authority.cli.config import config_app
from msc_authority.cli.credentials import (
    CaOption,
    CertificateOption,
    KeyOption,
    ServerNameOption,
    Sources,
    TokenFileOption,
    sources,
)
from msc_authority.cli.doctor import doctor
from msc_authority.cli.epoch import new_epoch
from msc_authority.cli.errors import debugging
from msc_authority.cli.evaluate import evaluate
from msc_authority.cli.events import events
from msc_authority.cli.insight import clients, health, strategies
from msc_authority.cli.journal import journal_app
from msc_authority.cli.migrate import migrate
from msc_authority.cli.monitoring import monitoring_app
from msc_authority.cli.operate import (
    bench,
    halt,
    lift,
    limit,
    overrides,
    pin,
    reduce,
    reinstate,
    resume,
    retire,
    rollback,
)
from msc_authority.cli.policy import history, status
from msc_authority.cli.prune import prune
from msc_authority.cli.replay import replay
from msc_authority.cli.serve import serve
from msc_authority.cli.token import token_app
from msc_authority.cli.top import top
from msc_authority.cli.version import version
from msc_authority.cli.watch import watch

_HELP = """The Meta Strategy Controller: one policy for every trading process.

Every command takes --json, and ends with one of these exit codes: 0 good; 1 bad news, or it failed on this machine;
2 usage or configuration; 3 the authority cannot be reached; 4 it refused.
"""


def build_app(audit: typer.Typer | None = None) -> typer.Typer:
    """The whole command line. `audit` None: the commands of the audit log alone."""
    app = typer.Typer(
        name="msc",
        help=_HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_global)
    asking = (status, watch, history, strategies, health, evaluate, clients, events)
    operating = (halt, reduce, resume, pin, limit, bench, retire, reinstate, rollback, overrides, lift)
    keeping = (backup, restore, new_epoch, migrate, prune)
    for function in (serve, top, *asking, *operating, replay, *keeping, doctor, version):
        app.command()(function)
    app.add_typer(alerts_app, name="alerts")
    app.add_typer(journal_app, name="journal")
    app.add_typer(monitoring_app, name="monitoring")
    app.add_typer(config_app, name="config")
    app.add_typer(token_app, name="token")
    app.add_typer(audit or build_audit_app(), name="audit")
    return app


def _global(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    token_file: TokenFileOption = None,
    tls_ca: CaOption = None,
    tls_certificate: CertificateOption = None,
    tls_key: KeyOption = None,
    tls_server_name: ServerNameOption = "",
) -> None:
    debugging.set(debug)
    sources.set(
        Sources(
            token_file=token_file,
            ca=tls_ca,
            certificate=tls_certificate,
            key=tls_key,
            server_name=tls_server_name,
        )
    )


def main() -> None:
    """Runs `msc` with the arguments of this process."""
    build_app()(prog_name="msc")
