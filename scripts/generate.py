"""Writes generated/ from proto/, or proves that it is current.

    python scripts/generate.py                  regenerate every language
    python scripts/generate.py --check          regenerate aside, compare, print the difference
    python scripts/generate.py --check python   one language only

Generators are pinned in scripts/toolchain.txt. Those that are not Python packages are installed into a cache outside
the tree (MSC_TOOLCHAIN_CACHE, default: ~/.cache/msc-toolchain). A language whose toolchain is missing is skipped with
the reason; with MSC_REQUIRE_TOOLCHAINS=1 that is a failure.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
GENERATED = ROOT / "generated"
PACKAGE = "msc_policy/v1"
PYTHON_PACKAGE_SUMMARY = "Generated messages and stubs of the policy contract, by version."
GO_MODULE = "meta-strategy-controller/generated/go"


class ToolchainMissing(Exception):
    """A language cannot be generated on this machine; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A folder of generated/ and how it is written."""

    name: str
    write: Callable[[Path], None]


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 when everything asked for was written, or is current."""
    options = _parse(arguments)
    wanted = [language for language in LANGUAGES if language.name in options.languages]
    outcomes = [_handle(language, check=options.check) for language in wanted]
    return 0 if all(outcomes) else 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    names = [language.name for language in LANGUAGES]
    parser = argparse.ArgumentParser(description="Writes generated/ from proto/, or proves that it is current.")
    parser.add_argument("--check", action="store_true", help="compare with a fresh run instead of writing")
    parser.add_argument("languages", nargs="*", default=names, help=f"any of {', '.join(names)} (default: all)")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.languages) - set(names))
    if unknown:
        parser.error(f"unknown language: {', '.join(unknown)}; choose from {', '.join(names)}")
    return options


def _handle(language: Language, *, check: bool) -> bool:
    committed = GENERATED / language.name
    with tempfile.TemporaryDirectory() as aside:
        fresh = Path(aside)
        try:
            language.write(fresh)
        except ToolchainMissing as missing:
            required = os.environ.get("MSC_REQUIRE_TOOLCHAINS") == "1"
            print(f"{language.name}: {'FAILED' if required else 'skipped'}: {missing}")
            return not required
        if check:
            return _compare(language.name, committed, fresh)
        _replace(committed, fresh)
        print(f"{language.name}: written")
        return True


# Python


def write_python(out: Path) -> None:
    """Writes messages, stubs and types, and a package that re-exports them."""
    _require_python_generators()
    binaries = Path(sys.executable).parent
    _protoc(
        f"--plugin=protoc-gen-mypy={binaries / 'protoc-gen-mypy'}",
        f"--python_out={out}",
        f"--mypy_out={out}",
    )
    _protoc(
        f"--plugin=protoc-gen-mypy_grpc={binaries / 'protoc-gen-mypy_grpc'}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out={out}",
        sources=[PROTO / name for name in _files_with_services()],
    )
    package = out / PACKAGE
    (package / "__init__.py").write_text(_reexports())
    (package.parent / "__init__.py").write_text(f'"""{PYTHON_PACKAGE_SUMMARY}"""\n')
    (package.parent / "py.typed").touch()


def _require_python_generators() -> None:
    for name in ("grpcio-tools", "mypy-protobuf"):
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "none"
        if installed != PINS[name]:
            raise ToolchainMissing(f"{name}=={PINS[name]} is needed, installed is {installed}; see the dev extra")


@dataclass(frozen=True, slots=True)
class _Module:
    """A generated module and the names people import from it; those of `types` exist for type checkers only."""

    name: str
    exports: tuple[str, ...]
    types: tuple[str, ...] = ()


def _reexports() -> str:
    modules = sorted(_modules(), key=lambda module: (module.name.endswith("_grpc"), module.name))
    imports = [f"from msc_policy.v1.{module.name} import (\n{_lines(module.exports)})\n" for module in modules]
    types = [
        f"    from msc_policy.v1.{module.name} import {name} as {name}\n" for module in modules for name in module.types
    ]
    everything = sorted(f'"{name}"' for module in modules for name in module.exports)
    return (
        '"""Messages, enums and stubs of msc_policy.v1."""\n\n'
        "from typing import TYPE_CHECKING\n\n"
        f"{''.join(imports)}\n"
        f"if TYPE_CHECKING:\n{''.join(types)}\n"
        f"__all__ = [\n{_lines(everything)}]\n"
    )


def _lines(names: Iterable[str]) -> str:
    return "".join(f"    {name},\n" for name in names)


def _modules() -> Iterator[_Module]:
    for file in _descriptors().file:
        stem = file.name.removeprefix(f"{PACKAGE}/").removesuffix(".proto")
        enums = [name for enum in file.enum_type for name in (enum.name, *(value.name for value in enum.value))]
        yield _Module(f"{stem}_pb2", tuple(sorted([*enums, *(message.name for message in file.message_type)])))
        if file.service:
            yield _stubs(f"{stem}_pb2_grpc", [service.name for service in file.service])


def _stubs(module: str, services: list[str]) -> _Module:
    forms = ("{}Servicer", "{}Stub", "add_{}Servicer_to_server")
    return _Module(
        module,
        exports=tuple(sorted(form.format(service) for service in services for form in forms)),
        types=tuple(sorted(f"{service}AsyncStub" for service in services)),
    )


