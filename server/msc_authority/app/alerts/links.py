"""Where a person reads what to do about an alert: the page that this authority itself serves."""

from __future__ import annotations

PAGE = "troubleshooting"


class Links:
    """Links to the page, for REST, for notifications and for the dashboard. Safe from any thread."""

    def __init__(self, public_url: str = "") -> None:
        """`public_url` is how others reach the HTTP side; empty: by where it listens, once that is known."""
        self._public_url, self._url = public_url, ""

    def served_at(self, url: str) -> None:
        """Notes where the HTTP side listens."""
        self._url = url

    def to(self, anchor: str) -> str | None:
        """Returns the address of what the page says under a heading; None: nobody serves the page."""
        base = self._public_url or self._url
        return f"{base.rstrip('/')}/{on_the_page(anchor)}" if base else None


def on_the_page(anchor: str) -> str:
    """Returns the same link for those who are on a page of the HTTP side already: it holds under whatever name."""
    return f"{PAGE}#{anchor}"
