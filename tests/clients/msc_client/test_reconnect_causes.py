"""Every stream after the first is counted under the reason for which it was opened."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_client_harness import Watch, snapshot

from msc_client import ConnectionState, Counters, Ref
from msc_client._events import Ended, Forked, Paused, ReaderDied, Start, Tick
from msc_client._messages import Goodbye, Heartbeat, StreamEnd
from msc_client.testing import make_policy

HEAD = make_policy(5).ref
AHEAD = Ref(1, 7, '"1-7"')


def silence(watch: Watch) -> None:
    watch.advance(17)


def no_first_message(watch: Watch) -> None:
    watch.end_and_reopen("UNAVAILABLE")
    watch.advance(10)


def goodbye(watch: Watch) -> None:
    watch.say(Goodbye(reason="DRAINING", reconnect_after_s=2.0), head=HEAD)


CAUSES: list[tuple[str, Callable[[Watch], object]]] = [
    ("watchdog", silence),
    ("goodbye", goodbye),
    ("clean_end", lambda watch: watch.end("OK")),
    ("UNAVAILABLE", lambda watch: watch.end("UNAVAILABLE", "gone")),
    ("FAILED_PRECONDITION", lambda watch: watch.end("FAILED_PRECONDITION", reason="EPOCH_SUPERSEDED")),
    ("PERMISSION_DENIED", lambda watch: watch.end("PERMISSION_DENIED")),
    ("local_pause", lambda watch: watch.feed(Paused(seconds=60.0))),
    ("reader_died", lambda watch: watch.feed(ReaderDied(stream=watch.stream))),
]


def wait_and_open(watch: Watch) -> None:
    watch.clock.advance(watch.due_s)
    watch.feed(Tick())


@pytest.mark.parametrize(("cause", "happen"), CAUSES, ids=[cause for cause, _ in CAUSES])
def test_a_stream_that_follows_another_is_counted_by_how_that_one_was_lost(
    cause: str, happen: Callable[[Watch], object]
) -> None:
    watch = Watch().live()
    happen(watch)
    assert watch.session.counters.reconnect_causes == {}
    wait_and_open(watch)
    assert watch.session.counters.reconnect_causes == {cause: 1}
    assert watch.session.counters.reconnects == 1


def test_a_stream_that_never_spoke_is_counted_as_such() -> None:
    watch = Watch().live()
    no_first_message(watch)
    wait_and_open(watch)
    assert watch.session.counters.reconnect_causes == {"UNAVAILABLE": 1, "first_message_timeout": 1}


def test_the_second_stream_is_counted_when_it_is_opened_and_not_again_when_it_takes_over() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=AHEAD)
    assert watch.session.counters.reconnect_causes == {"gap": 1}
    watch.feed(Ended(stream=1, end=StreamEnd(code="UNAVAILABLE")))
    watch.say(snapshot(make_policy(7)), head=AHEAD, stream=2)
    assert watch.state() is ConnectionState.LIVE
    assert watch.session.counters.reconnect_causes == {"gap": 1}


def test_a_replica_that_cannot_confirm_its_head_is_a_cause_of_its_own() -> None:
    watch = Watch().live()
    watch.say(Heartbeat(), head=HEAD, replica_age_s=20)
    assert watch.session.counters.reconnect_causes == {"replica_age": 1}


def test_a_forked_child_counts_its_own_stream_as_forked() -> None:
    watch = Watch().live()
    watch.feed(Forked())
    watch.feed(Start())
    assert watch.session.counters.reconnect_causes == {"forked": 1}


def test_counters_with_causes_compare_by_all_and_hash_without_them() -> None:
    one, other = Counters(reconnect_causes={"gap": 1}), Counters(reconnect_causes={"gap": 2})
    assert one != other
    assert one == Counters(reconnect_causes={"gap": 1})
    assert hash(one) == hash(other)


@given(st.lists(st.sampled_from(CAUSES), max_size=25))
def test_the_causes_always_add_up_to_the_reconnects(story: list[tuple[str, Callable[[Watch], object]]]) -> None:
    watch = Watch().live()
    for _, happen in story:
        happen(watch)
        wait_and_open(watch)
        watch.publish(make_policy(5))
        counters = watch.session.counters
        assert sum(counters.reconnect_causes.values()) == counters.reconnects
    assert watch.session.counters.reconnects == len(story)
