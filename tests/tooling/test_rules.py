"""The rules of the house are checked by machines: each of these breaks one, and must be noticed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BINARIES = Path(sys.executable).parent
ANYWHERE = "server/msc_authority/app/evaluate.py"


def _lint(root: Path, name: str, text: str) -> str:
    command = [str(BINARIES / "ruff"), "check", "--output-format", "concise", "--stdin-filename", name, "-"]
    return subprocess.run(command, cwd=root, input=text, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    "text",
    [
        "import datetime\nx = datetime.datetime.now(datetime.UTC)\n",
        "from datetime import datetime\nx = datetime.utcnow()\n",
        "import time\nx = time.time()\n",
        "from time import monotonic\n",
        "import time\ntime.sleep(1)\n",
        "import random\n",
        "from random import uniform\n",
        "import server.msc_authority\n",
        "from clients.python import msc_client\n",
        "from tests.conftest import KEPT_VARIABLES\n",
        "import generated\n",
        "import scripts.generate\n",
    ],
)
def test_time_chance_and_folders_are_not_imported(root: Path, text: str) -> None:
    assert "TID251" in _lint(root, ANYWHERE, text)


@pytest.mark.parametrize("module", ["server/msc_authority/adapters/clock.py", "clients/python/msc_client/_clock.py"])
def test_the_clock_modules_may_read_time(root: Path, module: str) -> None:
    assert "TID251" not in _lint(root, module, '"""Reads time."""\n\nimport time\n\nNOW = time.monotonic()\n')


def test_relative_imports_are_not_taken(root: Path) -> None:
    assert "TID252" in _lint(root, ANYWHERE, "from . import ledger\n")


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources in which rules may be broken."""
    root = Path(__file__).resolve().parents[2]
    place = tmp_path_factory.mktemp("copy")
    shutil.copy(root / "pyproject.toml", place)
    for folder in ("server/msc_authority", "clients/python", "generated/python/msc_policy"):
        shutil.copytree(root / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def _imports(copy: Path) -> subprocess.CompletedProcess[str]:
    folders = ("server", "clients/python", "generated/python")
    return subprocess.run(
        [str(BINARIES / "lint-imports"), "--no-cache"],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(str(copy / folder) for folder in folders)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("server/msc_authority/core/policy.py", "import logging", "The core is pure"),
        ("server/msc_authority/core/policy.py", "import grpc", "The core is pure"),
        ("server/msc_authority/core/policy.py", "import msc_authority.ports", "Rings"),
        ("server/msc_authority/app/evaluate.py", "import msc_authority.adapters.clock", "Rings"),
        ("server/msc_authority/app/evaluate.py", "import msc_policy.v1", "Wire messages stay at the edges"),
        ("server/msc_authority/app/evaluate.py", "import grpc", "gRPC stays"),
        ("clients/python/msc_client/facts.py", "import grpc", "gRPC stays"),
        ("clients/python/msc_client/facts.py", "import pydantic", "The embedded client"),
        ("clients/python/msc_trading/__init__.py", "import msc_authority.ports", "Trading stands on"),
        ("clients/python/msc_client/facts.py", "import msc_trading", "Neither client nor authority"),
        ("server/msc_authority/settings.py", "import msc_client", "Client and authority know each other"),
        ("clients/python/msc_client/facts.py", "import msc_authority.ports", "Client and authority know each other"),
    ],
)
def test_an_import_against_the_rings_is_broken(copy: Path, module: str, line: str, contract: str) -> None:
    path = copy / module
    text = path.read_text()
    path.write_text(f"{text}\n{line}\n")
    try:
        result = _imports(copy)
    finally:
        path.write_text(text)

    assert result.returncode == 1
    assert any(name.startswith(contract) for name in _broken(result.stdout)), result.stdout


def _broken(report: str) -> list[str]:
    return [name.strip() for name in report.splitlines() if name.rstrip().endswith("BROKEN")]
