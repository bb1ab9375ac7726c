"""Checks the shape of the repository: size of modules, tests against sources, no trace of the machine it was made on.

python scripts/shape.py
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("server/", "clients/", "scripts/")
LARGEST_MODULE_LINES = 400
TEST_RATIO = (1.0, 2.0)
# Bracketed so that this file does not find itself.
MACHINE_TRACES = re.compile(
    r"(?:(?<![\w.}])/(?:w[o]rk|r[o]ot|h[o]me|t[m]p|U[s]ers)/[\w.-]+)"
    r"|p[y]pi\.org|files\.p[y]thonhosted|registry\.n[p]mjs|proxy\.g[o]lang"
)
BINARY = (".binpb", ".gz", ".png")


def main() -> int:
    """Returns the exit code: 0 when everything has its shape."""
    files = _tracked()
    complaints = [*_large_modules(files), *_bad_ratio(files), *_machine_traces(files)]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


def _tracked() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())


def _lines(name: str) -> int:
    return len((ROOT / name).read_bytes().splitlines())


def _large_modules(files: Iterable[str]) -> list[str]:
    modules = (name for name in files if name.endswith((".py", ".ts", ".go")) and not name.startswith("generated/"))
    return [
        f"{name}: {_lines(name)} lines; split it at {LARGEST_MODULE_LINES}"
        for name in modules
        if _lines(name) > LARGEST_MODULE_LINES
    ]


def _bad_ratio(files: Iterable[str]) -> list[str]:
    python = [name for name in files if name.endswith(".py")]
    source = sum(_lines(name) for name in python if name.startswith(SOURCES))
    tests = sum(_lines(name) for name in python if name.startswith("tests/"))
    ratio = tests / source
    print(f"test lines / source lines = {tests} / {source} = {ratio:.2f}")
    low, high = TEST_RATIO
    return [] if low <= ratio <= high else [f"test lines / source lines must be between {low} and {high}"]


def _machine_traces(files: Iterable[str]) -> list[str]:
    texts = (name for name in files if not name.endswith(BINARY))
    return [
        f"{name}:{number}: names a machine: {match.group()}"
        for name in texts
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), start=1)
        for match in [MACHINE_TRACES.search(line)]
        if match
    ]


if __name__ == "__main__":
    raise SystemExit(main())
