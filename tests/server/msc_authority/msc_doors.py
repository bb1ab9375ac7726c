"""Doors to come in by: tokens in a store in memory, a book of them, and what callers show."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta

from msc_authority.adapters.clock import SystemClock
from msc_authority.adapters.memory_tokens import MemoryTokenStore
from msc_authority.app.access import Role
from msc_authority.app.admission import AccessRules, Admission, Presented
from msc_authority.app.permits import Permits
from msc_authority.app.rates import OpenStreams, RequestRates
from msc_authority.app.tokens import Minted, TokenBook, mint
from msc_authority.app.work import Worker
from msc_authority.ports.clock import Clock
from msc_authority.ports.tokens import TokenStore

NOBODY = AccessRules(local=None)


@dataclass
class Door:
    """A door, and what is behind it. Close it."""

    clock: Clock
    rules: AccessRules = NOBODY
    per_s: float = 1000.0
    most_streams: int = 100
    store: TokenStore | None = None
    worker: Worker = field(default_factory=lambda: Worker(threads=1, name="tokens"))

    def __post_init__(self) -> None:
        self.tokens: TokenStore = self.store or MemoryTokenStore(self.clock)
        self.book = TokenBook(store=self.tokens, clock=self.clock, worker=self.worker)
        self.permits = Permits(self.book)
        self.rates = RequestRates(per_s=self.per_s, clock=self.clock)
        self.admission = Admission(
            rules=self.rules,
            book=self.book,
            permits=self.permits,
            rates=self.rates,
            streams=OpenStreams(self.most_streams),
            clock=self.clock,
        )

    def give(
        self,
        *roles: Role,
        name: str = "ops-anna",
        valid_for: timedelta | None = None,
        scope: Mapping[str, Sequence[str]] | None = None,
    ) -> Minted:
        """Makes a token and keeps it."""
        minted = mint(
            name=name,
            roles=roles,
            now=self.clock.now(),
            created_by="a test",
            valid_for=valid_for,
            scope=scope,
        )
        self.tokens.add(minted.stored)
        return minted

    def read_now(self) -> None:
        """Reads the tokens, for a test that is no coroutine."""
        asyncio.run(self.book.read())

    def close(self) -> None:
        """Ends its thread."""
        self.worker.close()


def a_door(clock: Clock, **parts: object) -> closing[Door]:
    """A door, closed at the end of the block. Nobody comes in without a token unless the rules say so."""
    return closing(Door(clock, **parts))  # type: ignore[arg-type]  # the fields' own types


def shown(*tokens: str, host: str = "192.0.2.7", names: tuple[str, ...] = ()) -> Presented:
    """What a caller from elsewhere shows: tokens, each in a header of its own, or names of a certificate."""
    return Presented(host=host, is_local=False, authorization=tuple(f"Bearer {text}" for text in tokens), names=names)


def from_here() -> Presented:
    """What a caller on this machine shows who has nothing to show."""
    return Presented(host="127.0.0.1", is_local=True)


def an_open_door() -> Admission:
    """Lets everybody on this machine do everything. Nobody shows a token there, so no thread is ever started."""
    return Door(SystemClock(), AccessRules(), per_s=100_000.0).admission
