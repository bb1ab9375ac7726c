"""Addresses of alerts: what is wrong with one, and who sends to it. No text here repeats an address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from msc_authority.adapters.notify.sinks import Retry, Sinks
from msc_authority.app.alerts.delivery import Notifier
from msc_authority.app.alerts.links import Links
from msc_authority.app.alerts.values import Severity

_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]{0,30})://", re.IGNORECASE)
_WEBHOOKS = frozenset({"http", "https"})
_KNOWN = "use https:// for a webhook, or an address of the Apprise library, such as mailto:// or slack://"


def problem_of(url: str) -> str:
    """Says what is wrong with an address, without repeating it; empty: nothing."""
    scheme = _scheme_of(url)
    if not scheme:
        return f"not a URL; {_KNOWN}"
    return _webhook_problem(url) if scheme in _WEBHOOKS else _service_problem(scheme, url)


def notifier_for(url: str, position: int, links: Links) -> Notifier:
    """Returns who sends to an address. It is named after its kind and its place in the list, which starts at 1.

    Raises:
        ValueError: there is something wrong with the address.
    """
    if problem := problem_of(url):
        raise ValueError(problem)
    scheme = _scheme_of(url)
    if scheme in _WEBHOOKS:
        from msc_authority.adapters.notify.webhook import Webhook

        return Webhook(url, name=f"webhook-{position}", links=links)
    from msc_authority.adapters.notify.service import Service

    return Service(url, name=f"{scheme}-{position}", links=links)


def notifiers_for(urls: Sequence[str], links: Links) -> tuple[Notifier, ...]:
    """Returns who sends to each address, in their order.

    Raises:
        ValueError: there is something wrong with an address.
    """
    return tuple(notifier_for(url, position, links) for position, url in enumerate(urls, start=1))


def sinks_for(urls: Sequence[str], *, links: Links, least: Severity, retry: Retry | None = None) -> Sinks:
    """Returns the sinks of these addresses, not yet started, for alerts of severity `least` and above.

    Raises:
        ValueError: there is something wrong with an address.
    """
    return Sinks(notifiers_for(urls, links), least=least, retry=retry or Retry())


def _scheme_of(url: str) -> str:
    found = _SCHEME.match(url)
    return found["scheme"].lower() if found else ""


def _webhook_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    return "" if whole else "not a whole URL: scheme, host and path, https://host/path"


def _service_problem(scheme: str, url: str) -> str:
    # Loading all services takes a moment: only those who use one spend it.
    from msc_authority.adapters.notify.service import known, understood

    if not known(scheme):
        return f"unknown scheme {scheme}://; {_KNOWN}"
    return "" if understood(url) else f"Apprise knows {scheme}://, but something is missing in this address"
