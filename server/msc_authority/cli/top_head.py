"""The lines at the top of `msc top`: who is looked at, what is in force, what it allows, and where time goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msc_authority.cli.output import UNKNOWN, duration, instant, number, percent
from msc_authority.cli.top_layout import line, lines, words

if TYPE_CHECKING:
    from rich.text import Text

    from msc_authority.cli.top_state import TopState
    from msc_authority.cli.web import Document

SLOW_S = 3.0
"""An answer that is older than this is said to be old."""
TARGETS = {"defensive": (0.0, 0.2, "<20%"), "normal": (0.6, 0.7, "60–70%"), "aggressive": (0.1, 0.2, "10–20%")}
"""Share of the time that each mode should have: between what and what, and in words."""
MODE_STYLES = {"DEFENSIVE": "bold yellow", "NORMAL": "bold green", "AGGRESSIVE": "bold magenta"}
GOOD, BAD, DIM = "green", "bold red", "dim"
_BAD_GRADES = frozenset({"UNKNOWN", "CRITICAL", "POOR"})


def head(state: TopState, monotonic: float, width: int) -> Iterator[Text]:
    """Yields the lines; those wider than `width` go on in the next. Without any answer yet, what is known of that."""
    yield from _absence(state, monotonic)
    if state.seen is None:
        return
    status = state.seen.status
    yield from lines(width, words(state.url, "bold"), instant(status.get("time")), _version(status), _validity(status))
    yield from lines(width, *_in_force(status))
    yield from lines(width, *_limits(status))
    yield from lines(width, *_shares(part_of(status, "mode_shares")))
    if standing := list(_standing(status)):
        yield from lines(width, *standing)
    yield from _troubles(status, state.seen.problems)


def _absence(state: TopState, monotonic: float) -> Iterator[Text]:
    if state.away is not None:
        gone = f"AWAY since {instant(state.away.since.isoformat())}, {duration(monotonic - state.away.since_monotonic)}"
        yield line(words(gone, "bold white on red"), state.away.why)
        then = "What follows is of before" if state.seen else f"Nobody has answered at {state.url} yet"
        yield words(f"{then}. Trying again every second.", BAD)
    elif state.seen_at is None:
        yield line(words(f"Asking {state.url} …"))
    elif monotonic - state.seen_at > SLOW_S:
        yield line(words(f"No answer for {duration(monotonic - state.seen_at)}; still waiting.", BAD))


def part_of(document: Document, name: str) -> Document:
    """An object in a document; an empty one when there is none."""
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def _version(status: Document) -> str:
    ref = part_of(status, "head")
    return f"v{ref.get('version')}, epoch {ref.get('epoch')}" if ref.get("version") else "no policy yet"


def _validity(status: Document) -> Text:
    ttl_s = part_of(status, "freshness").get("ttl_s")
    over = isinstance(ttl_s, int | float) and ttl_s <= 0
    return words("no longer valid" if over else f"valid {duration(ttl_s)}", BAD if over else "")


def _in_force(status: Document) -> Iterator[Text]:
    policy, health = part_of(status, "policy"), part_of(status, "health")
    mode, trading = str(policy.get("risk_mode", UNKNOWN)), str(policy.get("trading_state", UNKNOWN))
    grade = str(health.get("system_health", UNKNOWN))
    yield words(f"{mode} for {duration(status.get('risk_mode_for_s'))}", MODE_STYLES.get(mode, ""))
    yield words(f"trading {trading}", GOOD if trading == "ACTIVE" else BAD)
    yield words(f"health {grade}", BAD if grade in _BAD_GRADES else GOOD)
    yield words(f"next evaluation in {_countdown(status.get('next_evaluation_in_s'))}")


def _countdown(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return UNKNOWN
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02d}"


def _limits(status: Document) -> Iterator[Text]:
    policy = part_of(status, "policy")
    if not policy:
        yield words("limits unknown", BAD)
        return
    allowed = policy.get("allowed_strategies")
    yield words(f"risk {percent(policy.get('max_risk_per_trade'))} a trade")
    yield words(f"confidence {number(policy.get('global_min_confidence'))}")
    yield words(f"{policy.get('max_positions', UNKNOWN)} positions")
    yield words(f"{policy.get('max_daily_trades', UNKNOWN)} trades/day")
    yield words(f"{len(allowed) if isinstance(allowed, list) else UNKNOWN} allowed", "" if allowed else BAD)


def _shares(shares: Document) -> Iterator[Text]:
    label = "time in "
    for mode, (low, high, told) in TARGETS.items():
        found = shares.get(f"{mode}_fraction")
        outside = isinstance(found, int | float) and not low <= found <= high
        said = percent(found, 0) if found is not None else UNKNOWN
        yield words(f"{label}{mode.upper()} {said} ({told}){'!' if outside else ''}", "yellow" if outside else "")
        label = ""


def _standing(status: Document) -> Iterator[Text]:
    leader, replicas = part_of(status, "leader"), status.get("replicas")
    if leader.get("address"):
        who = "leads here" if leader.get("here") else f"follows {leader['address']}"
        yield words(f"{who}, term {leader.get('term')}")
    elif leader:
        yield words("NOBODY LEADS", BAD)
    if isinstance(replicas, list) and len(replicas) > 1:
        alive = sum(isinstance(each, Mapping) and bool(each.get("alive")) for each in replicas)
        yield words(f"{alive} of {len(replicas)} authorities alive", "" if alive == len(replicas) else BAD)
    cache = part_of(status, "cache")
    if cache:
        yield words(f"policy confirmed by {cache.get('source')}", GOOD if cache.get("source") == "database" else BAD)
        yield words("cache usable") if cache.get("usable") else words(f"cache AWAY: {cache.get('fault')}", BAD)


def _troubles(status: Document, problems: tuple[str, ...]) -> Iterator[Text]:
    failure = part_of(status, "last_failure")
    if failure:
        yield line(words("The newest evaluation FAILED", BAD), str(failure.get("failure")))
    if status.get("store_unavailable"):
        yield line(words("The database does not answer", BAD), "health and evaluations are unknown")
    for problem in problems:
        yield line(words("Not answered", BAD), problem)
