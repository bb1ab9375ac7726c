"""A client that comes back with a policy from disk: what its callbacks hear, and how much it may do."""

from __future__ import annotations

from pathlib import Path

from msc_client_harness import Host, until

from msc_client import SafeDefaults, Tier
from msc_client.testing import make_policy


def test_callbacks_hear_that_a_policy_from_disk_was_confirmed_during_the_start(tmp_path: Path) -> None:
    Host(state_dir=tmp_path).follow().source.close()
    host = Host(state_dir=tmp_path)
    heard: list[Tier] = []
    host.source.subscribe(lambda view: heard.append(view.tier))
    host.source.start(wait_s=0)
    host.script.unchanged(make_policy(5).ref)
    until(lambda: heard[-1:] == [Tier.FRESH])
    host.source.close()


def test_a_restart_after_the_last_known_good_expired_allows_nothing_that_it_forbade(tmp_path: Path) -> None:
    safe = SafeDefaults(allowed_strategies=("TREND_001", "MOMENTUM_002"))
    last = make_policy(5, strategies=("TREND_001",), max_risk_per_trade=0.001, max_positions=1, max_daily_trades=2)
    earlier = Host(state_dir=tmp_path).follow(last)
    earlier.source.close()
    host = Host(state_dir=tmp_path, safe=safe)
    host.clock.advance(901)
    host.source.start(wait_s=0)
    view = host.source.current()
    host.source.close()
    policy = view.policy
    assert (view.tier, policy.allowed_strategies) == (Tier.SAFE_NONE, ("TREND_001",))
    assert (policy.max_risk_per_trade, policy.max_positions, policy.max_daily_trades) == (0.001, 1, 2)
