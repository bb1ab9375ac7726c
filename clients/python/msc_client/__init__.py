"""The embedded client: one policy, followed, read without waiting.

source = PolicySource(role=Role.EXECUTOR, name="executor-1")
source.start()
view = source.current()
if view.entries_allowed(source.now_ns()) and view.policy.allows("TREND_001"): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msc_client._version import __version__
from msc_client.config import ClientConfig, TlsFiles
from msc_client.errors import (
    AuthorityError,
    AuthorityUnavailable,
    FieldViolation,
    MscClientError,
    PolicyInvalid,
    SourceClosed,
)
from msc_client.policy import (
    EvaluationMetrics,
    Policy,
    Reason,
    Ref,
    RiskMode,
    StrategyGrant,
    StrategyState,
    SystemHealth,
    TradingState,
)
from msc_client.role import ConnectionState, Role
from msc_client.source import PolicyReader, PolicySource
from msc_client.tier import SafeDefaults, Tier
from msc_client.view import EntryDenial, PolicyView

if TYPE_CHECKING:
    from msc_client.aio import AsyncPolicySource
    from msc_client.evaluation import EvaluationResult, FieldChange, WhatIf
    from msc_client.facts import ClosedTrade, Direction, EquityPoint, Execution, Fact, Side, TradeSource
    from msc_client.journal import JournalWriter
    from msc_client.local import LocalPolicySource, PolicyFeed
    from msc_client.status import Counters, SourceStatus

__all__ = [
    "AsyncPolicySource",
    "AuthorityError",
    "AuthorityUnavailable",
    "ClientConfig",
    "ClosedTrade",
    "ConnectionState",
    "Counters",
    "Direction",
    "EntryDenial",
    "EquityPoint",
    "EvaluationMetrics",
    "EvaluationResult",
    "Execution",
    "Fact",
    "FieldChange",
    "FieldViolation",
    "JournalWriter",
    "LocalPolicySource",
    "MscClientError",
    "Policy",
    "PolicyFeed",
    "PolicyInvalid",
    "PolicyReader",
    "PolicySource",
    "PolicyView",
    "Reason",
    "Ref",
    "RiskMode",
    "Role",
    "SafeDefaults",
    "Side",
    "SourceClosed",
    "SourceStatus",
    "StrategyGrant",
    "StrategyState",
    "SystemHealth",
    "Tier",
    "TlsFiles",
    "TradeSource",
    "TradingState",
    "WhatIf",
    "__version__",
]

# Not every host needs these: they are imported when they are first asked for.
_LAZY = {
    "AsyncPolicySource": "msc_client.aio",
    "ClosedTrade": "msc_client.facts",
    "Counters": "msc_client.status",
    "Direction": "msc_client.facts",
    "EquityPoint": "msc_client.facts",
    "EvaluationResult": "msc_client.evaluation",
    "Execution": "msc_client.facts",
    "Fact": "msc_client.facts",
    "FieldChange": "msc_client.evaluation",
    "JournalWriter": "msc_client.journal",
    "LocalPolicySource": "msc_client.local",
    "PolicyFeed": "msc_client.local",
    "Side": "msc_client.facts",
    "SourceStatus": "msc_client.status",
    "TradeSource": "msc_client.facts",
    "WhatIf": "msc_client.evaluation",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
