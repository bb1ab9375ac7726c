"""The limits in seconds, at a speed.

Ages are counted by the machine's clock, but what they protect from moves with the market's. So each is divided by the
speed, down to what processes on a busy machine can keep up with; at speed 1 all of them are what they always are. An
instant of the venue that is compared with the venue's present (a signal's age) gets the time of one real second.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from msc_client import ClientConfig
from msc_loop.plan import ACCOUNT, EVALUATE_EVERY, Addresses
from msc_trading.executor.config import ExecutorConfig
from msc_trading.guard.config import GuardConfig

if TYPE_CHECKING:
    from msc_trading.venue.config import VenueConfig

MAX_LEVERAGE = Decimal(2)
REAL_GRACE_S = 1.0
"""How long a new policy may take to reach an executor, in real seconds."""
MIN_PERIOD_S = 1.25
"""Evaluations are no closer in real time than at the usual speed: each is to reach everybody before the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The seconds of one speed. All are real ones but `signal_age_s`, which is the venue's.

    A policy is valid for two evaluation periods, and its clients hear how long that still is with each heartbeat. So
    what they know is a period and a heartbeat old at worst; the alert comes when less is left than a healthy authority
    ever leaves.
    """

    price_age_s: float
    account_age_s: float
    account_every_s: float
    tick_s: float
    signal_age_s: float
    evaluate_every_s: float
    heartbeat_s: float
    ttl_alert_s: float


def pace_at(speed: float) -> Pace:
    """Returns the seconds for a speed of 1 and more."""
    period_s = max(EVALUATE_EVERY.total_seconds() / speed, MIN_PERIOD_S)
    return Pace(
        price_age_s=_at(speed, 5.0, at_least=1.0),
        account_age_s=_at(speed, 60.0, at_least=3.0),
        account_every_s=_at(speed, 15.0, at_least=0.5),
        tick_s=_at(speed, 0.25, at_least=0.05),
        signal_age_s=max(120.0, REAL_GRACE_S * speed),
        evaluate_every_s=period_s,
        heartbeat_s=min(1.0, period_s / 10),
        ttl_alert_s=_at(speed, 600.0, at_least=0.25),
    )


def _at(speed: float, seconds: float, *, at_least: float) -> float:
    return min(seconds, max(seconds / speed, at_least))


def guard_config(pace: Pace, balance: Decimal) -> GuardConfig:
    """Returns the guard's limits for an account that began with `balance`."""
    return GuardConfig(
        max_order_notional=balance * MAX_LEVERAGE * 2,
        price_age_max_s=pace.price_age_s,
        equity_age_max_s=pace.account_age_s,
        positions_age_max_s=pace.account_age_s,
        # Both would stop entries until a person clears them, and nobody sits beside a run.
        max_day_loss_fraction=Decimal(1),
        max_losing_streak=1_000_000,
    )


def executor_config(pace: Pace, *, executor_id: str, symbol: str, state_file: Path, first: bool) -> ExecutorConfig:
    """Returns how an executor trades its symbol. The `first` one writes the account's equity points."""
    return ExecutorConfig(
        account_id=ACCOUNT,
        executor_id=executor_id,
        symbols=(symbol,),
        state_file=state_file,
        max_leverage=MAX_LEVERAGE,
        max_signal_age_s=pace.signal_age_s,
        price_refresh_s=pace.price_age_s / 2,
        account_every_s=pace.account_every_s,
        records_equity=first,
        tick_s=pace.tick_s,
    )


def client_config(speed: float) -> ClientConfig:
    """Returns how a policy is followed on this machine. What is left of its validity is told in real seconds."""
    pace = pace_at(speed)
    return ClientConfig(
        heartbeat_interval_s=pace.heartbeat_s, backoff_max_s=0.5, start_wait_s=5.0, ttl_alert_s=pace.ttl_alert_s
    )


def venue_config(speed: float, addresses: Addresses) -> VenueConfig:
    """Returns where the paper exchange is, and how fast its time runs."""
    from msc_trading.venue.config import VenueConfig, VenueEnvironment

    return VenueConfig(
        environment=VenueEnvironment.CUSTOM,
        rest_url=addresses.rest_url,
        stream_url=addresses.stream_url,
        time_scale=speed,
        reconnect_min_s=0.05,
        reconnect_max_s=1.0,
    )
