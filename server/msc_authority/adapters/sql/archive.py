"""A backup as one file: a ZIP with a manifest and one member of JSON lines a table, which any database reads."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, cast

from msc_authority.adapters.instants import instant_from, text_of
from msc_authority.adapters.sql.portable import Kind, PortableColumn
from msc_authority.core.audit_chain import Anchor
from msc_authority.ports.store import StoreError

FORMAT = "msc-backup"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_MAX_MANIFEST = 1 << 20
_PIECE = 1 << 20
_GREATEST = (1 << 53) - 1

# What reading a ZIP raises where it was damaged: beside its own, whatever a flipped bit makes of a method, a flag or a
# length.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
)


class BadBackup(StoreError):
    """The file is no backup, or not as it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePart:
    """One table in a backup: its columns in the order of the values, how many rows, and the SHA-256 of its lines."""

    name: str
    columns: tuple[PortableColumn, ...]
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds. `audit_anchor` is the newest row of the audit log, SEQ:HASH, or empty."""

    made_at: datetime
    program: str
    source: str
    schema: str
    epoch: int
    policy_version: int
    audit_anchor: str
    tables: tuple[TablePart, ...]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)


class ArchiveWriter:
    """Writes the members. Tables first, the manifest last: a file cut short has none."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def table(self, name: str, columns: Sequence[PortableColumn], rows: Iterable[Sequence[object]]) -> TablePart:
        """Writes the rows, each already as JSON takes it, and says what came of it."""
        digest, count = hashlib.sha256(), 0
        with self._archive.open(_member(name), "w", force_zip64=True) as member:
            for row in rows:
                line = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
                digest.update(line)
                member.write(line)
                count += 1
        return TablePart(name=name, columns=tuple(columns), rows=count, sha256=digest.hexdigest())

    def manifest(self, manifest: Manifest) -> None:
        """Writes what the file holds."""
        document = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(manifest)}
        document["made_at"] = text_of(manifest.made_at)
        self._archive.writestr(MANIFEST, json.dumps(document, indent=1))


@contextmanager
def new_archive(path: Path) -> Iterator[ArchiveWriter]:
    """Yields what to write into. The file is there when the block has ended well, whole and for its owner's eyes only.

    Raises:
        OSError: it cannot be written, or is there already.
    """
    if path.exists():
        raise FileExistsError(17, "is there already", str(path))
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                yield ArchiveWriter(archive)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


class ArchiveReader:
    """Reads a backup. Nothing in it is believed before `check` has returned."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        """Raises BadBackup: there is no manifest that this program understands."""
        self._archive, self._path = archive, path
        self.manifest = _manifest_in(archive, path)

    def check(self) -> None:
        """Reads everything once, and compares it with the manifest.

        Raises:
            BadBackup: a table is missing or not as it was written.
        """
        for table in self.manifest.tables:
            digest, lines = hashlib.sha256(), 0
            with self._member(table) as member:
                while piece := member.read(_PIECE):
                    digest.update(piece)
                    lines += piece.count(b"\n")
            if digest.hexdigest() != table.sha256 or lines != table.rows:
                raise BadBackup(f"{self._path}: the table {table.name} is not as it was written: use another backup")

    def rows(self, table: TablePart) -> Iterator[list[object]]:
        """Yields the rows of a table, as JSON gives them."""
        with self._member(table) as member:
            for line in member:
                row = json.loads(line)
                if not isinstance(row, list):
                    raise BadBackup(f"{self._path}: the table {table.name} has a line that is no row")
                yield row

    @contextmanager
    def _member(self, table: TablePart) -> Iterator[IO[bytes]]:
        try:
            with self._archive.open(_member(table.name)) as member:
                yield member
        except KeyError:
            raise BadBackup(f"{self._path}: the table {table.name} is missing: use another backup") from None
        except _DAMAGED as error:
            raise BadBackup(
                f"{self._path}: the table {table.name} cannot be read ({error}): use another backup"
            ) from error


@contextmanager
def opened_archive(path: Path) -> Iterator[ArchiveReader]:
    """Yields the backup in the file.

    Raises:
        BadBackup: it is no backup, is not whole, or is of a newer program.
    """
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise BadBackup(f"{path}: no such file") from None
    except _DAMAGED as error:
        raise BadBackup(f"{path}: is no backup, or not all of one ({error}): use another backup") from error
    with archive:
        yield ArchiveReader(archive, path)


def _member(table: str) -> str:
    return f"tables/{table}.jsonl"


def _manifest_in(archive: zipfile.ZipFile, path: Path) -> Manifest:
    try:
        with archive.open(MANIFEST) as member:
            document = json.loads(member.read(_MAX_MANIFEST))
        if document["format"] != FORMAT:
            raise BadBackup(f"{path}: is no backup of this program")
        if document["format_version"] != FORMAT_VERSION:
            raise BadBackup(
                f"{path}: has format {document['format_version']}: restore it with the program that made it"
            )
        return _manifest_from(document)
    except BadBackup:
        raise
    except KeyError as error:
        raise BadBackup(
            f"{path}: its manifest cannot be read: {error.args[0]} is missing: use another backup"
        ) from error
    except (*_DAMAGED, TypeError, AttributeError) as error:
        raise BadBackup(f"{path}: its manifest cannot be read ({error}): use another backup") from error


def _manifest_from(document: Mapping[str, object]) -> Manifest:
    return Manifest(
        made_at=_instant(document, "made_at"),
        program=str(document["program"]),
        source=str(document["source"]),
        schema=str(document["schema"]),
        epoch=_count(document, "epoch"),
        policy_version=_count(document, "policy_version"),
        audit_anchor=_anchor(document),
        tables=tuple(map(_table_from, cast("Sequence[Mapping[str, object]]", document["tables"]))),
    )


def _table_from(document: Mapping[str, object]) -> TablePart:
    columns = cast("Sequence[Mapping[str, str]]", document["columns"])
    return TablePart(
        name=str(document["name"]),
        columns=tuple(PortableColumn(name=column["name"], kind=Kind(column["kind"])) for column in columns),
        rows=_count(document, "rows"),
        sha256=str(document["sha256"]),
    )


def _instant(document: Mapping[str, object], name: str) -> datetime:
    try:
        return instant_from(str(document[name]))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name}: {error}") from error


def _count(document: Mapping[str, object], name: str) -> int:
    # An epoch above it leaves none that is greater, and no database keeps it.
    value = document[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _GREATEST:
        raise ValueError(f"{name}: has to be a number from 0 to {_GREATEST}")
    return value


def _anchor(document: Mapping[str, object]) -> str:
    text = str(document["audit_anchor"])
    try:
        anchor = Anchor.read(text) if text else None
    except ValueError as error:
        raise ValueError(f"audit_anchor: {error}") from error
    if anchor is not None and anchor.sequence > _GREATEST:
        raise ValueError(f"audit_anchor: no row has a number above {_GREATEST}")
    return text


def _sync_folder(folder: Path) -> None:
    # So that the name is there after a power cut, as the content is.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
