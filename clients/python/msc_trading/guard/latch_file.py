"""Latches on disk: a stop that a person has to clear survives the process that threw it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from msc_trading.guard.case import Latch
from msc_trading.guard.decision import ReasonCode

_log = logging.getLogger(__name__)


class LatchesUnreadable(Exception):
    """The file cannot be trusted. Nobody knows what was stopped, so nothing may be opened until a person looks."""


class LatchFile:
    """Keeps a guard's latches in one small file, replaced whole."""

    def __init__(self, path: Path) -> None:
        """Takes where the file is; its folder must exist. A file that is not there holds no latch."""
        self._path = path

    def read(self) -> frozenset[Latch]:
        """Returns the latches of before the start.

        Raises:
            LatchesUnreadable: the file is there, and cannot be read or understood.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError) as error:
            raise LatchesUnreadable(self._advice(error)) from error
        try:
            return frozenset(Latch(ReasonCode(row["code"]), str(row["strategy_id"])) for row in json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise LatchesUnreadable(self._advice(error)) from error

    def write(self, latches: Iterable[Latch]) -> None:
        """Replaces the file, durably. A disk that refuses is logged: the latches hold in memory all the same."""
        rows = [{"code": latch.code.value, "strategy_id": latch.strategy_id} for latch in sorted(latches, key=_order)]
        try:
            self._replace(json.dumps(rows))
        except OSError as error:
            _log.critical("%s cannot be written, so the latches %s end with this process: %s", self._path, rows, error)

    def _replace(self, text: str) -> None:
        beside = self._path.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _advice(self, error: Exception) -> str:
        return f"{self._path}: {error}. Find out in the journal what was stopped, then delete the file to clear it"


def _order(latch: Latch) -> tuple[str, str]:
    return (latch.code.value, latch.strategy_id)
