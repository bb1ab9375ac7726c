"""Announcements between processes on one PostgreSQL, whatever becomes of their connections."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from msc_postgres import PASSWORD, PostgresServer, postgres_or_skip
from sqlalchemy import make_url

from msc_authority.adapters.announce import open_announcements
from msc_authority.adapters.announce.local import LocalAnnouncements
from msc_authority.adapters.announce.postgres import CHANNEL, PostgresAnnouncements
from msc_authority.adapters.sql.engine import checked_url
from msc_authority.adapters.sql.postgres import LIMITS
from msc_authority.core.policy import PolicyRef

DEADLINE_S = 20.0
REFS = [PolicyRef(7, version) for version in range(1, 6)]


class Listener:
    """Keeps what it hears, in order."""

    def __init__(self, announcements: PostgresAnnouncements) -> None:
        self._heard: queue.Queue[PolicyRef | None] = queue.Queue()
        announcements.listen(self._heard.put)

    def next(self) -> PolicyRef | None:
        return self._heard.get(timeout=DEADLINE_S)

    def until(self, ref: PolicyRef | None) -> None:
        while self.next() != ref:
            pass


def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never came")


def name_of(url: str) -> str:
    name = make_url(url).database
    assert name
    return name


@pytest.fixture
def one(postgres_url: str) -> Iterator[PostgresAnnouncements]:
    announcements = PostgresAnnouncements(checked_url(postgres_url))
    yield announcements
    announcements.close()


@pytest.fixture
def other(postgres_url: str) -> Iterator[PostgresAnnouncements]:
    announcements = PostgresAnnouncements(checked_url(postgres_url))
    yield announcements
    announcements.close()


def test_what_one_announces_the_other_hears_in_order(one: PostgresAnnouncements, other: PostgresAnnouncements) -> None:
    listener = Listener(other)
    assert listener.next() is None
    for ref in REFS:
        one.announce(ref)
        assert listener.next() == ref
    until(lambda: (one.told, other.heard, one.lost) == (5, 5, 0))


def test_what_waits_is_the_newest_and_is_told_once(one: PostgresAnnouncements, other: PostgresAnnouncements) -> None:
    listener = Listener(other)
    assert listener.next() is None
    one._thread = other._thread  # It has not begun: nothing is told yet.
    for ref in (REFS[0], REFS[3], REFS[1]):
        one.announce(ref)
    one._thread = None
    one.announce(REFS[2])
    assert listener.next() == REFS[3]
    one.announce(REFS[4])
    assert listener.next() == REFS[4]


def test_another_database_of_the_server_hears_nothing(
    postgres: PostgresServer, one: PostgresAnnouncements, other: PostgresAnnouncements
) -> None:
    url = postgres.new_database()
    elsewhere = PostgresAnnouncements(checked_url(url))
    listener, here = Listener(elsewhere), Listener(other)
    assert (listener.next(), here.next()) == (None, None)
    one.announce(REFS[0])
    assert here.next() == REFS[0]
    elsewhere.announce(REFS[1])
    assert listener.next() == REFS[1]
    elsewhere.close()
    postgres.drop_database(url)


def test_a_connection_that_is_ended_comes_back_and_says_that_something_may_have_been_missed(
    postgres: PostgresServer,
    postgres_url: str,
    one: PostgresAnnouncements,
    other: PostgresAnnouncements,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    listener = Listener(other)
    assert listener.next() is None
    postgres.end_sessions(name_of(postgres_url))
    assert listener.next() is None
    one.announce(REFS[0])
    assert listener.next() == REFS[0]
    assert other.lost == 1
    assert [message.partition(",")[0] for message in caplog.messages] == [
        "New heads are not announced",
        "New heads are announced again",
    ]


def test_over_a_restart_of_the_server_the_newest_announcement_is_kept_and_whoever_was_away_is_told_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with postgres_or_skip(PostgresServer) as server:
        url = checked_url(server.new_database())
        one, other = PostgresAnnouncements(url), PostgresAnnouncements(url)
        listener, heard = Listener(other), Listener(one)
        assert (listener.next(), heard.next()) == (None, None)
        server.stop()
        one.announce(REFS[0])
        one.announce(REFS[1])
        server.start()
        assert listener.next() is None
        assert heard.next() is None
        assert heard.next() == REFS[1]
        until(lambda: one.told == 1)
        one.close()
        other.close()
    assert sum(message.startswith("New heads are not") for message in caplog.messages) == 2
    assert PASSWORD not in caplog.text


def test_a_frozen_server_is_given_up_and_closing_does_not_wait_for_it() -> None:
    with postgres_or_skip(PostgresServer) as server:
        url = checked_url(f"{server.new_database()}&connect_timeout=2")
        one = PostgresAnnouncements(url, replace(LIMITS, silence_s=0.3))
        listener = Listener(one)
        assert listener.next() is None
        server.freeze()
        one.announce(REFS[0])
        until(lambda: one.lost > 0)
        server.thaw()
        listener.until(REFS[0])
        server.freeze()
        one.announce(REFS[1])
        one.close()
        server.thaw()
        assert one._thread is not None
        one._thread.join(DEADLINE_S)


def test_what_others_send_on_the_channel_is_passed_over(
    postgres: PostgresServer, postgres_url: str, one: PostgresAnnouncements, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener(one)
    assert listener.next() is None
    for payload in ("", "hello", "7:", "7:-1", "9" * 5000):
        postgres.sql(f"NOTIFY {CHANNEL}, '{payload}'", name_of(postgres_url))
    one.announce(REFS[0])
    assert listener.next() == REFS[0]
    assert len(caplog.messages) == 5
    assert all(len(message) < 200 for message in caplog.messages)


def test_a_listener_that_fails_does_not_keep_others_from_hearing(
    one: PostgresAnnouncements, other: PostgresAnnouncements, caplog: pytest.LogCaptureFixture
) -> None:
    listeners = Listener(other), Listener(one)
    other.listen(lambda _: 1 / 0)  # type: ignore[arg-type]  # a bug
    listener = Listener(other)
    assert [each.next() for each in listeners] == [None, None]
    one.announce(REFS[0])
    listener.until(REFS[0])
    assert "A listener failed on an announcement" in caplog.text


def test_closed_before_it_began_it_has_no_thread_and_stays_silent(one: PostgresAnnouncements) -> None:
    one.close()
    one.close()
    one.announce(REFS[0])
    assert one._thread is None


def test_the_url_says_which_announcements_there_are(postgres_url: str) -> None:
    assert isinstance(open_announcements("sqlite:////srv/msc.db"), LocalAnnouncements)
    announcements = open_announcements(postgres_url)
    assert isinstance(announcements, PostgresAnnouncements)
    announcements.close()


def test_it_says_whether_others_are_heard_of_at_once(one: PostgresAnnouncements) -> None:
    said = [one.connected]
    assert Listener(one).next() is None
    said.append(one.connected)
    assert (said, LocalAnnouncements().connected) == ([False, True], None)
