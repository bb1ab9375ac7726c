from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.rpc.errors import InvalidRequest
from msc_authority.rpc.pages import MAX_PAGE_BYTES, fitting, make_token, page_size, read_token
from msc_policy import v1 as pb


@pytest.mark.parametrize(("asked", "given_"), [(0, 50), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)])
def test_the_size_of_a_page_is_kept_within_bounds(asked: int, given_: int) -> None:
    assert page_size(asked) == given_


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        page_size(-1)


@given(numbers=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=3))
def test_a_token_says_what_was_put_into_it(numbers: list[int]) -> None:
    assert read_token(make_token("policies", *numbers), "policies", len(numbers)) == tuple(numbers)


@given(token=st.text())
def test_a_token_that_was_made_up_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_token(token, "policies", 2)
    assert [problem.field for problem in caught.value.problems] == ["page_token"]


@pytest.mark.parametrize("token", [make_token("policies", 1), make_token("policies", -1, 2), make_token("other", 1, 2)])
def test_a_token_of_another_form_is_refused(token: str) -> None:
    with pytest.raises(InvalidRequest):
        read_token(token, "policies", 2)


def test_a_page_ends_before_it_is_too_big_to_receive_and_has_at_least_one_message() -> None:
    big = pb.Reason(text="x" * (MAX_PAGE_BYTES // 3))
    huge = pb.Reason(text="x" * (2 * MAX_PAGE_BYTES))
    assert len(fitting([big] * 10, 10)) == 2
    assert len(fitting([huge] * 2, 10)) == 1
    assert len(fitting([pb.Reason()] * 10, 4)) == 4
    assert fitting([], 4) == []
