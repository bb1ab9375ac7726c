"""Log lines: what operators grep for, in both formats, without secrets."""

from __future__ import annotations

import io
import json
import logging
import re
import warnings

import pytest

from msc_authority import logs

PINNED = "[MSC AI] Policy loaded: risk_mode=DEFENSIVE, strategies=3, max_risk=0.50%"


@pytest.fixture
def human() -> io.StringIO:
    stream = io.StringIO()
    logs.configure("human", "INFO", stream)
    return stream


@pytest.fixture
def as_json() -> io.StringIO:
    stream = io.StringIO()
    logs.configure("json", "INFO", stream)
    return stream


def test_a_human_line_ends_with_the_message_byte_for_byte(human: io.StringIO) -> None:
    logging.getLogger("msc_authority.rpc").info("%s", PINNED)

    line = human.getvalue()
    assert line.endswith(f" INFO     msc_authority.rpc: {PINNED}\n")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line)


def test_a_json_line_carries_the_message_as_event_and_extras_as_fields(as_json: io.StringIO) -> None:
    logging.getLogger("msc").warning(PINNED, extra={"version": 7})

    document = json.loads(as_json.getvalue())
    assert document["event"] == PINNED
    assert (document["level"], document["logger"], document["version"]) == ("warning", "msc", 7)


def test_a_human_line_carries_extras_behind_the_message(human: io.StringIO) -> None:
    logging.getLogger("msc").info("published", extra={"version": 7, "_hidden": 8})

    assert human.getvalue().endswith("INFO     msc: published version=7\n")


def test_an_extra_cannot_pass_for_the_message_or_its_level(as_json: io.StringIO) -> None:
    logging.getLogger("msc").info("published", extra={"event": "halted", "level": "critical"})

    document = json.loads(as_json.getvalue())
    assert (document["event"], document["level"]) == ("published", "info")


def test_a_json_line_carries_the_traceback_and_is_one_line(as_json: io.StringIO) -> None:
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        logging.getLogger("msc").exception("failed")

    document = json.loads(as_json.getvalue())
    assert as_json.getvalue().count("\n") == 1
    assert document["exception"].startswith("Traceback")
    assert "hunter2" not in document["exception"]


def test_warnings_are_logged_too(human: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure("human", "INFO", human)
        warnings.warn("this will change", FutureWarning, stacklevel=1)

    assert "py.warnings" in human.getvalue()
    assert "this will change" in human.getvalue()


def test_a_message_with_a_line_break_stays_one_line(human: io.StringIO) -> None:
    logging.getLogger("msc").info("client %s", "evil\n2026-01-01 CRITICAL forged\x1b[31m")

    assert human.getvalue().count("\n") == 1
    assert "\\n2026-01-01 CRITICAL forged\\x1b[31m" in human.getvalue()


def test_a_traceback_is_shown_without_the_password_in_it(human: io.StringIO) -> None:
    try:
        raise ValueError("cannot reach postgresql://msc:hunter2@db/msc")
    except ValueError:
        logging.getLogger("msc").exception("failed")

    assert "Traceback" in human.getvalue()
    assert "hunter2" not in human.getvalue()
    assert "postgresql://msc:***@db/msc" in human.getvalue()


@pytest.mark.parametrize(
    "message",
    [
        "opening postgresql://msc:hunter2@db/msc",
        "password=hunter2",
        'api_key: "hunter2"',
        "Authorization: Bearer hunter2",
        "GET /order?symbol=BTCUSDT&signature=hunter2",
    ],
)
def test_no_format_shows_a_secret(message: str, human: io.StringIO) -> None:
    logging.getLogger("msc").info(message)
    stream = io.StringIO()
    logs.configure("json", "INFO", stream)
    logging.getLogger("msc").info("see field", extra={"detail": [message], "auth_token": "hunter2"})

    assert "hunter2" not in human.getvalue() + stream.getvalue()
    assert "***" in human.getvalue()
    assert json.loads(stream.getvalue())["auth_token"] == "***"


def test_lines_below_the_level_are_left_out_and_chatty_libraries_start_at_warning(human: io.StringIO) -> None:
    logging.getLogger("msc").debug("detail")
    logging.getLogger("alembic.runtime").info("context")
    logging.getLogger("alembic.runtime").warning("trouble")

    assert "detail" not in human.getvalue()
    assert "context" not in human.getvalue()
    assert "trouble" in human.getvalue()


def test_configuring_twice_writes_each_line_once() -> None:
    stream = io.StringIO()
    logs.configure("human", "INFO", io.StringIO())
    logs.configure("human", "INFO", stream)

    logging.getLogger("msc").info("once")

    assert stream.getvalue().count("once") == 1


def test_a_broken_connection_is_left_to_whoever_asked_over_it(human: io.StringIO) -> None:
    pool = logging.getLogger("sqlalchemy.pool.impl.QueuePool")
    pool.error("Error closing cursor")
    assert human.getvalue() == ""

    logs.configure("human", "DEBUG", human)
    pool.error("Error closing cursor")
    assert human.getvalue().endswith("QueuePool: Error closing cursor\n")
