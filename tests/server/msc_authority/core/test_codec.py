"""Stored state: canonical bytes, and readers that name what does not fit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_core_builders import CONFIG, T0

from msc_authority.core import codec
from msc_authority.core.codec import Reader, StateMismatch

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_equal_documents_give_equal_bytes_whatever_the_order_of_their_fields(document: dict[str, object]) -> None:
    turned = dict(reversed(document.items()))

    assert codec.to_bytes(turned) == codec.to_bytes(document)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_comes_back_bit_for_bit(value: float) -> None:
    stored = codec.from_bytes(codec.to_bytes({"x": value}), kind="test")

    found = stored.get("x", codec.number)
    assert math.copysign(1.0, found) == math.copysign(1.0, value)
    assert found == value


@given(st.dictionaries(st.text(), JSON, max_size=5), st.data())
def test_a_part_that_is_written_already_gives_the_bytes_of_the_part(
    document: dict[str, object], data: st.DataObject
) -> None:
    chosen = data.draw(st.sets(st.sampled_from(sorted(document)))) if document else set()
    spliced = {name: codec.written(part) if name in chosen else part for name, part in document.items()}

    assert codec.to_bytes({"inner": spliced}) == codec.to_bytes({"inner": document})
    assert codec.to_bytes([codec.written(spliced)]) == codec.to_bytes([document])


@pytest.mark.parametrize("forged", ['["",""]', '"",""', "\x00", '\\"'])
def test_no_text_takes_the_place_of_a_written_part(forged: str) -> None:
    document = {forged: codec.written([1]), "a": forged, "b": [forged], "c": codec.written({forged: forged})}

    assert json.loads(codec.to_bytes(document)) == {forged: [1], "a": forged, "b": [forged], "c": {forged: forged}}


def test_a_document_in_which_a_written_part_could_not_be_told_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        codec.to_bytes({"part": codec.written(1), "place": ["", ""]})


def test_a_value_that_no_document_holds_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        codec.to_bytes({"x": T0})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_by_itself_is_written_as_in_a_document(value: float) -> None:
    assert codec.float_text(value) == codec.written(value).text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_float_by_itself_has_to_be_finite(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        codec.float_text(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        codec.to_bytes({"x": value})


@pytest.mark.parametrize(("value", "stored"), [(math.nan, None), (math.inf, None), (-math.inf, None), (1.5, 1.5)])
def test_where_a_number_may_be_without_sense_it_is_stored_as_nothing(value: float, stored: float | None) -> None:
    assert codec.finite_or_none(value) == stored
    back = codec.number_or_nan(stored)
    assert back == value if math.isfinite(value) else math.isnan(back)


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_comes_back(at: datetime) -> None:
    text = codec.instant_text(at)

    assert codec.instant(text) == at
    assert codec.instant_text(None) is None


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    abroad = T0.astimezone(timezone(timedelta(hours=-5)))

    assert codec.instant_text(abroad) == codec.instant_text(T0) == "2024-03-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (codec.number, True),
        (codec.number, "1"),
        (codec.number, None),
        (codec.integer, 1.0),
        (codec.integer, False),
        (codec.integer, "1"),
        (codec.text, 1),
        (codec.text, None),
        (codec.instant, 1_700_000_000),
        (codec.instant, "yesterday"),
        (codec.mapping, []),
        (lambda value: codec.row(value, 2), [1]),
        (lambda value: codec.row(value, 2), "ab"),
        (lambda value: codec.rows(value, 1), [[1], [1, 2]]),
    ],
)
def test_what_does_not_fit_is_a_mismatch_that_names_kind_and_field(
    read: Callable[[object], object], value: object
) -> None:
    with pytest.raises(StateMismatch, match=r"^ledger\.field: "):
        Reader({"field": value}, "ledger").get("field", read)


def test_a_missing_field_is_a_mismatch_unless_it_may_be_missing() -> None:
    stored = Reader({"null": None}, "ledger")

    with pytest.raises(StateMismatch, match=r"ledger\.there"):
        stored.get("there", codec.text)
    assert stored.maybe("there", codec.text) is None
    assert stored.maybe("null", codec.text) is None


def test_a_field_that_may_be_missing_still_has_to_fit() -> None:
    with pytest.raises(StateMismatch, match=r"ledger\.name: a text was expected, not 3"):
        Reader({"name": 3}, "ledger").maybe("name", codec.text)


def test_another_format_is_a_mismatch_that_says_both() -> None:
    with pytest.raises(StateMismatch, match=r"ledger\.format: stored 1, wanted 2"):
        Reader({"format": 1}, "ledger").expect("format", 2)
    with pytest.raises(StateMismatch, match=r"ledger\.format: stored None, wanted 2"):
        Reader({}, "ledger").expect("format", 2)


def test_an_inner_object_is_named_by_its_path() -> None:
    inner = Reader({"tape": {"results": 3}}, "ledger").inner("tape")

    with pytest.raises(StateMismatch, match=r"ledger\.tape\.results: a list was expected, not 3"):
        inner.items("results", codec.number)
    with pytest.raises(StateMismatch, match=r"ledger\.tape: an object was expected"):
        Reader({"tape": 3}, "ledger").inner("tape")


@given(st.binary(max_size=40))
def test_whatever_bytes_are_found_they_are_read_or_refused_as_a_mismatch(payload: bytes) -> None:
    try:
        codec.from_bytes(payload, kind="controller")
    except StateMismatch as mismatch:
        assert str(mismatch).startswith("controller: ")


def test_a_fingerprint_tells_configurations_apart_by_any_number() -> None:
    same = codec.fingerprint(replace(CONFIG.tape), CONFIG.equity)
    other = codec.fingerprint(replace(CONFIG.tape, length_trades=201), CONFIG.equity)

    assert codec.fingerprint(CONFIG.tape, CONFIG.equity) == same
    assert len({same, other, codec.fingerprint(CONFIG.equity, CONFIG.tape)}) == 3
