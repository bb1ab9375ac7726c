"""A server that goes away, freezes, refuses or takes back: what the store says, and that it works again by itself."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from msc_builders import ManualClock, a_commit, a_trade, an_entry, an_equity_point
from msc_postgres import PASSWORD, PostgresServer, postgres_or_skip
from sqlalchemy import Connection, make_url, text

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.adapters.sql.engine import ATTEMPTS, Database, WriteLock
from msc_authority.adapters.sql.postgres import LIMITS
from msc_authority.ports.store import StoreError, StoreUnavailable

QUICK = replace(LIMITS, statement_s=0.2, lock_s=0.15, idle_in_transaction_s=0.1, silence_s=0.4, pool_s=0.1)


@pytest.fixture(scope="module")
def module_postgres() -> Iterator[PostgresServer]:
    with postgres_or_skip(PostgresServer) as server:
        yield server


@pytest.fixture
def own_postgres(module_postgres: PostgresServer) -> Iterator[PostgresServer]:
    """A server that only this test uses, and may stop."""
    yield module_postgres
    module_postgres.thaw()
    if not module_postgres.is_running:
        module_postgres.start()


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def name_of(url: str) -> str:
    name = make_url(url).database
    assert name
    return name


def records(store: SqlStore, trade_id: str) -> int:
    return store.journal.record([a_trade(trade_id), an_equity_point()]).accepted


class TestGoneAndBack:
    def test_a_server_that_was_restarted_between_two_calls_is_not_even_noticed(
        self, own_postgres: PostgresServer, clock: ManualClock
    ) -> None:
        with open_store(own_postgres.new_database(), clock) as store:
            assert records(store, "T-1") == 2
            own_postgres.restart()
            assert records(store, "T-2") == 1

    def test_while_it_is_down_the_store_is_unavailable_and_says_why(
        self, own_postgres: PostgresServer, clock: ManualClock
    ) -> None:
        with open_store(own_postgres.new_database(), clock) as store:
            head = store.evaluations.commit(a_commit(), store.evaluations.load())
            own_postgres.stop()
            for call in (store.policies.head, store.evaluations.load, lambda: records(store, "T-1")):
                with pytest.raises(StoreUnavailable, match=r"No such file|refused") as refused:
                    call()
                assert PASSWORD not in str(refused.value)
            own_postgres.start()
            assert store.policies.head() == head
            assert records(store, "T-1") == 2

    def test_sessions_ended_by_the_administrator_are_replaced(
        self, postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
    ) -> None:
        assert records(postgres_store, "T-1") == 2
        assert postgres.end_sessions(name_of(postgres_url)) > 0
        assert records(postgres_store, "T-2") == 1

    def test_a_transaction_whose_session_is_ended_leaves_nothing_and_is_unavailable(
        self, postgres: PostgresServer, postgres_url: str
    ) -> None:
        database = Database(postgres_url)

        def work(connection: Connection) -> None:
            connection.execute(text("INSERT INTO msc_meta VALUES (1, now(), 'never')"))
            postgres.end_sessions(name_of(postgres_url))
            connection.execute(text("SELECT 1"))

        with pytest.raises(StoreUnavailable, match="terminating connection due to administrator command"):
            database.transact(WriteLock.JOURNAL, work)
        with database.read() as reading:
            assert reading.scalar(text("SELECT count(*) FROM msc_meta")) == 0
        database.close()

    def test_reading_evidence_that_is_cut_off_is_unavailable_and_works_again(
        self, postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
    ) -> None:
        journal = postgres_store.journal
        journal.record([a_trade(f"T-{number}") for number in range(5000)])
        evidence = journal.evidence_after(None, journal.end())
        next(evidence)
        postgres.end_sessions(name_of(postgres_url))
        with pytest.raises(StoreUnavailable):
            list(evidence)
        assert len(list(journal.evidence_after(None, journal.end()))) == 5000

    def test_a_server_killed_while_it_is_written_to_has_all_that_it_acknowledged(
        self, own_postgres: PostgresServer, clock: ManualClock
    ) -> None:
        acknowledged: list[str] = []
        with open_store(own_postgres.new_database(), clock) as store:
            ended = threading.Event()

            def write() -> None:
                try:
                    for number in range(100_000):
                        records(store, f"T-{number}")
                        acknowledged.append(f"T-{number}")
                        written.set()
                except StoreUnavailable:
                    ended.set()

            for _ in range(3):
                written = threading.Event()
                writer = threading.Thread(target=write)
                writer.start()
                assert written.wait(20)
                own_postgres.stop(signal.SIGQUIT)
                writer.join(20)
                assert ended.is_set()
                own_postgres.start()
                stored = {each.id for each in store.journal.evidence_after(None, store.journal.end())}
                assert stored >= set(acknowledged)


class TestSilence:
    def test_a_server_that_freezes_in_a_transaction_is_given_up(self, own_postgres: PostgresServer) -> None:
        database = Database(own_postgres.new_database(), limits=replace(LIMITS, silence_s=QUICK.silence_s))

        def work(connection: Connection) -> None:
            with frozen(own_postgres):
                connection.execute(text("SELECT 1"))

        with pytest.raises(StoreUnavailable, match=r"the server has said nothing for 0\.4 s"):
            database.transact(WriteLock.JOURNAL, work)
        database.close()

    def test_a_frozen_server_is_unavailable_and_used_again_when_it_goes_on(
        self, own_postgres: PostgresServer, clock: ManualClock
    ) -> None:
        with open_store(f"{own_postgres.new_database()}&connect_timeout=2", clock, limits=QUICK) as store:
            assert records(store, "T-1") == 2
            with frozen(own_postgres), pytest.raises(StoreUnavailable, match="timeout expired"):
                store.policies.head()
            assert store.policies.head().ref.version == 0
            assert records(store, "T-2") == 1


class TestBounds:
    def test_a_statement_that_takes_too_long_is_cut_off(self, postgres_url: str) -> None:
        database = Database(postgres_url, limits=QUICK)
        with pytest.raises(StoreUnavailable, match="statement timeout; it is too slow"), database.read() as reading:
            reading.execute(text("SELECT pg_sleep(60)"))
        database.close()

    def test_a_writer_waits_for_another_only_so_long(self, postgres_url: str, clock: ManualClock) -> None:
        other = Database(postgres_url)
        with open_store(postgres_url, clock, limits=replace(LIMITS, lock_s=QUICK.lock_s)) as store:
            with other.write(WriteLock.JOURNAL):
                with pytest.raises(StoreUnavailable, match="lock timeout; another session holds a lock"):
                    records(store, "T-1")
                assert store.policies.head().ref.version == 0
            assert records(store, "T-1") == 2
        other.close()

    def test_migrations_may_take_their_time_and_nothing_after_them(self, postgres_url: str) -> None:
        database = Database(postgres_url, limits=replace(QUICK, connections=1))
        with database.write(WriteLock.SCHEMA) as writing:
            writing.execute(text("SELECT pg_sleep(0.6)"))
        with pytest.raises(StoreUnavailable, match="statement timeout"), database.read() as reading:
            reading.execute(text("SELECT pg_sleep(60)"))
        database.close()

    def test_what_a_paused_process_had_locked_is_free_soon_and_it_writes_no_more(
        self, postgres_url: str, clock: ManualClock
    ) -> None:
        other = Database(postgres_url)
        paused = Database(postgres_url, limits=replace(LIMITS, idle_in_transaction_s=0.5))
        with open_store(postgres_url, clock) as store:

            def has_ended(backend: int) -> bool:
                asked = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
                with other.read() as reading:
                    return not reading.scalar(asked, {"pid": backend})

            def work(connection: Connection) -> None:
                backend = connection.scalar(text("SELECT pg_backend_pid()"))
                assert records(store, "T-1") == 2
                until(lambda: has_ended(backend))
                connection.execute(text("DELETE FROM trade_logs"))

            with pytest.raises(StoreUnavailable, match="idle-in-transaction timeout"):
                paused.transact(WriteLock.JOURNAL, work)
            assert records(store, "T-2") == 1
        paused.close()
        other.close()

    def test_all_our_connections_in_use_is_said_as_such(self, postgres_url: str) -> None:
        database = Database(postgres_url, limits=replace(QUICK, connections=1))
        with database.read(), pytest.raises(StoreUnavailable, match="all our connections are busy"), database.read():
            pytest.fail("two connections of one")
        with database.read() as reading:
            assert reading.scalar(text("SELECT 1")) == 1
        database.close()


class TestRefusals:
    def test_too_many_connections_is_unavailable_and_passes(
        self, own_postgres: PostgresServer, clock: ManualClock
    ) -> None:
        url = own_postgres.new_database()
        own_postgres.sql("ALTER ROLE msc CONNECTION LIMIT 1")
        says = r"too many connections for role.*; raise the server's max_connections"
        with open_store(url, clock), pytest.raises(StoreUnavailable, match=says):
            open_store(url, clock)
        own_postgres.sql("ALTER ROLE msc CONNECTION LIMIT -1")
        open_store(url, clock).close()

    def test_a_server_made_read_only_takes_no_writes_and_answers_reads(
        self, own_postgres: PostgresServer, clock: ManualClock
    ) -> None:
        with open_store(own_postgres.new_database(), clock) as store:
            own_postgres.sql("ALTER SYSTEM SET default_transaction_read_only = on")
            own_postgres.sql("SELECT pg_reload_conf()")
            says = "read-only transaction; it takes no writes"
            until(lambda: says in refusal_of(lambda: records(store, "T-1")))
            assert store.policies.head().ref.version == 0
            own_postgres.sql("ALTER SYSTEM RESET default_transaction_read_only")
            own_postgres.sql("SELECT pg_reload_conf()")
            until(lambda: refusal_of(lambda: records(store, "T-1")) == "")

    def test_a_replica_is_not_taken_for_the_primary_not_even_to_read(
        self, own_postgres: PostgresServer, clock: ManualClock
    ) -> None:
        with open_store(own_postgres.new_database(), clock) as store:
            own_postgres.stop()
            standby = own_postgres.folder / "data" / "standby.signal"
            standby.touch()
            own_postgres.start()
            with pytest.raises(StoreUnavailable, match="hot standby mode; it takes no writes: a replica answers"):
                store.policies.head()
            own_postgres.sql("SELECT pg_promote()")
            until(lambda: refusal_of(store.policies.head) == "")
            assert records(store, "T-1") == 2

    @pytest.mark.parametrize(
        ("state", "says"),
        [
            ("disk_full", "the server's disk is full: make room there"),
            ("out_of_memory", ""),
            ("io_error", ""),
        ],
    )
    def test_what_the_server_is_short_of_is_unavailable(
        self, state: str, says: str, postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
    ) -> None:
        raise_on_insert(postgres, postgres_url, f"RAISE EXCEPTION 'short of it' USING ERRCODE = '{state}'")
        with pytest.raises(StoreUnavailable, match=f"short of it.*{says}"):
            records(postgres_store, "T-1")

    def test_what_will_not_pass_is_no_unavailability(
        self, postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
    ) -> None:
        postgres.sql("DROP TABLE equity_points", name_of(postgres_url))
        with pytest.raises(StoreError, match='relation "equity_points" does not exist') as refused:
            records(postgres_store, "T-1")
        assert type(refused.value) is StoreError


class TestTakenBack:
    @pytest.mark.parametrize("state", ["serialization_failure", "deadlock_detected"])
    def test_a_transaction_taken_back_is_done_again_and_counted(
        self,
        state: str,
        postgres: PostgresServer,
        postgres_url: str,
        postgres_store: SqlStore,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.INFO)
        take_back(postgres, postgres_url, state, times=2)
        assert records(postgres_store, "T-1") == 2
        assert postgres_store.repeated == 2
        assert [message[:61] for message in caplog.messages] == [
            "A transaction was taken back and is done again (attempt 2): d",
            "A transaction was taken back and is done again (attempt 3): d",
        ]

    def test_what_is_taken_back_again_and_again_is_given_up(
        self, postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
    ) -> None:
        take_back(postgres, postgres_url, "serialization_failure", times=ATTEMPTS)
        with pytest.raises(StoreUnavailable, match="taken back"):
            records(postgres_store, "T-1")
        assert postgres_store.repeated == ATTEMPTS - 1
        assert records(postgres_store, "T-1") == 2

    def test_an_evaluation_taken_back_is_committed_once(
        self, postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
    ) -> None:
        take_back(postgres, postgres_url, "deadlock_detected", times=1, table="msc_evaluations")
        store = postgres_store
        assert store.evaluations.commit(a_commit(), store.evaluations.load()).ref.version == 1
        store.evaluations.record_failure(an_entry("bad", verdict=None, failure="x"))
        assert [entry.evaluation_id for entry in store.log.page(None, 5)] == ["bad", "eval-1"]

    def test_a_real_deadlock_costs_a_second_attempt_and_nothing_else(
        self, postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
    ) -> None:
        with postgres.connect(name_of(postgres_url)) as other:
            # The other one does not look for deadlocks: ours is the one that is taken back.
            other.execute("SET deadlock_timeout = '60s'")
            with other.transaction():
                other.execute("LOCK TABLE equity_points IN EXCLUSIVE MODE")
                accepted: list[int] = []
                writer = threading.Thread(target=lambda: accepted.append(records(postgres_store, "T-1")))
                writer.start()
                until(lambda: bool(postgres.sql("SELECT 1 FROM pg_locks WHERE NOT granted")))
                other.execute("LOCK TABLE trade_logs IN EXCLUSIVE MODE")
            writer.join(20)
        assert accepted == [2]
        assert postgres_store.repeated == 1


def take_back(postgres: PostgresServer, url: str, state: str, *, times: int, table: str = "equity_points") -> None:
    """Has the server take back the next transactions that write to a table. A sequence counts: it forgets nothing."""
    name = name_of(url)
    postgres.sql("CREATE SEQUENCE taken_back", name)
    postgres.sql("GRANT ALL ON SEQUENCE taken_back TO msc", name)
    says = f"IF nextval('taken_back') <= {times} THEN RAISE EXCEPTION 'taken back' USING ERRCODE = '{state}'; END IF"
    raise_on_insert(postgres, url, says, table)


def raise_on_insert(postgres: PostgresServer, url: str, says: str, table: str = "equity_points") -> None:
    body = f"BEGIN {says}; RETURN NEW; END"
    for statement in (
        f"CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
        f"CREATE TRIGGER trouble BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION trouble()",
    ):
        postgres.sql(statement, name_of(url))


def refusal_of(call: Callable[[], object]) -> str:
    try:
        call()
    except StoreUnavailable as error:
        return str(error)
    return ""


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never came")
