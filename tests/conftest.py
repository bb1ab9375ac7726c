"""What every test may rely on: no MSC_* variables, logging as it was, and examples that do not depend on luck."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

KEPT_VARIABLES = {"MSC_MODEL_EXAMPLES", "MSC_REQUIRE_TOOLCHAINS", "MSC_SCREENSHOTS", "MSC_TOOLCHAIN_CACHE"}

# No deadline: tests assert no durations. Derandomized under CI, so that a red run is red again.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_configure() -> None:
    for name in [name for name in os.environ if name.startswith("MSC_") and name not in KEPT_VARIABLES]:
        del os.environ[name]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Takes back the log handlers that a command set up: the stream they write to is closed with the test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
