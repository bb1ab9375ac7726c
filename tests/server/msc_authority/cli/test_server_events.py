"""Bytes become events as soon as they are whole, however they are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.cli.server_events import MAX_LINE_BYTES, BrokenStream, Life, ServerEvent, frames


def framed(*chunks: bytes) -> list[object]:
    return list(frames(chunks))


def test_an_event_has_its_id_its_kind_and_its_data() -> None:
    assert framed(b'id: 7\nevent: policy\ndata: {"a": 1}\n\n') == [ServerEvent(id="7", kind="policy", data='{"a": 1}')]


def test_an_event_without_a_kind_is_a_message_and_without_an_id_keeps_the_last_one() -> None:
    first, second = framed(b"id: 7\ndata: a\n\ndata: b\n\n")

    assert (first, second) == (
        ServerEvent(id="7", kind="message", data="a"),
        ServerEvent(id="7", kind="message", data="b"),
    )


def test_data_on_several_lines_is_joined_and_the_kind_ends_with_its_event() -> None:
    assert framed(b"event: x\ndata: a\ndata:b\n\ndata: c\n\n") == [
        ServerEvent(id="", kind="x", data="a\nb"),
        ServerEvent(id="", kind="message", data="c"),
    ]


def test_a_comment_is_a_sign_of_life_and_other_fields_are_nothing() -> None:
    assert framed(b": keep-alive\n\nretry: 2000\n\nevent: x\n\n") == [Life()]


def test_lines_may_end_as_in_dos() -> None:
    assert framed(b"data: a\r\n\r\n") == [ServerEvent(id="", kind="message", data="a")]


def test_an_event_that_is_cut_off_is_none() -> None:
    assert framed(b"id: 7\ndata: a\n") == []


def test_characters_that_end_lines_elsewhere_stay_in_the_data() -> None:
    text = "a\u2028b\x0bc\x85d"

    (event,) = frames([f"data: {text}\n\n".encode()])

    assert event == ServerEvent(id="", kind="message", data=text)


def test_a_line_without_end_is_given_up() -> None:
    with pytest.raises(BrokenStream, match="longer"):
        framed(b"data: ", b"x" * MAX_LINE_BYTES)


WHOLE = (
    b'id: 1\nevent: policy\ndata: {"a": "\xc3\xa9"}\n\n: life\n\nid: 2\r\nevent: block\r\ndata: 1\r\ndata: 2\r\n\r\n'
)


@given(st.lists(st.integers(0, len(WHOLE))))
def test_how_the_bytes_are_cut_makes_no_difference(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(WHOLE)]
    chunks = [WHOLE[low:high] for low, high in pairwise(edges)]

    assert framed(*chunks) == framed(WHOLE)


@given(st.binary(max_size=300))
def test_no_bytes_break_it(noise: bytes) -> None:
    assert all(isinstance(frame, Life | ServerEvent) for frame in frames([noise, b"\n\n"]))
