"""What became of an act, and the overrides in force, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from msc_authority.cli.output import grid, instant, number, percent, text
from msc_authority.cli.policy import changes_text, policy_facts

if TYPE_CHECKING:
    from rich.table import Table

Document = Mapping[str, object]

_WHAT_WIDTH = 22


def outcome_rows(answer: Document, *, dry_run: bool, resumes: bool = False) -> list[tuple[str, str]]:
    """Lines on what became of an act: before and after, the new version, the override, and what else is in force.

    `resumes`: what the evaluation behind it may do is said before it is confirmed, too.
    """
    policy = cast("Document | None", answer["policy"])
    rows = [
        ("wanted" if dry_run else "done", text(answer["summary"])),
        ("outcome", _outcome(answer, dry_run=dry_run)),
        ("changed", _changed(answer)),
    ]
    if policy is not None:
        rows += [(name, value) for name, value in policy_facts(policy) if name in {"risk mode", "strategies"}]
    override = cast("Document | None", answer["override"])
    if override is not None:
        rows.append(("override", text(_one(override, is_placed=not dry_run))))
    others = [one for one in cast("Sequence[Document]", answer["overrides"]) if not _same(one, override)]
    rows += [("also" if place == 0 else "", text(_one(one))) for place, one in enumerate(others)]
    if resumes or not dry_run:
        rows.append(("next", _next(dry_run=dry_run, resumes=resumes)))
    return rows


def overrides_table(overrides: object) -> Table:
    """The overrides in force, one a line."""
    table = grid("id", "what", "until", "by", "why", fold=("what", "by"))
    table.columns[1].min_width = _WHAT_WIDTH
    for one in cast("Sequence[Document]", overrides):
        table.add_row(
            text(one["override_id"]), text(setting_text(one)), _until(one), text(one["actor"]), text(one["reason"])
        )
    return table


def setting_text(override: Document) -> str:
    """What an override sets, and whether it loosens."""
    setting = cast("Document", override["setting"])
    loosens = ", may loosen" if override["loosens"] else ""
    match override["kind"]:
        case "REDUCE":
            return "entries stopped"
        case "PIN_MODE":
            return f"mode {setting['risk_mode']}{loosens}"
        case "SET_LIMITS":
            return f"{_limits(cast('Document', setting['limits']))}{loosens}"
        case "BENCH":
            return f"{setting['strategy_id']} benched"
        case "ROLLBACK":
            return f"as in version {setting['version']}{loosens}"
        case kind:
            return str(kind)


def _next(*, dry_run: bool, resumes: bool) -> str:
    may = " at once, and may make trading ACTIVE" if resumes else ""
    shows = "" if dry_run else "; msc status shows what it leads to"
    return f"an evaluation follows{may}{shows}"


def _outcome(answer: Document, *, dry_run: bool) -> str:
    before, head = (cast("Document | None", answer[name]) for name in ("before", "head"))
    version = head["version"] if head else 0
    if dry_run:
        return "nothing was done; this is what it would come to"
    if before is None:
        return f"this was done before, under the same request; version {version} is in force"
    if before["version"] == version:
        return f"kept; version {version} stays in force"
    return f"version {before['version']} → {version}, epoch {head['epoch'] if head else 0}"


def _changed(answer: Document) -> str:
    changes = changes_text(cast("Sequence[Document]", answer["changes"]))
    override = cast("Document | None", answer["override"])
    if changes:
        return text(changes)
    if override is None:
        return "nothing in the policy"
    return f"nothing: what is in force is {'tighter' if override['loosens'] else 'as tight already'}"


def _one(override: Document, *, is_placed: bool = True) -> str:
    name = f"{override['override_id']}: " if is_placed else ""
    return f"{name}{setting_text(override)} by {override['actor']}, {_lasting(override)}"


def _lasting(override: Document) -> str:
    return f"until {_until(override)}" if override["expires_at"] else "until msc lift"


def _until(override: Document) -> str:
    return instant(override["expires_at"]) if override["expires_at"] else "lifted"


def _same(one: Document, other: Document | None) -> bool:
    return other is not None and one["override_id"] == other["override_id"]


def _limits(limits: Document) -> str:
    shown = {
        "max_risk_per_trade": lambda value: f"risk per trade {percent(value)}",
        "global_min_confidence": lambda value: f"confidence {number(value)}",
        "max_positions": lambda value: f"positions {value}",
        "max_daily_trades": lambda value: f"daily trades {value}",
    }
    return ", ".join(shown[name](value) for name, value in limits.items())
