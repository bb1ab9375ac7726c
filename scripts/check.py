"""Runs every check of the repository, in the order in which they are cheap.

    python scripts/check.py                       all of them
    python scripts/check.py --only lint,types     some of them
    python scripts/check.py --skip tests          all but some
    python scripts/check.py --only tests -- tests/contract -k golden

Every step runs, also after one has failed, so that one run shows everything. The environment of the steps has no MSC_*
variable but those that are about the toolchains.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARIES = Path(sys.executable).parent
BASELINE = "tests/contract/baseline/msc_policy_v1.binpb"
KEPT_VARIABLES = frozenset({"MSC_REQUIRE_TOOLCHAINS", "MSC_TOOLCHAIN_CACHE"})


@dataclass(frozen=True, slots=True)
class Step:
    """One check: its name and the command that makes it."""

    name: str
    command: tuple[str, ...]


STEPS = (
    Step("format", ("ruff", "format", "--check", ".")),
    Step("lint", ("ruff", "check", ".")),
    Step("imports", ("lint-imports", "--no-cache", "--no-logo")),
    Step("shape", ("python", "scripts/shape.py")),
    Step("buf-lint", ("buf", "lint", "proto")),
    Step("buf-breaking", ("buf", "breaking", "proto", "--against", BASELINE)),
    Step("generated", ("python", "scripts/generate.py", "--check")),
    Step("types", ("mypy",)),
    Step("types-harness", ("mypy", "tests/end_to_end")),
    # Last, so that pytest's closing line closes the run.
    Step("tests", ("pytest", "-q", "-n", "auto")),
)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 when every chosen step passed."""
    options, pytest_arguments = _parse(arguments)
    steps = _chosen(options.only, options.skip)
    failed = [step.name for step in steps if not _passes(step, pytest_arguments if step.name == "tests" else ())]
    if failed:
        print(f"check: failed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


def _parse(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    given = sys.argv[1:] if arguments is None else arguments
    ours, theirs = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    names = ", ".join(step.name for step in STEPS)
    parser = argparse.ArgumentParser(
        description="Runs every check of the repository.",
        epilog=f"Steps: {names}. Arguments after -- go to pytest.",
    )
    parser.add_argument("--only", type=_step_names, default=frozenset(), metavar="STEP,..", help="run these alone")
    parser.add_argument("--skip", type=_step_names, default=frozenset(), metavar="STEP,..", help="leave these out")
    return parser.parse_args(ours), theirs


def _step_names(text: str) -> frozenset[str]:
    wanted = frozenset(text.split(","))
    unknown = wanted - {step.name for step in STEPS}
    if unknown:
        raise argparse.ArgumentTypeError(f"no such step: {', '.join(sorted(unknown))}")
    return wanted


def _chosen(only: frozenset[str], skip: frozenset[str]) -> list[Step]:
    return [step for step in STEPS if (not only or step.name in only) and step.name not in skip]


def _passes(step: Step, extra: Sequence[str]) -> bool:
    program, *rest = step.command
    print(f"== {step.name}", flush=True)
    started = time.monotonic()
    result = subprocess.run([str(BINARIES / program), *rest, *extra], cwd=ROOT, env=_environment(), check=False)
    passed = result.returncode == 0
    if step.name != "tests":
        print(f"   {step.name}: {'ok' if passed else 'FAILED'} in {time.monotonic() - started:.1f} s", flush=True)
    return passed


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MSC_") or name in KEPT_VARIABLES}
    return kept | {"NO_COLOR": "1", "PATH": f"{BINARIES}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


if __name__ == "__main__":
    raise SystemExit(main())
