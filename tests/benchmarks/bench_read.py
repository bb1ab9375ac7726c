"""What reading the policy costs, beside a plain attribute read and a unary GetPolicy, in one run.

.venv/bin/python tests/benchmarks/bench_read.py [--rounds 15] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from msc_client import PolicyReader, PolicySource, PolicyView, Role
from msc_client.testing import InProcessAuthority, make_policy

STRATEGIES = tuple(f"TREND_{number:03d}" for number in range(1, 11))


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to measure: `run(n)` does it n times."""

    name: str
    repeats: int
    run: Callable[[int], None]


@dataclass(slots=True)
class Holder:
    """What a program would hold the policy in without this library."""

    view: PolicyView


def plain_attribute(holder: Holder) -> Callable[[int], None]:
    """Reads an attribute."""

    def run(times: int) -> None:
        for _ in range(times):
            holder.view  # noqa: B018 - the read is what is measured

    return run


def current(source: PolicyReader) -> Callable[[int], None]:
    """Reads the policy in force, with its tier."""

    def run(times: int) -> None:
        for _ in range(times):
            source.current()

    return run


def check(source: PolicyReader) -> Callable[[int], None]:
    """Judges an entry signal by the policy in force."""

    def run(times: int) -> None:
        for _ in range(times):
            view = source.current()
            policy = view.policy
            allowed = (
                view.entry_denial(source.now_ns()) is None
                and policy.allows("TREND_007")
                and policy.global_min_confidence <= 0.8
                and policy.max_risk_per_trade >= 0.002
                and policy.max_positions > 3
                and policy.max_daily_trades > 7
            )
            if not allowed:
                raise AssertionError("the policy of the benchmark allows this signal")

    return run


def unary(source: PolicySource) -> Callable[[int], None]:
    """Asks the authority."""

    def run(times: int) -> None:
        for _ in range(times):
            source.get_policy()

    return run


def measure(candidates: list[Candidate], rounds: int) -> dict[str, list[float]]:
    """Returns nanoseconds for one run of each candidate, round by round, candidates interleaved."""
    taken: dict[str, list[float]] = {candidate.name: [] for candidate in candidates}
    for _ in range(rounds):
        for candidate in candidates:
            began = time.perf_counter_ns()
            candidate.run(candidate.repeats)
            taken[candidate.name].append((time.perf_counter_ns() - began) / candidate.repeats)
    return taken


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with InProcessAuthority() as authority:
        authority.publish(make_policy(strategies=STRATEGIES))
        with PolicySource(authority.target, role=Role.EXECUTOR, name="bench", state_dir=None) as source:
            view = source.wait_for(lambda view: view.ref is not None, timeout_s=5)
            candidates = [
                Candidate("attribute", 200_000, plain_attribute(Holder(view))),
                Candidate("current()", 100_000, current(source)),
                Candidate("policy check", 50_000, check(source)),
                Candidate("unary GetPolicy", 200, unary(source)),
            ]
            taken = measure(candidates, options.rounds)
    report(taken, as_json=options.json)


def report(taken: dict[str, list[float]], *, as_json: bool) -> None:
    """Prints medians, spread and ratios."""
    medians = {name: statistics.median(values) for name, values in taken.items()}
    if as_json:
        print(json.dumps({"median_ns": medians, "rounds_ns": taken}))
        return
    print(f"{'what':<18}{'median ns':>12}{'min':>10}{'max':>10}{'x attribute':>13}{'unary / it':>12}")
    for name, values in taken.items():
        row = f"{name:<18}{medians[name]:>12.0f}{min(values):>10.0f}{max(values):>10.0f}"
        print(f"{row}{medians[name] / medians['attribute']:>13.1f}{medians['unary GetPolicy'] / medians[name]:>12.0f}")


if __name__ == "__main__":
    main()
