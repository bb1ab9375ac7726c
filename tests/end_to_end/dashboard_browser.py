"""A real browser without a screen, and what a test wants to know of a page in it."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
from process_harness import until
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains

DESKTOP, PHONE = (1440, 900), (360, 780)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever a page asks for elsewhere fails, and is seen in the log of the network.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
# Widest element that sticks out of the page, or "". What scrolls within a box of its own may be wider.
_STICKS_OUT = """
const wide = document.documentElement.clientWidth;
const boxed = (e) => e.closest('.scroll, .sr, .skip');
const beyond = (e) => e.getBoundingClientRect().right > wide + 1;
const out = [...document.body.querySelectorAll('*')].filter((e) => !boxed(e) && beyond(e));
return document.documentElement.scrollWidth > wide ? `page ${document.documentElement.scrollWidth}` :
  out.length ? `${out[0].tagName}.${out[0].className} ${out[0].getBoundingClientRect().right}` : '';
"""
# Contrast of each visible text with what is behind it, where it is less than is asked for (WCAG 2, AA).
_FAINT = """
const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
const context = canvas.getContext('2d', { willReadFrequently: true });
const rgba = (colour) => {
  context.clearRect(0, 0, 1, 1); context.fillStyle = colour; context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data];
};
const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const found = rgba(getComputedStyle(e).backgroundColor);
    if (found[3] === 255) return found;
  }
  return rgba('white');
};
const faint = new Set();
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement, style = getComputedStyle(element);
  const visible = element.checkVisibility({ visibilityProperty: true });
  const unseen = !visible || element.closest('.sr, .skip, script, style, option');
  if (!walk.currentNode.data.trim() || unseen) continue;
  const [a, b] = [luminance(rgba(style.color)), luminance(behind(element))].sort((x, y) => y - x);
  const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < (large ? 3 : 4.5)) faint.add(`${walk.currentNode.data.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
}
return [...faint];
"""


def give_up(reason: str) -> None:
    """Skips, unless toolchains are required."""
    if os.environ.get("MSC_REQUIRE_TOOLCHAINS") == "1":
        pytest.fail(f"{reason}, and MSC_REQUIRE_TOOLCHAINS=1 asks for it")
    pytest.skip(reason)


class Browser:
    """One window."""

    def __init__(self, driver: webdriver.Chrome, shots: Path) -> None:
        self.driver, self._shots = driver, shots

    def look(self, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> None:
        """Gives the window a size, and the system a theme."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})

    def open(self, url: str) -> None:
        """Opens a page and returns when values are on it."""
        if urlsplit(self.driver.current_url).netloc != urlsplit(url).netloc:
            self._leave()
        self.driver.get(url)
        self.until("document.querySelector('time.num') && window.socket?.connected", what="the page is connected")

    def run(self, script: str, *arguments: object) -> object:
        """Returns what a script returns."""
        return cast("object", self.driver.execute_script(script, *arguments))

    def until(self, condition: str, *, what: str = "", deadline_s: float = 20.0) -> object:
        """Returns the value of an expression when it is true."""
        try:
            return until(lambda: self.run(f"return {condition}") or None, deadline_s=deadline_s, what=what or condition)
        except AssertionError as error:
            raise AssertionError(f"{error}; on the page: {self.text()[:1500]}; console: {self.console()}") from None

    def text(self, selector: str = "body") -> str:
        """Returns what is visible in an element."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def card(self, name: str) -> str:
        """Returns what is visible in a card, by the name of its heading."""
        return self.text(f"[aria-labelledby='h-{name}']")

    def until_card(self, name: str, part: str, *, deadline_s: float = 20.0) -> str:
        """Returns a card once it has that part."""
        said = f"(document.querySelector(`[aria-labelledby='h-{name}']`)?.innerText ?? '')"
        self.until(f"{said}.includes({json.dumps(part)})", what=f"{part!r} in {name}", deadline_s=deadline_s)
        return self.card(name)

    def lacks(self, name: str, *parts: str) -> list[str]:
        """Returns the parts that are not in a card."""
        said = self.card(name)
        return [part for part in parts if part not in said]

    def press(self, *keys: str) -> None:
        """Presses keys, one after another."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def focused(self) -> str:
        """Returns what has the focus, in a word."""
        script = (
            "const e = document.activeElement; return e.id || e.name || e.getAttribute('aria-label') || e.innerText"
        )
        return str(self.run(script))

    def sticks_out(self) -> str:
        """Returns what is wider than the page, or nothing."""
        return str(self.run(_STICKS_OUT))

    def faint(self) -> list[str]:
        """Returns the texts without enough contrast."""
        return cast("list[str]", self.run(_FAINT))

    def console(self) -> list[str]:
        """Returns the errors and warnings in the console since the last look."""
        entries = self._log("browser")
        return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]

    def _leave(self) -> None:
        # The page of an authority that has ended complains, in the console of whoever comes next.
        self.driver.get("about:blank")
        self._log("browser")
        self._log("performance")

    def _log(self, kind: str) -> list[dict[str, str]]:
        read = cast("Callable[[str], list[dict[str, str]]]", self.driver.get_log)
        return read(kind)

    def hosts(self) -> set[str]:
        """Returns every host that was asked for something since the last look."""
        messages = (json.loads(entry["message"])["message"] for entry in self._log("performance"))
        kinds = {"Network.requestWillBeSent": ("request", "url"), "Network.webSocketCreated": ("url",)}
        found = set()
        for message in messages:
            value: object = message["params"]
            for key in kinds.get(message["method"], ()):
                value = cast("dict[str, object]", value)[key]
            if isinstance(value, str) and not value.startswith(("data:", "blob:", "chrome")):
                found.add(urlsplit(value).netloc)
        return found

    def shoot(self, name: str) -> Path:
        """Takes a picture of the whole page."""
        self.run("document.activeElement?.blur()")
        size = self.run("return [innerWidth, document.documentElement.scrollHeight]")
        width, height = cast("list[int]", size)
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        found = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        self._shots.mkdir(parents=True, exist_ok=True)
        path = self._shots / f"{name}.png"
        path.write_bytes(base64.b64decode(found["data"]))
        return path


@contextmanager
def a_browser(shots: Path) -> Iterator[Browser]:
    """Yields a window. Skips where there is no browser."""
    program = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    driver_program = shutil.which("chromedriver")
    if program is None or driver_program is None:
        give_up("chromium and chromedriver are not installed")
        return
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in _FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_program))
    try:
        yield Browser(driver, shots)
    finally:
        driver.quit()
