"""A trading process: asks its risk guard for an entry and a reduction under each policy, and prints the verdicts."""

from __future__ import annotations

import json
import sys
import threading
from decimal import Decimal
from pathlib import Path

from guard_builders import ACCOUNT, AT, config, facts, intent, position, positions, reduce_intent

from msc_client import PolicySource, Role
from msc_trading.guard import RiskGuard


def main() -> None:
    """Follows `target` with state under `home`; one line of JSON for each version."""
    target, home = sys.argv[1], Path(sys.argv[2])
    source = PolicySource(target, role=Role.RISK_GUARD, name="guarding", state_dir=home / "client")
    guard = RiskGuard(account_id=ACCOUNT, config=config(), policies=source, instance_id="g")
    guard.rebuild_day(AT, fills=(), executions=())
    source.start(wait_s=5.0)
    beat, told = threading.Event(), -1
    while not beat.wait(0.02):
        view = source.current()
        version = view.ref.version if view.ref else 0
        if version != told:
            told = version
            sys.stdout.write(json.dumps(verdicts(guard, source)) + "\n")
            sys.stdout.flush()


def verdicts(guard: RiskGuard, source: PolicySource) -> dict[str, object]:
    """Returns what the guard says now. What it grants is given back: nothing is sent here."""
    view, held = source.current(), facts(positions=positions(position()))
    entry = intent(strategy_id="TREND", symbol="ETHUSDT", quantity=Decimal("0.01"))
    granted = guard.authorize(entry, view, facts("ETHUSDT"))
    guard.release(entry.client_order_id)
    return {
        "version": view.ref.version if view.ref else 0,
        "trading_state": view.policy.trading_state.name,
        "entry": granted.reason_code.value,
        "reduction": guard.authorize(reduce_intent(strategy_id="TREND"), view, held).reason_code.value,
    }


if __name__ == "__main__":
    main()
