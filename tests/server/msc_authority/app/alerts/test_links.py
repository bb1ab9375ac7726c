"""One function says where more about an alert is to be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from msc_authority.app.alerts.links import Links, on_the_page
from msc_authority.compose.parts import links_of
from msc_authority.settings import Settings


def link(tmp_path: Path, **settings: object) -> str | None:
    return links_of(Settings.model_validate({"home": tmp_path, **settings})).to("alert-integrity")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "http://127.0.0.1:8000/troubleshooting#alert-integrity"),
        ({"http_host": "::1", "http_port": 81}, "http://[::1]:81/troubleshooting#alert-integrity"),
        ({"public_url": "https://msc.example"}, "https://msc.example/troubleshooting#alert-integrity"),
        ({"public_url": "https://msc.example/a/"}, "https://msc.example/a/troubleshooting#alert-integrity"),
        ({"public_url": "https://b.example", "serve_http": False}, "https://b.example/troubleshooting#alert-integrity"),
        ({"serve_http": False}, None),
        ({"http_port": 0}, None),
    ],
)
def test_a_link_is_to_the_public_url_or_else_to_where_the_http_side_listens(
    tmp_path: Path, settings: dict[str, object], expected: str | None
) -> None:
    assert link(tmp_path, **settings) == expected


def test_a_port_that_is_known_late_is_noted_and_the_public_url_stands_above_it() -> None:
    here, there = Links(), Links("https://msc.example")
    here.served_at("http://127.0.0.1:40001")
    there.served_at("http://127.0.0.1:40001")

    assert here.to("alert-integrity") == "http://127.0.0.1:40001/troubleshooting#alert-integrity"
    assert there.to("alert-integrity") == "https://msc.example/troubleshooting#alert-integrity"


def test_a_page_links_to_itself_under_whatever_name_it_was_reached() -> None:
    assert on_the_page("alert-integrity") == "troubleshooting#alert-integrity"


def test_the_host_of_the_public_url_is_answered_for() -> None:
    settings = Settings(public_url="https://MSC.example:8443/x", http_allowed_hosts=("desk",))

    assert settings.http_names == ("desk", "msc.example")
