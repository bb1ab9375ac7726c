"""A person logs in with a token in a real browser, is told what it may not do, and is cut off when it is revoked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from closed_authority import CLOSED, a_token, msc, refuses
from dashboard_browser import Browser, a_browser
from process_harness import AuthorityProcess, free_port, until


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A window."""
    given = os.environ.get("MSC_SCREENSHOTS")
    with a_browser(Path(given) if given else tmp_path) as window:
        yield window


@pytest.fixture
def closed(browser: Browser, tmp_path: Path) -> Iterator[AuthorityProcess]:
    """An authority that lets nobody in without a token; not started where there is no browser."""
    authority = AuthorityProcess(tmp_path / "home", environment=CLOSED, http_port=free_port())
    authority.spawn()
    until(lambda: refuses(authority), deadline_s=120, what="the authority refuses")
    yield authority
    authority.close()


def log_in(browser: Browser, token: str) -> None:
    script = "document.querySelector('#token').value = arguments[0]; document.querySelector('form').submit()"
    browser.run(script, token)


def test_a_reader_logs_in_sees_everything_and_changes_nothing(browser: Browser, closed: AuthorityProcess) -> None:
    token = a_token(closed.home, "rita", "reader")
    browser.look()
    browser.driver.get(f"{closed.url}/")
    browser.until("document.querySelector('#token')", what="the way to log in")
    browser.shoot("login")
    log_in(browser, "msc_0123456789ab_" + "x" * 43)
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('no token')", what="a refusal")

    log_in(browser, token["token"])
    browser.until("document.querySelector('time.num') && window.socket?.connected", what="the page is connected")
    browser.run("document.querySelector('#evaluate').click()")
    browser.until(
        "document.querySelector('#said').textContent.includes('rita needs the role evaluator')",
        what="told what it takes",
    )
    assert browser.run("return document.cookie") == ""

    assert msc(closed.home, "token", "revoke", token["token_id"]).returncode == 0
    browser.until("!window.socket?.connected", what="cut off")
    browser.driver.get(f"{closed.url}/")
    browser.until("document.querySelector('[role=alert]')?.textContent.includes('revoked')", what="sent to log in")


def test_an_evaluator_evaluates_under_its_name(browser: Browser, closed: AuthorityProcess) -> None:
    token = a_token(closed.home, "eva", "evaluator")
    browser.look()
    browser.driver.get(f"{closed.url}/login?next=/")
    browser.until("document.querySelector('#token')", what="the form")
    log_in(browser, token["token"])
    browser.until("document.querySelector('time.num') && window.socket?.connected", what="the page is connected")
    browser.run("document.querySelector('#evaluate').click()")
    browser.until("document.querySelector('#said').textContent.startsWith('Evaluated in')", what="evaluated")

    shown = msc(closed.home, "audit", "list").stdout
    assert "eva" in shown
