"""The checklist in tests/README.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
BOXES = 18


def test_every_box_of_the_checklist_names_a_test_that_exists() -> None:
    named = re.findall(r"^\| .+ \| `([\w/.]+)::(\w+)` \|$", (TESTS / "README.md").read_text(), re.MULTILINE)

    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(rf"def {name}\(", (TESTS / "clients" / "msc_trading" / file).read_text())
    ]

    assert len(named) == BOXES
    assert missing == []
