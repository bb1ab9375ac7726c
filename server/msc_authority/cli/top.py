"""`msc top`: the authority at a glance, live on the whole screen."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.errors import ExitCode, command
from msc_authority.cli.options import DEFAULT_URL, JsonOption, UrlOption
from msc_authority.cli.output import console, print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

    from msc_authority.cli.keys import WaitForKey
    from msc_authority.cli.top_state import Seen, TopState

EVERY_S = 1.0
SHOW_EVERY_S = 0.25
LIVE_ANSWER_S = 3.0
_END_KEYS = frozenset("qQ\x03\x04")


@command
def top(
    once: Annotated[bool, typer.Option("--once", help="Print it once and end.", show_default=False)] = False,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Show the authority live on the whole screen: policy, health, strategies, fleet, blocks, alerts. q ends it.

    It stays when the authority goes away, says so, and goes on when it is back. Where the output is no terminal, it
    prints once. With --json, one object with the answers of the REST API.
    """
    from msc_authority.cli.web import browsing, check_url

    if once or as_json or not sys.stdout.isatty():
        from msc_authority.cli.top_state import look

        with browsing(url) as web:
            _print(url, look(web), as_json=as_json)
        return
    check_url(url)
    try:
        _live(url)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.OK) from None


def _print(url: str, seen: Seen, *, as_json: bool) -> None:
    from msc_authority.cli.top_screen import screen
    from msc_authority.cli.top_state import TopState

    if as_json:
        parts = {"status": seen.status, "strategies": seen.strategies, "clients": seen.clients, "alerts": seen.alerts}
        print_json({"url": url, **parts, "problems": list(seen.problems)})
        return
    out = console()
    out.print(screen(TopState(url=url, seen=seen, seen_at=0.0), 0.0, out.width, height=None))


def _live(url: str) -> None:
    from rich.live import Live

    from msc_authority.adapters.clock import SystemClock
    from msc_authority.cli.keys import single_keys
    from msc_authority.cli.top_screen import screen
    from msc_authority.cli.top_state import Looker
    from msc_authority.cli.web import Web

    clock, out = SystemClock(), console()

    def drawn(state: TopState) -> RenderableType:
        return screen(state, clock.monotonic(), out.width, height=out.height)

    with Web(url, answer_s=LIVE_ANSWER_S) as web, single_keys() as wait, _interrupted() as interrupted:
        looker = Looker(url, web, clock, EVERY_S)
        with Live(drawn(looker.state), console=out, screen=True, auto_refresh=False) as live:
            looker.start()
            try:
                show(lambda: live.update(drawn(looker.state), refresh=True), wait, interrupted)
            finally:
                looker.stop()


@contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Yields what says whether Ctrl-C came. As an exception, it is lost where it meets a destructor."""
    came = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: came.set())
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def show(draw: Callable[[], None], wait: WaitForKey, interrupted: Callable[[], bool] = lambda: False) -> None:
    """Draws again and again until a key or an interruption ends it."""
    while not interrupted():
        draw()
        if _END_KEYS.intersection(wait(SHOW_EVERY_S)):
            return
