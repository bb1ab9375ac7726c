"""Following the policy across ends of the stream, with scripted streams and no waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import islice

from msc_authority.cli.following import Event, Pace, follow

Known = tuple[int, int, str] | None

KINDS = ("snapshot", "disconnected")
PACE = Pace(tick_s=0.001, shortest_pause_s=0.0, first_pause_s=0.25, longest_pause_s=5.0)


def snapshot(version: int) -> Event:
    policy = {"epoch": 1, "version": version, "etag": f'"{version}"'}
    return {"event": "snapshot", "policy": policy, "info": {"heartbeat_interval_s": 1.0}}


class Stream:
    """Says what it was given, then ends, fails, or stays silent until it is cancelled."""

    def __init__(self, events: Sequence[Event], end: Exception | str = "clean") -> None:
        self._events, self._end = events, end
        self.cancelled = threading.Event()

    def __iter__(self) -> Iterator[Event]:
        yield from self._events
        if isinstance(self._end, Exception):
            raise self._end
        if self._end == "silent":
            self.cancelled.wait(20)

    def cancel(self) -> None:
        self.cancelled.set()


class Script:
    """Opens one stream after another and remembers what the follower held."""

    def __init__(self, *streams: Stream) -> None:
        self._streams = iter(streams)
        self.known: list[Known] = []

    def __call__(self, known: Known) -> Stream:
        self.known.append(known)
        return next(self._streams)


class Bounds:
    """Chance that takes no time and remembers the upper bounds it was asked for."""

    def __init__(self) -> None:
        self.upper: list[float] = []

    def __call__(self, low: float, high: float) -> float:
        self.upper.append(high)
        return 0.0


def events(script: Script, count: int, bounds: Bounds | None = None, pace: Pace = PACE) -> list[Event]:
    found = (event for event in follow(script, pace, bounds or Bounds()) if event is not None)
    return list(islice(found, count))


def test_a_clean_end_and_a_failure_both_lead_to_another_stream() -> None:
    script = Script(Stream([snapshot(1)]), Stream([], ConnectionError("gone")), Stream([snapshot(2)]))

    found = events(script, 4)

    assert [event["event"] for event in found] == ["snapshot", "disconnected", "disconnected", "snapshot"]
    assert [event.get("reason") for event in found[1:3]] == ["ENDED", "ERROR"]
    assert found[2]["message"] == "gone"


def test_the_next_stream_is_opened_with_what_is_held() -> None:
    script = Script(Stream([snapshot(1), snapshot(2)]), Stream([{"event": "unchanged"}]), Stream([snapshot(3)]))

    events(script, 6)

    assert script.known == [None, (1, 2, '"2"'), (1, 2, '"2"')]


def test_pauses_grow_while_nothing_comes_and_start_anew_after_life() -> None:
    failures = [Stream([], OSError("no")) for _ in range(6)]
    script = Script(*failures, Stream([snapshot(1)]), Stream([snapshot(2)]))
    bounds = Bounds()

    events(script, 9, bounds)

    assert bounds.upper == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 0.25]


def test_after_a_goodbye_the_pause_is_what_the_authority_asked_for() -> None:
    goodbye: Event = {"event": "goodbye", "reason": "DRAINING", "reconnect_after_s": 4.5}
    bounds = Bounds()

    events(Script(Stream([snapshot(1), goodbye]), Stream([snapshot(2)])), 4, bounds)

    assert bounds.upper == [4.5]


def test_a_stream_that_falls_silent_is_ended_after_three_heartbeats_and_a_second() -> None:
    tick_s = 1 / 1024
    silent = Stream([{**snapshot(1), "info": {"heartbeat_interval_s": 2 * tick_s}}], "silent")
    pace = Pace(tick_s=tick_s, shortest_pause_s=0.0, grace_s=4 * tick_s)

    found = list(islice(follow(Script(silent, *(Stream([]) for _ in range(100))), pace, Bounds()), 40))

    begin, end = (next(i for i, event in enumerate(found) if event and event["event"] == kind) for kind in KINDS)
    assert found[begin + 1 : end] == [None] * 10
    assert found[end] == {"event": "disconnected", "reason": "SILENT", "message": "silent for 0 s", "retry_in_s": 0.0}
    assert silent.cancelled.is_set()


def test_a_stream_that_never_answered_is_waited_for() -> None:
    waiting = Stream([], "silent")

    found = list(islice(follow(Script(waiting), PACE, Bounds()), 50))

    assert found == [None] * 50


def test_giving_up_cancels_the_open_stream() -> None:
    stream = Stream([snapshot(1)], "silent")
    following = follow(Script(stream), PACE, Bounds())
    next(following)

    following.close()

    assert stream.cancelled.is_set()
