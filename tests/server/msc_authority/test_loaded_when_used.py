from __future__ import annotations

import subprocess
import sys

import pytest

COMPOSED = """
import sys
import msc_authority.cli.serve
import msc_authority.compose.running
from msc_authority.adapters.sql import open_store
from msc_authority.settings import Settings
print(" ".join({name.partition(".")[0] for name in sys.modules}))
"""
ON_SQLITE = """
import sys
from msc_authority.adapters.sql import open_store
print(" ".join(sys.modules))
"""
DECIDING = """
from msc_authority.core.strategies.distributions import student_t_quantile
student_t_quantile(5.0, 0.1)
"""


def loaded_by(program: str) -> set[str]:
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return set(printed.split())


@pytest.fixture(scope="module")
def composed() -> set[str]:
    return loaded_by(COMPOSED)


@pytest.mark.parametrize(
    "library",
    [
        pytest.param(("scipy", "numpy"), id="what decides"),
        pytest.param(("fastapi", "starlette", "uvicorn", "nicegui", "prometheus_client"), id="what serves pages"),
        pytest.param(("apprise", "httpx", "tenacity"), id="what sends alerts out"),
        pytest.param(("psycopg", "redis"), id="databases that are not asked for"),
        pytest.param(("alembic",), id="migrations"),
        pytest.param(("pandas", "binance"), id="the trading side"),
        pytest.param(("rich", "pygments", "attr"), id="what draws on a terminal"),
    ],
)
def test_an_authority_is_composed_without(composed: set[str], library: tuple[str, ...]) -> None:
    assert not composed.intersection(library)


def test_a_store_on_sqlite_does_not_speak_the_dialect_of_postgresql() -> None:
    assert "sqlalchemy.dialects.postgresql" not in loaded_by(ON_SQLITE)


def test_what_decides_is_loaded_with_the_first_decision() -> None:
    loaded = loaded_by(
        f"{COMPOSED.rsplit('print', 1)[0]}{DECIDING}print(*{{n.partition('.')[0] for n in sys.modules}})"
    )

    assert {"scipy", "numpy"} <= loaded
