"""A run that has ended, judged: its report, the audit, and the journal beside the exchange."""

from __future__ import annotations

from msc_loop.audit import audit
from msc_loop.completeness import compare_fills
from msc_loop.counterfactual import without_controller
from msc_loop.journal import read_journal
from msc_loop.pace import REAL_GRACE_S
from msc_loop.plan import LoopPlan
from msc_loop.report import RunFacts, RunReport, report_of
from msc_loop.run import Ended


def report_run(plan: LoopPlan, ended: Ended) -> RunReport:
    """Returns what the run was, from its database and what the exchange said at the end.

    Raises:
        StoreError: the database cannot be read.
    """
    journal = read_journal(plan.database_url)
    facts = RunFacts(
        began_at=plan.origin,
        ended_at=ended.at,
        real_s=ended.real_s,
        why=ended.why,
        symbols=plan.symbols,
        starting_equity=plan.balance,
        final_equity=ended.equity,
        restarts=ended.restarts,
        undelivered=ended.undelivered,
    )
    return report_of(
        facts,
        journal,
        without=without_controller(plan, ended.at),
        audit=audit(journal.executions, journal.revisions, grace_s=REAL_GRACE_S * plan.speed),
        completeness=compare_fills(ended.trades, journal.fills),
    )
