"""Where orders may go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from msc_trading.venue.config import VenueConfig, VenueEnvironment

CUSTOM = VenueConfig(
    environment=VenueEnvironment.CUSTOM, rest_url="http://127.0.0.1:8090", stream_url="ws://127.0.0.1:8090"
)


def test_nothing_said_means_the_demo_not_money() -> None:
    assert VenueConfig().environment is VenueEnvironment.DEMO


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_plain_connections_stay_on_this_machine(host: str) -> None:
    config = replace(CUSTOM, rest_url=f"http://{host}:1", stream_url=f"ws://{host}:1")

    assert config.rest_url == f"http://{host}:1"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rest_url": "http://venue.example"}, "rest_url"),
        ({"stream_url": "ws://venue.example"}, "stream_url"),
        ({"rest_url": "ftp://127.0.0.1"}, "rest_url"),
        ({"rest_url": None}, "rest_url"),
        ({"stream_url": "127.0.0.1:80"}, "stream_url"),
        ({"rest_url": "https://venue.example/{}"}, "rest_url"),
        ({"rest_url": "https://venue.example/?a=b"}, "rest_url"),
        ({"environment": VenueEnvironment.LIVE}, "rest_url"),
        ({"environment": VenueEnvironment.LIVE, "rest_url": None}, "stream_url"),
        ({"time_scale": 0.0}, "time_scale"),
        ({"time_scale": float("nan")}, "time_scale"),
        ({"time_scale": float("inf")}, "time_scale"),
        ({"recv_window_ms": 0}, "recv_window_ms"),
        ({"recv_window_ms": 60_001}, "recv_window_ms"),
        ({"queue_size": 0}, "queue_size"),
        ({"margin_asset": ""}, "margin_asset"),
        ({"request_timeout_s": 0.0}, "request_timeout_s"),
        ({"clock_resync_s": -1.0}, "clock_resync_s"),
        ({"listen_key_renewal_s": 0.0}, "listen_key_renewal_s"),
        ({"reconnect_max_s": 0.1}, "reconnect_max_s"),
        ({"reconnect_max_s": float("inf")}, "reconnect_max_s"),
    ],
)
def test_what_is_out_of_sense_is_refused_by_name(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=rf"^{named}: "):
        replace(CUSTOM, **changes)  # type: ignore[arg-type]  # wrong values are the point


def test_a_venue_with_real_time_cannot_be_sped_up() -> None:
    with pytest.raises(ValueError, match=r"^time_scale: "):
        VenueConfig(time_scale=2.0)


@pytest.mark.parametrize(("scale", "period_s"), [(1.0, 600.0), (60.0, 10.0), (1440.0, 1.0)])
def test_the_clock_is_measured_every_ten_minutes_of_the_venue_but_at_most_once_a_second(
    scale: float, period_s: float
) -> None:
    assert replace(CUSTOM, time_scale=scale).clock_period_s == period_s
