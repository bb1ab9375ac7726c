"""What names a fact, and what of it decisions are made from."""

from __future__ import annotations

from datetime import datetime

from msc_authority.adapters.instants import text_of
from msc_authority.core.evidence import EquityEvidence, TradeEvidence
from msc_authority.core.facts import EquityPoint, Execution, Fact, Trade
from msc_authority.ports.journal import RefusedFact


def id_of(fact: Fact) -> str:
    """The fact's business id. A reading of the account is named by account and instant."""
    match fact:
        case Execution():
            return fact.event_id
        case Trade():
            return fact.trade_id
        case EquityPoint():
            return f"{fact.account}@{text_of(fact.at)}"


def id_conflict(index: int, fact: Fact) -> RefusedFact:
    """The refusal of a fact whose id is taken by other content."""
    field = {Execution: "event_id", Trade: "trade_id", EquityPoint: "at"}[type(fact)]
    return RefusedFact(
        index=index,
        id=id_of(fact),
        field=field,
        code="ID_CONFLICT",
        reason=f"{field} is stored already with other content: facts never change; give a new fact a new id",
    )


def too_old(index: int, fact: Fact, pruned_up_to: datetime) -> RefusedFact:
    """The refusal of a fact from a time that was pruned: nobody can say any more whether it was stored before."""
    field = "closed_at" if isinstance(fact, Trade) else "at"
    reason = f"facts up to {text_of(pruned_up_to)} were pruned, and none of that time is taken any more"
    return RefusedFact(index=index, id=id_of(fact), field=field, code="TOO_OLD", reason=reason)


def trade_evidence(trade: Trade) -> TradeEvidence:
    """What the ledger folds of a trade."""
    return TradeEvidence(
        at=trade.closed_at,
        id=trade.trade_id,
        strategy_id=trade.strategy_id,
        net_pnl=trade.net_pnl,
        risk_at_entry=trade.risk_at_entry,
        live=trade.source == "LIVE",
    )


def equity_evidence(point: EquityPoint) -> EquityEvidence:
    """What the ledger folds of a reading of the account."""
    return EquityEvidence(
        at=point.at,
        id=point.account,
        wallet_balance=point.wallet_balance,
        unrealized_pnl=point.unrealized_pnl,
        net_flow=point.net_flow,
    )
