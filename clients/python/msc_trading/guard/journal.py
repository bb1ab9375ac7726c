"""Decisions as the journal takes them: nothing is refused without a record."""

from __future__ import annotations

from msc_client.facts import MAX_REASON_CHARS, Execution
from msc_trading.guard.decision import Decision

BLOCKED = "BLOCKED"
"""Status of an order that was refused before it was sent."""


def blocked_execution(decision: Decision) -> Execution | None:
    """Returns the fact of a refusal, None when the intent is so malformed that no fact can be made of it.

    Then the log line is the record: a made-up quantity or symbol would be worse than none.
    """
    intent = decision.intent
    try:
        return Execution(
            event_id=decision.decision_id,
            account=intent.account_id,
            executor=intent.executor_id,
            symbol=intent.symbol,
            side=intent.side,
            status=BLOCKED,
            quantity=intent.quantity,
            reduce_only=intent.only_reduces,
            at=decision.at,
            strategy_id=intent.strategy_id,
            client_order_id=intent.client_order_id,
            price=intent.price,
            confidence=None if intent.confidence is None else float(intent.confidence),
            policy_version=decision.policy_version,
            reason=decision.reason_code.value[:MAX_REASON_CHARS],
            detail_json=decision.as_json(),
        )
    except (ValueError, TypeError):
        return None
