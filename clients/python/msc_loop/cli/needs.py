"""What commands that trade need beside the authority, and what to do when it is missing."""

from __future__ import annotations

from importlib.util import find_spec

from msc_authority.cli.errors import CommandError, ExitCode

INSTALL = "pip install 'meta-strategy-controller[trading]'"
_DISTRIBUTIONS = {"aiohttp": "aiohttp", "binance": "python-binance"}


def require_trading(*modules: str) -> None:
    """Makes sure that the modules can be imported.

    Raises:
        CommandError: one is missing; the message says what to install.
    """
    missing = [_DISTRIBUTIONS[module] for module in modules if find_spec(module) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise CommandError(
            f"{' and '.join(missing)} {verb} not installed", advice=INSTALL, code=ExitCode.USAGE, reason="NOT_INSTALLED"
        )
