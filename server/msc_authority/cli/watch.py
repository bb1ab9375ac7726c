"""`msc watch`: the policy as it changes, live for people, a line per event for programs."""

from __future__ import annotations

import sys
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, cast

import typer

from msc_authority.cli.asking import asking
from msc_authority.cli.errors import ExitCode, command
from msc_authority.cli.options import DEFAULT_TARGET, JsonOption, TargetOption
from msc_authority.cli.output import console, duration, fact_table, instant, print_json, text
from msc_authority.cli.policy import policy_facts

if TYPE_CHECKING:
    from rich.console import RenderableType

    from msc_authority.cli.following import Event, OpenWatch
    from msc_authority.rpc.remote import Remote

SHOWN_EVENTS = 8


@command
def watch(
    count: Annotated[int | None, typer.Option(min=1, help="End after this many events.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the authority if it is away at the start.")] = False,
    target: TargetOption = DEFAULT_TARGET,
    as_json: JsonOption = False,
) -> None:
    """Follow the policy until Ctrl-C, through restarts of the authority.

    With --json, one line for each event: snapshot, unchanged, heartbeat, goodbye, and disconnected between streams.
    """
    with asking(target) as remote:
        if not wait:
            remote.health()
        events = _events(remote)
        try:
            if as_json:
                _print_events(events, count)
            elif sys.stdout.isatty():
                _live(events, count, target)
            else:
                _print_lines(events, count)
        except KeyboardInterrupt:
            raise typer.Exit(ExitCode.OK) from None


def _events(remote: Remote) -> Iterator[Event | None]:
    from msc_authority.adapters.clock import uniform
    from msc_authority.cli.following import Pace, follow
    from msc_authority.rpc.remote import Watcher

    instance_id = uuid.uuid4().hex

    def open_watch(known: tuple[int, int, str] | None) -> OpenWatch:
        return remote.watch(Watcher(instance_id=instance_id, name="msc watch", known=known))

    return follow(open_watch, Pace(), uniform)


def _print_events(events: Iterator[Event | None], count: int | None) -> None:
    for event in _first(events, count):
        if event is not None:
            print_json(event)
            sys.stdout.flush()


def _print_lines(events: Iterator[Event | None], count: int | None) -> None:
    for event in _first(events, count):
        if event is not None and event["event"] != "heartbeat":
            typer.echo(event_line(event))
            sys.stdout.flush()


def _live(events: Iterator[Event | None], count: int | None, target: str) -> None:
    from rich.live import Live

    view = LiveView(target)
    with Live(view.render(), console=console(), auto_refresh=False) as live:
        for event in _first(events, count):
            view.take(event)
            live.update(view.render(), refresh=True)


def _first(events: Iterator[Event | None], count: int | None) -> Iterator[Event | None]:
    left = count
    for event in events:
        yield event
        if event is not None and left is not None:
            left -= 1
            if left == 0:
                return


class LiveView:
    """What a person sees: the policy in force, the state of the connection, the newest events."""

    def __init__(self, target: str) -> None:
        """Starts without a policy."""
        self._target = target
        self._policy: Mapping[str, object] | None = None
        self._state = "connecting"
        self._freshness: Mapping[str, object] = {}
        self._silent_ticks = 0
        self._lines: deque[str] = deque(maxlen=SHOWN_EVENTS)

    def take(self, event: Event | None) -> None:
        """Takes an event, or None for a tick of one second without any."""
        if event is None:
            self._silent_ticks += 1
            return
        self._silent_ticks = 0
        kind = str(event["event"])
        self._state = "disconnected" if kind in {"disconnected", "goodbye"} else "connected"
        if kind == "snapshot":
            self._policy = cast("Mapping[str, object]", event["policy"])
        if isinstance(event.get("freshness"), Mapping):
            self._freshness = cast("Mapping[str, object]", event["freshness"])
        if kind != "heartbeat":
            self._lines.append(event_line(event))

    def render(self) -> RenderableType:
        """Returns what to show now."""
        from rich.console import Group

        silent = f", last message {duration(self._silent_ticks)} ago" if self._silent_ticks else ""
        rows = [("authority", f"{text(self._target)}: {self._state}{silent}")]
        if self._policy is None:
            rows.append(("policy", "none yet"))
        else:
            version = f"version {self._policy['version']}, epoch {self._policy['epoch']}"
            rows.append(("policy", f"{version}, committed {instant(self._policy['created_at'])}"))
            rows.extend(policy_facts(self._policy))
            rows.append(("validity", f"another {duration(self._freshness.get('ttl_s'))}"))
        return Group(fact_table(rows), "", *(text(line) for line in self._lines), "", "Ctrl-C ends it.")


def event_line(event: Mapping[str, object]) -> str:
    """One event on one line."""
    when = instant(event.get("server_time"))
    kind = event["event"]
    if kind == "snapshot":
        policy = cast("Mapping[str, object]", event["policy"])
        fields = ", ".join(cast("list[str]", event["changed_fields"]))
        changed = f"; changed: {fields}" if fields else ""
        return f"{when} version {policy['version']} ({event['reason']}): {policy['risk_mode']}{changed}"
    if kind == "disconnected":
        return f"disconnected ({event['reason']}): {event['message']}; trying again"
    if kind == "goodbye":
        return f"{when} the authority ends the stream: {event['reason']}"
    head = cast("Mapping[str, object]", event.get("head") or {})
    return f"{when} {kind}, head is version {head.get('version', 0)}"
