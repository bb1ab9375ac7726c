"""A client that was refused tries again when what it shows changed; one that hears nothing reads certificates again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from msc_client_harness import QUICK, until
from msc_client_story import Story, confirm, ending, silence

from msc_client import ConnectionState, PolicySource, Role, Tier
from msc_client._credentials import Credentials
from msc_client._events import CredentialsChanged
from msc_client._transport.channel import open_channel
from msc_client.testing import InProcessAuthority, make_policy


def refused() -> Story:
    story = Story().start()
    story.answer = ending("UNAUTHENTICATED", reason="TOKEN_REVOKED")
    story.watch.end("UNAUTHENTICATED", reason="TOKEN_REVOKED")
    return story


def test_changed_credentials_are_shown_at_once_by_a_client_that_was_refused() -> None:
    story = refused().until(5)
    story.answer = confirm
    story.feed(CredentialsChanged())
    story.until(6)

    assert story.watch.tier() is Tier.FRESH
    assert story.watch.state() is ConnectionState.LIVE


def test_credentials_that_changed_and_are_wrong_still_lead_to_the_usual_wait() -> None:
    story = refused().until(5)
    story.feed(CredentialsChanged())
    story.until(6)
    opened = len(story.opened)
    story.until(34)

    assert story.watch.state() is ConnectionState.DENIED
    assert len(story.opened) == opened


def test_changed_credentials_do_not_disturb_a_client_that_is_let_in() -> None:
    story = Story().start().until(5)
    story.feed(CredentialsChanged())
    story.until(10)

    assert len(story.opened) == 1
    assert story.watch.tier() is Tier.FRESH


def test_a_stream_that_stays_silent_from_its_start_has_certificates_read_again() -> None:
    story = Story().start()
    story.answer = silence
    story.watch.end("UNAVAILABLE")
    story.until(30)

    assert story.renewals >= 1
    assert story.renewals <= len(story.opened)


def test_the_token_travels_with_watches_calls_and_reports(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    config = replace(QUICK, token_file=file)
    with InProcessAuthority() as authority:
        authority.publish(make_policy(3))
        with PolicySource(authority.target, role=Role.OTHER, name="t", config=config, state_dir=None) as source:
            until(lambda: source.current().tier is Tier.FRESH)
            authority.wait_for(lambda seen: len(seen.reports) >= 1, 20.0)
            file.write_text("second")
            source.get_policy()

    assert authority.tokens == {"WatchPolicy": {"first"}, "ReportClientStatus": {"first"}, "GetPolicy": {"second"}}


@pytest.mark.parametrize("target", ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.0.0.1:1,127.0.0.2:1", "unix:/srv/x"])
def test_a_token_in_the_clear_is_no_matter_on_this_machine(target: str, caplog: pytest.LogCaptureFixture) -> None:
    open_channel(target, Credentials(token="secret-of-a-test")).close()

    assert caplog.records == []


@pytest.mark.parametrize("target", ["192.0.2.1:7443", "127.0.0.1:1,192.0.2.1:7443", "dns:///authority.example:7443"])
def test_a_token_in_the_clear_across_a_network_is_warned_of(target: str, caplog: pytest.LogCaptureFixture) -> None:
    open_channel(target, Credentials(token="secret-of-a-test")).close()

    (record,) = caplog.records
    assert "unencrypted" in record.getMessage()
    assert "secret-of-a-test" not in caplog.text
