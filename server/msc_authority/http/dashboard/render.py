"""Sections as HTML. Everything that comes from outside is escaped by the templates."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("msc_authority.http.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(section: str, value: object) -> str:
    """Returns a section as HTML. `it` is its value."""
    return _environment().get_template(f"{section}.html").render(it=value)
