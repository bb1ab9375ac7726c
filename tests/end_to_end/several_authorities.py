"""Three authorities on one database, and a dozen clients in this process that keep an eye on each other's story."""

from __future__ import annotations

import itertools
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from process_harness import AuthorityProcess, until

from msc_client import PolicySource, Role
from msc_policy import v1 as pb

LEADS = re.compile(r"(Leading from now on|No longer leading|Following the leader)[^\n]*")
NEW_LEADER_WITHIN_S = 10.0


class Authorities:
    """The processes."""

    def __init__(self, home: Path, database_url: str, count: int = 3) -> None:
        environment = {"MSC_DATABASE_URL": database_url}
        self.all = [AuthorityProcess(home=home / f"authority-{n}", environment=environment) for n in range(count)]
        self._confidences = itertools.count(701)

    def start(self) -> None:
        """Starts all, one after another: the first makes the database."""
        for authority in self.all:
            authority.start()

    @property
    def target(self) -> str:
        """What clients are given."""
        return ",".join(authority.target for authority in self.all)

    def leader(self) -> AuthorityProcess:
        """The one that leads, as it says itself; waits until there is one."""
        return until(self._leader, what="somebody leads")

    def _leader(self) -> AuthorityProcess | None:
        return next((authority for authority in self.all if is_up(authority) and leads(authority)), None)

    def others(self, than: AuthorityProcess) -> list[AuthorityProcess]:
        """All but one."""
        return [authority for authority in self.all if authority is not than]

    def publish(self, through: AuthorityProcess) -> pb.PolicyRef:
        """Publishes a policy, stricter each time, by an act of a person."""
        limits = pb.LimitValues(global_min_confidence=next(self._confidences) / 1000)
        request = pb.ActRequest(reason="a test", actor="a test", set_limits=pb.SetLimitsAction(limits=limits))
        with through.channel() as channel:
            answer = pb.OperatorServiceStub(channel).Act(request, timeout=10)
        head: pb.PolicyRef = answer.head
        return head

    def close(self) -> None:
        """Ends whatever still runs."""
        for authority in self.all:
            authority.close()


def is_up(authority: AuthorityProcess) -> bool:
    """Whether its process lives."""
    return authority.process is not None and authority.process.poll() is None


def leads(authority: AuthorityProcess) -> bool:
    """Whether the last thing it said about it is that it leads."""
    said = LEADS.findall(authority.printed())
    return bool(said) and said[-1] == "Leading from now on"


class Clients:
    """Sources in this process, looked at all the time."""

    def __init__(self, target: str, count: int = 12) -> None:
        """Starts them, and returns when each is fresh."""
        self._stack = ExitStack()
        self.sources = [
            self._stack.enter_context(PolicySource(target, role=Role.OTHER, name=f"client-{n}", state_dir=None))
            for n in range(count)
        ]
        self.tiers: list[set[str]] = [set() for _ in self.sources]
        self.refs: list[list[tuple[int, int]]] = [[] for _ in self.sources]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        until(lambda: all(source.current().tier.name == "FRESH" for source in self.sources), what="all are fresh")
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            for source, tiers, refs in zip(self.sources, self.tiers, self.refs, strict=True):
                view = source.current()
                tiers.add(view.tier.name)
                ref = (view.ref.epoch, view.ref.version) if view.ref else (0, 0)
                if not refs or refs[-1] != ref:
                    refs.append(ref)

    def until_all_have(self, head: pb.PolicyRef, deadline_s: float = 20.0) -> None:
        """Returns when every client applies that revision."""

        def have() -> bool:
            versions = [source.current().ref for source in self.sources]
            return all(ref is not None and (ref.epoch, ref.version) == (head.epoch, head.version) for ref in versions)

        until(have, deadline_s=deadline_s, what=f"all clients apply {head.version}")

    def until_all_fresh(self, deadline_s: float = 60.0) -> None:
        """Returns when every client is fresh."""
        until(
            lambda: all(source.current().tier.name == "FRESH" for source in self.sources),
            deadline_s=deadline_s,
            what="all are fresh",
        )

    def served_by(self) -> Sequence[str]:
        """The replica that each client watches."""
        return [source.status().server_id for source in self.sources]

    def never_went_back(self) -> None:
        """Fails if one of them ever applied a lower version."""
        for refs in self.refs:
            assert refs == sorted(refs)

    def never_left_fresh(self) -> None:
        """Fails if one of them ever had another tier."""
        assert self.tiers == [{"FRESH"} for _ in self.sources]

    def close(self) -> None:
        """Ends them."""
        self._over.set()
        self._thread.join(10)
        self._stack.close()


@contextmanager
def authorities_and_clients(home: Path, database_url: str) -> Iterator[tuple[Authorities, Clients]]:
    """Yields three authorities that answer, and clients that are fresh."""
    authorities = Authorities(home, database_url)
    try:
        authorities.start()
        clients = Clients(authorities.target)
        try:
            yield authorities, clients
        finally:
            clients.close()
    finally:
        authorities.close()


def stop_gracefully(authority: AuthorityProcess) -> None:
    """Stops it as an operator does."""
    authority.signal(signal.SIGTERM)
    assert authority.wait() == 0, authority.printed()
