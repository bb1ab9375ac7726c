"""What a client went through, as lines of a file: written by the processes that watch, read by the drill."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """How the drill knows."""

    APPLIED = "applied"
    """The client made it what readers get; nothing that it applied is missing."""
    READ = "read"
    """A reader, who looks again and again, got something else than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One thing that happened to one client. `at_ns` is on the machine's monotonic clock, the same in all processes.

    `etag` is what the authority calls the content, `digest` what the client makes of every field of it. `tier` and
    `server`, the replica that answers, are known where it was read. Version 0 is none.
    """

    client: str
    kind: Kind
    at_ns: int
    epoch: int = 0
    version: int = 0
    etag: str = ""
    digest: str = ""
    tier: str = ""
    server: str = ""

    @property
    def ref(self) -> tuple[int, int]:
        """Which revision."""
        return self.epoch, self.version


def line_of(record: Record) -> str:
    """Returns it as one line."""
    return json.dumps(astuple(record), separators=(",", ":")) + "\n"


def record_of(line: str) -> Record:
    """Returns what a line says.

    Raises:
        ValueError: it is none of ours.
    """
    client, kind, at_ns, epoch, version, etag, digest, tier, server = json.loads(line)
    return Record(
        client=client,
        kind=Kind(kind),
        at_ns=at_ns,
        epoch=epoch,
        version=version,
        etag=etag,
        digest=digest,
        tier=tier,
        server=server,
    )


class Recordings:
    """Files that grow, read up to where they are."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._read_to = dict.fromkeys(files, 0)
        self.records: list[Record] = []
        self._now: dict[str, Record] = {}

    def catch_up(self) -> None:
        """Reads what was written since, but for a line that is not ended yet."""
        for record in self._new():
            self.records.append(record)
            if record.kind is Kind.READ:
                self._now[record.client] = record

    @property
    def now(self) -> dict[str, Record]:
        """What each client's reader got last."""
        return self._now

    def _new(self) -> Iterator[Record]:
        for file, start in self._read_to.items():
            if not file.exists():
                continue
            with file.open("rb") as lines:
                lines.seek(start)
                whole = lines.read().rpartition(b"\n")
            self._read_to[file] = start + len(whole[0]) + len(whole[1])
            yield from map(record_of, whole[0].decode().splitlines())
