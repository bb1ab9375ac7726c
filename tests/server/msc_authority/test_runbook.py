"""The runbook: a section for every alert, commands that exist, links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msc_words import check_command, mentioned_commands

from msc_authority.app.alerts.rule import Rule
from msc_authority.app.alerts.rules import RULES
from msc_authority.settings import Settings

RUNBOOK = Path(__file__).resolve().parents[3] / "server/RUNBOOK.md"
TEXT = RUNBOOK.read_text()
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchor_of(heading: str) -> str:
    """The anchor that a heading has where Markdown is shown."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def sections() -> dict[str, str]:
    """Anchors and what stands under them."""
    found = list(HEADING.finditer(TEXT))
    ends = [each.start() for each in found[1:]] + [len(TEXT)]
    return {anchor_of(each[1]): TEXT[each.end() : end] for each, end in zip(found, ends, strict=True)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_alert_has_a_section_that_says_what_it_means_and_what_to_do(rule: Rule) -> None:
    section = sections()[rule.anchor]

    assert f"`{rule.code}`, {rule.severity}" in section
    for part in ("**Means:**", "**Look at:**", "**Do:**"):
        assert section.count(part) == 1, part
    assert list(mentioned_commands(section)) or rule.code in {"CLIENT_BEHIND"}


def test_no_section_is_about_an_alert_that_is_gone() -> None:
    assert {anchor for anchor in sections() if anchor.startswith("alert-")} == {rule.anchor for rule in RULES}


@pytest.mark.parametrize("words", list(mentioned_commands(TEXT)), ids=" ".join)
def test_a_command_of_the_runbook_is_one_of_the_command_line(words: list[str]) -> None:
    check_command(words)


def test_links_within_the_runbook_lead_somewhere() -> None:
    links = set(re.findall(r"\]\(#([^)]+)\)", TEXT.replace("\n", " ")))

    assert links
    assert links <= set(sections())


def test_settings_that_it_names_are_there() -> None:
    named = set(re.findall(r"`((?:keep|lease|auto)_\w+)`", TEXT))

    assert named
    assert named <= set(Settings.model_fields)


@pytest.mark.parametrize(
    "failure",
    [
        "leader-lost",
        "database-lost",
        "redis-lost",
        "restore",
        "a-new-epoch",
        "rolling-upgrade",
        "certificate-renewal",
        "token-revoked",
        "audit-log-broken",
    ],
)
def test_a_failure_that_was_to_be_described_is(failure: str) -> None:
    assert len(sections()[failure]) > 200
