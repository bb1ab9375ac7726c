"""The paper exchange's admin port, asked from outside."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit


class ExchangeUnreachable(Exception):
    """The paper exchange does not answer."""


class ExchangeAdmin:
    """Asks one exchange, one request a connection."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        """Takes the admin URL."""
        self._address = urlsplit(url).netloc
        self._timeout_s = timeout_s

    def status(self) -> dict[str, object]:
        """Returns how the exchange is doing."""
        return _object(self._ask("GET", "/status"))

    def trades(self) -> list[dict[str, object]]:
        """Returns every fill there was, in the shape of userTrades."""
        found = self._ask("GET", "/trades")
        return [_object(trade) for trade in found] if isinstance(found, list) else []

    def resume(self) -> None:
        """Lets time run."""
        self._ask("POST", "/resume")

    def pause(self) -> None:
        """Stops time."""
        self._ask("POST", "/pause")

    def step(self, seconds: float) -> None:
        """Moves time forward."""
        self._ask("POST", "/step", {"seconds": seconds})

    def _ask(self, method: str, path: str, fields: dict[str, object] | None = None) -> object:
        connection = HTTPConnection(self._address, timeout=self._timeout_s)
        try:
            connection.request(method, path, body=None if fields is None else json.dumps(fields))
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                raise ExchangeUnreachable(f"{path}: HTTP {response.status}: {text[:200]!r}")
            found: object = json.loads(text)
            return found
        except (OSError, HTTPException, ValueError) as error:
            raise ExchangeUnreachable(f"{path}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()


def _object(found: object) -> dict[str, object]:
    return found if isinstance(found, dict) else {}
