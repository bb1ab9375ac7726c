"""The sections of `msc top`: health, strategies, fleet, blocks, alerts. Colour is never the only sign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msc_authority.cli.alerts import is_critical, named, rows_of
from msc_authority.cli.output import UNKNOWN, duration, instant, number, percent
from msc_authority.cli.top_head import BAD, DIM, GOOD, part_of
from msc_authority.cli.top_layout import Section, words

if TYPE_CHECKING:
    from rich.text import Text

    from msc_authority.cli.top_state import Seen
    from msc_authority.cli.web import Document

BAR = 21
"""Width of a bar, with the line it is judged by in the middle."""
_TRUSTED = frozenset({"FRESH", "UNSPECIFIED"})


def bar(metric: Document, width: int = BAR) -> str:
    """A metric against its line: to the right of the middle it is on the good side, to the left beyond the line.

    Full is as far from the line as the line is from zero.
    """
    half = width // 2
    margin, threshold = metric.get("margin"), metric.get("threshold")
    if not isinstance(margin, int | float) or not isinstance(threshold, int | float):
        return "·" * half + "│" + "·" * half
    filled = min(half, round(half * abs(margin) / (abs(threshold) or 1.0)))
    filled = max(filled, 1) if margin else filled
    if margin < 0:
        return " " * (half - filled) + "█" * filled + "│" + " " * half
    return " " * half + "│" + "█" * filled + " " * (half - filled)


def health(seen: Seen) -> Section:
    """The metrics that the grade is judged by, those that cost warning points first."""
    metrics = rows_of(part_of(seen.status, "health"), "metrics")
    judged = [metric for metric in metrics if metric.get("threshold") is not None]
    judged.sort(key=lambda metric: not metric.get("warning_points"))
    return Section(
        headings=("HEALTH", "VALUE", "LINE", "", "beyond │ good", "N"),
        right=frozenset({1, 2, 5}),
        rows=tuple(map(_metric, judged)) or _nothing("no evaluation yet"),
        least=min(len(judged), 4),
    )


def _metric(metric: Document) -> tuple[Text, ...]:
    unknown, points = metric.get("value") is None, metric.get("warning_points")
    sign, style = ("? ", DIM) if unknown else ("!!", BAD) if points else ("ok", GOOD)
    if not unknown and not points and _is_beyond(metric):
        sign, style = "! ", "yellow"
    return (
        words(metric.get("name")),
        words(number(metric.get("value"), 3)),
        words(number(metric.get("threshold"))),
        words(sign, style),
        words(bar(metric), style),
        words(metric.get("sample_size")),
    )


def _is_beyond(metric: Document) -> bool:
    margin = metric.get("margin")
    return isinstance(margin, int | float) and margin < 0


def strategies(seen: Seen) -> Section:
    """The ranking, best first."""
    ranked = rows_of(seen.strategies or {}, "strategies")
    unknown = UNKNOWN if seen.strategies is None else "none is known yet"
    return Section(
        headings=("STRATEGIES", "STATE", "OPENS", "SCORE R", "P>0", "N", "WIN", "NET PNL"),
        right=frozenset({3, 4, 5, 6, 7}),
        rows=tuple(map(_strategy, ranked)) or _nothing(unknown),
        least=min(len(ranked), 3),
    )


def _strategy(row: Document) -> tuple[Text, ...]:
    allowed = row.get("allowed")
    return (
        words(row.get("strategy_id")),
        words(row.get("state")),
        words("yes" if allowed else "no", GOOD if allowed else DIM),
        words(number(row.get("score"))),
        words(percent(row.get("probability_positive"), 0)),
        words(number(row.get("effective_n"), 0)),
        words(percent(row.get("winrate_fraction"), 0) if row.get("winrate_fraction") is not None else "-"),
        words(_money(row.get("net_pnl"))),
    )


def _money(told: object) -> str:
    whole, _, cents = str(told).partition(".")
    return f"{whole}.{(cents + '00')[:2]}"


def fleet(seen: Seen) -> Section:
    """Who follows: those behind, or without trust in what they have, come first and are marked."""
    clients = sorted(rows_of(seen.clients or {}, "clients"), key=lambda row: (not lags(row), str(row.get("name"))))
    unknown = UNKNOWN if seen.clients is None else "nobody has reported within the hour"
    return Section(
        headings=("FLEET", "ROLE", "TIER", "APPLIED", "BEHIND", "AGE", "REPORT"),
        right=frozenset({3, 4, 5, 6}),
        rows=tuple(map(_client, clients)) or _nothing(unknown),
        least=min(len(clients), 3),
    )


def lags(client: Document) -> bool:
    """Whether it acts on an older version than the head, or does not trust what it has."""
    behind = client.get("versions_behind")
    return (isinstance(behind, int) and behind > 0) or client.get("tier") not in _TRUSTED


def _client(client: Document) -> tuple[Text, ...]:
    late, behind = lags(client), client.get("versions_behind")
    version = part_of(client, "applied").get("version")
    told = f"{behind} for {duration(client.get('behind_for_s'))}" if behind else "-"
    return (
        words(f"{'! ' if late else ''}{client.get('name') or client.get('instance_id')}", BAD if late else ""),
        words(client.get("role")),
        words(client.get("tier")),
        words("none" if version is None else f"v{version}"),
        words(told, BAD if behind else ""),
        words(duration(client.get("age_s")) if client.get("age_s") is not None else "-"),
        words(duration(client.get("report_age_s"))),
    )


def blocks(seen: Seen) -> Section:
    """What executors blocked in the last hour, by reason."""
    signals = part_of(seen.status, "signals")
    by_reason = signals.get("blocked_by_reason")
    counts = by_reason if isinstance(by_reason, Mapping) else {}
    blocked, total = signals.get("blocked_last_hour", UNKNOWN), signals.get("seen_last_hour", UNKNOWN)
    fraction = signals.get("blocked_fraction")
    told = f"{blocked} of {total} signals" + (f" ({percent(fraction, 0)})" if fraction is not None else "")
    rows = sorted(counts.items(), key=lambda item: -int(item[1]))
    return Section(
        headings=("BLOCKED, LAST HOUR", told),
        rows=tuple((words(reason), words(_count_bar(count, blocked))) for reason, count in rows),
        least=min(len(rows), 1),
    )


def _count_bar(count: object, blocked: object) -> str:
    if not isinstance(count, int) or not isinstance(blocked, int) or blocked <= 0:
        return str(count)
    return f"{count:>4} {'█' * max(1, round(BAR * count / blocked))}"


def alerts(seen: Seen) -> Section:
    """What fires, critical ones first, and what is about to."""
    if seen.alerts is None:
        return Section(headings=("ALERTS",), rows=_nothing(UNKNOWN))
    found = [row for row in rows_of(seen.alerts, "alerts") if row.get("state") != "resolved"]
    firing = sum(row.get("state") == "firing" for row in found)
    return Section(
        headings=("ALERTS", "SINCE", f"{firing} firing, {sum(map(is_critical, found))} critical"),
        rows=tuple(map(_alert, found)),
        least=min(len(found), 2),
        flexible=2,
    )


def _alert(row: Document) -> tuple[Text, ...]:
    critical, firing = is_critical(row), row.get("state") == "firing"
    sign = "!! CRITICAL" if critical else "! warning" if firing else "  pending"
    since = instant(row.get("firing_since") if firing else row.get("pending_since"))
    style = BAD if critical else "yellow" if firing else DIM
    return words(sign, style), words(since[11:]), words(f"{named(row)}: {row.get('text')}", style)


def _nothing(why: str) -> tuple[tuple[Text, ...], ...]:
    return ((words(why, DIM),),)
