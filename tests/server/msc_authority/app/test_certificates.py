"""What is read of a client's certificate: which one it is, and until when it holds."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from ssl import PEM_cert_to_DER_cert

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_certificates import END, Issuer

from msc_authority.app.certificates import Certificate, read_certificate

ISSUER = Issuer()


def der_of(name: str = "executor-1", *more: str, end: datetime = END) -> bytes:
    return PEM_cert_to_DER_cert(ISSUER.client(name, *more, end=end).certificate.decode())


@pytest.mark.parametrize(
    "end",
    [
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2050, 1, 1, tzinfo=UTC),
        datetime(2026, 2, 28, 1, 2, 3, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_its_end_is_read_of_either_form_of_an_instant(end: datetime) -> None:
    assert read_certificate(der_of(end=end)).expires_at == end


def test_it_is_told_from_others_by_its_fingerprint() -> None:
    first, second = der_of(), der_of()

    assert read_certificate(first) == Certificate(fingerprint=hashlib.sha256(first).hexdigest(), expires_at=END)
    assert read_certificate(first).fingerprint != read_certificate(second).fingerprint


def test_long_names_are_passed_over() -> None:
    names = [f"{number}.{'x' * 60}.example" for number in range(200)]

    assert read_certificate(der_of("executor-1", *names, end=END - timedelta(days=1))).expires_at < END


@given(st.binary(max_size=200))
def test_what_is_no_certificate_is_refused_as_that(junk: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read as a certificate"):
        read_certificate(junk)


@given(st.integers(min_value=0, max_value=200))
def test_what_was_cut_off_is_refused_as_that(length: int) -> None:
    with pytest.raises(ValueError, match="cannot be read as a certificate"):
        read_certificate(der_of()[:length])
