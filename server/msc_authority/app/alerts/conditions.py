"""When something is wrong: each function looks at an observation and says where a condition holds, and for how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from msc_authority.app.alerts.values import Finding
from msc_authority.app.clients import ClientTier
from msc_authority.app.events import name_of
from msc_authority.app.observation import ClientView, Observation
from msc_authority.app.signals import NOT_BY_POLICY
from msc_authority.app.vitals import UNCONFIRMED_AFTER_S
from msc_authority.core.policy import PolicyContent, RiskMode, TradingState

REPORTING_WITHIN_S = 90.0
"""A client that does not watch and has not reported for three of its periods is taken for one that has ended."""
MIN_READS, MAX_FAILED_FRACTION = 20, 0.10
MAX_MODE_CHANGES_AN_HOUR = 5
MIN_SIGNALS, MAX_BLOCKED_FRACTION = 10, 0.50
MAX_VERSIONS_BEHIND = 1
_HALTS = frozenset({"OPERATOR_HALT", "TRADING_HALTED"})
_STOPS = frozenset({"OPERATOR_HALT", "OVERRIDE_REDUCE", "OVERRIDE_ROLLBACK", "TRADING_HALTED", "TRADING_REDUCING"})
"""Reasons for which entries are not allowed."""


def policy_unavailable(observed: Observation) -> Sequence[Finding]:
    """No policy that can be vouched for: here, or at a client."""
    return [*_unavailable_here(observed), *_unavailable_at_clients(observed)]


def defensive(observed: Observation) -> Sequence[Finding] | None:
    """The policy is DEFENSIVE. It counts on the authority's clock."""
    policy, content = observed.head.policy, _content(observed)
    if policy is None or content is None:
        return None
    if content.risk_mode is not RiskMode.DEFENSIVE:
        return []
    # While history cannot be read, it is known to have held since this revision at least.
    since = observed.risk_mode_since or policy.created_at
    held_s = (observed.at - since).total_seconds()
    reasons = "; ".join(reason.text for reason in content.reasons) or "no reason given"
    text = f"The risk mode has been DEFENSIVE for {span(held_s)}: {reasons}"
    return [Finding(text=text, held_s=held_s, value=held_s, since=since)]


def no_strategy_allowed(observed: Observation) -> Sequence[Finding] | None:
    """The policy allows nobody."""
    content = _content(observed)
    if content is None:
        return None
    if content.grants:
        return []
    text = f"Policy {name_of(observed.head.ref)} allows no strategy: nobody may open a position"
    return [Finding(text=text, held_s=0.0, value=0.0)]


def policy_reads_fail(observed: Observation) -> Sequence[Finding]:
    """Too many reads of the policy failed or fell back."""
    reads, fraction = observed.reads, observed.reads.failed_fraction
    if fraction is None or reads.reads < MIN_READS or fraction <= MAX_FAILED_FRACTION:
        return []
    text = f"{reads.failed} of {reads.reads} policy reads of the last 5 min failed or fell back ({fraction:.0%})"
    return [Finding(text=text, held_s=0.0, value=fraction)]


def mode_changes_often(observed: Observation) -> Sequence[Finding]:
    """The risk mode does not settle."""
    count = observed.mode_changes_last_hour
    if count <= MAX_MODE_CHANGES_AN_HOUR:
        return []
    return [Finding(text=f"The risk mode changed {count} times within an hour", held_s=0.0, value=float(count))]


def signals_blocked(observed: Observation) -> Sequence[Finding]:
    """The policy blocks most of the entry signals that it decides on."""
    tally, fraction = observed.signals.last_hour, observed.signals.last_hour.by_policy_fraction
    if fraction is None or tally.judged_total < MIN_SIGNALS or fraction <= MAX_BLOCKED_FRACTION:
        return []
    reasons: Counter[str] = Counter()
    for (_, reason), count in tally.blocked.items():
        if reason not in NOT_BY_POLICY:
            reasons[reason] += count
    most = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(3))
    text = (
        f"The policy and its limits blocked {tally.by_policy_total} of {tally.judged_total} entry signals of the last "
        f"hour ({fraction:.0%})"
    )
    return [Finding(text=f"{text}: {most}", held_s=0.0, value=fraction)]


def client_behind(observed: Observation) -> Sequence[Finding]:
    """A client acts on an old version."""
    head = name_of(observed.head.ref)
    return [
        Finding(
            text=f"{subject} is {view.versions_behind} versions behind {head}; behind for {span(view.behind_for_s)}",
            held_s=view.behind_for_s,
            subject=subject,
            value=float(view.versions_behind),
        )
        for subject, view in _clients_where(observed, _is_behind)
    ]


def client_safe(observed: Observation) -> Sequence[Finding]:
    """A client acts on safe defaults."""
    return [
        Finding(
            text=f"{subject} acts on safe defaults ({view.entry.status.tier}){_because(view)}",
            held_s=view.unsafe_for_s,
            subject=subject,
            value=view.unsafe_for_s,
        )
        for subject, view in _clients_where(observed, _is_safe)
    ]


def evaluation_overdue(observed: Observation) -> Sequence[Finding]:
    """The evaluation that was due has not succeeded."""
    late_s = observed.evaluation_overdue_s
    if late_s <= 0:
        return []
    return [Finding(text=f"An evaluation has been overdue for {span(late_s)}", held_s=late_s, value=late_s)]


