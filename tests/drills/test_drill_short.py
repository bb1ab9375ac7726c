"""The drill in short: few clients, few rounds, lines in place of a network of its own. It guards every commit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import msc_postgres
import msc_valkey
import pytest
from drilling.cluster import Cluster
from drilling.drill import Drill, Pace, carried_out
from drilling.scenarios import SCENARIOS

CLIENTS = 6
PACE = Pace(kills=2, freezes=1, restarts=1, outages=1, frozen_s=(0.5,), cut_s=2.0, redis_s=1.0)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    home = tmp_path_factory.mktemp("drill")
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(Cluster(home, clients=CLIENTS, own_network=False))
        except (msc_postgres.Unavailable, msc_valkey.Unavailable) as error:
            if os.environ.get("MSC_REQUIRE_TOOLCHAINS"):
                pytest.fail(f"{error}, and MSC_REQUIRE_TOOLCHAINS is set")
            pytest.skip(str(error))
        yield cluster


@pytest.mark.parametrize("name", ["kill", "freeze", "rolling", "redis", "postgres"])
def test_nobody_goes_back_sees_two_contents_or_ends_without_the_head(cluster: Cluster, name: str) -> None:
    outcome = carried_out(name, SCENARIOS[name], Drill(cluster=cluster, pace=PACE))

    assert outcome.failures == ()
    assert outcome.verdict is not None
    assert outcome.verdict.violations == ()
    assert outcome.verdict.clients == CLIENTS
    assert outcome.verdict.versions > 1


def test_what_is_interrupted_is_not_judged_and_keeps_what_was_measured(cluster: Cluster) -> None:
    def interrupted(drill: Drill) -> None:
        drill.series["made up"].append(1.0)
        raise KeyboardInterrupt

    outcome = carried_out("kill", interrupted, Drill(cluster=cluster, pace=PACE))

    assert outcome.interrupted
    assert (outcome.verdict, outcome.good) == (None, False)
    assert outcome.series == {"made up": (1.0,)}
