"""The command: how long, on what, and where the report goes."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benching.machine import machine_facts
from rich.console import Console
from rich.live import Live

from soaking.engines import engines
from soaking.report import as_json, now, table
from soaking.scene import Scene, Size, a_scene
from soaking.soak import Soak, Times
from soaking.values import Record, Sample
from soaking.verdict import Verdict, judge

COMMAND = "./scripts/soak"
EXIT_INTERRUPTED = 130
LOG_WIDTH = 140
LINE_EVERY_S = 60.0
SHORTEST_MIN = 0.1


@dataclass
class Told:
    """What is left when a soak has ended, in whatever way."""

    record: Record = field(default_factory=Record)
    done: Mapping[str, int] = field(default_factory=dict)
    tally: Mapping[str, int] = field(default_factory=dict)
    interrupted: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 when everything stayed flat, 1 when it did not, 130 after Ctrl-C."""
    options = _options(arguments)
    # A shell starts what runs beside it deaf to Ctrl-C; a soak that is only killed leaves its authority running.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    # A log has no width of its own; tables that are broken cannot be read there.
    console = Console() if sys.stdout.isatty() else Console(width=LOG_WIDTH)
    facts = machine_facts()
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()), style="dim", highlight=False)
    told = Told()
    with ExitStack() as stack:
        home = Path(options.home or stack.enter_context(tempfile.TemporaryDirectory(prefix="msc-soak-")))
        try:
            environment = engines(stack, postgres=options.postgres, redis=options.redis)
            with a_scene(home, Size(), environment) as scene:
                soaked(scene, options.minutes, console, told)
        except KeyboardInterrupt:
            told.interrupted = True
    verdict = judge(told.record)
    _print(verdict, told, console)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(as_json(told.record, verdict, told.done, told.tally, facts), encoding="utf-8")
    return EXIT_INTERRUPTED if told.interrupted else 1 if verdict.complaints else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Loads one authority with change and reconnects, and says whether it stays as small as it was.",
    )
    parser.add_argument("--minutes", type=_minutes, default=20.0, help="how long under load (20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was seen")
    parser.add_argument("--postgres", action="store_true", help="on a real PostgreSQL instead of SQLite")
    parser.add_argument("--redis", action="store_true", help="with a real Valkey")
    parser.add_argument("--home", type=Path, metavar="FOLDER", help="keep databases and logs here")
    return parser.parse_args(arguments)


def _minutes(text: str) -> float:
    minutes = float(text)
    if not SHORTEST_MIN <= minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"at least {SHORTEST_MIN}")
    return minutes


def soaked(scene: Scene, minutes: float, console: Console, told: Told) -> None:
    """Runs a soak and keeps in `told` what came out, also of one that is interrupted."""
    with Live(console=console, auto_refresh=False, transient=True) as live:
        said_at_s = -LINE_EVERY_S

        def say(what: str, seen: Sample | None) -> None:
            nonlocal said_at_s
            before = soak.record.before[-1].values if soak.record.before else {}
            live.update(now(what, seen, before), refresh=console.is_terminal)
            if not console.is_terminal and seen and seen.at_s - said_at_s >= LINE_EVERY_S:
                said_at_s = seen.at_s
                values = ", ".join(f"{name} {value:.0f}" for name, value in seen.values.items())
                console.print(f"{what}: {values}", highlight=False, soft_wrap=True)

        soak = Soak(scene, Times(load_s=minutes * 60), Size().kill_every_s, say)
        told.record = soak.record
        try:
            soak.run()
        except KeyboardInterrupt:
            told.interrupted = True
        soak.record.trouble.extend(scene.trouble())
        told.tally = scene.tally
        told.done = scene.done()


def _print(verdict: Verdict, told: Told, console: Console) -> None:
    console.print(table(verdict))
    for name, counts in (("the authority", told.done), ("the load", told.tally)):
        console.print(f"{name}: {', '.join(f'{many:,} {what}' for what, many in counts.items())}", highlight=False)
    if told.interrupted:
        console.print("interrupted: this is what was seen until then")
    for complaint in verdict.complaints:
        console.print(complaint, style="red", markup=False, highlight=False)
    console.print(_in_short(verdict), style="bold")


def _in_short(verdict: Verdict) -> str:
    if verdict.complaints:
        return "something grows"
    if any(finding.per_hour is None for finding in verdict.findings):
        return "nothing stayed behind; the load was too short to say whether something grows"
    return "everything stayed flat"
