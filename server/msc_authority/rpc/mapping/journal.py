"""Facts from the wire, as raw rows by the journal's column names. What makes sense, the core says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter

from google.protobuf.descriptor import Descriptor
from google.protobuf.timestamp_pb2 import Timestamp

from msc_authority.core.facts import Direction, Fact, Trade, TradeSource
from msc_authority.core.intake import Refusal, RefusalCode, parse_equity, parse_execution, parse_trade
from msc_authority.core.plain_trade import PLAIN_TEXTS, plain_trade
from msc_authority.rpc.mapping.basics import instant_of
from msc_policy import v1 as pb

Raw = Mapping[str, object]
_SIDES: Mapping[int, str] = {pb.SIDE_BUY: "BUY", pb.SIDE_SELL: "SELL"}
_DIRECTIONS: Mapping[int, str] = {pb.DIRECTION_LONG: "LONG", pb.DIRECTION_SHORT: "SHORT"}
_SOURCES: Mapping[int, str] = {pb.TRADE_SOURCE_LIVE: "LIVE", pb.TRADE_SOURCE_SHADOW: "SHADOW"}
_PLAIN_DIRECTIONS = {number: Direction(word) for number, word in _DIRECTIONS.items()}
_PLAIN_SOURCES = {number: TradeSource(word) for number, word in _SOURCES.items()}
_plain_texts = attrgetter(*PLAIN_TEXTS)
_INSTANTS = frozenset({"at", "opened_at", "closed_at"})


def fact_of(entry: pb.JournalEntry, now: datetime) -> Fact:
    """Returns the fact of an entry.

    Raises:
        Refusal: it has none, or a field is missing or wrong.
    """
    match entry.WhichOneof("fact"):
        case "execution":
            return parse_execution(_execution(entry.execution), now)
        case "trade":
            return _plain(entry.trade, now) or parse_trade(_trade(entry.trade), now)
        case "equity":
            return parse_equity(_row(entry.equity), now)
        case _:
            raise Refusal("", "fact", RefusalCode.MISSING, "is none of execution, trade, equity")


def _execution(message: pb.Execution) -> Raw:
    row = _row(message)
    row["side"] = _word(message.side, _SIDES)
    row["confidence"] = message.confidence if message.HasField("confidence") else None
    return row


def _trade(message: pb.ClosedTrade) -> Raw:
    row = _row(message)
    row["direction"] = _word(message.direction, _DIRECTIONS)
    row["source"] = _word(message.source, _SOURCES)
    return row


def _plain(message: pb.ClosedTrade, now: datetime) -> Trade | None:
    return plain_trade(
        _plain_texts(message),
        _PLAIN_DIRECTIONS.get(message.direction),
        _PLAIN_SOURCES.get(message.source),
        # What was never set lies in 1970, which is too early for any trade.
        instant_of(message.opened_at),
        instant_of(message.closed_at),
        message.policy_version,
        now,
    )


def _row(message: pb.Execution | pb.ClosedTrade | pb.EquityPoint) -> dict[str, object]:
    columns = _columns(message.DESCRIPTOR)
    row = dict(zip(columns.names, columns.values_of(message), strict=True))
    for name in columns.instants:
        row[name] = _instant(message, name)
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Names of a message's fields, and how to get at all values but the instants in one go."""

    names: tuple[str, ...]
    values_of: Callable[[object], tuple[object, ...]]
    instants: tuple[str, ...]


@cache
def _columns(descriptor: Descriptor) -> _Columns:
    names = [field.name for field in descriptor.fields]
    plain = tuple(name for name in names if name not in _INSTANTS)
    instants = tuple(name for name in names if name in _INSTANTS)
    return _Columns(names=plain, values_of=attrgetter(*plain), instants=instants)


def _instant(message: pb.Execution | pb.ClosedTrade | pb.EquityPoint, name: str) -> object:
    if not message.HasField(name):  # type: ignore[arg-type]  # the name comes from the message's own descriptor
        return None
    timestamp: Timestamp = getattr(message, name)
    # An instant outside the calendar is handed on as text, for the core to refuse in its own words.
    return instant_of(timestamp) or f"{timestamp.seconds} s after 1970"


def _word(number: int, words: Mapping[int, str]) -> str | None:
    # A number that a newer sender means something by is handed on, for the core to refuse as unknown.
    return None if number == 0 else words.get(number, str(number))