def evaluation_failed(observed: Observation) -> Sequence[Finding]:
    """The newest evaluation failed."""
    tally = observed.evaluations
    if tally.failing_since is None:
        return []
    text = f"The last evaluation failed, the policy is kept: {tally.last_failure or 'no reason was given'}"
    held_s = (observed.at - tally.failing_since).total_seconds()
    return [Finding(text=text, held_s=held_s, since=tally.failing_since)]


def journal_refusals(observed: Observation) -> Sequence[Finding]:
    """Facts do not get into the journal."""
    journal = observed.journal
    if journal.refused_recently <= 0:
        return []
    text = f"{journal.refused_recently} rows were refused within 5 min; the last: {journal.last_refusal or 'not said'}"
    return [Finding(text=text, held_s=0.0, value=float(journal.refused_recently))]


def trading_not_active(observed: Observation) -> Sequence[Finding] | None:
    """Entries are not allowed."""
    content = _content(observed)
    if content is None:
        return None
    if content.trading_state is TradingState.ACTIVE:
        return []
    stops = [reason for reason in content.reasons if reason.code in _STOPS]
    if content.trading_state is TradingState.HALTED:
        # Others may be told before it, as a reduction by a person that is in force, too.
        stops.sort(key=lambda reason: reason.code not in _HALTS)
    why = f": {stops[0].text}" if stops else ""
    text = f"Trading is {content.trading_state.name}, policy {name_of(observed.head.ref)}{why}"
    return [Finding(text=text, held_s=0.0, since=observed.trading_state_since)]


def integrity(observed: Observation) -> Sequence[Finding]:
    """The store contradicts the head."""
    if not observed.integrity_error:
        return []
    return [Finding(text=observed.integrity_error, held_s=0.0, value=float(observed.integrity_errors))]


def reporting_clients(observed: Observation) -> list[tuple[str, ClientView]]:
    """Clients that say what they act on, each with the name its alerts go by.

    That is its own name, or its instance where the name is missing or shared. Who has ended does not count: who neither
    watches nor reports any more, and who does not watch while another instance of that name does, after a restart.
    """
    here = [view for view in observed.clients if _is_reporting(view)]
    watching = {view.entry.client.name for view in here if view.entry.watches}
    here = [view for view in here if view.entry.watches or view.entry.client.name not in watching]
    names = Counter(view.entry.client.name for view in here)
    return [(_subject(view, names), view) for view in here]


def ended_clients(clients: Sequence[ClientView]) -> frozenset[str]:
    """Instances that have ended: they neither watch nor report, or another start of the same name watches instead."""
    watching = {view.entry.client.name for view in clients if view.entry.watches and view.entry.client.name}
    return frozenset(
        view.entry.client.instance_id
        for view in clients
        if not view.entry.watches and (view.report_age_s > REPORTING_WITHIN_S or view.entry.client.name in watching)
    )


def span(seconds: float) -> str:
    """A span of time as people say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _is_reporting(view: ClientView) -> bool:
    says = view.entry.status.tier is not ClientTier.UNSPECIFIED
    return says and (view.entry.watches > 0 or view.report_age_s <= REPORTING_WITHIN_S)


def _subject(view: ClientView, names: Counter[str]) -> str:
    client = view.entry.client
    return client.name if client.name and names[client.name] == 1 else client.instance_id


def _unavailable_here(observed: Observation) -> list[Finding]:
    held_s = observed.policy_unavailable_s
    if held_s <= 0:
        return []
    return [Finding(text=f"{_lacking(observed)} for {span(held_s)}", held_s=held_s, value=held_s)]


def _lacking(observed: Observation) -> str:
    if observed.head.policy is None:
        return "There has been no policy"
    name = name_of(observed.head.ref)
    if observed.freshness.replica_age_s > UNCONFIRMED_AFTER_S:
        return f"The store has not confirmed policy {name}"
    return f"Policy {name} has been past its validity"


def _unavailable_at_clients(observed: Observation) -> list[Finding]:
    ages = [(subject, _age_of(view)) for subject, view in _clients_where(observed, _is_old)]
    return [
        Finding(text=f"{subject} has had no confirmed policy for {span(age)}", held_s=age, subject=subject, value=age)
        for subject, age in ages
    ]


def _clients_where(observed: Observation, ill: Callable[[ClientView], bool]) -> list[tuple[str, ClientView]]:
    # Of thousands of clients none is ill on most looks, and then nobody has to be named.
    if not any(map(ill, observed.clients)):
        return []
    return [(subject, view) for subject, view in reporting_clients(observed) if ill(view)]


def _is_behind(view: ClientView) -> bool:
    return view.versions_behind > MAX_VERSIONS_BEHIND


def _is_safe(view: ClientView) -> bool:
    return view.entry.status.tier.is_safe


def _is_old(view: ClientView) -> bool:
    # Less is what an age grows to between two reports.
    return _age_of(view) > REPORTING_WITHIN_S


def _age_of(view: ClientView) -> float:
    # Who never had a policy has no age: it has gone without for as long as it has said so.
    return view.unsafe_for_s if view.age_s is None else view.age_s


def _because(view: ClientView) -> str:
    return f": {view.entry.status.last_error}" if view.entry.status.last_error else ""


def _content(observed: Observation) -> PolicyContent | None:
    return observed.head.policy.content if observed.head.policy else None
