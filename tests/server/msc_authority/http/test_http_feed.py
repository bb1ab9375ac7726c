"""One stream of events for many subscribers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from msc_authority.http.feed import KEEP_ALIVE, MAX_SUBSCRIBERS, PIECE_BYTES, Feed, Subscriber, TooManySubscribers

NEVER_S = 1000.0


def a_feed(*, kept: int = 8, pending: int = 4) -> Feed:
    return Feed(first_number=100, kept=kept, pending=pending)


async def begun(subscriber: Subscriber, keep_alive_s: float = NEVER_S) -> AsyncIterator[bytes]:
    """The messages after the line that says when to come back."""
    messages = subscriber.messages(keep_alive_s)
    assert await anext(messages) == b"retry: 2000\n\n"
    return messages


def kinds_in(text: bytes) -> list[str]:
    return [line.removeprefix("event: ") for line in text.decode().splitlines() if line.startswith("event: ")]


def numbers_in(text: bytes) -> list[int]:
    return [int(line.removeprefix("id: ")) for line in text.decode().splitlines() if line.startswith("id: ")]


async def rest_of(messages: AsyncIterator[bytes]) -> bytes:
    return b"".join([text async for text in messages])


async def test_an_event_goes_to_everybody_with_its_number_its_kind_and_its_data() -> None:
    feed = a_feed()
    streams = [await begun(feed.subscribe((), None)) for _ in range(3)]

    feed.tell("policy", '{"version":1}')

    texts = [await anext(stream) for stream in streams]
    assert texts == [b'id: 100\nevent: policy\ndata: {"version":1}\n\n'] * 3


async def test_only_the_kinds_asked_for_are_sent_but_a_gap_concerns_everybody() -> None:
    feed = a_feed()
    stream = await begun(feed.subscribe(["alert"], None))

    feed.tell("policy", "{}")
    feed.tell("alert", "{}")
    feed.tell_gap()

    assert kinds_in(await anext(stream)) == ["alert", "gap"]


async def test_who_comes_back_gets_what_it_missed_and_goes_on_from_there() -> None:
    feed = a_feed()
    for _ in range(5):
        feed.tell("block", "{}")

    stream = await begun(feed.subscribe((), 102))
    assert numbers_in(await anext(stream)) == [103, 104]
    feed.tell("block", "{}")
    assert numbers_in(await anext(stream)) == [105]


async def test_who_missed_nothing_gets_nothing() -> None:
    feed = a_feed()
    feed.tell("block", "{}")

    stream = await begun(feed.subscribe((), 100), keep_alive_s=0.001)

    assert await anext(stream) == KEEP_ALIVE


@pytest.mark.parametrize("after", [1, 98, 5000])
async def test_who_was_away_for_too_long_or_knows_another_life_is_told_of_the_gap_and_gets_what_is_kept(
    after: int,
) -> None:
    feed = a_feed()
    for _ in range(2):
        feed.tell("block", "{}")

    text = await anext(await begun(feed.subscribe((), after)))

    assert kinds_in(text)[0] == "gap"
    assert numbers_in(text) == ([100, 101] if after < 100 else [])


async def test_zero_asks_for_all_that_is_kept_and_misses_nothing() -> None:
    feed = a_feed(kept=2)
    for _ in range(5):
        feed.tell("block", "{}")

    text = await anext(await begun(feed.subscribe((), 0)))

    assert (kinds_in(text), numbers_in(text)) == (["block", "block"], [103, 104])


async def test_more_that_was_missed_than_may_wait_is_sent_all_the_same() -> None:
    feed = a_feed(kept=8, pending=2)
    for _ in range(8):
        feed.tell("block", "{}")

    stream = await begun(feed.subscribe((), 0))
    feed.tell("block", "{}")

    assert len(numbers_in(await anext(stream))) == 9


async def test_much_that_was_missed_comes_in_pieces_in_its_order_and_what_is_new_behind_it() -> None:
    feed = a_feed(kept=8)
    for _ in range(8):
        feed.tell("block", f'"{"x" * (PIECE_BYTES // 3)}"')
    stream = await begun(feed.subscribe((), 1))

    first = await anext(stream)
    feed.tell("block", "{}")
    rest = [await anext(stream) for _ in range(2)]

    assert kinds_in(first)[0] == "gap"
    assert [numbers_in(text) for text in (first, *rest)] == [[100, 101, 102], [103, 104, 105], [106, 107, 108]]


async def test_who_does_not_take_what_was_missed_is_ended_as_anybody_and_gets_all_that_waited() -> None:
    feed = a_feed(kept=2, pending=3)
    feed.tell("block", f'"{"x" * PIECE_BYTES}"')
    feed.tell("block", "{}")
    stream = await begun(feed.subscribe((), 0))

    assert numbers_in(await anext(stream)) == [100]
    for _ in range(4):
        feed.tell("block", "{}")

    text = await rest_of(stream)
    assert numbers_in(text) == [101, 102, 103, 104]
    assert kinds_in(text)[-1] == "end"


async def test_a_subscriber_that_does_not_take_its_events_is_ended_and_told_so_and_others_go_on() -> None:
    feed = a_feed(pending=4)
    slow, quick = await begun(feed.subscribe((), None)), await begun(feed.subscribe((), None))

    taken = []
    for _ in range(20):
        feed.tell("block", "{}")
        taken += numbers_in(await anext(quick))

    assert taken == list(range(100, 120))
    text = await rest_of(slow)
    assert kinds_in(text) == ["block"] * 4 + ["end"]
    assert json.loads(text.decode().rsplit("data: ", 1)[1])["reason"] == "SLOW_CONSUMER"
    assert feed.subscribers == 1


async def test_where_nothing_happens_a_comment_keeps_the_connection_alive() -> None:
    stream = await begun(a_feed().subscribe((), None), keep_alive_s=0.001)

    assert [await anext(stream) for _ in range(3)] == [KEEP_ALIVE] * 3


async def test_closing_ends_every_stream_and_those_that_come_later() -> None:
    feed = a_feed()
    stream = await begun(feed.subscribe((), None))
    feed.tell("block", "{}")

    feed.close()
    feed.close()

    assert kinds_in(await rest_of(stream)) == ["block", "end"]
    late = await rest_of(await begun(feed.subscribe((), 0)))
    assert kinds_in(late) == ["block", "end"]
    assert b"STOPPING" in late
    assert feed.subscribers == 0


async def test_who_goes_away_is_forgotten() -> None:
    feed = a_feed()
    stream = await begun(feed.subscribe((), None))
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)

    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert feed.subscribers == 0


async def test_who_goes_away_before_the_first_step_was_never_there() -> None:
    feed = a_feed()

    stream = feed.stream((), None, NEVER_S)

    assert feed.subscribers == 0
    assert await anext(stream) == b"retry: 2000\n\n"
    assert feed.subscribers == 1


async def test_there_are_only_so_many_streams() -> None:
    feed = a_feed()
    for _ in range(MAX_SUBSCRIBERS):
        feed.subscribe((), None)

    with pytest.raises(TooManySubscribers):
        feed.subscribe((), None)
