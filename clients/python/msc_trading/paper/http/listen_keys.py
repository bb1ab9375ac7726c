"""Listen keys: tickets to the private stream, one for each API key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from msc_trading.paper.engine import rejections as reason
from msc_trading.paper.engine.rejections import Rejected


@dataclass(slots=True)
class _Ticket:
    listen_key: str
    expires_s: float


class ListenKeys:
    """Tickets that live `life_s` real seconds from the last time they were asked for."""

    def __init__(self, seed: int, life_s: float) -> None:
        self._seed = seed
        self._life_s = life_s
        self._count = 0
        self._tickets: dict[str, _Ticket] = {}

    def issue(self, api_key: str, now_s: float) -> str:
        """Returns the key's ticket, a live one with a new life."""
        ticket = self._tickets.get(api_key)
        if ticket is None:
            self._count += 1
            text = hashlib.sha256(f"{self._seed}/{api_key}/{self._count}".encode()).hexdigest()
            ticket = self._tickets[api_key] = _Ticket(text, 0.0)
        ticket.expires_s = now_s + self._life_s
        return ticket.listen_key

    def renew(self, api_key: str, now_s: float) -> str:
        """Returns the live ticket with a new life."""
        if api_key not in self._tickets:
            raise Rejected(reason.NO_LISTEN_KEY)
        return self.issue(api_key, now_s)

    def close(self, api_key: str) -> None:
        """Ends a ticket, if there is one."""
        self._tickets.pop(api_key, None)

    def is_live(self, listen_key: str) -> bool:
        """Returns whether the ticket lets in."""
        return any(ticket.listen_key == listen_key for ticket in self._tickets.values())

    def expired(self, now_s: float) -> list[str]:
        """Returns the tickets whose life is over, and ends them."""
        return self._end([key for key, ticket in self._tickets.items() if ticket.expires_s <= now_s])

    def expire_all(self) -> list[str]:
        """Ends every ticket and returns them."""
        return self._end(list(self._tickets))

    def _end(self, api_keys: list[str]) -> list[str]:
        return [self._tickets.pop(key).listen_key for key in api_keys]

    def __len__(self) -> int:
        return len(self._tickets)
