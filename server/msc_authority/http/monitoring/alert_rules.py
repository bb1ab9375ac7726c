"""The alert rules as a rule file of Prometheus, for those who collect metrics anyway and alert from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msc_authority.app.alerts.rule import Rule

RUNBOOK = "server/RUNBOOK.md"
_HEADER = """\
# Alert rules of the Meta Strategy Controller for Prometheus. Written by `msc monitoring rules`: do not edit, change
# the table of rules and write it anew.
"""


def rule_file(rules: Sequence[Rule], *, runbook: str = RUNBOOK) -> dict[str, object]:
    """Returns the document of a rule file. `runbook` is the address of the runbook that the links point into."""
    return {"groups": [{"name": "msc", "rules": [_rule(rule, runbook) for rule in rules]}]}


def rule_yaml(rules: Sequence[Rule], *, runbook: str = RUNBOOK) -> str:
    """Returns the same as YAML."""
    lines = ["groups:", "  - name: msc", "    rules:"]
    for rule in rules:
        lines += _lines(_rule(rule, runbook))
    return _HEADER + "\n".join(lines) + "\n"


def name_of(rule: Rule) -> str:
    """Returns what an alert is called there: MscClientSafe for CLIENT_SAFE."""
    return "Msc" + "".join(word.capitalize() for word in rule.code.split("_"))


def _rule(rule: Rule, runbook: str) -> dict[str, str | dict[str, str]]:
    return {
        "alert": name_of(rule),
        "expr": rule.promql,
        "for": f"{rule.promql_for_s:g}s",
        "labels": {"severity": str(rule.severity), "code": rule.code},
        "annotations": {
            "summary": rule.title,
            "description": rule.advice,
            "runbook_url": f"{runbook}#{rule.anchor}",
        },
    }


def _lines(document: dict[str, str | dict[str, str]]) -> Iterator[str]:
    lead = "      - "
    for key, value in document.items():
        if isinstance(value, str):
            yield f"{lead}{key}: {_quoted(value)}"
        else:
            yield f"{lead}{key}:"
            yield from (f"          {name}: {_quoted(text)}" for name, text in value.items())
        lead = "        "


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
