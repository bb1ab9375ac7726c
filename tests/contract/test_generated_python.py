"""The generated package gives every name of the contract from one place, and nothing else."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

import msc_policy
from msc_policy import v1 as pb

HERE = Path(__file__).resolve().parent
PACKAGE = Path(msc_policy.__file__ or "").parent


def _released() -> FileDescriptorSet:
    return FileDescriptorSet.FromString((HERE / "baseline" / "msc_policy_v1.binpb").read_bytes())


def test_every_name_of_the_released_contract_is_exported() -> None:
    files = [file for file in _released().file if file.package == "msc_policy.v1"]
    messages = {message.name for file in files for message in file.message_type}
    enums = {name for file in files for enum in file.enum_type for name in (enum.name, *(v.name for v in enum.value))}
    services = [service.name for file in files for service in file.service]
    stubs = {f"{name}{part}" for name in services for part in ("Stub", "Servicer")}
    registers = {f"add_{name}Servicer_to_server" for name in services}

    assert services
    assert messages | enums | stubs | registers <= set(pb.__all__)


def test_every_exported_name_exists_and_is_sorted() -> None:
    assert [name for name in pb.__all__ if not hasattr(pb, name)] == []
    assert sorted(set(pb.__all__)) == pb.__all__


def test_no_generator_internals_are_exported() -> None:
    assert [name for name in pb.__all__ if name.startswith(("_", "Global___")) or name.endswith("_pb2")] == []


def test_only_files_with_services_have_stubs_and_types_ship() -> None:
    with_services = {Path(file.name).stem for file in _released().file if file.service}
    stubs = {path.stem.removesuffix("_pb2_grpc") for path in (PACKAGE / "v1").glob("*_pb2_grpc.py")}

    assert stubs == with_services
    assert (PACKAGE / "py.typed").is_file()
    assert {path.with_suffix(".pyi").is_file() for path in (PACKAGE / "v1").glob("*_pb2*.py")} == {True}
