"""The database itself, for commands that work on it without an authority."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.errors import CommandError, ExitCode
from msc_authority.cli.loading import load_settings

if TYPE_CHECKING:
    from msc_authority.adapters.sql.engine import Database
    from msc_authority.settings import Settings

DatabaseOption = Annotated[
    str | None, typer.Option(metavar="URL", help="sqlite:/// or postgresql://. Default: that of home.")
]


def settings_of(config: Path | None, flags: Mapping[str, object]) -> Settings:
    """Settings for a command that opens the database.

    Raises:
        CommandError: they cannot be used.
    """
    return load_settings(config, flags).settings


def existing_database(url: str) -> None:
    """Makes sure that a file of SQLite is there: opening would make it.

    Raises:
        CommandError: it is not.
    """
    file = sqlite_file(url)
    if file is not None and not file.exists():
        raise CommandError(f"{file}: no such database", advice="check --home or --database-url", code=ExitCode.USAGE)


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None: another kind."""
    scheme, _, path = url.partition(":///")
    return Path(path) if path and scheme.partition("+")[0] == "sqlite" else None


def named(url: str) -> str:
    """The database as a command that writes it says which: its URL, without a password."""
    from msc_authority.adapters.sql.engine import checked_url
    from msc_authority.adapters.sql.errors import shown

    # Parsed, not masked as text: a quote in a password would end the text of it.
    parsed = checked_url(url)
    return shown(parsed.set(drivername=parsed.get_backend_name()))


@contextmanager
def opened(url: str, *, current: bool = True, unhurried: bool = False) -> Iterator[Database]:
    """Yields the database, which is left as it is; `unhurried` is for reading all of it.

    Raises:
        CommandError: it is not there, does not answer, or (where it has to be `current`) has an older schema.
    """
    existing_database(url)
    with store_told():
        from msc_authority.adapters.sql.engine import Database
        from msc_authority.adapters.sql.postgres import LIMITS, UNHURRIED
        from msc_authority.adapters.sql.schema import check_current

        database = Database(url, limits=UNHURRIED if unhurried else LIMITS)
        try:
            if current:
                check_current(database)
            yield database
        finally:
            database.close()


@contextmanager
def store_told() -> Iterator[None]:
    """Lets errors of the store leave in the words of the command line."""
    from msc_authority.ports.store import StoreError

    try:
        yield
    except StoreError as error:
        raise CommandError(str(error), advice="msc doctor checks the database", reason="STORE") from error


def this_person() -> str:
    """Who runs the command, for the audit log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
