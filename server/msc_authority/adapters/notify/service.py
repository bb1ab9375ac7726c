"""A notification service: whatever the Apprise library has an address for, from mail to chat."""

from __future__ import annotations

import warnings

from apprise import Apprise, AppriseAsset, NotificationManager, NotifyFormat, NotifyType

from msc_authority.adapters.notify.document import text_of, title_of
from msc_authority.adapters.notify.quiet import hush
from msc_authority.app.alerts.delivery import DeliveryFailed
from msc_authority.app.alerts.links import Links
from msc_authority.app.alerts.values import Alert, AlertState, Severity


def known(scheme: str) -> bool:
    """Whether Apprise has a service of that scheme."""
    return scheme in _loaded()


def understood(url: str) -> bool:
    """Whether Apprise finds in an address all that its service needs."""
    _loaded()
    return Apprise.instantiate(url) is not None


def _loaded() -> NotificationManager:
    hush()
    manager: NotificationManager = NotificationManager()  # type: ignore[no-untyped-call]  # untyped there
    # Services of the library look for libraries of others, and those warn about themselves.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        manager.load_modules()  # type: ignore[no-untyped-call]  # untyped there
    return manager


class Service:
    """Sends alerts as a title and a text."""

    def __init__(self, url: str, *, name: str, links: Links) -> None:
        """Takes an address of Apprise.

        Raises:
            ValueError: Apprise does not understand it. The text does not repeat it.
        """
        _loaded()
        asset = AppriseAsset(app_id="MSC", app_desc="Meta Strategy Controller", app_url="", async_mode=False)
        self._apprise, self._name, self._links = Apprise(asset=asset), name, links
        if not self._apprise.add(url):
            raise ValueError("Apprise does not understand this address")

    @property
    def name(self) -> str:
        """What it is called in logs and metrics."""
        return self._name

    def send(self, alert: Alert) -> None:
        """Returns when the service has taken it.

        Raises:
            DeliveryFailed: it has not. The library does not tell whether trying again would help.
        """
        try:
            taken = self._apprise.notify(
                title=title_of(alert),
                body=text_of(alert, self._links.to(alert.anchor)),
                notify_type=_kind(alert),
                body_format=NotifyFormat.TEXT,
            )
        except Exception as error:
            # A plugin may raise anything, with the address in it.
            raise DeliveryFailed(type(error).__name__) from None
        if not taken:
            raise DeliveryFailed("the service did not take it")


def _kind(alert: Alert) -> NotifyType:
    if alert.state is not AlertState.FIRING:
        return NotifyType.SUCCESS
    return NotifyType.FAILURE if alert.severity is Severity.CRITICAL else NotifyType.WARNING
