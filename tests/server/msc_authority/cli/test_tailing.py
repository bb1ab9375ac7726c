"""Events are followed from one stream to the next: none twice, each end noticed, and nobody in a hurry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import pytest

from msc_authority.cli.server_events import BrokenStream, Frame, Life, ServerEvent
from msc_authority.cli.tailing import TailPace, Told, tail, told_of
from msc_authority.cli.web import WebError

PACE = TailPace(shortest_pause_s=0.2, first_pause_s=1.0, longest_pause_s=10.0)
AWAY = WebError("connection refused", reason="UNREACHABLE")

Stream = Iterable[Frame | Exception]


def event(number: int) -> ServerEvent:
    return ServerEvent(id=str(number), kind="policy", data=f'{{"n": {number}}}')


class Script:
    """Streams one after another. It notes what each was asked for, and each wait."""

    def __init__(self, *streams: Stream) -> None:
        self._streams = iter(streams)
        self.asked: list[str] = []
        self.bounds: list[tuple[float, float]] = []
        self.waits: list[float] = []

    def open(self, last_id: str) -> Iterator[Frame]:
        self.asked.append(last_id)
        for frame in next(self._streams):
            if isinstance(frame, Exception):
                raise frame
            yield frame

    def uniform(self, low: float, high: float) -> float:
        self.bounds.append((low, high))
        return high

    def told(self, count: int) -> list[Told]:
        events = tail(self.open, PACE, uniform=self.uniform, wait=self.waits.append, last_id="0")
        return list(islice(events, count))


def test_a_stream_is_taken_up_where_the_last_one_ended() -> None:
    script = Script([event(4), event(5)], [event(6)])

    told = script.told(4)

    assert [one["event"] for one in told] == ["policy", "policy", "disconnected", "policy"]
    assert script.asked == ["0", "5"]


def test_the_end_of_a_stream_is_told_with_its_reason_and_the_wait() -> None:
    script = Script([AWAY])

    assert script.told(1) == [
        {"event": "disconnected", "reason": "UNREACHABLE", "message": "connection refused", "retry_in_s": 1.0}
    ]
    assert Script([]).told(1)[0]["reason"] == "ENDED"
    assert Script([BrokenStream("x")]).told(1)[0]["reason"] == "BROKEN"


def test_waits_grow_to_a_bound_and_are_drawn_by_lot() -> None:
    script = Script(*[[AWAY]] * 6, [])

    script.told(7)

    assert script.bounds == [(0.2, high) for high in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0)]
    assert script.waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize("life", [event(1), Life()])
def test_any_sign_of_life_makes_the_next_wait_short_again(life: Frame) -> None:
    script = Script([AWAY], [AWAY], [life, AWAY], [])

    list(script.told(4 + isinstance(life, ServerEvent)))

    assert [high for _, high in script.bounds] == [1.0, 2.0, 1.0, 2.0]


def test_a_refusal_that_will_not_pass_ends_it() -> None:
    refused = WebError("no such type", reason="INVALID_REQUEST", status=422)

    with pytest.raises(WebError, match="no such type"):
        Script([refused]).told(1)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_refusal_that_may_pass_is_waited_out(status: int) -> None:
    script = Script([WebError("later", reason="BUSY", status=status)], [event(1)])

    assert [one["event"] for one in script.told(2)] == ["disconnected", "policy"]


def test_an_event_is_told_with_its_data_parsed_and_as_text_where_it_is_no_json() -> None:
    assert told_of(event(3)) == {"id": "3", "event": "policy", "data": {"n": 3}}
    assert told_of(ServerEvent(id="", kind="x", data="{")) == {"id": "", "event": "x", "data": "{"}
