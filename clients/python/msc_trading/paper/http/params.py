"""Parameters of a request, read as the venue reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl

from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.rejections import Reason, Rejected

Choice = TypeVar("Choice", bound=StrEnum)

NUMBER = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
INTEGER = "^[0-9]{1,20}$"
CLIENT_ID = "^[\\.A-Z\\:/a-z0-9_-]{1,36}$"


class Params:
    """What was sent. Each reading refuses, in the venue's words, what it cannot be."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    @classmethod
    def parse(cls, *texts: str) -> Params:
        """Returns the parameters of form-encoded texts."""
        return cls({name: value for text in texts for name, value in parse_qsl(text, keep_blank_values=True)})

    def has(self, name: str) -> bool:
        """Returns whether it was sent, and not empty."""
        return bool(self._values.get(name))

    def text(self, name: str) -> str:
        """Returns a mandatory text."""
        value = self._values.get(name)
        if not value:
            raise Rejected(reason.MISSING_PARAMETER, name=name)
        return value

    def optional_text(self, name: str) -> str | None:
        """Returns a text, None when it was not sent."""
        return self._values.get(name) or None

    def decimal(self, name: str) -> Decimal:
        """Returns a mandatory number. Exponents and signs are illegal."""
        return Decimal(self._matching(name, NUMBER))

    def optional_decimal(self, name: str) -> Decimal | None:
        """Returns a number, None when it was not sent."""
        return self.decimal(name) if self.has(name) else None

    def integer(self, name: str) -> int:
        """Returns a mandatory whole number."""
        return int(self._matching(name, INTEGER))

    def optional_integer(self, name: str) -> int | None:
        """Returns a whole number, None when it was not sent."""
        return self.integer(name) if self.has(name) else None

    def client_id(self, name: str) -> str | None:
        """Returns an id that a client chose, None when it was not sent."""
        value = self.optional_text(name)
        if value is not None and len(value) > 36:
            raise Rejected(reason.BAD_CLIENT_ID)
        return self._matching(name, CLIENT_ID) if value is not None else None

    def flag(self, name: str) -> bool:
        """Returns a truth value, False when it was not sent."""
        value = (self.optional_text(name) or "false").lower()
        if value not in {"true", "false"}:
            raise Rejected(reason.BAD_PARAMETER, name=name)
        return value == "true"

    def choice(self, name: str, kind: type[Choice], refusal: Reason) -> Choice:
        """Returns a mandatory value of a closed set."""
        try:
            return kind(self.text(name))
        except ValueError as unknown:
            raise Rejected(refusal, name=name) from unknown

    def optional_choice(self, name: str, kind: type[Choice], refusal: Reason, default: Choice) -> Choice:
        """Returns a value of a closed set, the default when it was not sent."""
        return self.choice(name, kind, refusal) if self.has(name) else default

    def limit(self, default: int, largest: int) -> int:
        """Returns how many rows are wanted; more than the largest is cut."""
        wanted = self.optional_integer("limit")
        if wanted == 0:
            raise Rejected(reason.BAD_PARAMETER, name="limit")
        return min(wanted or default, largest)

    def optional_instant(self, name: str) -> datetime | None:
        """Returns an instant given in milliseconds, None when it was not sent."""
        value = self.optional_integer(name)
        try:
            return None if value is None else datetime.fromtimestamp(value / 1000, UTC)
        except (OverflowError, ValueError, OSError) as far_away:
            raise Rejected(reason.BAD_PARAMETER, name=name) from far_away

    def _matching(self, name: str, legal: str) -> str:
        value = self.text(name)
        if not re.fullmatch(legal, value):
            raise Rejected(reason.ILLEGAL_CHARACTERS, name=name, legal=legal)
        return value
