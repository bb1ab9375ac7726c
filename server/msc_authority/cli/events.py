"""`msc events`: what happens, one line each: policies, evaluations, alerts, clients, blocked signals, and acts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.event_lines import line_of
from msc_authority.cli.options import DEFAULT_URL, JsonOption, UrlOption
from msc_authority.cli.output import print_json

if TYPE_CHECKING:
    from msc_authority.cli.tailing import Told
    from msc_authority.cli.web import Web

EVENT_TYPES = ("policy", "evaluation", "alert", "client", "block", "act")
FIRST_ID = "0"
"""Asks for everything that the authority still remembers."""
REPLAY_SILENCE_S = 1.0


@command
def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.", show_default=False)] = False,
    types: Annotated[
        str, typer.Option(metavar="TYPE,…", help=f"Only these: {', '.join(EVENT_TYPES)}. Default: all.")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the authority if it is away at the start.")] = False,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """List the newest events that the authority remembers; with --follow, go on through its restarts until Ctrl-C.

    With --json, one line for each: its id, its type as "event", and its data as in GET /api/msc/events; with --follow
    also "disconnected" between streams.
    """
    chosen = _chosen(types)
    from msc_authority.cli.web import browsing

    with browsing(url) as web:
        if not wait:
            web.get("/healthz")
        try:
            for told in without_first_gap(_followed(web, chosen) if follow else _remembered(web, chosen)):
                if as_json:
                    print_json(told)
                else:
                    typer.echo(line_of(told))
                sys.stdout.flush()
        except KeyboardInterrupt:
            raise typer.Exit(ExitCode.OK) from None


def without_first_gap(events: Iterable[Told]) -> Iterator[Told]:
    """Yields the events; not, as the first one, that older ones are gone: the newest ones were asked for."""
    for number, told in enumerate(events):
        if number or told["event"] != "gap":
            yield told


def _chosen(types: str) -> str:
    wanted = [name.strip() for name in types.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in EVENT_TYPES]
    if unknown:
        raise CommandError(
            f"--types: there is no event {', '.join(unknown)}",
            advice=f"there are {', '.join(EVENT_TYPES)}",
            code=ExitCode.USAGE,
        )
    return ",".join(wanted)


def _followed(web: Web, types: str) -> Iterator[Told]:
    from msc_authority.adapters.clock import uniform
    from msc_authority.cli.tailing import TailPace, tail

    never = threading.Event()
    return tail(
        lambda last_id: web.events(types=types, last_id=last_id),
        TailPace(),
        uniform=uniform,
        wait=never.wait,
        last_id=FIRST_ID,
    )


def _remembered(web: Web, types: str) -> Iterator[Told]:
    from msc_authority.cli.server_events import ServerEvent
    from msc_authority.cli.tailing import told_of
    from msc_authority.cli.web import WebError

    try:
        for frame in web.events(types=types, last_id=FIRST_ID, silence_s=REPLAY_SILENCE_S):
            if isinstance(frame, ServerEvent):
                yield told_of(frame)
    except WebError as error:
        # What is remembered has been told.
        if error.reason != "SILENT":
            raise
