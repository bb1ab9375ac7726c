"""The load of the benchmarks: frames taken apart, and real watchers and callers of a real bare server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benching.contenders import BARE_GET, BARE_WATCH
from benching.load import http2
from benching.load.protocols import Prefixed, Published, Subject
from benching.processes import Child, program
from hypothesis import given
from hypothesis import strategies as st

MESSAGES = st.lists(st.binary(max_size=300), max_size=6)
CUTS = st.lists(st.integers(min_value=1, max_value=200), max_size=30)
FRAME, ANSWER = bytes(range(64)), b"the answer"
HEX = {"frame": FRAME.hex(), "answer": ANSWER.hex()}


def a_message(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def pieces(whole: bytes, cuts: list[int]) -> list[bytes]:
    """The bytes as a socket may hand them out."""
    found, at = [], 0
    for cut in cuts:
        found.append(whole[at : at + cut])
        at += cut
    return [piece for piece in (*found, whole[at:]) if piece]


def started(home: Path, module: str, **plan: object) -> Child:
    return Child(program(module, json.dumps(plan)), log=home / f"{module}.log")


@given(MESSAGES, CUTS)
def test_messages_are_whole_however_the_bytes_of_a_connection_arrive(messages: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(http2.frame(http2.DATA, 0, 1, a_message(message)) for message in messages)
    connection = http2.Connection()
    assert [found for piece in pieces(whole, cuts) for found in connection.feed(piece)] == messages


@given(st.binary(min_size=1, max_size=300), st.integers(min_value=1, max_value=200))
def test_a_message_may_be_spread_over_frames(message: bytes, cut: int) -> None:
    connection = http2.Connection()
    parts = pieces(a_message(message), [cut])
    assert [found for part in parts for found in connection.feed(http2.frame(http2.DATA, 0, 1, part))] == [message]


@given(MESSAGES, CUTS)
def test_prefixed_messages_are_whole_however_the_bytes_arrive(messages: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(len(message).to_bytes(4, "big") + message for message in messages)
    reader = Prefixed()
    assert [found for piece in pieces(whole, cuts) for found in reader.feed(piece)] == messages


@given(st.lists(st.binary(max_size=300), max_size=5), CUTS)
def test_what_redis_pushes_is_whole_however_the_bytes_arrive(messages: list[bytes], cuts: list[int]) -> None:
    joined = b"*3\r\n$9\r\nsubscribe\r\n$6\r\npolicy\r\n:1\r\n"
    pushed = (b"*3\r\n$7\r\nmessage\r\n$6\r\npolicy\r\n$%d\r\n%b\r\n" % (len(one), one) for one in messages)
    reader = Published()
    whole = joined + b"".join(pushed)
    assert [found for piece in pieces(whole, cuts) for found in reader.feed(piece)] == [b"", *messages]


@given(st.lists(st.binary(max_size=300), max_size=5), CUTS)
def test_what_nats_sends_is_whole_however_the_bytes_arrive(messages: list[bytes], cuts: list[int]) -> None:
    sent = (b"MSG policy 1 %d\r\n%b\r\n" % (len(one), one) for one in messages)
    reader = Subject()
    whole = b'INFO {"server_name":"n"}\r\nPONG\r\n' + b"".join(sent) + b"PING\r\n"
    assert [found for piece in pieces(whole, cuts) for found in reader.feed(piece)] == [b"", *messages]
    assert reader.answer == b"PONG\r\n"


def test_settings_and_pings_are_answered_and_answers_are_not() -> None:
    connection = http2.Connection()
    connection.feed(http2.frame(http2.SETTINGS, 0, 0) + http2.frame(http2.PING, 0, 0, b"12345678"))
    assert connection.answer == (
        http2.frame(http2.SETTINGS, http2.ACK, 0) + http2.frame(http2.PING, http2.ACK, 0, b"12345678")
    )
    connection.answer = b""
    connection.feed(http2.frame(http2.SETTINGS, http2.ACK, 0) + http2.frame(http2.PING, http2.ACK, 0, b"12345678"))
    assert connection.answer == b""


def test_the_end_of_a_call_is_noticed() -> None:
    connection = http2.Connection()
    connection.feed(http2.frame(http2.HEADERS, http2.END_HEADERS, 1))
    assert connection.ended == 0
    connection.feed(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1))
    assert connection.ended == 1


@pytest.mark.parametrize("kind", [http2.RST_STREAM, http2.GOAWAY])
def test_a_server_that_breaks_off_is_not_taken_for_one_that_is_silent(kind: int) -> None:
    with pytest.raises(http2.StreamBroken):
        http2.Connection().feed(http2.frame(kind, 0, 1, b"\0\0\0\x08"))


def test_watchers_tell_when_all_of_them_have_what_was_published(tmp_path: Path) -> None:
    with started(tmp_path, "benching.servers.bare", **HEX) as bare:
        plan = {"kind": "grpc", "port": bare.hear()["port"], "count": 5, "path": BARE_WATCH}
        with started(tmp_path, "benching.load.watchers", **plan) as watchers:
            assert watchers.hear()["first"] == (FRAME[:-8] + bytes(8)).hex()
            assert watchers.ask(arm=True) == {"armed": True}
            bare.tell(publish=True)
            said, stamp = watchers.hear(), bare.ask(stamp=True)
    assert said["held"] == [(FRAME[:-8] + (1).to_bytes(8, "big")).hex()]
    order = [int(str(instant)) for instant in (stamp["published_ns"], said["first_ns"], said["last_ns"])]
    assert order == sorted(order)


def test_watchers_tell_when_a_burst_is_over_and_what_they_hold_then(tmp_path: Path) -> None:
    with started(tmp_path, "benching.servers.bare", **HEX) as bare:
        plan = {"kind": "grpc", "port": bare.hear()["port"], "count": 5, "path": BARE_WATCH}
        with started(tmp_path, "benching.load.watchers", **plan) as watchers:
            watchers.hear()
            assert watchers.ask(settle=True, quiet_s=0.1) == {"settling": True}
            for _ in range(20):
                bare.tell(publish=True)
            said, stamp = watchers.hear(), bare.ask(stamp=True)
    assert said["held"] == [(FRAME[:-8] + (20).to_bytes(8, "big")).hex()]
    assert int(str(said["last_ns"])) > int(str(stamp["published_ns"]))


def test_watchers_of_plain_sockets_tell_the_same(tmp_path: Path) -> None:
    with started(tmp_path, "benching.servers.tcp", frame=HEX["frame"]) as tcp:
        plan = {"kind": "tcp", "port": tcp.hear()["port"], "count": 5}
        with started(tmp_path, "benching.load.watchers", **plan) as watchers:
            watchers.hear()
            watchers.ask(arm=True)
            tcp.tell(publish=True)
            assert watchers.hear()["held"] == [(FRAME[:-8] + (1).to_bytes(8, "big")).hex()]


def test_callers_count_what_was_answered(tmp_path: Path) -> None:
    with started(tmp_path, "benching.servers.bare", **HEX) as bare:
        plan = {"port": bare.hear()["port"], "count": 3, "path": BARE_GET}
        with started(tmp_path, "benching.load.callers", **plan) as callers:
            assert callers.hear() == {"ready": True, "answer": ANSWER.hex()}
            said = callers.ask(for_s=0.1)
    assert int(str(said["calls"])) > 0
    assert float(str(said["seconds"])) >= 0.1


def test_a_call_that_fails_is_not_counted_as_an_answer(tmp_path: Path) -> None:
    with started(tmp_path, "benching.servers.bare", **HEX) as bare:
        plan = {"port": bare.hear()["port"], "count": 1, "path": "/bench.Bare/Unknown"}
        with (
            started(tmp_path, "benching.load.callers", **plan) as callers,
            pytest.raises(Exception, match="without an"),
        ):
            callers.hear()
