"""Which certificate a client has shown, and until when it holds. The handshake has verified it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

_UTC_TIME, _VERSION = 0x17, 0xA0
_LONG_LENGTH = 0x80
_VALIDITY = 3
"""Its place behind the version: serial number, algorithm, issuer, validity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """A certificate. `fingerprint` is the SHA-256 of its DER form, in hex; behind `expires_at` it holds no more."""

    fingerprint: str
    expires_at: datetime


def read_certificate(der: bytes) -> Certificate:
    """Returns what counts of a certificate (X.509) in DER form. Raises ValueError: it is none."""
    try:
        signed = next(_elements(next(_elements(der))[1]))[1]
        fields = [field for field in _elements(signed) if field[0] != _VERSION]
        _, (tag, until) = _elements(fields[_VALIDITY][1])
        return Certificate(fingerprint=sha256(der).hexdigest(), expires_at=_instant(tag, until.decode("ascii")))
    except (IndexError, StopIteration, ValueError) as error:
        raise ValueError("what was shown cannot be read as a certificate") from error


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and the content of each element, one behind the other."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length >= _LONG_LENGTH:
            more = length - _LONG_LENGTH
            length, at = int.from_bytes(der[at : at + more]), at + more
        if at + length > len(der):
            raise ValueError("an element is longer than what it is in")
        yield tag, der[at : at + length]
        at += length


def _instant(tag: int, text: str) -> datetime:
    # https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5: two digits of the year up to 2049, four from then on.
    if tag == _UTC_TIME:
        text = f"{'19' if text >= '50' else '20'}{text}"
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
