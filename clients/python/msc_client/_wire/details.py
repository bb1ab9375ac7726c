"""Reads and writes the details of an error status: why, which fields, and when to come back.

They are google.rpc messages, which the client's three dependencies do not bring along; a fourth dependency would be
paid for by every host process. So the handful of fields is read from the encoding itself
(https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from msc_client._wire.policy import duration_of, seconds_from
from msc_client.errors import FieldViolation

STATUS_KEY = "grpc-status-details-bin"
"""Trailing metadata that carries the details."""

_DOMAIN = "msc_policy"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_TYPES = "type.googleapis.com/google.rpc."


class ErrorDetails(NamedTuple):
    """What an error status says beside its code."""

    reason: str = ""
    retry_after_s: float | None = None
    violations: tuple[FieldViolation, ...] = ()


def details_from(raw: bytes | None) -> ErrorDetails:
    """Returns the details of an error status; empty ones when there are none or they cannot be read."""
    try:
        return _read(raw or b"")
    except (ValueError, DecodeError):
        return ErrorDetails()


def details_to(*, code: int, message: str, reason: str, retry_after_s: float | None) -> bytes:
    """Returns the trailing metadata that says this."""
    info = _text(1, reason) + _text(2, _DOMAIN)
    details = _detail("ErrorInfo", info)
    if retry_after_s is not None:
        details += _detail("RetryInfo", _field(1, duration_of(retry_after_s).SerializeToString()))
    return _varint(1 << 3 | _VARINT) + _varint(code) + _text(2, message) + details


def _read(raw: bytes) -> ErrorDetails:
    reason = ""
    retry_after_s: float | None = None
    violations: list[FieldViolation] = []
    for detail in _all(raw, 3):
        kind = _first(detail, 1).decode().rpartition("/")[2]
        value = _first(detail, 2)
        if kind == "google.rpc.ErrorInfo":
            reason = _first(value, 1).decode()
        elif kind == "google.rpc.RetryInfo":
            retry_after_s = max(0.0, seconds_from(Duration.FromString(_first(value, 1))))
        elif kind == "google.rpc.BadRequest":
            violations += [
                FieldViolation(field=_first(one, 1).decode(), description=_first(one, 2).decode())
                for one in _all(value, 1)
            ]
    return ErrorDetails(reason=reason, retry_after_s=retry_after_s, violations=tuple(violations))


def _first(raw: bytes, number: int) -> bytes:
    return next(iter(_all(raw, number)), b"")


def _all(raw: bytes, number: int) -> Iterator[bytes]:
    return (value for found, value in _fields(raw) if found == number)


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message, by number; others are stepped over."""
    at = 0
    while at < len(raw):
        key, at = _read_varint(raw, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            _, at = _read_varint(raw, at)
            continue
        if kind == _BYTES:
            size, at = _read_varint(raw, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(kind, len(raw))
        if at + size > len(raw):
            raise ValueError("truncated message")
        if kind == _BYTES:
            yield number, raw[at : at + size]
        at += size


def _read_varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(raw[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError("truncated number")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _text(number: int, value: str) -> bytes:
    return _field(number, value.encode())


def _detail(kind: str, value: bytes) -> bytes:
    return _field(3, _text(1, _TYPES + kind) + _field(2, value))
