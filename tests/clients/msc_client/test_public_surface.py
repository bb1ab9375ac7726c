"""What hosts build on: names, signatures, and what importing costs."""

from __future__ import annotations

import ast
import inspect
import logging
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import msc_client
from msc_client import (
    AsyncPolicySource,
    LocalPolicySource,
    PolicyReader,
    PolicySource,
    PolicyView,
    Role,
    Tier,
    aio,
    source,
    testing,
)
from msc_client.testing import ManualClock, ScriptedSource, ScriptedStream, StaticPolicySource, make_policy

BOUND_TO_THREADS = {"__enter__", "__exit__", "guarded"}
BOUND_TO_LOOPS = {"__aenter__", "__aexit__", "__aiter__", "changed", "views"}


def public(cls: type) -> dict[str, inspect.Signature]:
    names = [name for name in dir(cls) if not name.startswith("_")]
    return {name: inspect.signature(getattr(cls, name)) for name in names}


def test_both_sources_offer_the_same_surface() -> None:
    threads, loops = public(PolicySource), public(AsyncPolicySource)
    assert set(threads) - BOUND_TO_THREADS == set(loops) - BOUND_TO_LOOPS
    for name in set(threads) & set(loops):
        assert list(threads[name].parameters.values()) == list(loops[name].parameters.values()), name


def test_both_sources_are_made_alike() -> None:
    assert inspect.signature(PolicySource).parameters == inspect.signature(AsyncPolicySource).parameters


def test_every_source_serves_whoever_reads() -> None:
    readers: list[PolicyReader] = [
        PolicySource("127.0.0.1:1", role=Role.OTHER, name="a", state_dir=None),
        AsyncPolicySource("127.0.0.1:1", role=Role.OTHER, name="b", state_dir=None),
        ScriptedSource(ScriptedStream(), ManualClock()),
        StaticPolicySource(),
    ]
    for reader in readers:
        assert reader.current().tier is Tier.SAFE_NONE
        assert reader.current().policy.allowed_strategies == ()
        assert reader.status().applied is None
        assert reader.current().entries_allowed(reader.now_ns())
        unsubscribe = reader.subscribe(print) if not isinstance(reader, AsyncPolicySource) else (lambda: None)
        unsubscribe()


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (source, ["PolicyReader", "PolicySource"]),
        (aio, ["AsyncPolicySource"]),
        (
            testing,
            [
                "ClientReport", "Freshness", "InProcessAuthority", "ManualClock", "ScriptedSource", "ScriptedStream",
                "SnapshotReason", "StaticPolicySource", "WatchOpening", "make_policy",
            ],
        ),
    ],
)  # fmt: skip
def test_the_export_lists_are_pinned(module: ModuleType, names: list[str]) -> None:
    assert module.__all__ == names


def test_the_packages_names_are_pinned_and_all_there() -> None:
    assert sorted(msc_client.__all__) == [
        "AsyncPolicySource", "AuthorityError", "AuthorityUnavailable", "ClientConfig", "ClosedTrade",
        "ConnectionState", "Counters", "Direction", "EntryDenial", "EquityPoint", "EvaluationMetrics",
        "EvaluationResult", "Execution", "Fact", "FieldChange", "FieldViolation", "JournalWriter",
        "LocalPolicySource", "MscClientError", "Policy", "PolicyFeed", "PolicyInvalid", "PolicyReader",
        "PolicySource", "PolicyView", "Reason", "Ref", "RiskMode", "Role", "SafeDefaults", "Side", "SourceClosed",
        "SourceStatus", "StrategyGrant", "StrategyState", "SystemHealth", "Tier", "TlsFiles", "TradeSource",
        "TradingState", "WhatIf", "__version__",
    ]  # fmt: skip
    assert all(hasattr(msc_client, name) for name in msc_client.__all__)
    assert msc_client.LocalPolicySource is LocalPolicySource


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = msc_client.Nonsense


def test_importing_brings_only_what_every_host_needs() -> None:
    code = "import sys, msc_client; print(' '.join(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    loaded = set(modules)
    assert "grpc" in loaded
    unasked = {"aio", "journal", "local", "status", "testing"}
    assert not loaded & {"tenacity", *(f"msc_client.{name}" for name in unasked)}
    assert not any(name.split(".")[0] in {"msc_authority", "pydantic", "numpy", "sqlalchemy"} for name in loaded)


def test_importing_starts_nothing_and_logs_nothing() -> None:
    code = "import threading, msc_client; print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("1", "")


def test_a_read_takes_no_lock_and_does_no_io() -> None:
    tree = ast.parse(inspect.getsource(inspect.getmodule(PolicySource.current) or source))
    [read] = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "current"][-1:]
    kinds = {type(node) for statement in read.body for node in ast.walk(statement)}
    assert not kinds & {ast.With, ast.Try, ast.While, ast.For, ast.Await, ast.Raise}
    comparisons = [node for node in ast.walk(read) if isinstance(node, ast.Compare)]
    assert len(comparisons) == 2


def test_nothing_of_the_client_configures_logging() -> None:
    assert logging.getLogger("msc_client").handlers == []
    folder = Path(msc_client.__file__).parent
    assert not [path for path in folder.rglob("*.py") if "basicConfig" in path.read_text()]


# The sources for tests


def test_a_static_source_holds_what_it_is_given_and_tells_of_it() -> None:
    seen: list[PolicyView] = []
    with StaticPolicySource(make_policy(5)) as static:
        unsubscribe = static.subscribe(seen.append)
        static.set(make_policy(6), Tier.STALE)
        unsubscribe()
        static.set(None)
    assert [(view.ref, view.tier) for view in seen] == [(make_policy(6).ref, Tier.STALE)]
    assert static.start().tier is Tier.SAFE_NONE
    assert static.status().tier is Tier.SAFE_NONE


def test_a_script_that_nobody_opened_says_so() -> None:
    with pytest.raises(LookupError, match="no stream was opened"):
        ScriptedStream().publish(make_policy(5))
