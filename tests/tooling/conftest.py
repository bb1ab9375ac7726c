"""Scripts are not a package: tests load them by their path."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Loads scripts/NAME.py anew, so that a test may replace its constants."""

    def load(name: str) -> ModuleType:
        alias = f"_script_{name}"
        spec = importlib.util.spec_from_file_location(alias, ROOT / "scripts" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, alias, module)
        spec.loader.exec_module(module)
        return module

    return load
