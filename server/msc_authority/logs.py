"""Logging: lines for people by default, one JSON object a line by switch; UTC, and never a secret."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal, TextIO

from msc_authority.masking import mask_text, mask_value

LogFormat = Literal["human", "json"]
Fields = Mapping[str, object]

_CHATTY = ("alembic", "sqlalchemy", "asyncio", "grpc")
_TOLD_BY_OTHERS = ("sqlalchemy.pool",)
"""Logs a stack whenever a connection breaks. The error is raised as well, and told in our words by whoever asked."""
_OWN_FIELDS = frozenset({"timestamp", "level", "logger", "event", "exception"})
_OF_ANY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def configure(log_format: LogFormat, level: str, stream: TextIO | None = None) -> None:
    """Sends everything logged in this process to `stream` (standard error) in one format.

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
    for name in _TOLD_BY_OTHERS:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else logging.CRITICAL)
    logging.captureWarnings(True)


def _formatter(log_format: LogFormat) -> logging.Formatter:
    return _Lines(_render_json if log_format == "json" else _render_human)


class _Lines(logging.Formatter):
    """Turns each record into one line, with its extras, and without the secrets in it."""

    def __init__(self, render: Callable[[Fields], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line; with an exception, lines."""
        return self._render({name: mask_value(name, value) for name, value in self._fields(record).items()})

    def _fields(self, record: logging.LogRecord) -> Fields:
        instant = datetime.fromtimestamp(record.created, tz=UTC)
        extras = {name: value for name, value in vars(record).items() if name not in _OF_ANY_RECORD}
        own = {
            "timestamp": instant.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            "exception": self.formatException(record.exc_info) if record.exc_info else None,
        }
        return extras | own


def _render_human(event: Fields) -> str:
    extras = "".join(f" {name}={_one_line(value)}" for name, value in _extras(event).items())
    level = str(event["level"]).upper()
    line = f"{event['timestamp']} {level:<8} {event['logger']}: {_one_line(event['event'])}{extras}"
    return f"{line}\n{event['exception']}" if event.get("exception") else line


def _render_json(event: Fields) -> str:
    own = {name: event[name] for name in ("timestamp", "level", "logger", "event")}
    document: dict[str, object] = {**own, **_extras(event)}
    if event.get("exception"):
        document["exception"] = event["exception"]
    return json.dumps(document, default=lambda value: mask_text(str(value)), ensure_ascii=False)


def _extras(event: Fields) -> dict[str, object]:
    return {name: value for name, value in event.items() if name not in _OWN_FIELDS and not name.startswith("_")}


def _one_line(value: object) -> str:
    """Text as it is, with control characters escaped: what a client sends must not forge a line."""
    text = mask_text(str(value))
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
