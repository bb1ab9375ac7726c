"""The executor's memory: what it sent, in a file that is written ahead of the venue."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, Final, cast

from msc_trading.executor.errors import StateUnusable, StateUnwritable
from msc_trading.executor.records import (
    DayStart,
    FlatMark,
    Json,
    OrderRecord,
    ShadowPosition,
    Stage,
    TradeResult,
    day_line,
    day_of,
    flat_line,
    flat_of,
    order_line,
    order_of,
    result_line,
    result_of,
    shadow_line,
    shadow_of,
)
from msc_trading.venue.port import OrderStatus

_KEPT_RESULTS: Final = 200


class StateFile:
    """What one executor must not forget. Opening it takes up what was left there, and counts one start more.

    A line that a crash has cut short is dropped; a line that makes no sense stops the start, for corrupt data is worse
    than none. Orders that are over are forgotten after a while.
    """

    def __init__(self, path: Path, *, now: datetime, keep_orders_s: float) -> None:
        """Opens the file, or makes it, and writes it anew without what is no longer needed.

        Raises:
            StateUnusable: another executor has it, or it cannot be read or written.
        """
        self._path = path
        self.epoch = 0
        self.orders: dict[str, OrderRecord] = {}
        self.flats: dict[str, FlatMark] = {}
        self.results: dict[str, TradeResult] = {}
        self._streak: int | None = None
        self.day: DayStart | None = None
        self.shadows: dict[tuple[str, str], ShadowPosition] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path.with_name(path.name + ".lock"))
        except OSError as error:
            raise StateUnusable(f"{path}: {error}; give the executor a file that it can write") from error
        try:
            self._load()
            self._forget(now - timedelta(seconds=keep_orders_s))
            self.epoch += 1
            self._file = self._rewritten()
        except StateUnusable:
            self._lock.close()
            raise
        except OSError as error:
            self._lock.close()
            raise StateUnusable(f"{path}: {error}; give the executor a file that it can write") from error

    def prepare(self, record: OrderRecord) -> None:
        """Writes an order down, durably, before it is sent.

        Raises:
            StateUnwritable: it could not be written. It is remembered all the same, for this process's life.
        """
        self.orders[record.client_order_id] = record
        self._append(order_line(record), sync=True)

    def change(
        self,
        client_order_id: str,
        *,
        stage: Stage,
        order_id: str = "",
        status: OrderStatus | None = None,
        filled: Decimal | None = None,
        reason: str = "",
    ) -> OrderRecord:
        """Writes down what became of an order, and returns the order as it then is.

        Raises:
            StateUnwritable: it could not be written. It is remembered all the same, for this process's life.
        """
        changes: Json = {"stage": stage.value}
        if order_id:
            changes["order_id"] = order_id
        if status is not None:
            changes["status"] = status.value
        if filled is not None:
            changes["filled"] = str(filled)
        if reason:
            changes["reason"] = reason
        record = self.orders[client_order_id].with_changes(changes)
        self.orders[client_order_id] = record
        self._append({"kind": "change", "id": client_order_id, "to": changes})
        return record

    def mark_flat(self, mark: FlatMark) -> None:
        """Remembers from where fills have to be read again."""
        self.flats[mark.symbol] = mark
        self._append(flat_line(mark))

    def add_result(self, result: TradeResult) -> None:
        """Remembers what a trade made. Twice is once."""
        if result.trade_id not in self.results:
            self.results[result.trade_id] = result
            self._streak = None
            self._append(result_line(result))

    def start_day(self, start: DayStart) -> None:
        """Remembers with what the day began."""
        self.day = start
        self._append(day_line(start))

    def keep_shadow(self, position: ShadowPosition) -> None:
        """Remembers a position on paper."""
        self.shadows[position.strategy_id, position.symbol] = position
        self._append(shadow_line(position))

    def drop_shadow(self, strategy_id: str, symbol: str) -> None:
        """Forgets a position on paper that was closed."""
        if self.shadows.pop((strategy_id, symbol), None) is not None:
            self._append({"kind": "shadow_closed", "strategy_id": strategy_id, "symbol": symbol})

    def losing_streak(self) -> int:
        """Returns how many trades in a row, up to the newest, lost."""
        if self._streak is None:
            self._streak = self._count_streak()
        return self._streak

    def _count_streak(self) -> int:
        streak = 0
        for result in sorted(self.results.values(), key=lambda result: result.closed_at, reverse=True):
            if result.net_pnl >= 0:
                break
            streak += 1
        return streak

    def close(self) -> None:
        """Lets the file go. Twice is fine."""
        self._file.close()
        self._lock.close()

    def _append(self, line: Json, *, sync: bool = False) -> None:
        try:
            self._file.write(_encoded(line))
            self._file.flush()
            if sync:
                os.fsync(self._file.fileno())
        except (OSError, ValueError) as error:
            raise StateUnwritable(f"{self._path}: {error}") from error

    def _load(self) -> None:
        if not self._path.exists():
            return
        lines = self._path.read_bytes().split(b"\n")
        # What stands behind the last line feed is a line that a crash has cut short: it was never acted upon.
        for number, raw in enumerate(lines[:-1], start=1):
            try:
                self._take(cast("Json", json.loads(raw)))
            except (ValueError, KeyError, TypeError, ArithmeticError) as error:
                raise StateUnusable(
                    f"{self._path}: line {number} makes no sense ({error!r}); compare positions by hand, then move "
                    "the file away"
                ) from error

    def _take(self, line: Json) -> None:
        match line["kind"]:
            case "start":
                self.epoch = int(str(line["epoch"]))
            case "order":
                record = order_of(line)
                self.orders[record.client_order_id] = record
            case "change":
                id_ = str(line["id"])
                self.orders[id_] = self.orders[id_].with_changes(cast("Json", line["to"]))
            case "flat":
                mark = flat_of(line)
                self.flats[mark.symbol] = mark
            case "day":
                self.day = day_of(line)
            case "result":
                result = result_of(line)
                self.results[result.trade_id] = result
            case "shadow":
                position = shadow_of(line)
                self.shadows[position.strategy_id, position.symbol] = position
            case "shadow_closed":
                self.shadows.pop((str(line["strategy_id"]), str(line["symbol"])), None)
            case kind:
                raise ValueError(f"kind: {kind!r} is not known; it was written by a newer executor")

    def _forget(self, before: datetime) -> None:
        self.orders = {
            id_: record
            for id_, record in self.orders.items()
            if not record.stage.is_over or record.prepared_at >= min(before, self._oldest_needed(record, before))
        }
        newest = sorted(self.results.values(), key=lambda result: result.closed_at)[-_KEPT_RESULTS:]
        self.results = {result.trade_id: result for result in newest}

    def _oldest_needed(self, record: OrderRecord, before: datetime) -> datetime:
        # A position may be older than the memory of orders: those that made it are still needed to know whose it is.
        mark = self.flats.get(record.symbol)
        return before if mark is None else mark.since

    def _rewritten(self) -> BinaryIO:
        aside = self._path.with_name(self._path.name + ".new")
        with aside.open("wb") as file:
            for line in self._lines():
                file.write(_encoded(line))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._path)
        _sync_directory(self._path.parent)
        return self._path.open("ab")

    def _lines(self) -> Iterator[Json]:
        yield {"kind": "start", "epoch": self.epoch}
        yield from map(flat_line, self.flats.values())
        yield from map(order_line, self.orders.values())
        yield from map(result_line, self.results.values())
        yield from map(shadow_line, self.shadows.values())
        if self.day is not None:
            yield day_line(self.day)


def _locked(path: Path) -> BinaryIO:
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise StateUnusable(f"{path}: another executor has it; give each one a file of its own") from error
    return file


def _encoded(line: Json) -> bytes:
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
