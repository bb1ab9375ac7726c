"""The example clients of other languages build on the generated stubs, and do what they say."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CLIENTS = Path(__file__).resolve().parents[2] / "clients"


def _run(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"


def _prepare(command: list[str], folder: Path) -> None:
    """Fetches dependencies; a machine that has no way to get them skips, unless toolchains are required."""
    if shutil.which(command[0]) is None:
        _give_up(f"{command[0]} is not installed")
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        _give_up(f"`{' '.join(command)}` failed: {result.stderr.strip()}")


def _give_up(reason: str) -> None:
    if os.environ.get("MSC_REQUIRE_TOOLCHAINS") == "1":
        pytest.fail(f"{reason}, and MSC_REQUIRE_TOOLCHAINS=1 asks for it")
    pytest.skip(reason)


def test_the_go_client_is_sound() -> None:
    folder = CLIENTS / "go"
    _prepare(["go", "mod", "download"], folder)

    assert not subprocess.run(["gofmt", "-l", "."], cwd=folder, capture_output=True, text=True, check=True).stdout
    _run(["go", "vet", "./..."], folder)
    _run(["go", "build", "-o", os.devnull, "./example"], folder)
    _run(["go", "test", "-count=1", "./..."], folder)


def test_the_typescript_client_is_sound() -> None:
    folder = CLIENTS / "typescript"
    if not (folder / "node_modules" / ".package-lock.json").is_file():
        _prepare(["npm", "ci"], folder)
    _prepare(["node", "--version"], folder)

    _run(["npm", "test"], folder)
