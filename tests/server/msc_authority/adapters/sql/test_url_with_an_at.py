"""A password with an @ that was not escaped: nothing of it is shown, and nobody is asked for it as a host."""

from __future__ import annotations

import pytest

from msc_authority.adapters.sql.engine import Database, checked_url
from msc_authority.ports.store import StoreError


@pytest.mark.parametrize("password", ["top@hidden", "top@hidden/word", "top/word@hidden", "@hidden", "a:b@hidden:c"])
def test_it_is_refused_unseen_with_what_to_write(password: str) -> None:
    with pytest.raises(StoreError) as refused:
        Database(f"postgresql://msc:{password}@db.example/msc")

    assert "%40" in str(refused.value)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "password", "host"),
    [
        ("postgresql://msc:top%40hidden@db.example/msc", "top@hidden", "db.example"),
        ("postgresql://msc:top/word@db.example/msc?application_name=a@b", "top/word", "db.example"),
        ("postgresql://db.example/msc@home", None, "db.example"),
        ("sqlite:////srv/msc@home/msc.db", None, None),
    ],
)
def test_another_at_is_no_reason(text: str, password: str | None, host: str | None) -> None:
    url = checked_url(text)

    assert (url.password, url.host) == (password, host)
