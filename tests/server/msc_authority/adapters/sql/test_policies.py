"""Any policy comes back from its columns as it was announced."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msc_builders import a_commit, a_content, a_reason

from msc_authority.adapters.sql import SqlStore
from msc_authority.core.policy import (
    Limits,
    PolicyContent,
    PolicyMetrics,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
)

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))  # Whatever comes in is printable.
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**31 - 1)
CONTENTS = st.builds(
    PolicyContent,
    risk_mode=st.sampled_from(RiskMode),
    trading_state=st.sampled_from(TradingState),
    limits=st.builds(
        Limits,
        max_risk_per_trade=NUMBERS,
        global_min_confidence=NUMBERS,
        max_positions=COUNTS,
        max_daily_trades=COUNTS,
    ),
    grants=st.lists(
        st.builds(
            StrategyGrant,
            strategy_id=TEXT,
            state=st.sampled_from(StrategyState),
            risk_multiplier=NUMBERS,
            max_positions=COUNTS,
            max_daily_trades_fraction=NUMBERS,
        ),
        max_size=3,
    ).map(tuple),
    metrics=st.builds(
        PolicyMetrics,
        system_drawdown=st.none() | NUMBERS,
        global_winrate=st.none() | NUMBERS,
        equity_slope=st.none() | NUMBERS,
        system_health=st.sampled_from(SystemHealth),
        trades_n=st.none() | COUNTS,
        equity_source=TEXT,
    ),
    reasons=st.just((a_reason(), a_reason("OTHER", value=None))),
    author=TEXT,
    rollback_of=COUNTS,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENTS)
def test_a_policy_reads_back_as_it_was_announced_with_its_etag(sql_store: SqlStore, content: PolicyContent) -> None:
    commit = replace(a_commit(uuid4().hex), publish=content)

    announced = sql_store.evaluations.commit(commit, sql_store.evaluations.load()).policy

    read = sql_store.policies.head().policy
    assert announced is not None
    assert read is not None
    assert announced.content == content
    assert (read, read.etag) == (announced, announced.etag)


def test_the_newest_policy_is_read_however_many_there_are(sql_store: SqlStore) -> None:
    for number in range(12):
        commit = a_commit(str(number), publish=a_content(rollback_of=number))
        sql_store.evaluations.commit(commit, sql_store.evaluations.load())

    newest = sql_store.policies.head().policy

    assert newest is not None
    assert (newest.ref.version, newest.content.rollback_of) == (12, 11)
