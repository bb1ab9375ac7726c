"""Asks the authority over HTTP, and puts what goes wrong into the words and exit codes of the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from msc_authority.cli.credentials import credentials, ssl_context
from msc_authority.cli.errors import CommandError, ExitCode
from msc_authority.settings import is_loopback

if TYPE_CHECKING:
    import httpx

    from msc_authority.cli.server_events import Frame

Document = Mapping[str, object]
Parameter = str | int

CONNECT_S = 2.0
ANSWER_S = 5.0
SILENCE_S = 40.0
"""Longest silence on a stream of events: the authority says something every 15 s."""
_PROBLEM = "application/problem+json"
_ADVICE = {
    "STORE_UNAVAILABLE": "look at the database of the authority with msc doctor on its machine",
    "RATE_LIMITED": "wait a moment and try again",
    "TOKEN_MISSING": "give one with --token-file, MSC_TOKEN_FILE or MSC_TOKEN",
    "ROLE_MISSING": "ask for a token with that role",
}


class WebError(Exception):
    """No good answer. `reachable` says whether an authority answered at all; `status` is that of its answer."""

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        status: int | None = None,
        fields: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Takes the sentence to show, a stable reason, and for an answer its status and the fields at fault."""
        super().__init__(message)
        self.message, self.reason, self.status, self.fields = message, reason, status, tuple(fields)

    @property
    def reachable(self) -> bool:
        """Whether it was an authority that answered."""
        return self.status is not None

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status is None or self.status == 429 or self.status >= 500


class Web:
    """The authority's HTTP side. Close it, or use it in a `with` block."""

    def __init__(self, url: str, *, answer_s: float = ANSWER_S) -> None:
        """Takes the address, such as http://127.0.0.1:8000, and how long an answer may take. Connects lazily."""
        import httpx

        token, context = credentials().token, ssl_context()
        self._client = httpx.Client(
            base_url=url,
            verify=True if context is None else context,
            timeout=httpx.Timeout(answer_s, connect=min(CONNECT_S, answer_s)),
            # A proxy cannot reach what only this machine can.
            trust_env=not is_loopback(urlsplit(url).hostname or ""),
            headers={"User-Agent": "msc"} | ({"Authorization": f"Bearer {token}"} if token else {}),
        )

    def get(self, path: str, **parameters: Parameter) -> Document:
        """Returns the answer.

        Raises:
            WebError: nobody answers, who answers is no authority, or it refuses.
        """
        import httpx

        try:
            response = self._client.get(path, params=parameters, headers={"Accept": "application/json"})
        except httpx.TransportError as error:
            raise _unreached(error) from error
        except httpx.DecodingError as error:
            raise _not_an_authority("its answer cannot be decoded") from error
        return _document(response)

    def events(self, *, types: str = "", last_id: str = "", silence_s: float = SILENCE_S) -> Iterator[Frame]:
        """Yields what the authority tells from after `last_id` on ("": from now on), until it ends the stream.

        Raises:
            WebError: as for `get`; also when nothing comes for `silence_s` seconds, with the reason SILENT.
        """
        import httpx

        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S, read=silence_s)
        answered = False
        try:
            with self._client.stream(
                "GET", "/api/msc/events", params={"types": types} if types else {}, headers=headers, timeout=timeout
            ) as response:
                answered = True
                yield from _frames(response)
        except httpx.ReadTimeout as error:
            if not answered:
                raise _unreached(error) from error
            raise WebError(f"silent for {silence_s:g} s", reason="SILENT") from error
        except httpx.TransportError as error:
            raise _unreached(error) from error

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def __enter__(self) -> Web:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the connections."""
        self.close()


@contextmanager
def browsing(url: str) -> Iterator[Web]:
    """The authority at `url`; its errors come out as CommandError."""
    check_url(url)
    with Web(url) as web:
        try:
            yield web
        except WebError as error:
            raise told(error, url) from error


def url_at(host: str, port: int, scheme: str = "http") -> str:
    """Where a program on this machine reaches a server that listens there."""
    bare = host.strip("[]")
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bare, bare)  # noqa: S104 -- not bound here
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"


def check_url(url: str) -> None:
    """Refuses what cannot be the address of an HTTP server.

    Raises:
        CommandError: `url` is not http://HOST:PORT or https://HOST:PORT.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        advice = "give --url or MSC_URL as http://127.0.0.1:8000"
        raise CommandError(f"{url!r} is not a URL of HTTP", advice=advice, code=ExitCode.USAGE)


def told(error: WebError, url: str) -> CommandError:
    """The error for the command line: unreachable or refused, and what to do next."""
    if not error.reachable:
        return CommandError(
            f"no authority answers at {url} ({error.message})",
            advice="start one with msc serve, name another with --url, or run msc doctor",
            code=ExitCode.UNREACHABLE,
            reason=error.reason,
        )
    fields = ", ".join(f"{name}: {problem}" for name, problem in error.fields if problem not in error.message)
    return CommandError(
        f"the authority refused: {error.message}{f' ({fields})' if fields else ''} [{error.reason}]",
        advice=_ADVICE.get(error.reason, ""),
        code=ExitCode.REFUSED,
        reason=error.reason,
    )


def _unreached(error: httpx.TransportError) -> WebError:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return WebError("no answer in time", reason="TIMEOUT")
    # The number says no more than the words.
    why = re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
    return WebError(why, reason="UNREACHABLE")


def _not_an_authority(why: str) -> WebError:
    return WebError(f"somebody else does: {why}", reason="NOT_AN_AUTHORITY")


def _document(response: httpx.Response) -> Document:
    found = _parsed(response.content)
    if found is None:
        raise _not_an_authority(f"status {response.status_code} without a JSON object")
    if not response.is_success:
        _refuse(response, found)
    return found


def _frames(response: httpx.Response) -> Iterator[Frame]:
    from msc_authority.cli.server_events import frames

    kind = _kind(response)
    if response.is_success and kind == "text/event-stream":
        yield from frames(response.iter_bytes())
        return
    response.read()
    found = _parsed(response.content)
    if response.is_success or found is None:
        raise _not_an_authority(f"status {response.status_code} without a stream of events")
    _refuse(response, found)


def _refuse(response: httpx.Response, found: Document) -> NoReturn:
    if _kind(response) != _PROBLEM:
        raise _not_an_authority(f"status {response.status_code}")
    errors = found.get("errors")
    fields = [
        (str(one.get("field", "")), str(one.get("problem", "")))
        for one in (errors if isinstance(errors, list) else [])
        if isinstance(one, Mapping)
    ]
    status = response.status_code
    raise WebError(
        str(found.get("detail") or found.get("title") or f"status {status}"),
        reason=str(found.get("reason") or f"HTTP_{status}"),
        status=status,
        fields=fields,
    )


def _kind(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _parsed(content: bytes) -> dict[str, object] | None:
    try:
        found = json.loads(content)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
