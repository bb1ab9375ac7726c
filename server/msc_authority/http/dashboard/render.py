"""Sections as HTML. Everything that comes from outside is escaped by the templates."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("msc_authority.http.dashboard"),
        autoescape=True,
        # A newer version that is installed below a running authority must not mix its pages with the older values.
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = with_code
    return environment


_CODE = re.compile(r"`([^`]+)`")


def with_code(text: str) -> Markup:
    """Returns text with what stands between backticks as code, escaped."""
    parts = _CODE.split(text)
    shown = (Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
    return Markup("").join(shown)


def render(section: str, value: object) -> str:
    """Returns a section as HTML. `it` is its value."""
    return _environment().get_template(f"{section}.html").render(it=value)
