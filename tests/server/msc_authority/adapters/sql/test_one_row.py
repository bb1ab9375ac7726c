"""One row goes in as a statement of SQLAlchemy would put it in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Engine, MetaData, Table, create_engine, insert, make_url, select

from msc_authority.adapters.sql.one_row import insert_one
from msc_authority.adapters.sql.types import Document, Exact, Finite, Identifier, Named, Sequence, UtcTime
from msc_authority.core.policy import RiskMode

rows = Table(
    "rows_under_test",
    MetaData(),
    Column("id", Sequence, primary_key=True),
    Column("name", Identifier),
    Column("trigger", Identifier),
    Column("amount", Exact),
    Column("at", UtcTime),
    Column("fraction", Finite),
    Column("mode", Named(RiskMode)),
    Column("document", Document),
)
WHOLE: dict[str, object] = {
    "name": "TREND_001 % :name",
    "trigger": "request",
    "amount": Decimal("0.10"),
    "at": datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    "fraction": 0.25,
    "mode": RiskMode.DEFENSIVE,
    "document": {"changes": [{"field": "max_positions", "after": "3"}], "text": "Grüße, 100 %"},
}


@pytest.fixture(params=["sqlite", "postgresql"])
def connection(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    engine: Engine = create_engine(f"sqlite:///{tmp_path}/rows.db")
    if request.param == "postgresql":
        engine = create_engine(make_url(request.getfixturevalue("postgres_url")).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        rows.create(connection)
        yield connection
    engine.dispose()


def stored(connection: Connection) -> list[dict[str, object]]:
    wanted = select(*(column for column in rows.columns if column.name != "id")).order_by(rows.c.id)
    return [dict(row) for row in connection.execute(wanted).mappings()]


def test_a_row_is_what_a_statement_would_have_made_it(connection: Connection) -> None:
    connection.execute(insert(rows), WHOLE)
    insert_one(connection, rows, WHOLE)

    by_statement, one = stored(connection)
    assert one == by_statement == WHOLE


def test_the_order_in_which_columns_are_named_means_nothing(connection: Connection) -> None:
    insert_one(connection, rows, dict(reversed(WHOLE.items())))

    assert stored(connection) == [WHOLE]


def test_what_is_not_named_is_null_and_so_is_a_document_that_is_not_there(connection: Connection) -> None:
    insert_one(connection, rows, {"name": "a", "document": None})
    insert_one(connection, rows, {"name": "b", "mode": RiskMode.NORMAL})

    nothing = dict.fromkeys(WHOLE)
    assert stored(connection) == [nothing | {"name": "a"}, nothing | {"name": "b", "mode": RiskMode.NORMAL}]
    assert connection.execute(select(rows.c.id).where(rows.c.document.is_(None))).all() == [(1,), (2,)]


def test_a_number_that_cannot_be_kept_is_refused_before_the_database_is_asked(connection: Connection) -> None:
    with pytest.raises(ValueError, match="nan is no number"):
        insert_one(connection, rows, WHOLE | {"fraction": math.nan})

    assert stored(connection) == []
