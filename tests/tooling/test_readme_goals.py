"""The README's table of goals is that of the last report, and its pictures are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPORT = ROOT / "tests" / "benchmarks" / "report"
PICTURE = re.compile(r"!\[[^\]]+\]\((?P<path>[^)]+)\)")


def reported() -> list[str]:
    """Returns the report's words on the machine, and its table of all goals."""
    head, _, _ = (REPORT / "table.md").read_text(encoding="utf-8").partition("\n## ")
    return [line for line in head.splitlines()[1:] if line]


def test_the_readme_has_the_goals_of_the_report_one_below_the_other() -> None:
    assert len(reported()) > 30
    assert "\n".join(line for line in reported() if line.startswith("|")) in README
    assert all(line in README for line in reported())


@pytest.mark.parametrize("path", PICTURE.findall(README))
def test_a_picture_of_the_readme_is_there(path: str) -> None:
    assert (ROOT / path).stat().st_size > 1000


def test_the_readme_shows_every_curve_of_the_report() -> None:
    drawn = {str(path.relative_to(ROOT)) for path in REPORT.glob("*.png")}
    assert drawn
    assert drawn <= set(PICTURE.findall(README))
