"""A version was missed, and the first attempt to fetch it failed."""

from __future__ import annotations

from msc_client_harness import NO_PAUSES, Watch, has

from msc_client._events import Ended, OpenStream
from msc_client._messages import Heartbeat, StreamEnd
from msc_client.testing import make_policy


def test_a_missed_version_is_fetched_again_a_minute_after_the_second_stream_failed() -> None:
    watch = Watch(config=NO_PAUSES).live()
    live, head = watch.stream, make_policy(6).ref
    assert has(watch.say(Heartbeat(), head=head, stream=live), OpenStream)
    watch.feed(Ended(stream=watch.stream, end=StreamEnd(code="UNAVAILABLE")))
    opened = []
    for _ in range(13):
        watch.clock.advance(5)
        opened.append(has(watch.say(Heartbeat(), head=head, stream=live), OpenStream))
    assert opened == [False] * 11 + [True, False]
