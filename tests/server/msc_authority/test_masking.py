"""Secrets do not get out, wherever they stand in a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_authority.masking import MASK, mask_text, mask_value

SECRETS = st.text(alphabet="abcXYZ0189_-.~/@?#\"'<>", min_size=6, max_size=30).map(lambda text: f"q{text}q")
AROUND = st.text(alphabet="abc :/\n", max_size=10)


@given(SECRETS, AROUND)
def test_a_password_in_a_url_is_masked_and_its_host_stays(secret: str, around: str) -> None:
    masked = mask_text(f"{around} postgresql://msc:{secret}@db.internal:5432/msc {around}")

    assert secret not in masked
    assert "msc:***@db.internal:5432/msc" in masked


@given(SECRETS, st.sampled_from(["password=", "api_key: ", "X-Auth-Token: Bearer ", "&signature=", '"secret": "']))
def test_what_is_named_as_a_secret_is_masked(secret: str, name: str) -> None:
    assert secret not in mask_text(f"calling with {name}{secret}")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('redis://:pa"ss@cache.internal:6379', "redis://:***@cache.internal:6379"),
        ("redis://:it's@a<secret>@cache.internal", "redis://:***@cache.internal"),
        ("password=pa\"ss'word next", "password=*** next"),
        ('{"password": "pa\'ss word", "user": "msc"}', '{"password": "***", "user": "msc"}'),
        ("token: 'a\\'b', user: msc", "token: '***', user: msc"),
        ('said "token=abc" twice', 'said "token=***" twice'),
    ],
)
def test_a_secret_with_quotes_in_it_is_masked_to_its_end_and_the_rest_stays(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@given(st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True), AROUND)
def test_a_bearer_token_of_ours_is_masked_wherever_it_stands_and_its_public_id_stays(secret: str, around: str) -> None:
    masked = mask_text(f"{around} sent msc_0123456789ab_{secret} {around}")

    assert secret not in masked
    assert "msc_0123456789ab_***" in masked


@given(st.text())
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert mask_text(mask_text(text)) == mask_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "[MSC AI] Policy loaded: risk_mode=DEFENSIVE, strategies=3, max_risk=0.50%",
        "[POLICY UPDATE] MSC AI: Position limit reached (8/8)",
        "sqlite:////" + "home/msc/msc.db",
        "postgresql://db.internal/msc",
        "http://[::1]:8000/api?limit=10",
        "2026-01-02T03:04:05Z Serving on 127.0.0.1:7443, policy 7:46",
    ],
)
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert mask_text(text) == text


def test_values_are_masked_by_their_name_and_within() -> None:
    masked = mask_value(
        "fields",
        {
            "api_key": "k",
            "url": "redis://:hunter2@host",
            "n": 3,
            "list": ["token=hunter2"],
            "none": None,
            "password": "",
        },
    )

    assert masked == {
        "api_key": MASK,
        "url": "redis://:***@host",
        "n": 3,
        "list": ["token=***"],
        "none": None,
        "password": "",
    }
