"""The account's keys: where they come from, and how they stay out of sight."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msc_trading.venue.port import VenueMisconfigured

KEY_VARIABLE = "BINANCE_API_KEY"
SECRET_VARIABLE = "BINANCE_API_SECRET"

_HIDDEN = "***"
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_PARAMETERS = re.compile(r"(?i)\b(signature|listenKey|X-MBX-APIKEY)(['\"]?\s*[=:]\s*['\"]?)[^&\s'\",)}>]+")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key and its secret. Neither is shown by repr or str.

    Raises:
        VenueMisconfigured: one is empty, or holds blanks or other characters no key has.
    """

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        for name, value in (("api_key", self.api_key), ("api_secret", self.api_secret)):
            if not _VISIBLE_ASCII.fullmatch(value):
                raise VenueMisconfigured(
                    f"{name}: empty, or with characters that no key has; check where it comes from"
                )

    def __str__(self) -> str:
        return "Credentials(***)"

    def scrub(self, words: str) -> str:
        """Returns the words without key, secret, signatures and listen keys."""
        for secret in (self.api_secret, self.api_key):
            words = words.replace(secret, _HIDDEN)
        return scrub_parameters(words)


def scrub_parameters(words: str) -> str:
    """Returns the words without signatures, listen keys and key headers."""
    return _PARAMETERS.sub(rf"\1\2{_HIDDEN}", words)


def credentials_from_environment(environment: Mapping[str, str] = os.environ) -> Credentials:
    """Returns the keys from BINANCE_API_KEY and BINANCE_API_SECRET, or from the files named by the same with _FILE.

    Raises:
        VenueMisconfigured: one is missing, given twice, or its file cannot be read.
    """
    return Credentials(_secret(environment, KEY_VARIABLE), _secret(environment, SECRET_VARIABLE))


def _secret(environment: Mapping[str, str], name: str) -> str:
    given, file = environment.get(name), environment.get(f"{name}_FILE")
    if (given is None) == (file is None):
        raise VenueMisconfigured(f"set exactly one of {name} and {name}_FILE")
    return given if given is not None else _from_file(name, Path(file or ""))


def _from_file(name: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise VenueMisconfigured(f"{name}_FILE: cannot be read ({type(error).__name__})") from None
