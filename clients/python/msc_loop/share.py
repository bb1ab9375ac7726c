"""An executor's share of what one account may do in a day, so that several keep to the policy without talking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from msc_client.view import PolicyView
from msc_trading.executor.ports import Policies


class ShareOfDay:
    """A policy source whose daily trades are divided among the executors of one account, rounded down.

    Everything else is the authority's word unchanged: positions and exposure are the account's, as the venue confirms
    them to every executor.
    """

    def __init__(self, policies: Policies, *, executors: int) -> None:
        """Takes the source to read, and how many share the account."""
        self._policies = policies
        self._executors = executors
        self._last: tuple[PolicyView, PolicyView] | None = None

    def current(self) -> PolicyView:
        """Returns the policy in force at this instant. The same view of the source is the same view here."""
        return self._shared(self._policies.current())

    def now_ns(self) -> int:
        """Returns the instant that the methods of a view ask for."""
        return self._policies.now_ns()

    def subscribe(self, callback: Callable[[PolicyView], None]) -> Callable[[], None]:
        """Calls `callback` with each new view, from any thread. Returns what ends that."""
        return self._policies.subscribe(lambda view: callback(self._shared(view)))

    def _shared(self, view: PolicyView) -> PolicyView:
        # One tuple, read and written whole: the source calls from a thread of its own.
        last = self._last
        if last is not None and last[0] is view:
            return last[1]
        policy = replace(view.policy, max_daily_trades=view.policy.max_daily_trades // self._executors)
        shared = replace(view, policy=policy)
        self._last = (view, shared)
        return shared
