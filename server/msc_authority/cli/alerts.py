"""`msc alerts`: what is wrong by the authority's own judgement, and a test of where alerts are sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, cast

import typer

from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.loading import load_settings
from msc_authority.cli.options import DEFAULT_URL, ConfigOption, HomeOption, JsonOption, UrlOption
from msc_authority.cli.output import clean, console, instant, print_json, text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from msc_authority.adapters.notify.trial import Trial
    from msc_authority.cli.web import Document

_FIRING = "firing"

alerts_app = typer.Typer(invoke_without_command=True)


@alerts_app.callback()
@command
def alerts(
    context: typer.Context,
    show_all: Annotated[
        bool, typer.Option("--all", help="Also those that are pending or were resolved lately.", show_default=False)
    ] = False,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """List the alerts that fire, critical ones first, each with what to do.

    With --json, one line for each. Exit code 1: a critical alert fires.
    """
    if context.invoked_subcommand is not None:
        return
    from msc_authority.cli.web import browsing

    with browsing(url) as web:
        found = rows_of(web.get("/api/msc/alerts"), "alerts")
    shown = [alert for alert in found if show_all or alert.get("state") == _FIRING]
    if as_json:
        for alert in shown:
            print_json(alert)
    elif shown:
        console().print(*map(_block, shown), sep="\n")
    else:
        typer.echo("No alert fires.")
    raise typer.Exit(ExitCode.BAD_NEWS if any(map(is_critical, found)) else ExitCode.OK)


@alerts_app.command("test")
@command
def send_test(config: ConfigOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Send a test alert to every address in alert_urls, from this machine, and say which took it.

    With --json, one line for each. Exit code 1: one did not take it.
    """
    from msc_authority.adapters.clock import SystemClock
    from msc_authority.adapters.notify.trial import try_sinks
    from msc_authority.compose.parts import links_of

    settings = load_settings(config, {"home": home}).settings
    if not settings.alert_urls:
        raise CommandError(
            "alert_urls names nobody: alerts go to the log only",
            advice='set alert_urls = ["https://…"] in msc.toml or MSC_ALERT_URLS',
            code=ExitCode.USAGE,
            reason="NO_SINKS",
        )
    bad = False
    for trial in try_sinks(settings.alert_urls, links_of(settings), SystemClock().now()):
        _show_trial(trial, as_json=as_json)
        bad = bad or bool(trial.problem)
    raise typer.Exit(ExitCode.BAD_NEWS if bad else ExitCode.OK)


def rows_of(document: Document, name: str) -> list[Document]:
    """The objects in a list of a document; none when it is missing."""
    found = document.get(name)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def is_critical(alert: Document) -> bool:
    """Whether it fires, and is critical."""
    return alert.get("state") == _FIRING and alert.get("severity") == "critical"


def named(alert: Document) -> str:
    """What it is called: its code, and who it is about where that is somebody."""
    subject = alert.get("subject")
    return clean(f"{alert.get('code')} {subject}" if subject else alert.get("code"))


def _block(alert: Document) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding

    firing = alert.get("state") == _FIRING
    since = instant(cast("str | None", alert.get("firing_since") or alert.get("pending_since")))
    head = f"{str(alert.get('severity')).upper()}  {named(alert)}  {alert.get('state')}, since {since}"
    lines = [alert.get("text"), *([f"→ {alert.get('advice')}"] if firing else [])]
    if alert.get("link"):
        lines.append(f"see {alert['link']}")
    return Group(text(clean(head)), *(Padding(text(clean(line)), (0, 0, 0, 2), expand=False) for line in lines))


def _show_trial(trial: Trial, *, as_json: bool) -> None:
    if as_json:
        print_json({"sink": trial.name, "taken": not trial.problem, "problem": trial.problem})
    else:
        typer.echo(clean(f"{trial.name}: {f'NOT taken: {trial.problem}' if trial.problem else 'taken'}"))
