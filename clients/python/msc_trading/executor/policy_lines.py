"""What operators read of the policy that an executor decides by. Pinned byte for byte; said only on change."""

from __future__ import annotations

import logging

from msc_client.view import PolicyView

_LOG = logging.getLogger("msc_trading.executor")


class PolicyLines:
    """Says which policy is read, and the confidence it asks for, once for each change."""

    def __init__(self) -> None:
        self._loaded: tuple[object, ...] | None = None
        self._threshold = ""

    def say(self, view: PolicyView) -> None:
        """Says what is new of this view."""
        loaded = (view.ref, view.tier, view.policy.loaded_line())
        if loaded != self._loaded:
            self._loaded = loaded
            _LOG.info("%s", view.policy.loaded_line())
        threshold = f"[MSC AI] Confidence threshold set by MSC AI: {view.policy.global_min_confidence:.2f}"
        if threshold != self._threshold:
            self._threshold = threshold
            _LOG.info("%s", threshold)
