"""The kinds of values that settings have: what each is read from, and what it may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from msc_authority.core.config import DecisionConfig
from msc_authority.settings_table import build_table

MAX_PERIOD_S = 86_400.0


def not_a_boolean(value: object) -> object:
    """Refuses a boolean, which Python would take for a number."""
    if isinstance(value, bool):
        raise ValueError("must be a number, not a boolean")
    return value


def as_words(value: object) -> object:
    """Words from one text, or the words as they are."""
    return tuple(value.split()) if isinstance(value, str) else value


def as_urls(value: object) -> object:
    """Checks addresses without repeating one: pydantic's own words would."""
    urls = value.split() if isinstance(value, str) else value
    if not isinstance(urls, list | tuple) or not all(isinstance(url, str) for url in urls):
        raise ValueError("must be a list of URLs; in the environment, separated by spaces")
    if not urls:
        return ()
    from msc_authority.adapters.notify.addresses import problem_of

    for position, url in enumerate(urls, start=1):
        if problem := problem_of(url):
            raise ValueError(f"address {position}: {problem}")
    return tuple(urls)


def as_decision(value: object) -> object:
    """The decision model from a table, or as it is."""
    return build_table(DecisionConfig(), value, "decision") if isinstance(value, Mapping) else value


def for_ever_or(least: int) -> Callable[[int], int]:
    """Checks days: 0 for ever, or at least `least`."""

    def checked(days: int) -> int:
        if 0 < days < least:
            raise ValueError(f"must be 0, for ever, or at least {least}: less is looked at every day")
        return days

    return checked


def as_redis_url(url: str) -> str:
    """Checks the address of a Redis without repeating it."""
    try:
        parts = urlsplit(url)
        # Asking for the port checks it.
        place = parts.path if parts.scheme == "unix" else parts.hostname and parts.port != 0
        if place and parts.scheme in {"redis", "rediss", "unix"}:
            return url
    except ValueError:
        pass
    # Without repeating it: it may hold a password.
    raise ValueError("must be redis://HOST, rediss://HOST for TLS, or unix:///PATH") from None


def as_public_url(url: str) -> str:
    """Checks the address of a page that others reach."""
    try:
        parts = urlsplit(url)
        # Asking for the port checks it.
        whole = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        if not url or (whole and url.isprintable() and not {*" @?#"} & {*url}):
            return url
    except ValueError:
        pass
    raise ValueError("must be http:// or https://, a host, and a path where there is one") from None


def as_role_words(value: object) -> object:
    """Roles by name: one word or several."""
    if not isinstance(value, Mapping):
        raise ValueError("must be a table of names and their roles")
    return {name: (roles,) if isinstance(roles, str) else roles for name, roles in value.items()}


Seconds = Annotated[
    float,
    BeforeValidator(not_a_boolean),
    Field(gt=0, le=MAX_PERIOD_S, allow_inf_nan=False),
]
HostName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,252})$", description="A name or an address, without a port.")
]
RoleName = Literal["reader", "journal", "evaluator", "operator"]
FilePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
KeptDays = Annotated[int, BeforeValidator(not_a_boolean), Field(ge=0, le=36_500), AfterValidator(for_ever_or(7))]
EvidenceDays = Annotated[int, BeforeValidator(not_a_boolean), Field(ge=0, le=36_500), AfterValidator(for_ever_or(90))]
Port = Annotated[int, BeforeValidator(not_a_boolean), Field(ge=0, le=65_535)]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_database_url(url: str) -> None:
    """Raises ValueError for what is not the URL of a database."""
    try:
        scheme = urlsplit(url).scheme.partition("+")[0]
    except ValueError as error:
        raise ValueError(f"database_url: not a URL ({error})") from None
    if scheme not in {"sqlite", "postgresql"}:
        raise ValueError("database_url: must start with sqlite:/// or postgresql://")
