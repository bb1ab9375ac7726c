"""The last known good policy on disk: whole or nothing, and never trusted blindly."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from msc_client._clock import Clock, new_id
from msc_client._held import Confirmation, ns
from msc_client._holding import Restored
from msc_client._messages import Freshness
from msc_client._wire.policy import document_from_bytes
from msc_client.errors import PolicyInvalid
from msc_client.policy import Ref

_FORMAT = 1
_OTHERS = 0o077
# What a version may be. Greater numbers would not survive the arithmetic with nanoseconds; NaN is never smaller.
_GREATEST_NUMBER = 2**64 - 1
_NS = 1_000_000_000


class Loaded(NamedTuple):
    """What the file held: a value, or nothing, and what was wrong with it."""

    restored: Restored | None = None
    problem: str = ""


class _Unusable(Exception):
    """The file is not one that this client wrote, or not all of it."""


class LastKnownGood:
    """One file. Only its age uses the wall clock, for it must outlive the process."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self._clock = clock

    def load(self) -> Loaded:
        """Returns what the file holds. A file that cannot be trusted is renamed to `.bad`. Never raises."""
        try:
            return Loaded(restored=self._read())
        except FileNotFoundError:
            return Loaded()
        except (OSError, _Unusable, PolicyInvalid) as error:
            return Loaded(problem=f"{self.path}: {error}; {self._put_aside()}")

    def save(self, restored: Restored) -> None:
        """Replaces the file atomically and durably, unless it already holds a newer revision.

        Raises:
            OSError: the disk refused. The file is as it was.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._on_disk() > restored.policy.ref:
            return
        name = self.path.with_name(f".{self.path.name}.{new_id()}")
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self._encode(restored))
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            name.unlink()
            raise
        _sync_directory(self.path.parent)

    def _encode(self, restored: Restored) -> bytes:
        elapsed_s = (self._clock.monotonic_ns() - restored.confirmation.at_ns) / _NS
        ref = restored.policy.ref
        content: dict[str, object] = {
            "format": _FORMAT,
            "epoch": ref.epoch,
            "version": ref.version,
            "confirmed_at_s": self._clock.wall_s() - elapsed_s,
            "replica_age_s": restored.confirmation.freshness.replica_age_s,
            "ttl_s": restored.confirmation.freshness.ttl_s,
            "policy": base64.b64encode(restored.document.raw).decode(),
        }
        return json.dumps({**content, "sha256": _checksum(content)}, indent=1).encode()

    def _read(self) -> Restored:
        with self.path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & _OTHERS:
                raise _Unusable(f"mode {mode & 0o777:o} lets others in, 600 is needed")
            content = _verified(file.read())
        document = document_from_bytes(_bytes(content, "policy"))
        if isinstance(document.policy, PolicyInvalid):
            raise _Unusable(f"policy: {document.policy}")
        return Restored(document=document, policy=document.policy, confirmation=self._confirmation(content))

    def _confirmation(self, content: Mapping[str, object]) -> Confirmation:
        age_s = self._clock.wall_s() - _number(content, "confirmed_at_s")
        if age_s < 0:
            raise _Unusable(f"confirmed_at_s: {-age_s:.0f} s in the future")
        freshness = Freshness(
            replica_age_s=max(0.0, _number(content, "replica_age_s")), ttl_s=_number(content, "ttl_s")
        )
        return Confirmation(at_ns=self._clock.monotonic_ns() - ns(age_s), freshness=freshness)

    def _on_disk(self) -> Ref:
        """The revision in the file, the smallest one when there is none that can be read."""
        try:
            content = _verified(self.path.read_bytes())
            return Ref(int(_number(content, "epoch")), int(_number(content, "version")))
        except (OSError, _Unusable):
            return Ref(0, 0)

    def _put_aside(self) -> str:
        bad = self.path.with_name(f"{self.path.name}.bad")
        try:
            os.replace(self.path, bad)
        except OSError as error:
            return f"and it could not be renamed: {error}"
        return f"renamed to {bad.name}"


def _verified(raw: bytes) -> Mapping[str, object]:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _Unusable(f"cannot be parsed: {error}") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise _Unusable(f"format: {_FORMAT} is needed")
    if content.pop("sha256", None) != _checksum(content):
        raise _Unusable("sha256: does not match the content")
    return content


def _checksum(content: Mapping[str, object]) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _number(content: Mapping[str, object], field: str) -> float:
    value = content.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _GREATEST_NUMBER:
        raise _Unusable(f"{field}: is no number that this client writes")
    return value


def _bytes(content: Mapping[str, object], field: str) -> bytes:
    try:
        return base64.b64decode(str(content.get(field, "")), validate=True)
    except ValueError as error:
        raise _Unusable(f"{field}: {error}") from error


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
