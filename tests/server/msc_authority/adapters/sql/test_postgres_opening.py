"""Opening a database of PostgreSQL: a new one, and all that can stand in the way, said so that one knows what to do."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from msc_builders import START, ManualClock, a_commit, a_content
from msc_postgres import PASSWORD, PostgresServer
from sqlalchemy import make_url, text

from msc_authority.adapters.sql import SqlStore, open_store
from msc_authority.adapters.sql.engine import Database, WriteLock
from msc_authority.adapters.sql.postgres import LIMITS, connect_arguments
from msc_authority.core.policy import PolicyRef, RiskMode
from msc_authority.ports.store import StoreError, StoreUnavailable

EPOCH = int(START.timestamp())


@pytest.fixture
def empty_url(postgres: PostgresServer) -> Iterator[str]:
    """A database with nothing in it."""
    url = postgres.new_database(empty=True)
    yield url
    postgres.drop_database(url)


def refused(url: str, clock: ManualClock) -> StoreError:
    with pytest.raises(StoreError) as caught:
        open_store(url, clock)
    assert PASSWORD not in str(caught.value)
    return caught.value


def test_an_empty_database_gets_schema_and_epoch(empty_url: str, clock: ManualClock) -> None:
    with open_store(empty_url, clock) as store:
        assert store.policies.head().ref == PolicyRef(EPOCH, 0)
        assert store.location.startswith("postgresql+psycopg://msc:***@/test_")


def test_those_who_open_an_empty_database_together_make_it_once(empty_url: str, clock: ManualClock) -> None:
    start, epochs = threading.Barrier(4), list[int]()

    def opens() -> None:
        start.wait()
        with open_store(empty_url, clock) as store:
            epochs.append(store.policies.head().ref.epoch)

    openers = [threading.Thread(target=opens) for _ in range(4)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()
    assert epochs == [EPOCH] * 4


def test_tables_of_another_program_are_left_alone(postgres: PostgresServer, empty_url: str, clock: ManualClock) -> None:
    name = make_url(empty_url).database
    assert name
    postgres.sql("CREATE TABLE trade_logs (id integer)", name)
    assert "tables named trade_logs that this program did not make" in str(refused(empty_url, clock))
    assert postgres.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", name) == [("trade_logs",)]


@pytest.mark.parametrize(
    ("user", "password", "database", "says"),
    [
        ("msc", "wrong", "postgres", "password authentication failed.*; check user and password"),
        ("nobody_we_know", PASSWORD, "postgres", "password authentication failed"),
        ("msc", PASSWORD, "not_there", 'database "not_there" does not exist; make it with CREATE DATABASE'),
    ],
)
def test_what_only_a_person_can_mend_is_an_error_and_says_how(
    user: str, password: str, database: str, says: str, postgres: PostgresServer, empty_url: str, clock: ManualClock
) -> None:
    url = postgres.url(database, user=user, password=password)
    with pytest.raises(StoreError, match=says) as caught:
        open_store(url, clock)
    assert type(caught.value) is StoreError
    assert password not in str(caught.value)


def test_a_database_of_somebody_else_is_an_error_that_says_what_is_missing(
    postgres: PostgresServer, clock: ManualClock
) -> None:
    url = postgres.new_database(empty=True)
    name = make_url(url).database
    assert name
    postgres.sql(f"ALTER DATABASE {name} OWNER TO postgres")
    error = refused(url, clock)
    assert type(error) is StoreError
    assert "permission denied for schema public" in str(error)
    assert str(error).endswith("make our user the owner of the database, or GRANT what is missing")
    postgres.drop_database(url)


def test_a_database_that_cannot_hold_every_name_is_refused(postgres: PostgresServer, clock: ManualClock) -> None:
    postgres.sql("CREATE DATABASE latin OWNER msc TEMPLATE template0 ENCODING 'LATIN1'")
    assert "encoding LATIN1, which cannot hold every name: create it with ENCODING 'UTF8'" in str(
        refused(postgres.url("latin"), clock)
    )
    postgres.drop_database(postgres.url("latin"))


def test_a_password_among_the_parameters_is_used_and_as_secret_as_any(
    postgres: PostgresServer, postgres_url: str, clock: ManualClock
) -> None:
    url = f"{postgres_url.replace(f':{PASSWORD}@', '@')}&password={PASSWORD}"
    with open_store(url, clock) as store:
        assert store.policies.head().ref.version == 0
        assert PASSWORD not in store.location
    assert "not_there" in str(refused(url.replace("/test_", "/not_there_"), clock))


def test_the_password_of_a_key_is_not_shown(postgres: PostgresServer, clock: ManualClock) -> None:
    error = refused(postgres.url("not_there", sslpassword="open-sesame"), clock)
    assert "not_there" in str(error)
    assert "open-sesame" not in str(error)


def test_where_nobody_listens_the_store_is_unavailable(clock: ManualClock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://msc:{PASSWORD}@127.0.0.1:{taken.getsockname()[1]}/msc"
        error = refused(url, clock)
    assert isinstance(error, StoreUnavailable)
    assert "refused" in str(error)


def test_the_first_host_of_several_that_answers_is_taken(
    postgres: PostgresServer, postgres_url: str, clock: ManualClock
) -> None:
    url = make_url(postgres_url).update_query_dict({"host": ["/nowhere", str(postgres.folder)]})
    with open_store(url.render_as_string(hide_password=False), clock) as store:
        assert store.policies.head().ref.version == 0


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"sslmode": "require"}, "SSL.*check sslmode, sslrootcert"),
        ({"sslmode": "perhaps"}, "sslmode"),
        ({"sslmode": "verify-full", "sslrootcert": "/nowhere/ca.pem"}, "check sslmode, sslrootcert"),
        ({"no_such_parameter": "1"}, "no_such_parameter.*check the URL"),
    ],
)
def test_parameters_of_the_url_reach_the_driver(parameters: dict[str, str], says: str, clock: ManualClock) -> None:
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=refuse_tls, args=(server,), daemon=True)
        answering.start()
        url = f"postgresql://msc:{PASSWORD}@127.0.0.1:{server.getsockname()[1]}/msc?{query}"
        with pytest.raises(StoreError, match=says) as caught:
            open_store(url, clock)
    assert type(caught.value) is StoreError


def refuse_tls(server: socket.socket) -> None:
    """A server that speaks no TLS says N to whoever asks for it."""
    try:
        while True:
            with server.accept()[0] as session:
                session.recv(8)
                session.sendall(b"N")
                session.recv(1024)
    except OSError:
        return


def test_what_the_url_says_comes_before_what_we_would_say() -> None:
    url = make_url("postgresql://db/msc?connect_timeout=9&target_session_attrs=any&options=-c%20lock_timeout%3D1")
    ours = connect_arguments(url, LIMITS)
    assert not {"connect_timeout", "target_session_attrs"} & set(ours)
    assert str(ours["options"]).endswith(" -c timezone=UTC -c lock_timeout=1")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("statement_timeout", "10s"),
        ("lock_timeout", "6s"),
        ("idle_in_transaction_session_timeout", "4s"),
        ("timezone", "UTC"),
        ("application_name", "msc_authority"),
    ],
)
def test_every_session_has_its_bounds(setting: str, value: str, postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.read() as connection:
        assert connection.exec_driver_sql(f"SHOW {setting}").scalar() == value
    database.close()


def test_the_sessions_isolation_is_ours_whatever_the_servers_default_is(postgres_url: str) -> None:
    options = "?options=-c%20default_transaction_isolation%3Dserializable&"
    database = Database(postgres_url.replace("?", options, 1))
    isolation = text("SHOW transaction_isolation")
    with database.read() as reading:
        assert reading.scalar(isolation) == "repeatable read"
        assert reading.scalar(text("SHOW transaction_read_only")) == "on"
    with database.write(WriteLock.JOURNAL) as writing:
        assert writing.scalar(isolation) == "read committed"
    database.close()


@pytest.mark.parametrize(("servers", "ours"), [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply")])
def test_what_is_acknowledged_is_on_disk_whatever_the_servers_default_is(
    servers: str, ours: str, postgres: PostgresServer, postgres_url: str
) -> None:
    postgres.sql(f"ALTER DATABASE {make_url(postgres_url).database} SET synchronous_commit = {servers}")
    database = Database(postgres_url)
    with database.write(WriteLock.JOURNAL) as writing:
        assert writing.scalar(text("SHOW synchronous_commit")) == ours
    database.close()


def test_without_the_driver_the_error_names_the_extra(clock: ManualClock) -> None:
    program = (
        "import sys\n"
        "sys.modules['psycopg'] = None\n"
        "from msc_authority.adapters.clock import SystemClock\n"
        "from msc_authority.adapters.sql import open_store\n"
        "open_store('postgresql://db/msc', SystemClock())\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert "StoreError: PostgreSQL needs psycopg, which is not installed" in ran.stderr
    assert ran.stderr.strip().endswith("pip install 'meta-strategy-controller[authority,postgres]'")


def test_the_query_of_the_commission_runs_as_printed(
    postgres: PostgresServer, postgres_url: str, postgres_store: SqlStore
) -> None:
    store = postgres_store
    store.evaluations.commit(a_commit(publish=a_content(RiskMode.NORMAL)), store.evaluations.load())
    name = make_url(postgres_url).database
    assert name
    rows = postgres.sql(
        """
        -- View recent policies
        SELECT created_at, risk_mode, max_risk_per_trade, max_positions
        FROM msc_policies
        ORDER BY created_at DESC
        LIMIT 10;
        """,
        name,
    )
    assert rows == [(START, "NORMAL", 0.0075, 10)]
