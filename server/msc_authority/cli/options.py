"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_TARGET = "127.0.0.1:7443"
DEFAULT_URL = "http://127.0.0.1:8000"

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON: one object, or one object a line.", show_default=False)
]
TargetOption = Annotated[
    str, typer.Option("--target", envvar="MSC_TARGET", metavar="HOST:PORT", help="Where the authority listens.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Configuration file. Default: msc.toml in home.", show_default=False),
]
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="FOLDER", help="Folder that holds the state. MSC_HOME.", show_default=False),
]
UrlOption = Annotated[
    str, typer.Option("--url", envvar="MSC_URL", metavar="URL", help="Where the authority serves HTTP.")
]
