"""Settings for commands, with errors in the words of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msc_authority.cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from msc_authority.settings import Loaded


def load_settings(config: Path | None, flags: Mapping[str, object]) -> Loaded:
    """Settings from flags, environment and file.

    Raises:
        CommandError: They cannot be used; the message names each key.
    """
    from msc_authority.settings import ConfigurationError, load

    try:
        return load(config=config, flags=flags)
    except ConfigurationError as error:
        advice = "msc config show --help says where values come from"
        raise CommandError(str(error), advice=advice, code=ExitCode.USAGE, reason=error.reason) from error
