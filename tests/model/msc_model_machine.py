"""The state machine: what may happen, in any order."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msc_model_client import Client
from msc_model_network import Post
from msc_model_replica import Replica
from msc_model_world import REPLICAS, ROLES, Faults, World

from msc_authority.app.acts import Act, Halt, Place, Resume, RollBack
from msc_authority.core.overrides import Bench, PinMode, Reduce, SetLimits
from msc_authority.core.policy import RiskMode

# A thousand small files are written through to the disk otherwise.
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 -- files in it have names that nobody guesses, and only we may read them
MINUTE = timedelta(minutes=1)

replicas = st.sampled_from(REPLICAS)
clients = st.sampled_from(sorted(ROLES))
moments = st.sampled_from([0.2, 1.1, 3.0, 4.0, 8.0, 12.0, 17.0, 31.0])
acts: st.SearchStrategy[Act] = st.one_of(
    st.just(Halt()),
    st.just(Resume()),
    st.builds(
        lambda risk, minutes: Place(sets=SetLimits(max_risk_per_trade=risk), lasts=minutes * MINUTE),
        st.sampled_from([0.001, 0.002, 0.005]),
        st.sampled_from([1, 10, 60]),
    ),
    st.builds(lambda positions: Place(sets=SetLimits(max_positions=positions), lasts=MINUTE), st.integers(1, 5)),
    st.builds(
        lambda mode: Place(sets=PinMode(mode=mode), lasts=120 * MINUTE, loosens=True),
        # Looser than the safe defaults: else there would be nothing to tighten.
        st.sampled_from([RiskMode.NORMAL, RiskMode.AGGRESSIVE]),
    ),
    st.just(Place(sets=Reduce(), lasts=MINUTE)),
    st.just(Place(sets=Bench(strategy_id="RANGE"), lasts=10 * MINUTE)),
)


class Guarantees(RuleBasedStateMachine):
    """Whatever happens to authority, database, Redis, network and clients, the guarantees of the contract hold.

    Each rule of the contract's semantics, and the name under which its breach is reported:

    1. Monotone per client: `1 monotone per client`, across lives by what the file held; `1 monotone, replica`.
    2. Equal is confirmation: `2 equal is confirmation`, by what was committed under each reference.
    3. Whole or nothing: `3 whole or nothing`, each read compared with the commit that it names.
    4. Latest, not every: `4 latest, not every` counts what is skipped; `4 the final version arrives`, when all is well.
    5. Freshness is measured: `5 freshness is measured, replica`: nobody vouches for what was superseded then; and
       `5 freshness is measured`: nobody is FRESH on what was superseded long ago.
    6. Bounds: `6 stale at 30 s`. (How fast an update arrives is measured elsewhere.)
    7. Bounded last known good: `7 bounded last known good`, by age and by the policy's own validity.
    8. SAFE is the tightest: `8 safe is the tightest`.
    9. Roles may be stricter: `9 roles may be stricter`.
    10. Reset is explicit: `10 reset is explicit`; a restore's epoch is greater, and a client moves once, by a RESET.
    11. Rollback is forward: `11 rollback is forward`.
    12. Callbacks, latest only, in order: `12 callbacks in order`. (Threads and slow callbacks: in the client's tests.)
    13. Start: `13 start`. 14. Dry run writes nothing: `14 dry run writes nothing`.

    Of persons: `15 no restore loosens what a person tightened`: what they said holds in each policy until they end it.

    And of leaders: `fence`: who was succeeded writes nothing, and no two lead at once.
    """

    faults = Faults()

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory(dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None)
        self.world = World(Path(self._directory.name), self.faults)

    @initialize()
    def all_is_well(self) -> None:
        for name in REPLICAS[:2]:
            self.world.start(name)
        for client in self.world.clients.values():
            client.start()
        self.world.trade(50)
        self.world.pass_time(2.0)

    def replica(self, name: str) -> Replica:
        """The replica so named, or another that is there."""
        there = self.world.replicas
        return there.get(name) or there[sorted(there)[0]]

    def client(self, name: str) -> Client:
        return self.world.clients[name]

    def anybody_serves(self) -> bool:
        return bool(self.world.replicas)

    # Time

    @rule(seconds=moments)
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(seconds=st.sampled_from([95.0, 310.0, 905.0]))
    def much_time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(seconds=st.sampled_from([3.0, 20.0, 100.0, 1000.0, 4000.0]))
    def the_machine_is_suspended(self, seconds: float) -> None:
        self.world.leap(seconds)

    # Commits

    @rule(pnl=st.sampled_from([60, 60, -40, -1500, -6000, 4000]), name=replicas)
    @precondition(anybody_serves)
    def facts_come_and_are_evaluated(self, pnl: int, name: str) -> None:
        self.world.trade(pnl)
        leaders = [one for one in self.world.replicas.values() if one.leadership.leading]
        self.world.evaluate(leaders[0] if leaders else self.replica(name))

    @rule(name=replicas)
    @precondition(anybody_serves)
    def the_policy_is_renewed(self, name: str) -> None:
        self.world.evaluate(self.replica(name))

    @rule(name=replicas, act=acts)
    @precondition(anybody_serves)
    def a_person_acts(self, name: str, act: Act) -> None:
        self.world.act(self.replica(name), act)

    @rule(name=replicas, back=st.integers(1, 4), loosens=st.booleans())
    @precondition(anybody_serves)
    def a_person_rolls_back(self, name: str, back: int, loosens: bool) -> None:
        version = max(1, self.world.database.store.policies.head().ref.version - back)
        self.world.act(self.replica(name), RollBack(version=version, lasts=10 * MINUTE, loosens=loosens))

    @rule(name=replicas)
    @precondition(anybody_serves)
    def a_dry_run(self, name: str) -> None:
        before = self.world.database.backup()
        replica = self.replica(name)
        replica.do(replica.scheduler.preview(requested_by="model", reason=""))
        if self.world.database.answer_takes_s == 0.0:
            self.world.run()
        after = self.world.database.backup()
        same = all(before.kept[part] == after.kept[part] for part in ("entries", "revisions", "acts", "controller"))
        self.world.reference.expect(same, "14 dry run writes nothing", "a preview wrote")

    @rule(name=replicas)
    @precondition(anybody_serves)
    def the_same_request_twice(self, name: str) -> None:
        request_id = f"r-{self.world.clock.monotonic()}"
        first = self.world.evaluate(self.replica(name), request_id)
        again = self.world.evaluate(self.replica(name), request_id)
        if first is not None and again is not None:
            same = first.entry.evaluation_id == again.entry.evaluation_id
            self.world.reference.expect(same, "14 dry run writes nothing", "one request was evaluated twice")

    # Replicas

    @rule(name=replicas)
    def a_replica_starts(self, name: str) -> None:
        if name not in self.world.replicas:
            self.world.start(name)

    @rule(name=replicas, gently=st.booleans())
    def a_replica_ends(self, name: str, gently: bool) -> None:
        if name in self.world.replicas:
            self.world.stop(name, gently=gently)

    @rule(name=replicas)
    @precondition(anybody_serves)
    def a_replica_is_restarted(self, name: str) -> None:
        if name in self.world.replicas:
            self.world.stop(name, gently=True)
            self.world.start(name)

    @rule(name=replicas)
    @precondition(anybody_serves)
    def a_replica_stands_still(self, name: str) -> None:
        self.replica(name).life.begin()

    @rule()
    @precondition(anybody_serves)
    def the_leader_stands_still_with_a_commit_on_its_lips(self) -> None:
        for replica in self.world.replicas.values():
            if replica.leadership.leading:
                self.world.trade(-700)
                replica.cuts.stop_before_commit = True
                self.world.evaluate(replica)
                break

    @rule()
    @precondition(anybody_serves)
    def all_replicas_go_on(self) -> None:
        for replica in self.world.replicas.values():
            replica.life.end()
        self.world.run()

    # Database and Redis

    @rule(down=st.booleans())
    def the_database_goes_or_comes(self, down: bool) -> None:
        self.world.database.down = down

    @rule(name=replicas, cut=st.booleans())
    @precondition(anybody_serves)
    def the_database_is_cut_off(self, name: str, cut: bool) -> None:
        self.replica(name).cuts.database = cut

    @rule(seconds=st.sampled_from([0.0, 0.4, 2.5]))
    def the_database_answers_late(self, seconds: float) -> None:
        self.world.database.answer_takes_s = seconds

    @rule()
    def a_backup_is_made(self) -> None:
        self.world.backups.append(self.world.database.backup())

    @rule(number=st.integers(0, 9))
    def a_backup_is_restored(self, number: int) -> None:
        backups = self.world.backups
        if backups:
            backup, faults = backups[number % len(backups)], self.faults
            self.world.database.restore(backup, new_epoch=faults.new_epoch, keep_words=faults.keep_words)

    @rule(down=st.booleans())
    def redis_goes_or_comes(self, down: bool) -> None:
        self.world.redis.down = down

    @rule(name=replicas, cut=st.booleans())
    @precondition(anybody_serves)
    def redis_is_cut_off(self, name: str, cut: bool) -> None:
        self.replica(name).cuts.redis = cut

    @rule()
    def redis_is_flushed(self) -> None:
        self.world.redis.inner.lose()

    @rule()
    def redis_is_copied(self) -> None:
        self.world.redis.remember()

    @rule(number=st.integers(0, 3))
    def redis_fails_over_to_an_older_copy(self, number: int) -> None:
        self.world.redis.fail_over(number)

    # The network

    @rule(post=st.sampled_from(Post))
    def announcements_fare(self, post: Post) -> None:
        self.world.announced.post = post

    @rule(reverse=st.booleans())
    def late_announcements_arrive(self, reverse: bool) -> None:
        self.world.announced.let_go(reverse=reverse)
        self.world.run()

    @rule()
    def announcements_may_have_been_missed(self) -> None:
        self.world.announced.missed()
        self.world.run()

    @rule(name=clients)
    def a_connection_breaks(self, name: str) -> None:
        self.client(name).tear()

    @rule(name=clients, stalls=st.booleans())
    def a_connection_stalls_or_flows(self, name: str, stalls: bool) -> None:
        self.client(name).on_hold = stalls
        self.client(name).flow()
        self.world.run()

    @rule(name=clients, replica=replicas, there=st.booleans())
    def a_client_is_moved(self, name: str, replica: str, there: bool) -> None:
        client = self.client(name)
        client.unreachable = set(REPLICAS) - {replica} if there else client.unreachable ^ {replica}
        client.tear()
        self.world.run()

    @rule(name=replicas, count=st.integers(1, 3))
    @precondition(anybody_serves)
    def clients_are_sent_away(self, name: str, count: int) -> None:
        self.replica(name).broker.send_away(count)
        self.world.run()

    # Clients

    @rule(name=clients)
    def a_client_starts(self, name: str) -> None:
        if self.client(name).session is None:
            self.client(name).start()
            self.world.run()

    @rule(name=clients, gently=st.booleans())
    def a_client_ends(self, name: str, gently: bool) -> None:
        self.client(name).stop(gently=gently)

    @rule(name=clients, gently=st.booleans())
    def a_client_is_restarted(self, name: str, gently: bool) -> None:
        self.client(name).stop(gently=gently)
        self.client(name).start()
        self.world.run()

    @rule(name=clients)
    def a_client_stands_still(self, name: str) -> None:
        self.client(name).life.begin()

    @rule(name=clients)
    def a_client_goes_on(self, name: str) -> None:
        self.client(name).goes_on()
        self.world.run()

    # What holds

    @rule()
    def everything_heals(self) -> None:
        self.world.everybody_has_the_head()

    @invariant()
    def nothing_is_breached(self) -> None:
        self.world.look()
        assert not self.world.reference.breaches, self.world.reference.breaches[0]

    def teardown(self) -> None:
        try:
            if not self.world.reference.breaches:
                self.world.everybody_has_the_head()
                self.nothing_is_breached()
        finally:
            self.close()

    def close(self) -> None:
        """Takes the world down, whatever was found."""
        self.world.end()
        self._directory.cleanup()
