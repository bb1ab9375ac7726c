"""Peers written in Go: built once where Go is installed, and started like any other bare server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from benching.contenders import Bare
from benching.processes import Child
from benching.run import Run, Unavailable

SOURCES = Path(__file__).with_name("golang")
BUILT_WITHIN_S = 600.0


def start_go(run: Run, name: str, *, frame: bytes) -> Bare:
    """Starts a peer that publishes as many bytes as the frame has.

    Raises:
        Unavailable: there is no Go, or it could not build the peer.
    """
    home = run.home / name
    home.mkdir()
    plan = json.dumps({"frame": frame.hex(), "home": str(home)})
    process = run.stack.enter_context(Child((str(_built(run, name)), plan), log=home / f"{name}.log"))
    return Bare(process, int(str(process.hear()["port"])))


def installed(run: Run, package: str) -> Path:
    """Returns the program of somebody else's package, as it was published in that version: `host/path/name@version`.

    Raises:
        Unavailable: there is no Go, or it could not have or build the package.
    """
    program = _cache() / package.partition("@")[0].rpartition("/")[2]
    _go(run, "install", package, cwd=run.home)
    return program


def _built(run: Run, name: str) -> Path:
    program = _cache() / name
    _go(run, "build", "-o", str(program), f"./{name}", cwd=SOURCES)
    return program


def _go(run: Run, verb: str, *arguments: str, cwd: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise Unavailable("it is written in Go, which is not installed")
    run.say(f"building {arguments[-1]}")
    try:
        done = subprocess.run(
            (go, verb, *arguments),
            cwd=cwd,
            env={**os.environ, "GOBIN": str(_cache())},
            capture_output=True,
            text=True,
            timeout=BUILT_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"go {verb} took more than {BUILT_WITHIN_S:g} s") from None
    if done.returncode:
        raise Unavailable(
            f"go {verb}: {done.stderr.strip().splitlines()[-1].strip() if done.stderr.strip() else 'failed'}"
        )


def _cache() -> Path:
    default = Path.home() / ".cache" / "msc-toolchain"
    return Path(os.environ.get("MSC_TOOLCHAIN_CACHE") or default) / "bench"
