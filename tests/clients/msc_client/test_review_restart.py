"""A client that comes back with a policy from disk: what its callbacks hear, and how much it may do."""

from __future__ import annotations

from pathlib import Path

from msc_client_harness import Host, until

from msc_client import Tier
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
