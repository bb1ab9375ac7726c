"""The policy source for asyncio: the same client below, so no second gRPC runtime in the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from msc_client._base import StateDir
from msc_client._clock import Clock
from msc_client._dispatch import Callback
from msc_client.config import ClientConfig
from msc_client.errors import SourceClosed
from msc_client.evaluation import EvaluationResult, WhatIf
from msc_client.policy import Policy, Ref
from msc_client.source import PolicySource
from msc_client.status import Role, SourceStatus
from msc_client.tier import SafeDefaults
from msc_client.view import PolicyView

__all__ = ["AsyncPolicySource"]


class AsyncPolicySource:
    """Follows an authority, for a host that lives in an event loop. Takes what `PolicySource` takes.

    `current()` is as it is there: it never waits, so it needs no await.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        role: Role,
        name: str,
        config: ClientConfig | None = None,
        safe: SafeDefaults | None = None,
        state_dir: StateDir = "default",
        clock: Clock | None = None,
    ) -> None:
        self._source = PolicySource(
            target, role=role, name=name, config=config, safe=safe, state_dir=state_dir, clock=clock
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._sequence = 0
        self._closed = False

    def current(self) -> PolicyView:
        """Returns the policy in force at this instant. Never blocks, never raises, never does I/O."""
        return self._source.current()

    def now_ns(self) -> int:
        """Returns the instant that the methods of a view ask for, in nanoseconds of this source's monotonic clock."""
        return self._source.now_ns()

    async def start(self, wait_s: float | None = None) -> PolicyView:
        """Starts to follow the authority, and returns what holds after at most `wait_s` (None: as configured).

        Raises:
            SourceClosed: it was closed before.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._unsubscribe = self._source.subscribe(self._from_thread)
        return await asyncio.to_thread(self._source.start, wait_s)

    def status(self) -> SourceStatus:
        """Returns how the source is doing, in one consistent reading."""
        return self._source.status()

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Calls `callback` in the running event loop with the new view whenever policy or tier changed.

        The newest value only, in order, one at a time. Returns what ends it.
        """
        loop = asyncio.get_running_loop()
        call = self._source.guarded(callback)
        return self._source.subscribe(lambda view: _in_loop(loop, call, view))

    async def changed(self) -> PolicyView:
        """Returns the first view whose policy or tier is another than now.

        Raises:
            SourceClosed: it was closed meanwhile.
        """
        return await self._other_than(self.current())

    async def views(self) -> AsyncIterator[PolicyView]:
        """Yields the present view, then the newest one after each change, until the source is closed."""
        view = self.current()
        while not self._closed:
            yield view
            try:
                view = await self._other_than(view)
            except SourceClosed:
                return

    def __aiter__(self) -> AsyncIterator[PolicyView]:
        """Yields what `views` yields."""
        return self.views()

    async def wait_for(self, predicate: Callable[[PolicyView], bool], timeout_s: float) -> PolicyView:
        """Returns the first view for which `predicate` holds.

        Raises:
            TimeoutError: none came in time.
            SourceClosed: it was closed meanwhile.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    seen, view = self._sequence, self.current()
                    if predicate(view):
                        return view
                    await self._after(seen)
        except TimeoutError as error:
            raise TimeoutError(f"no such policy within {timeout_s} s: {self.status()}") from error

    async def wait_for_ref(self, ref: Ref, timeout_s: float) -> PolicyView:
        """Returns the first view of this revision or of a later one.

        Raises:
            TimeoutError: none came in time.
            SourceClosed: it was closed meanwhile.
        """
        return await self.wait_for(lambda view: view.ref is not None and view.ref >= ref, timeout_s)

    async def get_policy(self, version: int = 0) -> Policy:
        """Returns the current policy (0) or one version, asked of the authority now. For display, not for decisions.

        Raises:
            AuthorityUnavailable: it could not be reached, after retries.
            AuthorityError: it refused.
            PolicyInvalid: what it sent cannot be acted upon.
        """
        return await asyncio.to_thread(self._source.get_policy, version)

    async def evaluate(
        self,
        *,
        validate_only: bool = False,
        what_if: WhatIf | None = None,
        reason: str = "",
        request_id: str | None = None,
    ) -> EvaluationResult:
        """Has the authority evaluate now, or say what it would decide, and returns that.

        The same `request_id` (None: a new one) returns the same result for 24 h, so retries are harmless.

        Raises:
            AuthorityUnavailable: it could not be reached, after retries.
            AuthorityError: it refused; fields are named.
        """
        return await asyncio.to_thread(
            self._source.evaluate, validate_only=validate_only, what_if=what_if, reason=reason, request_id=request_id
        )

    async def close(self) -> None:
        """Stops following, keeps the last value on disk, and ends the threads. Reads go on, by age. Twice is fine."""
        self._closed = True
        self._wake()
        if self._unsubscribe is not None:
            self._unsubscribe()
        await asyncio.to_thread(self._source.close)

    async def __aenter__(self) -> Self:
        """Starts it."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        await self.close()

    def _from_thread(self, view: PolicyView) -> None:
        if self._loop is not None:
            _in_loop(self._loop, lambda _: self._wake(), view)

    def _wake(self) -> None:
        self._sequence += 1
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def _other_than(self, before: PolicyView) -> PolicyView:
        # What wakes may be older news: a change that was current before the wait began.
        while True:
            seen, view = self._sequence, self.current()
            if (view.ref, view.tier) != (before.ref, before.tier) and not self._closed:
                return view
            await self._after(seen)

    async def _after(self, seen: int) -> None:
        """Returns once something changed after the change number `seen`."""
        if self._sequence == seen and not self._closed:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        if self._closed:
            raise SourceClosed("the source was closed")


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callback, view: PolicyView) -> None:
    # A loop that was closed without closing the source has nobody left to tell.
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, view)
