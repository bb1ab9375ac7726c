"""Logging: lines for people by default, one JSON object a line by switch; UTC, and never a secret."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from msc_authority.masking import mask_text, mask_value

LogFormat = Literal["human", "json"]

_CHATTY = ("alembic", "sqlalchemy", "asyncio", "grpc")
_OWN_FIELDS = frozenset({"timestamp", "level", "logger", "event", "exception"})


def configure(log_format: LogFormat, level: str, stream: TextIO | None = None) -> None:
    """Sends everything logged in this process, by `logging` or structlog, to `stream` (standard error) in one format.

    The text of a message is unchanged in both formats, so that operators find the lines they know.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(log_format))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else logging.WARNING)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _formatter(log_format: LogFormat) -> logging.Formatter:
    shared: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        _add_timestamp,
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _mask,
    ]
    render = _render_json if log_format == "json" else _render_human
    return structlog.stdlib.ProcessorFormatter(processors=[*shared, render])


def _add_timestamp(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    instant = datetime.fromtimestamp(record.created, tz=UTC)
    event["timestamp"] = instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _mask(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: mask_value(name, value) for name, value in event.items()}


def _render_human(_: WrappedLogger, __: str, event: EventDict) -> str:
    extras = "".join(f" {name}={_one_line(value)}" for name, value in _extras(event).items())
    level = str(event["level"]).upper()
    line = f"{event['timestamp']} {level:<8} {event['logger']}: {_one_line(event['event'])}{extras}"
    return f"{line}\n{event['exception']}" if event.get("exception") else line


def _render_json(_: WrappedLogger, __: str, event: EventDict) -> str:
    own = {name: event[name] for name in ("timestamp", "level", "logger", "event")}
    document: dict[str, object] = {**own, **_extras(event)}
    if event.get("exception"):
        document["exception"] = event["exception"]
    return json.dumps(document, default=lambda value: mask_text(str(value)), ensure_ascii=False)


def _extras(event: Mapping[str, object] | MutableMapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in event.items() if name not in _OWN_FIELDS and not name.startswith("_")}


def _one_line(value: object) -> str:
    """Text as it is, with control characters escaped: what a client sends must not forge a line."""
    text = mask_text(str(value))
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
