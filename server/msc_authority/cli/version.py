"""`msc version`: what runs here."""

from __future__ import annotations

import typer

from msc_authority.cli.errors import command
from msc_authority.cli.options import JsonOption
from msc_authority.cli.output import print_json


@command
def version(as_json: JsonOption = False) -> None:
    """Print the version of this program and of what it stands on."""
    found = versions()
    if as_json:
        print_json(found)
    else:
        others = ", ".join(f"{name} {value}" for name, value in found.items() if name != "version")
        typer.echo(f"msc {found['version']} ({others})")


def versions() -> dict[str, str]:
    """Versions by name; `version` is this program's own."""
    import platform
    from importlib.metadata import version as installed

    return {
        "version": installed("meta-strategy-controller"),
        "python": platform.python_version(),
        "grpcio": installed("grpcio"),
        "protobuf": installed("protobuf"),
        "sqlalchemy": installed("sqlalchemy"),
        "platform": platform.platform(terse=True),
    }
