"""A person operates a real authority on the dashboard, in a real browser, and a client obeys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from closed_authority import CLOSED, a_token, msc, refuses
from dashboard_browser import DESKTOP, PHONE, Browser, a_browser
from dashboard_scene import Scene, a_scene, make_database
from process_harness import AuthorityProcess, free_port, until
from selenium.webdriver.common.keys import Keys

from msc_client import PolicySource, Role

SAID = "document.getElementById('operated').innerText"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A window."""
    given = os.environ.get("MSC_SCREENSHOTS")
    with a_browser(Path(given) if given else tmp_path_factory.mktemp("screenshots")) as window:
        yield window


@pytest.fixture(scope="module")
def scene(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """An authority in mode NORMAL; not started where there is no browser."""
    sample = make_database(tmp_path_factory.mktemp("sample"))
    with a_scene(tmp_path_factory.mktemp("operated") / "home", sample) as made:
        yield made


@pytest.fixture
def closed(browser: Browser, tmp_path: Path) -> Iterator[AuthorityProcess]:
    """An authority that lets nobody in without a token."""
    authority = AuthorityProcess(tmp_path / "home", environment=CLOSED, http_port=free_port())
    authority.spawn()
    until(lambda: refuses(authority), deadline_s=120, what="the authority refuses")
    yield authority
    authority.close()


def log_in(browser: Browser, authority: AuthorityProcess, token: str) -> None:
    browser.driver.get(f"{authority.url}/login?next=/")
    browser.until("document.querySelector('#token')", what="the form")
    browser.run("document.querySelector('#token').value = arguments[0]; document.forms[0].submit()", token)
    browser.until("document.querySelector('time.num') && window.socket?.connected", what="the page is connected")


def choose(browser: Browser, action: str) -> None:
    browser.until(f"document.querySelector('.choice input[value={action}]')")
    browser.run(f"document.querySelector('.choice input[value={action}]').click()")
    browser.until("document.getElementById('o-reason')")
    browser.run("document.getElementById('o-reason').focus()")


def confirm(browser: Browser, part: str) -> None:
    """Confirms once the prospect has that part, and returns when it is done."""
    browser.until(f"document.getElementById('prospect').innerText.includes('{part}')", what=f"{part} in the prospect")
    browser.until("document.getElementById('confirm')")
    browser.run("document.getElementById('confirm').click()")
    browser.until(f"{SAID}.includes(' is in force.')", what="it is done")


def obeys(client: PolicySource, trading_state: str) -> None:
    """Returns once a client acts on a policy in that state."""
    until(lambda: client.current().policy.trading_state.name == trading_state, what=f"the client is {trading_state}")


def test_a_halt_on_the_page_stops_a_client_and_a_resume_brings_it_back(
    browser: Browser, scene: Scene, tmp_path: Path
) -> None:
    with PolicySource(scene.authority.target, role=Role.EXECUTOR, name="executor-1", state_dir=tmp_path) as client:
        obeys(client, "ACTIVE")
        browser.look()
        browser.open(scene.url)
        browser.until_card("headline", "NORMAL")
        browser.run("window.unreloaded = true")

        choose(browser, "halt")
        browser.press("exchange incident", Keys.ENTER)
        browser.until("document.activeElement.id === 'prospect'", what="the prospect has the focus")
        browser.shoot("operate-halt")
        confirm(browser, "HALTED")

        obeys(client, "HALTED")
        browser.until_card("headline", "HALTED")
        browser.until_card("overrides", "HALTED by anonymous@127.0.0.1: exchange incident")
        assert browser.text("#operated").startswith("HALTED by anonymous@127.0.0.1: exchange incident — v")
        browser.shoot("operate-halted")
        assert (browser.faint(), browser.sticks_out()) == ([], "")

        browser.run("document.querySelector('[data-operate=resume]').click()")
        browser.until("document.activeElement.id === 'o-reason'", what="the form asks why")
        browser.press("over", Keys.ENTER)
        browser.until("document.activeElement.id === 'prospect'", what="the prospect has the focus")
        assert "An evaluation follows at once, and may make it ACTIVE" in browser.text("#prospect")
        browser.shoot("operate-resume")
        confirm(browser, "REDUCING")

        obeys(client, "ACTIVE")
        browser.until("document.getElementById('operated').innerText.includes('trading is ACTIVE (v')")
        browser.until_card("headline", "ACTIVE since")
        browser.until_card("overrides", "Nobody overrides the controller.")
        assert browser.run("return window.unreloaded") is True
        assert browser.console() == []


def test_an_override_is_placed_by_keyboard_alone_shown_and_lifted(browser: Browser, scene: Scene) -> None:
    browser.look()
    browser.open(scene.url)
    choose(browser, "set_limits")
    browser.press(Keys.ENTER)
    browser.until("document.getElementById('od-reason').innerText.includes('Say why')", what="what is missing")
    assert browser.run("return document.getElementById('o-reason').getAttribute('aria-invalid')") == "true"
    assert browser.focused() == "o-reason"
    browser.press("careful", Keys.TAB, "0.2", Keys.TAB, Keys.TAB, "2", Keys.TAB, Keys.TAB, "2h", Keys.TAB, "anna")
    browser.press(Keys.ENTER)
    browser.until("document.getElementById('prospect').innerText.includes('0.2 %')", what="the prospect")
    assert "It ends by itself on" in browser.text("#prospect")
    browser.until("document.activeElement.id === 'prospect'")
    browser.press(Keys.TAB, Keys.TAB)
    assert browser.focused() == "confirm"
    browser.press(Keys.ENTER)

    shown = browser.until_card("overrides", "Risk per trade 0.2 %, Open positions 2")
    assert "anonymous@127.0.0.1 (anna): careful" in shown
    assert "1 h 59 min left" in shown or "2 h left" in shown
    browser.until_card("limits", "0.2 %")

    browser.run("document.querySelector('[data-operate=lift]').click()")
    browser.until("document.getElementById('o-override_id')?.value", what="which one is chosen")
    browser.run("document.getElementById('o-reason').focus()")
    browser.press("calm again", Keys.ENTER)
    confirm(browser, "0.75 %")
    browser.until_card("overrides", "Nobody overrides the controller.")


def test_what_loosens_takes_a_word_more_and_what_was_looked_at_is_void_once_it_is_changed(
    browser: Browser, scene: Scene
) -> None:
    browser.look()
    browser.open(scene.url)
    choose(browser, "pin_mode")
    assert browser.run("return document.getElementById('o-allow_loosening')") is None
    browser.run(
        "const e = document.getElementById('o-risk_mode'); e.value = 'AGGRESSIVE';e.dispatchEvent(new Event('change'))"
    )
    browser.press("trial", Keys.ENTER)
    browser.until("document.activeElement.id === 'o-allow_loosening'", what="the flag is asked for")
    assert "AGGRESSIVE is more" in browser.text("#od-allow_loosening")
    browser.press(Keys.SPACE)
    browser.run("document.getElementById('look').click()")
    browser.until("document.getElementById('prospect').innerText.includes('It allows more')", what="the prospect")
    browser.shoot("operate-loosening")
    assert "looser" in browser.text("#prospect")

    browser.run("document.getElementById('o-reason').focus()")
    browser.press("!")

    browser.until("!document.getElementById('prospect').checkVisibility()", what="the prospect is void")
    assert "NORMAL" in browser.card("headline")
    for size, dark in ((DESKTOP, True), (PHONE, False), (PHONE, True)):
        browser.look(size, dark=dark)
        browser.shoot(f"operate-{size[0]}{'-dark' if dark else ''}")
        assert (browser.faint(), browser.sticks_out()) == ([], "")


def test_who_may_only_read_is_offered_no_controls_and_who_operates_is_known_by_name(
    browser: Browser, closed: AuthorityProcess
) -> None:
    reader, operator = a_token(closed.home, "rita", "reader"), a_token(closed.home, "olga", "operator")
    browser.look()
    log_in(browser, closed, reader["token"])
    browser.until_card("overrides", "Nobody overrides the controller.")
    assert browser.run("return document.querySelectorAll('.operate, [data-operate]').length") == 0
    assert "rita" in browser.text("header")
    browser.shoot("operate-reader")

    browser.driver.find_element("css selector", ".who button").click()
    browser.until("document.querySelector('#token')", what="logged out")
    browser.driver.get(f"{closed.url}/")
    browser.until("document.querySelector('#token')", what="the cookie is gone")

    log_in(browser, closed, operator["token"])
    choose(browser, "halt")
    assert browser.run("return document.getElementById('o-actor')") is None
    browser.press("exchange incident", Keys.ENTER)
    confirm(browser, "HALTED")
    assert browser.text("#operated").startswith("HALTED by olga: exchange incident")
    assert "olga" in msc(closed.home, "audit", "list").stdout
    browser.driver.find_element("css selector", ".who button").click()
    browser.until("document.querySelector('#token')", what="logged out")
