"""`msc config show`: every setting, its value and where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from msc_authority.cli.errors import command
from msc_authority.cli.loading import load_settings
from msc_authority.cli.options import ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import print_json

if TYPE_CHECKING:
    from msc_authority.settings import Loaded

config_app = typer.Typer(help="The configuration.", no_args_is_help=True)


@config_app.callback()
def _config() -> None:
    """Show the configuration. Values come from defaults < file < MSC_* environment < flags."""


@config_app.command("show")
@command
def show(config: ConfigOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show every setting, its value and its origin; secrets are masked.

    Origins: default, the configuration file's path, the environment variable, or the flag.
    """
    loaded = load_settings(config, {"home": home})
    rows = list(described(loaded))
    if as_json:
        print_json({key: {"value": value, "origin": origin} for key, value, origin in rows})
        return
    for key, value, origin in rows:
        typer.echo(f"{key} = {value}  ({origin})")
    for notice in loaded.settings.notices():
        typer.echo(f"Note: {notice}.")


def described(loaded: Loaded) -> Iterator[tuple[str, object, str]]:
    """Yields (key, value without secrets, origin) of each setting, those of the decision model last."""
    from msc_authority.masking import mask_value
    from msc_authority.settings_table import flatten_table, table_of

    plain: dict[str, object] = loaded.settings.model_dump(exclude={"decision"})
    for key, value in (*plain.items(), *flatten_table(table_of(loaded.settings.decision), "decision")):
        shown = str(value) if isinstance(value, Path) else value
        yield key, mask_value(key, shown), loaded.origins.get(key, "default")
