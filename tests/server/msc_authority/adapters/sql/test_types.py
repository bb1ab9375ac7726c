"""Columns that lose nothing, and refuse what they would have to bend."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, MetaData, Table, create_engine, insert, make_url, select
from sqlalchemy.exc import StatementError

from msc_authority.adapters.sql.types import Exact, Finite, Identifier, Named, Sequence, UtcTime
from msc_authority.core.policy import RiskMode

values = Table(
    "types_under_test",
    MetaData(),
    Column("id", Sequence, primary_key=True),
    Column("amount", Exact),
    Column("at", UtcTime),
    Column("fraction", Finite),
    Column("mode", Named(RiskMode)),
    Column("name", Identifier),
)
DIALECT = make_url("postgresql://").get_dialect()()
NO_FIXTURE_CHECK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False)
INSTANTS = st.datetimes(timezones=st.just(UTC))


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path}/types.db")
    if request.param == "postgresql":
        engine = create_engine(make_url(request.getfixturevalue("postgres_url")).set(drivername="postgresql+psycopg"))
    values.create(engine)
    yield engine
    engine.dispose()


def stored(engine: Engine, column: str, value: object) -> object:
    with engine.begin() as connection:
        key = connection.execute(insert(values), {column: value}).inserted_primary_key
        assert key is not None
        return connection.scalar(select(values.c[column]).where(values.c.id == key[0]))


@NO_FIXTURE_CHECK
@given(AMOUNTS)
def test_an_amount_keeps_every_digit(engine: Engine, amount: Decimal) -> None:
    back = stored(engine, "amount", amount)

    assert isinstance(back, Decimal)
    assert back == amount


@NO_FIXTURE_CHECK
@given(INSTANTS)
def test_an_instant_keeps_its_microseconds(engine: Engine, instant: datetime) -> None:
    assert stored(engine, "at", instant) == instant


@NO_FIXTURE_CHECK
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_fraction_keeps_every_bit(engine: Engine, fraction: float) -> None:
    assert stored(engine, "fraction", fraction) == fraction


@pytest.mark.parametrize("column", ["amount", "at", "fraction", "mode", "name"])
def test_nothing_stays_nothing(engine: Engine, column: str) -> None:
    assert stored(engine, column, None) is None


def test_an_instant_comes_back_in_utc_whatever_zone_it_came_from(engine: Engine) -> None:
    noon = datetime(2025, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    back = stored(engine, "at", noon)

    assert isinstance(back, datetime)
    assert (back, back.tzinfo) == (noon, UTC)


def test_a_mode_is_stored_by_name(engine: Engine) -> None:
    assert stored(engine, "mode", RiskMode.AGGRESSIVE) is RiskMode.AGGRESSIVE
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT mode FROM types_under_test").scalar() == "AGGRESSIVE"


@given(instants=st.lists(INSTANTS, min_size=2, max_size=6, unique=True))
@NO_FIXTURE_CHECK
def test_sql_sorts_and_compares_instants_by_time(engine: Engine, instants: list[datetime]) -> None:
    with engine.begin() as connection:
        connection.execute(values.delete())
        connection.execute(insert(values), [{"at": instant} for instant in instants])
        by_time = list(connection.scalars(select(values.c.at).order_by(values.c.at)))
        later = list(connection.scalars(select(values.c.at).where(values.c.at > instants[0])))

    assert by_time == sorted(instants)
    assert sorted(later) == sorted(instant for instant in instants if instant > instants[0])


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("amount", Decimal("NaN"), "only finite"),
        ("amount", Decimal("Infinity"), "only finite"),
        ("fraction", float("nan"), "unknown is NULL"),
        ("fraction", float("-inf"), "unknown is NULL"),
        ("at", datetime(2025, 1, 1), "no time zone"),
    ],
)
def test_what_cannot_be_kept_is_refused(engine: Engine, column: str, value: object, complaint: str) -> None:
    with pytest.raises(StatementError, match=complaint):
        stored(engine, column, value)


def test_an_amount_is_written_without_exponent(engine: Engine) -> None:
    stored(engine, "amount", Decimal("1E-9"))

    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT CAST(amount AS TEXT) FROM types_under_test").scalar() == "0.000000001"


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("id", "BIGINT"),
        ("amount", "NUMERIC"),
        ("at", "TIMESTAMP WITH TIME ZONE"),
        ("fraction", "DOUBLE PRECISION"),
        ("mode", "TEXT"),
        ("name", 'TEXT COLLATE "C"'),
    ],
)
def test_on_postgresql_each_column_is_of_the_kind_made_for_it(column: str, kind: str) -> None:
    assert values.c[column].type.compile(dialect=DIALECT) == kind
