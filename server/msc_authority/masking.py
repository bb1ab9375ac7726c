"""Takes secrets out of text before anyone sees it: passwords inside URLs, tokens, keys and signatures."""

from __future__ import annotations

import re
from collections.abc import Mapping

MASK = "***"

_SECRET_NAME = r"(?:password|passwd|secret|token|api[_-]?key|signature|authorization|credential)"
# Up to the last @ of the word: people put slashes, quotes and @ into passwords unescaped, and drivers take them.
_URL_PASSWORD = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s/:@]*:)\S*(?=@)", re.IGNORECASE)
# In quotes: up to the same quote, which may stand escaped within. Else a word: a quote at its end is not part of it.
_QUOTED = r"(?:\\.|(?!(?P=quote)).)+"
_WORD = r"(?:Bearer\s+)?[^\s\"'&,;)}\]](?:[^\s&,;)}\]]*[^\s\"'&,;)}\]])?"
_ASSIGNMENT = re.compile(
    rf"(?P<head>\b[\w-]*{_SECRET_NAME}[\w-]*[\"']?\s*[=:]\s*(?P<quote>[\"'])?)(?!{re.escape(MASK)})"
    rf"(?(quote){_QUOTED}|{_WORD})",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<head>\bBearer\s+)[\w.~+/=-]+", re.IGNORECASE)
_OUR_TOKEN = re.compile(r"(?P<head>\bmsc_[0-9a-f]{12}_)[\w-]+")
_NAME = re.compile(_SECRET_NAME, re.IGNORECASE)
_ADDRESSES = frozenset({"alert_urls"})
_WEB_HOST = re.compile(r"https?://(?:[^\s/?#]*@)?(?P<name>[^\s/?#@]+).*", re.IGNORECASE | re.DOTALL)


def mask_text(text: str) -> str:
    """`text` with each secret in it replaced by three asterisks."""
    for pattern in (_URL_PASSWORD, _ASSIGNMENT, _BEARER, _OUR_TOKEN):
        text = pattern.sub(rf"\g<head>{MASK}", text)
    return text


def mask_address(url: str) -> str:
    """Where alerts are sent to, without what lets others send there: any part but the scheme and a web host may."""
    if found := _WEB_HOST.fullmatch(url):
        return f"{url.partition(':')[0].lower()}://{found['name']}/{MASK}"
    scheme, separator, _ = url.partition("://")
    return f"{scheme}://{MASK}" if separator else MASK


def mask_value(name: str, value: object) -> object:
    """`value` without secrets: masked whole where its name says that it is one, else within its text."""
    if isinstance(value, Mapping):
        return {str(key): mask_value(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_value(name, item) for item in value]
    if not isinstance(value, str):
        return value
    if name in _ADDRESSES:
        return mask_address(value)
    return MASK if value and _NAME.search(name) else mask_text(value)
