"""The command: which benchmarks, how thoroughly, and where the report goes."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benching.folder import keep
from benching.machine import machine_facts
from benching.plots import plot
from benching.report import as_json, markdown, show
from benching.run import Failed, Run, Unavailable
from benching.values import Benchmark, Outcome

COMMAND = "./scripts/bench"
ALL = "all"
INTERRUPTED = "interrupted"
EXIT_INTERRUPTED = 130
LOG_WIDTH = 120
SEVERE = (" ERROR ", " CRITICAL msc_authority.http", " CRITICAL msc_authority.compose")
COMPLAINTS_SHOWN = 3


def main(known: Mapping[str, Benchmark], arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when everything was measured, 1 when something failed, 130 after Ctrl-C.

    A goal that is missed is a finding, not a failure.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _options(given, known)
    # A log has no width of its own; tables that are broken cannot be read there.
    console = Console() if sys.stdout.isatty() else Console(width=LOG_WIDTH)
    if options.list:
        for benchmark in known.values():
            console.print(f"{benchmark.name:<14}{benchmark.question}", markup=False, highlight=False)
        return 0
    machine = machine_facts()
    console.print(_line(machine), style="dim", highlight=False)
    command = " ".join([COMMAND, *given])
    outcomes: list[Outcome] = []
    for outcome in _measured(options, known, console):
        outcomes.append(outcome)
        # At once: a long run that is ended has left what it measured.
        if options.report is not None:
            for line in keep([outcome], machine, command, options.report, known):
                console.print(line, highlight=False, soft_wrap=True)
    if options.json is not None:
        write(outcomes, machine, command, options.json, console)
    ends = {outcome.broken for outcome in outcomes}
    return EXIT_INTERRUPTED if INTERRUPTED in ends else 1 if ends - {""} else 0


def _options(given: Sequence[str], known: Mapping[str, Benchmark]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=COMMAND, description="Measures in interleaved rounds on this machine, and prints medians and ratios."
    )
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(known)}; none, or all: all of them")
    parser.add_argument("--quick", action="store_true", help="few rounds and small sizes: a try, not a result")
    parser.add_argument("--peers", action="store_true", help="also what others make, where it can be had")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it, and beside it Markdown and plots")
    parser.add_argument(
        "--report", type=Path, metavar="FOLDER", help="keep it there, in place of earlier runs, with the table of goals"
    )
    parser.add_argument("--list", action="store_true", help="say what there is, and measure nothing")
    options = parser.parse_args(given)
    if ALL in options.names:
        options.names = list(known)
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    return options


def _line(machine: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in machine.items())


def _measured(options: argparse.Namespace, known: Mapping[str, Benchmark], console: Console) -> Iterator[Outcome]:
    for name in options.names or known:
        with console.status(name) as status:

            def say(text: str, name: str = name, show: Callable[[str], None] = status.update) -> None:
                show(f"{name}: {text}")

            outcome = measured(known[name], quick=options.quick, peers=options.peers, say=say)
        show(outcome, console)
        yield outcome
        if outcome.broken == INTERRUPTED:
            break


def measured(
    benchmark: Benchmark, *, quick: bool = False, peers: bool = False, say: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Returns what came out of a benchmark. What was measured before it was interrupted or failed counts."""
    broken = ""
    with tempfile.TemporaryDirectory(prefix="msc-bench-") as home, ExitStack() as stack:
        run = Run(home=Path(home), stack=stack, quick=quick, peers=peers, say=say)
        try:
            benchmark.measure(run)
        except KeyboardInterrupt:
            broken = INTERRUPTED
        except Failed as failure:
            broken = str(failure)
        for name, line in complaints(run.home):
            run.note(f"{name} complained: {line}")
        # Read before the servers are stopped: stopping takes a moment, and may be interrupted again.
        return Outcome(
            benchmark=benchmark, series=run.series, skipped=run.skipped, notes=tuple(run.notes), broken=broken
        )


def complaints(home: Path) -> Iterator[tuple[str, str]]:
    """Yields what processes of a run logged as errors, some lines of each. Alerts are none: they do their work."""
    for log in sorted(home.glob("*.log")):
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        severe = [line for line in lines if any(sign in line for sign in SEVERE)]
        yield from ((log.stem, line) for line in severe[:COMPLAINTS_SHOWN])


def write(outcomes: Sequence[Outcome], machine: Mapping[str, str], command: str, path: Path, console: Console) -> None:
    """Writes the report as JSON, as Markdown beside it, and a picture of each curve."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(outcomes, machine, command), encoding="utf-8")
    pictures: dict[str, str] = {}
    try:
        for outcome in outcomes:
            picture = path.with_name(f"{path.stem}-{outcome.benchmark.name}.png")
            if plot(outcome, picture):
                pictures[outcome.benchmark.name] = picture.name
    except Unavailable as missing:
        console.print(str(missing), style="dim")
    document = path.with_suffix(".md")
    document.write_text(markdown(outcomes, machine, command, pictures), encoding="utf-8")
    for written in (path, document, *(path.with_name(name) for name in pictures.values())):
        console.print(f"wrote {written}", highlight=False, soft_wrap=True)
