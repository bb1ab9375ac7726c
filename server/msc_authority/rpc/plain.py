"""Messages as plain dictionaries: the contract's field names, with the unit of a duration in the name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

if TYPE_CHECKING:
    from google._upb._message import FieldDescriptor as UpbFieldDescriptor
    from google.protobuf.descriptor import FieldDescriptor as PlainFieldDescriptor
    from google.protobuf.message import Message

    FieldDescriptor = PlainFieldDescriptor | UpbFieldDescriptor

Plain = dict[str, object]


def plain(message: Message) -> Plain:
    """Every field of `message`. Unset optional fields and messages are None; enums are names without their prefix;
    instants are ISO 8601 in UTC; a duration `x` is `x_s`, in seconds.
    """
    document: Plain = {}
    for field in message.DESCRIPTOR.fields:
        document[_name(field)] = _value(message, field)
    return document


def _name(field: FieldDescriptor) -> str:
    return f"{field.name}_s" if _is(field, Duration) else field.name


def _is(field: FieldDescriptor, kind: type[Message]) -> bool:
    return field.message_type is not None and field.message_type.full_name == kind.DESCRIPTOR.full_name


def _value(message: Message, field: FieldDescriptor) -> object:
    value = getattr(message, field.name)
    if isinstance(value, Mapping) and field.message_type is not None:
        values = field.message_type.fields_by_name["value"]
        return {key: _scalar(item, values) for key, item in sorted(value.items())}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_scalar(item, field) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _scalar(value, field)


def _scalar(value: object, field: FieldDescriptor) -> object:
    if field.enum_type is not None:
        return _enum_name(cast("int", value), field)
    if field.message_type is None:
        return value
    if isinstance(value, Timestamp):
        return value.ToDatetime(tzinfo=UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Duration):
        return value.seconds + value.nanos / 1e9
    return plain(cast("Message", value))


def _enum_name(number: int, field: FieldDescriptor) -> str:
    names = {value.number: value.name for value in field.enum_type.values} if field.enum_type is not None else {}
    if number not in names:
        return f"UNKNOWN_{number}"
    return names[number].removeprefix(names[0].removesuffix("UNSPECIFIED"))
