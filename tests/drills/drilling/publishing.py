"""Makes versions change, and asks for evaluations, through every authority in turn, on threads of its own."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import grpc
from google.protobuf.duration_pb2 import Duration
from process_harness import AuthorityProcess

from drilling.verdict import Publication
from msc_policy import v1 as pb

ACTOR = "drill"
ACT_EVERY_S, EVALUATE_EVERY_S = 0.25, 1.0
ACT_WITHIN_S, EVALUATE_WITHIN_S = 3.0, 12.0
# Each act tightens a little more than the one before, so that each is a new version; there may be 200 at once.
LASTS_S = 15
FIRST_CONFIDENCE, STEP = 0.71, 0.00001


class Publisher:
    """Publishes and evaluates on and on, behind `with`."""

    def __init__(self, authorities: Sequence[AuthorityProcess]) -> None:
        self._authorities = authorities
        self._steps = itertools.count()
        self._over = threading.Event()
        self._quiet = threading.Event()
        self.publications: list[Publication] = []
        self.evaluations = 0
        self.refused: Counter[str] = Counter()
        self.avoided: set[str] = set()
        """Targets that are not asked: they cannot answer, and waiting for them would hold up the others."""
        self._threads = [
            threading.Thread(target=self._again_and_again, args=(self._publishes, ACT_EVERY_S), daemon=True),
            threading.Thread(target=self._again_and_again, args=(self._evaluates, EVALUATE_EVERY_S), daemon=True),
        ]

    def publish(self, through: AuthorityProcess) -> pb.PolicyRef:
        """Publishes once, by an act of a person. Raises grpc.RpcError."""
        limits = pb.LimitValues(global_min_confidence=FIRST_CONFIDENCE + next(self._steps) * STEP)
        action = pb.SetLimitsAction(limits=limits, lasts=Duration(seconds=LASTS_S))
        request = pb.ActRequest(reason="the drill changes the policy", actor=ACTOR, set_limits=action)
        asked_ns = time.monotonic_ns()
        with through.channel() as channel:
            head: pb.PolicyRef = pb.OperatorServiceStub(channel).Act(request, timeout=ACT_WITHIN_S).head
        self.publications.append(Publication(ref=(head.epoch, head.version), asked_ns=asked_ns))
        return head

    def evaluate(self, through: AuthorityProcess, within_s: float = EVALUATE_WITHIN_S) -> pb.Evaluation:
        """Has one evaluation made and committed. Raises grpc.RpcError."""
        with through.stub() as stub:
            request = pb.EvaluateRequest(reason="the drill asks")
            evaluation: pb.Evaluation = stub.Evaluate(request, timeout=within_s).evaluation
        return evaluation

    def pause(self) -> None:
        """Makes no more changes until resumed."""
        self._quiet.set()

    def resume(self) -> None:
        """Goes on."""
        self._quiet.clear()

    def _publishes(self, through: AuthorityProcess) -> None:
        self.publish(through)

    def _evaluates(self, through: AuthorityProcess) -> None:
        self.evaluate(through)
        self.evaluations += 1

    def _again_and_again(self, does: Callable[[AuthorityProcess], None], every_s: float) -> None:
        for authority in itertools.cycle(self._authorities):
            if self._over.wait(every_s):
                return
            if authority.target in self.avoided or self._quiet.is_set():
                continue
            try:
                does(authority)
            except grpc.RpcError as error:
                self.refused[code_of(error)] += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(EVALUATE_WITHIN_S)


def code_of(error: grpc.RpcError) -> str:
    """Returns the name of the status of a call that failed."""
    code = getattr(error, "code", None)
    return str(code().name) if callable(code) else "UNKNOWN"
