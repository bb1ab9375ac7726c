"""Every number of the client, in one frozen object, with its unit in the name."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
DEFAULT_TARGET = "127.0.0.1:7443"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where the certificates are. They are read again each time the channel is rebuilt.

    `server_name` is the name to expect in the authority's certificate when it differs from the target. Every replica of
    a list of addresses has to have one and the same name in its certificate: this, else the first host of the list.

    Raises:
        ValueError: a certificate chain without its private key, or the other way round.
    """

    root_certificates: Path
    certificate_chain: Path | None = None
    private_key: Path | None = None
    server_name: str = ""

    def __post_init__(self) -> None:
        """Refuses half a pair: gRPC would end the whole process over it."""
        if (self.certificate_chain is None) is not (self.private_key is None):
            missing = "certificate_chain" if self.certificate_chain is None else "private_key"
            raise ValueError(f"tls.{missing}: is missing; certificate_chain and private_key go together")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Timers and bounds of a source.

    Raises:
        ValueError: a number is out of sense, or two of them contradict each other; the fields are named.
    """

    heartbeat_interval_s: float = 5.0
    """Wish for the time between two messages of the stream."""
    watchdog_s: float = 16.0
    """Silence that ends a stream which announced `heartbeat_interval_s`; scales with what it really announced."""
    first_message_s: float = 10.0
    """Longest wait for the first message of a stream."""
    backoff_floor_s: float = 0.05
    """Shortest wait before a stream is opened again."""
    backoff_initial_s: float = 0.25
    """Longest wait before the first attempt; doubles with each further one."""
    backoff_max_s: float = 5.0
    """Longest wait before any attempt."""
    backoff_reset_after_s: float = 60.0
    """A stream that lived so long makes the next attempt a first one."""
    connect_s: float = 3.0
    """Longest time to establish a connection."""
    stale_after_s: float = 30.0
    """Age at which a value is no longer FRESH."""
    alert_after_s: float = 300.0
    """Age at which an ERROR is logged."""
    last_known_good_max_s: float = 900.0
    """Age at which SAFE applies."""
    policy_ttl_s: float = 3600.0
    """Longest validity believed of a policy, whatever the authority says."""
    ttl_alert_s: float = 600.0
    """An ERROR is logged when less than this (or a quarter of the policy's own validity) is left of it."""
    replica_age_max_s: float = 15.0
    """Age of a replica's own knowledge at which another one is tried."""
    switch_interval_s: float = 60.0
    """Shortest time between two such tries."""
    goodbye_delay_max_s: float = 10.0
    """Longest delay accepted from an authority that ends a stream."""
    denied_retry_min_s: float = 30.0
    """Shortest wait after the authority refused this client."""
    denied_retry_max_s: float = 60.0
    """Longest wait after the authority refused this client."""
    report_interval_s: float = 30.0
    """Time between two status reports."""
    disk_debounce_s: float = 1.0
    """Shortest time between two writes of the last-known-good file."""
    disk_refresh_s: float = 60.0
    """Time after which an unchanged policy's confirmation is written again."""
    start_wait_s: float = 2.0
    """How long `start` waits for a first message."""
    unary_deadline_s: float = 1.0
    """Deadline of one attempt of a unary call."""
    evaluate_deadline_s: float = 30.0
    """Deadline of one attempt of an evaluation, which works before it answers."""
    unary_attempts: int = 3
    """Attempts of a unary call."""
    safe_entries_s: float = 300.0
    """How long SAFE still lets small entries through. 0: not at all. Negative: without end."""
    slow_callback_s: float = 1.0
    """A callback that takes longer is logged."""
    local_pause_s: float = 5.0
    """A timer that wakes so much too late means that this process stood still."""
    thread_restart_s: float = 60.0
    """Shortest time between two restarts of a reader that died of a bug."""
    max_policy_bytes: int = 64 * 1024
    """Largest message that is read as a policy."""
    tls: TlsFiles | None = None
    """Certificates; None: those that MSC_TLS_CA and its kin name, else an unencrypted channel."""
    token: str = field(default="", repr=False)
    """Bearer token; empty: see `token_file`."""
    token_file: Path | None = None
    """File that holds the token, read again for each call; None: MSC_TOKEN or MSC_TOKEN_FILE, else no token."""

    def __post_init__(self) -> None:
        """Refuses numbers that cannot work together."""
        self._check_numbers()
        self._check_order()

    def _check_numbers(self) -> None:
        if not isinstance(self.tls, TlsFiles | None):
            raise ValueError(f"tls: {self.tls!r} does not say which files; give TlsFiles, or None")
        self._check_token()
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in {"tls", "token", "token_file"}:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{item.name}: {value!r} is not a number")
            if not math.isfinite(value):
                raise ValueError(f"{item.name}: {value} is not finite")
            if item.name != "safe_entries_s" and value <= 0:
                raise ValueError(f"{item.name}: {value} must be positive")

    def _check_token(self) -> None:
        # What is no token may be one with a slip of the pen: it is not repeated.
        if not isinstance(self.token, str) or (self.token and not _PRINTABLE.fullmatch(self.token)):
            raise ValueError("token: must be text of printable characters without spaces")
        if self.token_file is not None:
            _check_path("token_file", self.token_file)
        if self.token and self.token_file is not None:
            raise ValueError("token: both token and token_file are given; give one")

    def _check_order(self) -> None:
        worst_return_s = self.watchdog_s + self.backoff_max_s + self.connect_s + 2.0
        rules: Mapping[str, bool] = {
            "heartbeat_interval_s x 3 < watchdog_s": self.heartbeat_interval_s * 3 < self.watchdog_s,
            "watchdog_s + backoff_max_s + connect_s + 2 < stale_after_s": worst_return_s < self.stale_after_s,
            "stale_after_s < alert_after_s": self.stale_after_s < self.alert_after_s,
            "alert_after_s < last_known_good_max_s": self.alert_after_s < self.last_known_good_max_s,
            "last_known_good_max_s <= policy_ttl_s": self.last_known_good_max_s <= self.policy_ttl_s,
            "backoff_floor_s <= backoff_initial_s": self.backoff_floor_s <= self.backoff_initial_s,
            "backoff_initial_s <= backoff_max_s": self.backoff_initial_s <= self.backoff_max_s,
            "denied_retry_min_s <= denied_retry_max_s": self.denied_retry_min_s <= self.denied_retry_max_s,
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise ValueError(f"the timers contradict each other; needed: {'; '.join(broken)}")

    def watchdog_for_s(self, announced_s: float) -> float:
        """Returns the silence that ends a stream which announced this interval: 3 x announced + the margin."""
        return 3 * announced_s + (self.watchdog_s - 3 * self.heartbeat_interval_s)


def chosen_target(target: str | None) -> str:
    """Returns what the host named, else the default.

    Raises:
        ValueError: it names no address.
    """
    chosen = target or default_target()
    if not chosen.replace(",", " ").strip():
        raise ValueError(f"target: {chosen!r} names no address; give host:port")
    return chosen


def default_target(environment: Mapping[str, str] | None = None) -> str:
    """Returns where the authority is: MSC_TARGET, else 127.0.0.1:7443."""
    return (os.environ if environment is None else environment).get("MSC_TARGET", "").strip() or DEFAULT_TARGET


def _check_path(name: str, value: object) -> None:
    # Whoever gives a path has imported this already; others need not wait for it.
    from pathlib import Path

    if not isinstance(value, Path):
        raise ValueError(f"{name}: {value!r} is no Path")
