"""Comparing entity tags."""

from __future__ import annotations

import pytest

from msc_authority.http.etags import matches

TAG = 'W/"abc"'


@pytest.mark.parametrize("header", [TAG, '"abc"', ' W/"x", "abc" ', "*", '"x","y",W/"abc"'])
def test_a_tag_that_is_named_weakly_or_strongly_matches(header: str) -> None:
    assert matches(header, TAG)


@pytest.mark.parametrize("header", ["", "abc", '"abd"', '"ab', '"x*"', "**", "W/abc", '"ABC"'])
def test_anything_else_does_not(header: str) -> None:
    assert not matches(header, TAG)
