"""What was let in and lasts: each stream can be told that whoever opened it may no longer have it."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar

from msc_authority.app.access import Identity, Kind, Role, Unauthenticated
from msc_authority.app.tokens import TokenBook
from msc_authority.ports.store import StoreUnavailable

_log = logging.getLogger(__name__)

Lost = Callable[[], object]
_GREATER = {role: number for number, role in enumerate(Role)}

_MAY_END = frozenset({Kind.TOKEN, Kind.CERTIFICATE})

_permit: ContextVar[Permit | None] = ContextVar("permit", default=None)


class Permit:
    """That one stream may go on."""

    __slots__ = ("_when_lost", "identity", "lost")

    def __init__(self, identity: Identity, when_lost: Lost) -> None:
        self.identity = identity
        self.lost: Unauthenticated | None = None
        """Why the stream may not go on; None: it may."""
        self._when_lost = when_lost

    def when_lost(self, call: Lost) -> None:
        """Has `call` called instead, once, should the permit be lost: on the thread that reviews."""
        self._when_lost = call

    def lose(self, why: Unauthenticated) -> None:
        """Says that it is lost."""
        self.lost = why
        self._when_lost()

    def serving(self) -> AbstractContextManager[None]:
        """Within the block, it is this permit that `current_permit` returns."""
        return _Serving(self)


class _Serving:
    # A generator would keep five times as much for each stream, as long as it lasts.
    __slots__ = ("_before", "_permit")

    def __init__(self, permit: Permit) -> None:
        self._permit = permit

    def __enter__(self) -> None:
        self._before = _permit.set(self._permit)

    def __exit__(self, *_: object) -> None:
        _permit.reset(self._before)


class Permits:
    """The permits of streams that are open."""

    def __init__(self, book: TokenBook) -> None:
        self._book = book
        self._lock = threading.Lock()
        self._open: set[Permit] = set()

    def give(self, identity: Identity, when_lost: Lost) -> Permit:
        """Returns a permit for a stream, to be taken back at its end. `when_lost` may be replaced by who serves it."""
        permit = Permit(identity, when_lost)
        with self._lock:
            self._open.add(permit)
        return permit

    def take_back(self, permit: Permit) -> None:
        """Takes it back: its stream has ended."""
        with self._lock:
            self._open.discard(permit)

    def open_by_role(self) -> Mapping[str, int]:
        """Returns how many streams are open, by the greatest role of whoever opened them."""
        with self._lock:
            held = [permit.identity.roles for permit in self._open]
        return Counter(str(max(roles, key=_GREATER.__getitem__)) for roles in held if roles)

    def review(self) -> None:
        """Takes back each permit whose token or certificate no longer holds."""
        with self._lock:
            held = [permit for permit in self._open if permit.identity.kind in _MAY_END]
        for permit in held:
            if (why := self._why_lost(permit.identity)) is not None:
                with self._lock:
                    still_open = permit in self._open
                    self._open.discard(permit)
                if still_open:
                    _log.info("A stream of %s ends: %s", permit.identity.name, why.reason)
                    permit.lose(why)

    def _why_lost(self, identity: Identity) -> Unauthenticated | None:
        try:
            self._book.check(identity)
        except Unauthenticated as error:
            return error
        except StoreUnavailable:
            # Who is in stays in: what it is told carries its age.
            return None
        return None


def current_permit() -> Permit | None:
    """Returns the permit of the stream that is being served; None: it needs none."""
    return _permit.get()
