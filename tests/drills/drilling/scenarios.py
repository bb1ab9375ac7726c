"""What is broken, and what should be seen of it. What no client may ever see is judged after each, the same way."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import grpc
from redis.exceptions import RedisError

from drilling.cluster import Replica
from drilling.drill import Drill
from drilling.publishing import code_of
from drilling.recording import Record
from drilling.verdict import absences, moved_after
from msc_policy import v1 as pb

NEW_LEADER_WITHIN_S = 10.0
HAMMERS = 2
HAMMERED_ENOUGH = 6
WAITS_FOR_ANSWER_S = 60.0
EXITS_WITHIN_S = 30.0
REFUSED_BY_STORE = "he store refused"
LEADS_AFTER_TRIES = 8
ENOUGH_IS_ONE_OF = 6


def kill(drill: Drill) -> None:
    """Kills the leader, again and again."""
    for turn in range(drill.pace.kills):
        drill.doing(f"kill -9 of the leader, {turn + 1} of {drill.pace.kills}")
        cluster = drill.cluster
        leader, term = cluster.leader(), cluster.term()
        with _not_asked(drill, leader):
            began = time.monotonic()
            leader.process.kill()
            took_s = drill.next_evaluation(cluster.others(leader)[turn % 2], began)
            _new_leader(drill, "killed", took_s, term)
            _starts(drill, leader)
        drill.all_fresh()


def freeze(drill: Drill) -> None:
    """Stops the leader in the middle of evaluations until another one leads, and lets it go on."""
    for turn in range(drill.pace.freezes):
        drill.doing(f"SIGSTOP of the leader, {turn + 1} of {drill.pace.freezes}")
        _publishes(drill)
        leader = drill.cluster.leader()
        refused, said = leader.process.printed().count(REFUSED_BY_STORE), len(leader.steps_down())
        with _hammered(drill, leader), _not_asked(drill, leader):
            _frozen(drill, leader, turn)
            _follows(drill, leader, said)
        drill.counts["evaluations of a frozen leader that the database refused"] += (
            leader.process.printed().count(REFUSED_BY_STORE) - refused
        )
        _publishes(drill)


def _frozen(drill: Drill, leader: Replica, turn: int) -> None:
    term, began = drill.cluster.term(), time.monotonic()
    leader.process.signal(signal.SIGSTOP)
    try:
        took_s = drill.next_evaluation(drill.cluster.others(leader)[turn % 2], began)
        _new_leader(drill, "frozen", took_s, term)
        drill.hold(drill.pace.frozen_s[turn % len(drill.pace.frozen_s)])
    finally:
        leader.process.signal(signal.SIGCONT)


def _follows(drill: Drill, leader: Replica, said: int) -> None:
    woken = time.monotonic()
    drill.until(lambda: len(leader.steps_down()) > said, "the one that was frozen says that it no longer leads")
    drill.series["woken leader: says that it no longer leads"].append(time.monotonic() - woken)


def rolling(drill: Drill) -> None:
    """Restarts all, one after another, as an upgrade does. Nobody may leave FRESH."""
    began_ns = time.monotonic_ns()
    for turn in range(drill.pace.restarts):
        for number, replica in enumerate(drill.cluster.replicas):
            drill.doing(f"rolling restart {turn + 1} of {drill.pace.restarts}, authority {number + 1}")
            with _not_asked(drill, replica):
                _restarts(drill, replica)
            drill.all_fresh()
    _nobody_left(drill, began_ns)


def redis(drill: Drill) -> None:
    """Kills Valkey and starts it again empty, empties it, and stops it where it is. Nobody may leave FRESH."""
    valkey, began_ns = drill.cluster.valkey, time.monotonic_ns()
    for turn in range(drill.pace.outages):
        drill.doing(f"Valkey is killed, {turn + 1} of {drill.pace.outages}")
        published = len(drill.cluster.publisher.publications)
        valkey.stop()
        drill.hold(drill.pace.redis_s)
        _published_since(drill, published, "something is published without Valkey")
        valkey.start()
        _redis_has_the_head(drill, "Valkey started again, empty: has the newest policy")
        drill.doing("FLUSHALL")
        with valkey.client() as client:
            client.flushall()
        _redis_has_the_head(drill, "FLUSHALL: Valkey has the newest policy again")
        drill.doing("Valkey is frozen")
        valkey.freeze()
        try:
            drill.hold(drill.pace.redis_s)
        finally:
            valkey.thaw()
        _redis_has_the_head(drill, "Valkey thawed: has the newest policy")
    _nobody_left(drill, began_ns)


def postgres(drill: Drill) -> None:
    """Freezes PostgreSQL; then cuts the lines to it and breaks them off."""
    server, cluster = drill.cluster.postgres, drill.cluster

    def cut() -> None:
        for replica in cluster.replicas:
            replica.database.cut()

    def heal() -> None:
        for replica in cluster.replicas:
            replica.database.heal(reset=True)

    ways = {"frozen": (server.freeze, server.thaw), "silent, then reset": (cut, heal)}
    for turn in range(drill.pace.outages):
        for how, (breaks, mends) in ways.items():
            drill.doing(f"PostgreSQL {how}, {turn + 1} of {drill.pace.outages}")
            _outage(drill, how, breaks, mends)


def _outage(drill: Drill, how: str, breaks: Callable[[], None], mends: Callable[[], None]) -> None:
    breaks()
    try:
        drill.hold(drill.pace.cut_s)
        fresh = drill.cluster.watchers.fresh()
        drill.counts["least clients FRESH at the end of an outage"] = min(
            fresh, drill.counts.get("least clients FRESH at the end of an outage", fresh)
        )
    finally:
        mends()
    took_s = drill.next_evaluation(drill.cluster.replicas[0], time.monotonic())
    drill.series[f"PostgreSQL {how}: next committed evaluation"].append(took_s)
    _publishes(drill)


def _published_since(drill: Drill, before: int, what: str) -> None:
    drill.until(lambda: len(drill.cluster.publisher.publications) > before, what)


def _publishes(drill: Drill) -> None:
    """Waits until something is published, and all have it: whatever is broken next, they saw versions before it."""
    publications = drill.cluster.publisher.publications
    _published_since(drill, len(publications), "something is published")
    newest = publications[-1].ref
    drill.until(lambda: drill.cluster.watchers.have_at_least(newest), "all are FRESH on what was published")


def partition(drill: Drill) -> None:
    """Cuts off the first authority: as the leader, from its stores; then, as it follows, from clients as well."""
    cut_off = drill.cluster.replicas[0]
    if cut_off.network is None:
        drill.notes.append(f"no network of its own ({drill.cluster.no_network}): lines that go silent in its place")
    drill.doing("having the first authority lead")
    _has_lead(drill, cut_off)
    drill.doing("the leader is cut off from PostgreSQL and Valkey")
    cut_off.cut("back")
    try:
        _cut_off(drill, "cut off from its stores", led=True)
    finally:
        cut_off.heal("back")
    drill.all_fresh()
    drill.until(lambda: drill.cluster.leader() is not cut_off or None, "another one leads")
    _has_clients(drill, cut_off)
    drill.doing("a follower is cut off from everybody")
    cut_off.cut("front", "back")
    try:
        _cut_off(drill, "cut off from everybody", led=False)
    finally:
        cut_off.heal("front", "back")
    drill.all_fresh()


def _cut_off(drill: Drill, how: str, *, led: bool) -> None:
    cluster, replica, began, began_ns = drill.cluster, drill.cluster.replicas[0], time.monotonic(), time.monotonic_ns()
    head, server = cluster.database.head(), cluster.database.replicas()[replica.process.target]
    with _not_asked(drill, replica):
        if led:
            took_s = drill.next_evaluation(cluster.others(replica)[0], began)
            drill.series["leader cut off: next committed evaluation"].append(took_s)
            drill.expect(took_s <= NEW_LEADER_WITHIN_S, f"leader cut off: the next evaluation took {took_s:.1f} s")
            _never_publishes(drill, replica, head)
        drill.hold(max(0.0, drill.pace.partition_s - (time.monotonic() - began)))
        if led:
            _never_publishes(drill, replica, head)
    cluster.watchers.recordings.catch_up()
    by_client: dict[str, list[Record]] = {name: [] for name in cluster.watchers.names}
    for record in cluster.watchers.recordings.records:
        by_client[record.client].append(record)
    moved, stayed = moved_after(by_client, server, began_ns)
    drill.series[f"{how}: its clients are elsewhere"] += list(moved.values())
    drill.counts[f"{how}: clients that it had"] += len(moved) + len(stayed)
    drill.counts[f"{how}: of these, still there in the end"] += len(stayed)


def _never_publishes(drill: Drill, replica: Replica, head: tuple[int, int]) -> None:
    publisher = drill.cluster.publisher
    for name, attempt in (("Act", publisher.publish), ("Evaluate", publisher.evaluate)):
        try:
            attempt(replica.process)
        except grpc.RpcError as error:
            drill.counts[f"cut off, refused: {name} {code_of(error)}"] += 1
        else:
            drill.failures.append(f"an authority that was cut off from its store answered {name}")
    with replica.process.stub() as stub:
        ref = stub.GetPolicy(pb.GetPolicyRequest(), timeout=WAITS_FOR_ANSWER_S).policy.ref
    # What was committed while the cable was pulled may have reached it, or not.
    drill.expect((ref.epoch, ref.version) <= head, f"cut off at {head}, it serves {ref.epoch, ref.version}")


def _has_lead(drill: Drill, wanted: Replica) -> None:
    for _ in range(LEADS_AFTER_TRIES):
        leader = drill.cluster.leader()
        if leader is wanted:
            return
        with _not_asked(drill, leader):
            _restarts(drill, leader)
        drill.all_fresh()
    raise AssertionError(f"{wanted.target} did not lead after {LEADS_AFTER_TRIES} changes of the leader")


def _has_clients(drill: Drill, wanted: Replica) -> None:
    """Has some of the clients come back: they do by themselves where there are many."""
    server = drill.cluster.database.replicas()[wanted.process.target]
    enough = max(1, len(drill.cluster.watchers.names) // ENOUGH_IS_ONE_OF)
    for other in drill.cluster.others(wanted):
        drill.doing("waiting until the first authority has clients")
        try:
            drill.until(
                lambda: sum(one.server == server for one in drill.cluster.watchers.now.values()) >= enough or None,
                f"it has {enough} clients",
                within_s=drill.pace.clients_back_s,
            )
        except AssertionError:
            with _not_asked(drill, other):
                _restarts(drill, other)
        else:
            return


def _new_leader(drill: Drill, what: str, took_s: float, term: int) -> None:
    drill.series[f"leader {what}: next committed evaluation"].append(took_s)
    drill.expect(took_s <= NEW_LEADER_WITHIN_S, f"leader {what}: the next evaluation took {took_s:.1f} s")
    drill.expect(drill.cluster.term() > term, f"leader {what}: the evaluation was made in term {term} still")


def _starts(drill: Drill, replica: Replica) -> None:
    began = time.monotonic()
    replica.process.spawn()
    drill.until(replica.process.answers, f"{replica.target} answers")
    drill.series["started again: answers"].append(time.monotonic() - began)


def _restarts(drill: Drill, replica: Replica) -> None:
    began = time.monotonic()
    replica.process.signal(signal.SIGTERM)
    code = replica.process.wait(EXITS_WITHIN_S)
    drill.series["SIGTERM: has ended"].append(time.monotonic() - began)
    drill.expect(code == 0, f"{replica.target} ended with {code}")
    _starts(drill, replica)


def _nobody_left(drill: Drill, since_ns: int) -> None:
    drill.cluster.watchers.recordings.catch_up()
    records = drill.cluster.watchers.recordings.records
    own = {name: [record for record in records if record.client == name] for name in drill.cluster.watchers.names}
    left = [name for name, mine in own.items() if absences(mine, since_ns)]
    drill.expect(not left, f"{len(left)} clients left FRESH: {', '.join(left[:5])}")


def _redis_has_the_head(drill: Drill, what: str) -> None:
    began = time.monotonic()

    def has() -> bool:
        try:
            with drill.cluster.valkey.client(decode_responses=True) as client:
                found = client.hmget("msc:policy:current:hash", "epoch", "version")
        except RedisError:
            return False
        # Versions go on meanwhile: what is there is the newest if it is no older than the newest was before.
        return None not in found and (int(found[0]), int(found[1])) >= head

    head = drill.cluster.database.head()
    drill.until(has, "Valkey has the newest policy")
    drill.series[what].append(time.monotonic() - began)


@contextmanager
def _not_asked(drill: Drill, replica: Replica) -> Iterator[None]:
    avoided = drill.cluster.publisher.avoided
    avoided.add(replica.process.target)
    try:
        yield
    finally:
        avoided.discard(replica.process.target)


@contextmanager
def _hammered(drill: Drill, leader: Replica) -> Iterator[None]:
    """Has the leader evaluate without a pause, so that wherever it is stopped, it is in the middle of one."""
    over, answers, ends = threading.Event(), threading.Semaphore(0), list[str]()

    def hammer() -> None:
        while not over.is_set():
            try:
                drill.cluster.publisher.evaluate(leader.process, within_s=WAITS_FOR_ANSWER_S)
            except grpc.RpcError as error:
                ends.append(code_of(error))
                over.wait(0.2)
            answers.release()

    threads = [threading.Thread(target=hammer, daemon=True) for _ in range(HAMMERS)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(HAMMERED_ENOUGH):
            answers.acquire(timeout=WAITS_FOR_ANSWER_S)
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(WAITS_FOR_ANSWER_S)
    for code in ends:
        drill.counts[f"evaluations asked of a frozen leader, refused: {code}"] += 1


SCENARIOS: Mapping[str, Callable[[Drill], None]] = {
    "kill": kill,
    "freeze": freeze,
    "rolling": rolling,
    "redis": redis,
    "postgres": postgres,
    "partition": partition,
}
