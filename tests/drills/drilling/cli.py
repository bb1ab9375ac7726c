"""The command: which scenarios, on how many clients, and where the report goes."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from drilling.cluster import Cluster
from drilling.drill import Drill, Outcome, Pace, carried_out
from drilling.report import as_json, show
from drilling.scenarios import SCENARIOS

COMMAND = "./scripts/drill"
EXIT_INTERRUPTED = 130
LOG_WIDTH = 180
ALL = "all"

Scenario = Callable[[Drill], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when all is as it should be, 1 when something is not, 130 after Ctrl-C."""
    options = _options(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=LOG_WIDTH)
    names = list(SCENARIOS) if ALL in options.scenarios or not options.scenarios else options.scenarios
    outcomes: list[Outcome] = []
    interrupted = False
    try:
        _carry_out({name: SCENARIOS[name] for name in names}, options, console, outcomes)
    except KeyboardInterrupt:
        interrupted = True
    show(outcomes, console)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(as_json(outcomes), encoding="utf-8")
        console.print(f"wrote {options.json}", highlight=False, soft_wrap=True)
    if interrupted or any(outcome.interrupted for outcome in outcomes):
        return EXIT_INTERRUPTED
    return 0 if all(outcome.good for outcome in outcomes) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Breaks what three real authorities stand on, and proves what their clients saw meanwhile.",
    )
    choices = [*SCENARIOS, ALL]
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"of {', '.join(choices)}; none: all")
    parser.add_argument("--clients", type=int, default=100, help="how many watch (100)")
    parser.add_argument("--rounds", type=int, default=20, help="how often the leader is killed (20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number there")
    parser.add_argument("--no-network", action="store_true", help="cut lines instead of making a network namespace")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.scenarios if name not in choices]:
        parser.error(f"there is no scenario {', '.join(unknown)}; there are {', '.join(choices)}")
    if min(options.clients, options.rounds) < 1:
        parser.error("--clients and --rounds are at least 1")
    return options


def _carry_out(
    scenarios: Mapping[str, Scenario], options: argparse.Namespace, console: Console, outcomes: list[Outcome]
) -> None:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=len(scenarios))
        for name, scenario in scenarios.items():

            def say(text: str, name: str = name) -> None:
                progress.update(task, description=f"{name}: {text}")

            outcome = _on_a_cluster_of_its_own(name, scenario, options, say)
            outcomes.append(outcome)
            if outcome.interrupted:
                return
            sign = "[green]as it should be[/]" if outcome.good else "[red]NOT as it should be[/]"
            progress.console.print(f"{name}: {sign}, in {outcome.took_s:.0f} s", highlight=False)
            progress.advance(task)


def _on_a_cluster_of_its_own(
    name: str, scenario: Scenario, options: argparse.Namespace, say: Callable[[str], None]
) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="msc-drill-") as home:
        try:
            with Cluster(Path(home), clients=options.clients, own_network=not options.no_network, say=say) as cluster:
                return carried_out(name, scenario, Drill(cluster=cluster, pace=Pace.of(options.rounds), say=say))
        except AssertionError as error:
            return Outcome(
                scenario=name, took_s=0.0, verdict=None, series={}, counts={}, failures=(f"it did not start: {error}",)
            )
