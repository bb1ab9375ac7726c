"""Follows the policy across restarts of the authority: one stream after another, each end noticed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Protocol, cast

Event = dict[str, object]

DEFAULT_HEARTBEAT_S = 5.0


class OpenWatch(Protocol):
    """One stream of events."""

    def __iter__(self) -> Iterator[Event]:
        """Yields events until the stream ends, and raises when it ends badly."""
        ...

    def cancel(self) -> None:
        """Ends it."""
        ...


class Opens(Protocol):
    """Opens streams."""

    def __call__(self, known: tuple[int, int, str] | None) -> OpenWatch:
        """Opens a stream for someone who holds `known`: (epoch, version, etag)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often the follower looks up, and how long it waits. Seconds."""

    tick_s: float = 1.0
    shortest_pause_s: float = 0.05
    first_pause_s: float = 0.25
    longest_pause_s: float = 5.0
    grace_s: float = 1.0


@dataclass(frozen=True, slots=True)
class _End:
    error: Exception | None


def follow(
    open_watch: Opens, pace: Pace, uniform: Callable[[float, float], float]
) -> Generator[Event | None, None, None]:
    """Yields every event of one stream after another, and None once a tick while nothing comes.

    Between streams comes one event "disconnected" with `reason`, `message` and `retry_in_s`. A stream that is silent
    for three heartbeats and a second is ended: a frozen authority answers nothing, and closes nothing.
    `uniform(low, high)` is chance: many followers do not come back in the same instant.
    """
    known: tuple[int, int, str] | None = None
    failures = 0
    while True:
        end, asked_s = _End(None), 0.0
        for item in _one_stream(open_watch(known), pace):
            if isinstance(item, _End):
                end = item
                break
            if item is not None:
                failures, known = 0, _held(item, known)
                asked_s = _seconds(item.get("reconnect_after_s"))
            yield item
        backoff_s = min(pace.longest_pause_s, pace.first_pause_s * 2.0**failures)
        pause_s = uniform(0.0, asked_s) if asked_s else uniform(pace.shortest_pause_s, backoff_s)
        failures = min(failures + 1, 10)
        yield {"event": "disconnected", **_why(end), "retry_in_s": pause_s}
        yield from _wait(pause_s, pace.tick_s)


def _one_stream(watch: OpenWatch, pace: Pace) -> Iterator[Event | _End | None]:
    inbox: queue.SimpleQueue[Event | _End] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(watch, inbox), name="msc-watch", daemon=True).start()
    limit_s, silent_s = float("inf"), 0.0
    try:
        while True:
            try:
                item = inbox.get(timeout=pace.tick_s)
            except queue.Empty:
                silent_s += pace.tick_s
                if silent_s > limit_s:
                    yield _End(TimeoutError(f"silent for {silent_s:.0f} s"))
                    return
                yield None
                continue
            silent_s = 0.0
            yield item
            if isinstance(item, _End):
                return
            limit_s = _patience(item, limit_s, pace.grace_s)
    finally:
        watch.cancel()


def _pump(watch: OpenWatch, inbox: queue.SimpleQueue[Event | _End]) -> None:
    try:
        for event in watch:
            inbox.put(event)
    except Exception as error:
        inbox.put(_End(error))
    else:
        inbox.put(_End(None))


def _patience(event: Event, before_s: float, grace_s: float) -> float:
    """How long silence may last: the first message of a stream says what its heartbeat is."""
    info = event.get("info")
    if isinstance(info, dict):
        return 3 * (_seconds(info.get("heartbeat_interval_s")) or DEFAULT_HEARTBEAT_S) + grace_s
    return before_s if before_s != float("inf") else 3 * DEFAULT_HEARTBEAT_S + grace_s


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _held(event: Event, before: tuple[int, int, str] | None) -> tuple[int, int, str] | None:
    policy = event.get("policy")
    if event.get("event") != "snapshot" or not isinstance(policy, dict):
        return before
    return cast("tuple[int, int, str]", (policy["epoch"], policy["version"], policy["etag"]))


def _why(end: _End) -> Event:
    if end.error is None:
        return {"reason": "ENDED", "message": "the authority ended the stream"}
    reason = getattr(end.error, "reason", "SILENT" if isinstance(end.error, TimeoutError) else "ERROR")
    return {"reason": reason, "message": str(end.error)}


def _wait(pause_s: float, tick_s: float) -> Iterator[None]:
    never = threading.Event()
    while pause_s > 0:
        never.wait(min(pause_s, tick_s))
        pause_s -= tick_s
        yield None
