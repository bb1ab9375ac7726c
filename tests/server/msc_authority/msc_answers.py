"""Answers of an authority as commands get them, made of our own values, and an authority that gives only those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from msc_builders import START, a_content, a_ranking, a_verdict, an_entry
from msc_live import a_policy

from msc_authority.app.broker import Freshness
from msc_authority.app.clients import FleetEntry
from msc_authority.core.evaluation import StrategyRanking
from msc_authority.core.policy import FieldChange, PolicyContent, changes_between
from msc_authority.ports.evaluations import EvaluationEntry
from msc_authority.ports.policies import Revision
from msc_authority.rpc.mapping.basics import duration_to_proto, instant_to_proto
from msc_authority.rpc.mapping.fleet import entry_to_proto
from msc_authority.rpc.mapping.insight import evaluation_to_proto, ranking_to_proto
from msc_authority.rpc.mapping.policies import (
    changes_to_proto,
    content_to_proto,
    freshness_to_proto,
    policy_to_proto,
    ref_to_proto,
    revision_to_proto,
)
from msc_authority.rpc.plain import Plain, plain
from msc_authority.rpc.remote_error import RemoteError
from msc_policy import v1 as pb


def named(policy: object) -> Plain:
    """A policy with the parts of its reference among its fields."""
    assert isinstance(policy, dict)
    ref = policy.pop("ref") or {"epoch": None, "version": None, "etag": None}
    return {**ref, **policy}


def policy_answer(content: PolicyContent | None = None, *, version: int = 3, ttl_s: float = 3000.0) -> Plain:
    """The policy in force, confirmed half a second ago."""
    policy = a_policy(version, content=content)
    answer = plain(
        pb.GetPolicyResponse(
            policy=policy_to_proto(policy),
            head=ref_to_proto(policy.ref, policy.etag),
            freshness=freshness_to_proto(Freshness(replica_age_s=0.5, ttl_s=ttl_s)),
            server_time=instant_to_proto(START),
        )
    )
    return {**answer, "policy": named(answer["policy"])}


def revision_answer(before: PolicyContent | None, after: PolicyContent, *, version: int = 3) -> Plain:
    """A policy in history."""
    revision = Revision(policy=a_policy(version, content=after), changes=changes_between(before, after))
    document = plain(revision_to_proto(revision))
    return {**named(document["policy"]), "changes": document["changes"]}


def evaluation_answer(entry: EvaluationEntry | None = None) -> Plain:
    """An evaluation in history."""
    return plain(evaluation_to_proto(entry or an_entry()))


def health_answer(entry: EvaluationEntry | None, failure: EvaluationEntry | None = None) -> Plain:
    """The last evaluation, and the failure since."""
    return plain(
        pb.GetSystemHealthResponse(
            evaluation=evaluation_to_proto(entry) if entry else None,
            last_failure=evaluation_to_proto(failure) if failure else None,
            next_evaluation_in=duration_to_proto(600.0),
        )
    )


def strategies_answer(*rankings: StrategyRanking) -> Plain:
    """The ranking."""
    return plain(pb.ListStrategiesResponse(strategies=map(ranking_to_proto, rankings), as_of=instant_to_proto(START)))


def clients_answer(*entries: FleetEntry, version: int = 3) -> Plain:
    """The fleet, compared with a head of that version."""
    head = a_policy(version).ref
    return plain(pb.ListClientsResponse(clients=[entry_to_proto(entry, head) for entry in entries]))


def evaluate_answer(
    entry: EvaluationEntry | None = None,
    *,
    changes: tuple[FieldChange, ...] = (),
    committed: bool = False,
    content: PolicyContent | None = None,
) -> Plain:
    """What an evaluation led to."""
    candidate = a_content() if content is None else content
    entry = entry or an_entry(verdict=a_verdict(candidate))
    answer = plain(
        pb.EvaluateResponse(
            evaluation=evaluation_to_proto(entry),
            candidate=policy_to_proto(a_policy(4, content=candidate)) if committed else content_to_proto(candidate),
            changes=changes_to_proto(changes),
            committed=committed,
            head=ref_to_proto(a_policy(4 if committed else 3).ref, '"e"'),
        )
    )
    return {**answer, "candidate": named(answer["candidate"])}


@dataclass
class ScriptedRemote:
    """Answers as told, or raises `error`; remembers what it was asked to evaluate."""

    answers: Mapping[str, Plain | list[Plain]] = field(default_factory=dict)
    error: RemoteError | None = None
    asked: list[dict[str, object]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def policy(self, version: int = 0) -> Plain:
        return self._one("policy")

    def revisions(self, limit: int) -> Iterator[Plain]:
        return iter(self._many("revisions")[:limit])

    def evaluations(self, limit: int) -> Iterator[Plain]:
        return iter(self._many("evaluations")[:limit])

    def strategies(self) -> Plain:
        return self._one("strategies")

    def health(self) -> Plain:
        # Asked also for who is there: one that is alone, unless a test says otherwise.
        return self._one("health") if "health" in self.answers or self.error else health_answer(None)

    def clients(self) -> Plain:
        return self._one("clients")

    def evaluate(self, **asked: object) -> Plain:
        self.asked.append(asked)
        return self._one("evaluate")

    def _one(self, name: str) -> Plain:
        answer = self._of(name)
        assert isinstance(answer, dict)
        return answer

    def _many(self, name: str) -> list[Plain]:
        answer = self._of(name)
        assert isinstance(answer, list)
        return answer

    def _of(self, name: str) -> Plain | list[Plain]:
        if self.error is not None:
            raise self.error
        return self.answers[name]


def a_fleet_of_long_names(count: int) -> list[StrategyRanking]:
    """Strategies with the longest of names, every other one not allowed."""
    return [
        a_ranking(f"STRATEGY_WITH_A_VERY_LONG_NAME_{number:02}" + "_AND_MORE" * 4, rank=number, allowed=number % 2 == 0)
        for number in range(1, count + 1)
    ]
