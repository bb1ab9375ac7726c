"""A recorder of closed trades over one connection: tells how long the authority needed to store them.

python -m benching.load.recorder '{"port": 7443}'

{"make": "A", "trades": 50000} is answered with {"ready": true} when the messages are there; {"send": true} with
{"seconds"}, from the first message until the authority has said that all of them are stored.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from itertools import count, islice

import grpc

from benching.child import tell
from benching.history import trades_until_now
from msc_authority.core.facts import Trade
from msc_authority.rpc.mapping.basics import instant_to_proto
from msc_policy import v1 as pb

RECORD = "/msc_policy.v1.JournalService/Record"
A_MESSAGE = 1000
WITHIN_S = 120.0


def entry_of(trade: Trade, seq: int) -> pb.JournalEntry:
    """Returns a trade as it is sent."""
    return pb.JournalEntry(
        seq=seq,
        trade=pb.ClosedTrade(
            trade_id=trade.trade_id,
            strategy_id=trade.strategy_id,
            symbol=trade.symbol,
            direction=pb.Direction.Value(f"DIRECTION_{trade.direction}"),
            quantity=str(trade.quantity),
            entry_price=str(trade.entry_price),
            exit_price=str(trade.exit_price),
            opened_at=instant_to_proto(trade.opened_at),
            closed_at=instant_to_proto(trade.closed_at),
            gross_pnl=str(trade.gross_pnl),
            fees=str(trade.fees),
            funding=str(trade.funding),
            net_pnl=str(trade.net_pnl),
            risk_at_entry="" if trade.risk_at_entry is None else str(trade.risk_at_entry),
            source=pb.TradeSource.Value(f"TRADE_SOURCE_{trade.source}"),
            policy_version=trade.policy_version,
        ),
    )


def messages_of(trades: Sequence[Trade]) -> list[bytes]:
    """Returns the trades as messages on the wire, as full as they may be."""
    entries = iter([entry_of(trade, seq) for trade, seq in zip(trades, count(1), strict=False)])
    messages: list[bytes] = []
    while some := list(islice(entries, A_MESSAGE)):
        messages.append(pb.RecordRequest(entries=some).SerializeToString())
    return messages


def send(channel: grpc.Channel, messages: Sequence[bytes], trades: int) -> float:
    """Returns the seconds until all of them are stored."""
    record: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(RECORD)
    began = time.perf_counter_ns()
    said = record(iter(messages), timeout=WITHIN_S)
    taken = (time.perf_counter_ns() - began) / 1e9
    answer = pb.RecordResponse.FromString(said)
    if answer.accepted != trades:
        raise SystemExit(f"{answer.accepted} of {trades} trades were stored: {str(answer)[:500]}")
    return taken


def main() -> None:
    """Records what it hears."""
    with grpc.insecure_channel(f"127.0.0.1:{json.loads(sys.argv[1])['port']}") as channel:
        messages: list[bytes] = []
        trades = 0
        for line in sys.stdin:
            heard = json.loads(line)
            if "make" in heard:
                trades = int(heard["trades"])
                messages = messages_of(trades_until_now(trades, heard["make"]))
                tell(ready=True)
            else:
                tell(seconds=send(channel, messages, trades))


if __name__ == "__main__":
    main()
