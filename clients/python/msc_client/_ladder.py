"""What to say about the tier: once for each step down, once for the way back. Pure."""

from __future__ import annotations

import logging

from msc_client._events import Log
from msc_client._held import Bounds, ns
from msc_client.config import ClientConfig
from msc_client.tier import Tier
from msc_client.view import PolicyView

_NS = 1_000_000_000


class Ladder:
    """Follows the tier as time passes. It stays silent until `quiet_until_ns`, or the first FRESH value."""

    def __init__(self, config: ClientConfig, *, now_ns: int, quiet_until_ns: int) -> None:
        self._config = config
        self._started_ns = now_ns
        self._quiet_until_ns = quiet_until_ns
        self._rung: Tier | None = None
        self._down_since_ns: int | None = None
        self._alerted = False
        self._ttl_said = False

    @property
    def rung(self) -> Tier | None:
        """The tier that was seen last; None before the first."""
        return self._rung

    def observe(self, view: PolicyView, bounds: Bounds | None, last_error: str, now_ns: int) -> list[Log]:
        """Returns the lines that this tier at this instant calls for."""
        if self._rung is None and view.tier is not Tier.FRESH and now_ns < self._quiet_until_ns:
            return []
        before, self._rung = self._rung, view.tier
        fresh = view.tier is Tier.FRESH
        lines = self._up(before, now_ns) if fresh else self._down(before, view, last_error, now_ns)
        return lines + self._validity(view, bounds, now_ns)

    def _up(self, before: Tier | None, now_ns: int) -> list[Log]:
        since_ns, self._down_since_ns, self._alerted = self._down_since_ns, None, False
        if before in (None, Tier.FRESH) or since_ns is None:
            return []
        text = f"[MSC AI] Policy FRESH again after {(now_ns - since_ns) / _NS:.1f} s"
        return [Log(level=logging.INFO, event="fresh", text=text)]

    def _down(self, before: Tier | None, view: PolicyView, last_error: str, now_ns: int) -> list[Log]:
        if self._down_since_ns is None:
            self._down_since_ns = self._started_ns if view.as_of_ns is None else view.as_of_ns
        down_s = (now_ns - self._down_since_ns) / _NS
        why = f" ({last_error})" if last_error else ""
        lines = []
        if view.tier is Tier.STALE and before is not Tier.STALE:
            text = f"[MSC AI] Policy STALE: last known good {view.ref} stays in force, {down_s:.1f} s old{why}"
            lines.append(Log(level=logging.WARNING, event="stale", text=text))
        if view.tier.is_safe and (before is None or not before.is_safe):
            lines.append(Log(level=logging.CRITICAL, event="safe", text=f"[MSC AI] Policy {_safe_text(view)}{why}"))
        if not self._alerted and down_s > self._config.alert_after_s:
            self._alerted = True
            text = f"[MSC AI] Policy unavailable > {self._config.alert_after_s / 60:g} min: {down_s:.0f} s{why}"
            lines.append(Log(level=logging.ERROR, event="unavailable", text=text))
        return lines

    def _validity(self, view: PolicyView, bounds: Bounds | None, now_ns: int) -> list[Log]:
        if bounds is None or view.tier.is_safe:
            return []
        # A quarter of the policy's own validity: an authority that evaluates every minute is not always in alarm.
        alert_s = min(self._config.ttl_alert_s, view.policy.valid_for_s / 4)
        left_ns = bounds.ttl_ns - now_ns
        if left_ns >= ns(alert_s):
            self._ttl_said = False
            return []
        if self._ttl_said:
            return []
        self._ttl_said = True
        left = _seconds_text(left_ns / _NS)
        text = f"[MSC AI] Policy {view.ref} is valid for {left} s more: the authority stopped evaluating?"
        return [Log(level=logging.ERROR, event="ttl", text=text)]


def _seconds_text(seconds: float) -> str:
    # Of what is nearly over, "0 s" would say that it is.
    return f"{seconds:.1f}" if round(seconds, 1) < 10 else f"{seconds:.0f}"


def _safe_text(view: PolicyView) -> str:
    if view.tier is Tier.SAFE_NONE:
        return "SAFE: none was received; safe defaults are in force"
    return f"SAFE: the tighter of last known good {view.ref} and safe defaults is in force"