def _files_with_services() -> list[str]:
    return [file.name for file in _descriptors().file if file.service]


def _descriptors() -> FileDescriptorSet:
    with tempfile.TemporaryDirectory() as aside:
        image = Path(aside) / "image.binpb"
        _protoc(f"--descriptor_set_out={image}")
        return FileDescriptorSet.FromString(image.read_bytes())


# Go


def write_go(out: Path) -> None:
    """Writes messages and stubs, and the module file that clients/go replaces into."""
    binaries = _go_generators()
    _protoc(
        *(f"--plugin={name}={binaries / name}" for name in ("protoc-gen-go", "protoc-gen-go-grpc")),
        *(f"--{kind}_out={out}" for kind in ("go", "go-grpc")),
        *(f"--{kind}_opt=paths=source_relative" for kind in ("go", "go-grpc")),
    )
    requirements = "".join(
        f"\t{module} v{PINS[module]}\n" for module in ("google.golang.org/grpc", "google.golang.org/protobuf")
    )
    (out / "go.mod").write_text(
        f"// Code generated by scripts/generate.py. DO NOT EDIT.\n"
        f"module {GO_MODULE}\n\ngo {PINS['go']}\n\nrequire (\n{requirements})\n"
    )


def _go_generators() -> Path:
    go = _require_program("go")
    plugins = {
        f"google.golang.org/protobuf/cmd/protoc-gen-go@v{PINS['protoc-gen-go']}",
        f"google.golang.org/grpc/cmd/protoc-gen-go-grpc@v{PINS['protoc-gen-go-grpc']}",
    }

    def install(into: Path) -> None:
        for plugin in sorted(plugins):
            _run_installer([go, "install", plugin], {"GOBIN": str(into), "GOFLAGS": ""}, into)

    return _cached(f"go-{PINS['protoc-gen-go']}-{PINS['protoc-gen-go-grpc']}", install)


# TypeScript


def write_typescript(out: Path) -> None:
    """Writes messages and service descriptors for @bufbuild/protobuf."""
    plugin = _npm_generator() / "node_modules" / ".bin" / "protoc-gen-es"
    _protoc(
        f"--plugin=protoc-gen-es={plugin}",
        f"--es_out={out}",
        "--es_opt=target=ts,import_extension=js",
    )


def _npm_generator() -> Path:
    npm = _require_program("npm")
    _require_program("node")
    package = f"@bufbuild/protoc-gen-es@{PINS['protoc-gen-es']}"

    def install(into: Path) -> None:
        command = [npm, "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", package]
        _run_installer([*command, "--prefix", str(into)], {}, into)

    return _cached(f"es-{PINS['protoc-gen-es']}", install)


# What they share


def _read_pins() -> dict[str, str]:
    lines = (ROOT / "scripts" / "toolchain.txt").read_text().splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def _protoc(*arguments: str, sources: Iterable[Path] | None = None) -> None:
    files = [str(path) for path in sources or sorted(PROTO.rglob("*.proto"))]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTO}", *arguments, *files]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"protoc failed:\n{result.stderr}")


def _require_program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ToolchainMissing(f"{name} is not installed")
    return found


def _cached(name: str, install: Callable[[Path], None]) -> Path:
    """Returns the folder `name` of the cache; fills it aside first, so that two runs at once do no harm."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "msc-toolchain"
    cache = Path(os.environ.get("MSC_TOOLCHAIN_CACHE") or default)
    place = cache / name
    if place.is_dir():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as aside:
        filled = Path(aside) / "filled"
        filled.mkdir()
        install(filled)
        try:
            filled.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    return place


def _run_installer(command: list[str], environment: dict[str, str], folder: Path) -> None:
    result = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise ToolchainMissing(f"`{' '.join(command[:2])}` failed: {result.stderr.strip()}")


def _tree(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _compare(name: str, committed: Path, fresh: Path) -> bool:
    """Prints how the committed folder differs from the fresh one; returns whether it does not."""
    old, new = _tree(committed), _tree(fresh)
    stale = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    for path in stale:
        sys.stdout.writelines(
            difflib.unified_diff(
                old.get(path, b"").decode().splitlines(keepends=True),
                new.get(path, b"").decode().splitlines(keepends=True),
                f"committed/{name}/{path}" if path in old else "/dev/null",
                f"generated/{name}/{path}" if path in new else "/dev/null",
            )
        )
    print(f"{name}: {'STALE: run `python scripts/generate.py`' if stale else 'current'}")
    return not stale


def _replace(committed: Path, fresh: Path) -> None:
    old, new = _tree(committed), _tree(fresh)
    for path in old.keys() - new.keys():
        (committed / path).unlink()
    for path, content in new.items():
        if old.get(path) != content:
            (committed / path).parent.mkdir(parents=True, exist_ok=True)
            (committed / path).write_bytes(content)


PINS = _read_pins()
LANGUAGES = (
    Language(name="python", write=write_python),
    Language(name="typescript", write=write_typescript),
    Language(name="go", write=write_go),
)

if __name__ == "__main__":
    raise SystemExit(main())
