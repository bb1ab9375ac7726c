"""scripts/check.py runs what it is told, in a clean environment, and says what failed."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Load = Callable[[str], ModuleType]


@pytest.fixture
def check(script: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script with three steps of its own: each appends its name to a file; "bad" then fails."""
    module = script("check")
    (tmp_path / "step").write_text(
        '#!/bin/sh\necho "$*" >> "$(dirname "$0")/ran"\nenv > "$(dirname "$0")/env"\n[ "$1" != bad ]\n'
    )
    (tmp_path / "step").chmod(0o755)
    monkeypatch.setattr(module, "BINARIES", tmp_path)
    monkeypatch.setattr(module, "STEPS", tuple(module.Step(n, ("step", n)) for n in ("bad", "good", "tests")))
    return module


def _ran(tmp_path: Path) -> list[str]:
    return (tmp_path / "ran").read_text().splitlines()


def test_every_step_runs_although_one_failed(
    check: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check.main([]) == 1

    assert _ran(tmp_path) == ["bad", "good", "tests"]
    assert capsys.readouterr().out.endswith("check: failed: bad\n")


def test_all_good_is_exit_code_0(check: ModuleType, tmp_path: Path) -> None:
    assert check.main(["--skip", "bad"]) == 0
    assert _ran(tmp_path) == ["good", "tests"]


def test_only_the_steps_asked_for_run_and_pytest_gets_the_rest(check: ModuleType, tmp_path: Path) -> None:
    assert check.main(["--only", "good,tests", "--", "-k", "golden"]) == 0
    assert _ran(tmp_path) == ["good", "tests -k golden"]


def test_a_step_that_does_not_exist_is_a_usage_error(check: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        check.main(["--only", "godo"])

    assert "no such step: godo" in capsys.readouterr().err


def test_steps_see_no_setting_of_the_person_who_runs_them(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSC_DATABASE_URL", "postgresql://production")
    monkeypatch.setenv("MSC_REQUIRE_TOOLCHAINS", "1")

    check.main(["--only", "good"])

    variables = [line for line in (tmp_path / "env").read_text().splitlines() if line.startswith("MSC_")]
    assert variables == ["MSC_REQUIRE_TOOLCHAINS=1"]


def test_the_tests_come_last_so_that_their_closing_line_closes_the_run(script: Load) -> None:
    assert script("check").STEPS[-1].name == "tests"


def test_every_test_is_type_checked_by_one_of_the_runs_of_mypy(script: Load, root: Path) -> None:
    configured = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    given = [name for step in script("check").STEPS if step.command[0] == "mypy" for name in step.command[1:]]
    covered = {root / name for name in (*configured, *given)}

    forgotten = [path for path in (root / "tests").rglob("*.py") if covered.isdisjoint({path, *path.parents})]

    assert forgotten == []
