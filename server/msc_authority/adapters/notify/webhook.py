"""A webhook: the alert as JSON, by POST, to an address of one's own."""

from __future__ import annotations

import httpx

from msc_authority.adapters.notify.document import document_of
from msc_authority.adapters.notify.quiet import hush
from msc_authority.app.alerts.delivery import DeliveryFailed
from msc_authority.app.alerts.links import Links
from msc_authority.app.alerts.values import Alert

TIMEOUT_S = 5.0
_WORTH_A_RETRY = frozenset({408, 425, 429})


class Webhook:
    """Posts alerts. Any 2xx means taken; redirects are not followed, for they would lead elsewhere."""

    def __init__(self, url: str, *, name: str, links: Links, timeout_s: float = TIMEOUT_S) -> None:
        """`timeout_s` bounds each step: connecting, sending, waiting for the answer."""
        hush()
        self._url, self._name, self._links, self._timeout_s = url, name, links, timeout_s

    @property
    def name(self) -> str:
        """What it is called in logs and metrics."""
        return self._name

    def send(self, alert: Alert) -> None:
        """Returns when the other side has taken it.

        Raises:
            DeliveryFailed: it could not be reached, did not answer, or refused.
        """
        status = self._status_of(document_of(alert, self._links.to(alert.anchor)))
        if not httpx.codes.is_success(status):
            retry = httpx.codes.is_server_error(status) or status in _WORTH_A_RETRY
            raise DeliveryFailed(f"it answered {status}", permanent=not retry)

    def _status_of(self, document: dict[str, object]) -> int:
        try:
            # What it answers beyond the status is not read.
            with httpx.stream("POST", self._url, json=document, timeout=self._timeout_s) as response:
                return response.status_code
        except httpx.ConnectError as error:
            raise DeliveryFailed(f"it cannot be reached ({error})") from None
        except httpx.TimeoutException:
            raise DeliveryFailed(f"no answer within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # Their texts, and the chain behind them, can hold the address.
            raise DeliveryFailed(type(error).__name__) from None
