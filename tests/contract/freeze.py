"""Freezes the contract of a release: python tests/contract/freeze.py 0.2.0

Writes the baseline that `buf breaking` compares with, and one golden message of every type (one for each alternative
of a oneof) with every field filled, as bytes and as JSON. Folders of earlier releases are never touched again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from msc_policy import v1 as pb

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DEPTH = 4


def main(version: str) -> None:
    """Writes baseline and golden messages of release `version`."""
    folder = HERE / "golden" / f"v{version}"
    if folder.exists():
        raise SystemExit(f"{folder.name} is frozen already; a release changes its contract under a new version")
    folder.mkdir(parents=True)
    for name, message in filled_messages():
        (folder / f"{name}.binpb").write_bytes(message.SerializeToString(deterministic=True))
        (folder / f"{name}.json").write_text(as_json(message))
    image = HERE / "baseline" / "msc_policy_v1.binpb"
    buf = Path(sys.executable).parent / "buf"
    subprocess.run([str(buf), "build", "proto", "--exclude-source-info", "-o", str(image)], cwd=ROOT, check=True)


def as_json(message: Message) -> str:
    """Returns a message as the golden files write it."""
    document = json.loads(MessageToJson(message, preserving_proto_field_name=True))
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def filled_messages() -> Iterator[tuple[str, Message]]:
    """Yields every message type filled, named after its type and the chosen alternative of its oneof."""
    types = [getattr(pb, name) for name in pb.__all__]
    descriptors = [kind.DESCRIPTOR for kind in types if isinstance(getattr(kind, "DESCRIPTOR", None), Descriptor)]
    for descriptor in descriptors:
        for choice in _choices(descriptor):
            yield ".".join(filter(None, (descriptor.name, choice))), _filled(descriptor, choice, DEPTH)


def _choices(descriptor: Descriptor) -> list[str]:
    oneofs = [oneof for oneof in descriptor.oneofs if not _is_optional(oneof)]
    return [field.name for oneof in oneofs for field in oneof.fields] or [""]


def _is_optional(oneof: OneofDescriptor) -> bool:
    return len(oneof.fields) == 1 and oneof.name == f"_{oneof.fields[0].name}"


def _filled(descriptor: Descriptor, choice: str, depth: int) -> Message:
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is not None and not _is_optional(oneof) and field.name != (choice or oneof.fields[0].name):
            continue
        _fill(message, field, depth)
    return message


def _fill(message: Message, field: FieldDescriptor, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[part] for part in ("key", "value"))
        getattr(message, field.name)[_scalar(key)] = _scalar(value)
    elif field.message_type is not None:
        if depth == 0:
            return
        inner = _filled(field.message_type, "", depth - 1)
        if field.is_repeated:
            getattr(message, field.name).append(inner)
        else:
            getattr(message, field.name).CopyFrom(inner)
    elif field.is_repeated:
        getattr(message, field.name).extend([_scalar(field), _scalar(field)])
    else:
        setattr(message, field.name, _scalar(field))


def _scalar(field: FieldDescriptor) -> str | float | bool:
    if field.enum_type is not None:
        return int(field.enum_type.values[-1].number)
    if field.type == FieldDescriptor.TYPE_STRING:
        return f"{field.name} {field.number}"
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return field.number + 0.5
    return field.number


if __name__ == "__main__":
    main(sys.argv[1])
