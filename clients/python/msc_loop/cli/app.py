"""All commands under one name. What trading needs is imported when a command that trades runs."""

from __future__ import annotations

import typer

from msc_authority.cli.app import build_app as authority_app
from msc_loop.cli.audit import build_audit_app
from msc_loop.cli.backtest import backtest
from msc_loop.cli.loop import loop
from msc_loop.cli.paper import paper_app


def build_app() -> typer.Typer:
    """The whole command line: the authority's commands, and those that trade."""
    app = authority_app(audit=build_audit_app())
    for function in (loop, backtest):
        app.command()(function)
    app.add_typer(paper_app, name="paper")
    return app


def main() -> None:
    """Runs `msc` with the arguments of this process."""
    build_app()(prog_name="msc")
