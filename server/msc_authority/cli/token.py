"""`msc token create`, `list` and `revoke`: who may ask the authority, and for what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.database import DatabaseOption, existing_database, named, settings_of, store_told, this_person
from msc_authority.cli.durations import seconds_of
from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.options import ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import clean, console, grid, instant, print_json, text

if TYPE_CHECKING:
    from datetime import datetime

    from msc_authority.ports.tokens import StoredToken, TokenStore

NEVER = "never"

token_app = typer.Typer(help="Bearer tokens: who may ask the authority, and for what.", no_args_is_help=True)


class RoleChoice(Enum):
    """What a token may be for."""

    READER = "reader"
    JOURNAL = "journal"
    EVALUATOR = "evaluator"
    OPERATOR = "operator"


@token_app.callback()
def _token() -> None:
    """Bearer tokens: who may ask the authority, and for what. They are kept in its database, as hashes."""


@token_app.command("create")
@command
def create(
    name: Annotated[str, typer.Argument(help="Who it is for: this name is written beside what is done with it.")],
    role: Annotated[list[RoleChoice], typer.Option(help="What it may do; may be given several times.")],
    valid_for: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long it holds: 12h, 90d, 52w, or never.")
    ] = "90d",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=PREFIX",
            help="Facts it may record: account=, executor= or strategy= and how the name begins. Several may be given.",
        ),
    ] = None,
    database_url: DatabaseOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it, this once: the database has only a hash of it.

    The token goes to standard output, what is said about it to standard error: msc token create bot --role journal >
    token makes a file for MSC_TOKEN_FILE. Authorities know it within a second.
    """
    from msc_authority.adapters.clock import SystemClock
    from msc_authority.app.access import Role
    from msc_authority.app.tokens import mint

    try:
        minted = mint(
            name=name,
            roles=[Role(choice.value) for choice in role],
            now=SystemClock().now(),
            created_by=this_person(),
            valid_for=_duration(valid_for),
            scope=_scope(scope or ()),
        )
    except (ValueError, OverflowError) as error:
        raise CommandError(str(error), advice="msc token create --help", code=ExitCode.USAGE) from error
    url = settings_of(config, {"home": home, "database_url": database_url}).database_url
    with _store(url) as tokens:
        tokens.add(minted.stored)
    if as_json:
        print_json({"token": minted.text, **_described(minted.stored), "database": named(url)})
        return
    typer.echo(minted.text)
    until = "without end" if minted.stored.expires_at is None else f"until {_instant(minted.stored.expires_at)}"
    typer.echo(
        f"Token {minted.stored.token_id} of {name} ({', '.join(minted.stored.roles)}) holds {until} in {named(url)}. "
        f"It is shown this once; msc token revoke {minted.stored.token_id} takes it back.",
        err=True,
    )


@token_app.command("list")
@command
def list_tokens(
    every: Annotated[bool, typer.Option("--all", help="Also those that expired or were revoked.")] = False,
    database_url: DatabaseOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tokens that hold, the oldest first, with when each was used last."""
    from msc_authority.adapters.clock import SystemClock

    url = settings_of(config, {"home": home, "database_url": database_url}).database_url
    existing_database(url)
    now = SystemClock().now()
    with _store(url) as tokens:
        found = [token for token in tokens.tokens() if every or _state(token, now) == "valid"]
    if as_json:
        for token in found:
            print_json({**_described(token), "state": _state(token, now)})
    elif found:
        _show(found, now)
    else:
        typer.echo("No token holds: msc token create NAME --role reader makes one.")


@token_app.command("revoke")
@command
def revoke(
    which: Annotated[str, typer.Argument(metavar="ID|NAME", help="Which token; a name if only one of it holds.")],
    database_url: DatabaseOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a token back for good. Authorities refuse it within a second, and end what was opened with it."""
    url = settings_of(config, {"home": home, "database_url": database_url}).database_url
    existing_database(url)
    with _store(url) as tokens:
        token = _chosen(which, tokens.tokens())
        tokens.revoke(token.token_id, this_person())
    if as_json:
        print_json({"token_id": token.token_id, "name": token.name, "revoked": True, "database": named(url)})
    else:
        typer.echo(f"Token {token.token_id} of {clean(token.name)} was revoked in {named(url)}.")


@contextmanager
def _store(url: str) -> Iterator[TokenStore]:
    from msc_authority.adapters.clock import SystemClock
    from msc_authority.adapters.sql import open_store

    with store_told(), open_store(url, SystemClock()) as store:
        yield store.tokens


def _chosen(which: str, tokens: Sequence[StoredToken]) -> StoredToken:
    # Whoever pastes the whole token means the one with its id.
    wanted = which.split("_")[1] if which.startswith("msc_") and which.count("_") > 1 else which
    held = [token for token in tokens if token.revoked_at is None]
    found = [token for token in held if token.token_id == wanted] or [token for token in held if token.name == wanted]
    if len(found) == 1:
        return found[0]
    shown = clean(wanted)
    if found:
        ids = ", ".join(token.token_id for token in found)
        raise CommandError(f"{len(found)} tokens of {shown} hold", advice=f"name one by its id: {ids}")
    raise CommandError(f"no token {shown} holds", advice="msc token list shows those there are")


def _duration(text: str) -> timedelta | None:
    if text == NEVER:
        return None
    seconds = seconds_of(text, "--for")
    return None if seconds is None else timedelta(seconds=seconds)


def _scope(pairs: Sequence[str]) -> dict[str, list[str]]:
    scope: dict[str, list[str]] = {}
    for pair in pairs:
        kind, _, prefix = pair.partition("=")
        scope.setdefault(kind, []).append(prefix)
    return scope


def _described(token: StoredToken) -> dict[str, object]:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "roles": list(token.roles),
        "scope": {kind: list(prefixes) for kind, prefixes in token.scope},
        "created_at": _instant(token.created_at),
        "created_by": token.created_by,
        "expires_at": _instant(token.expires_at),
        "revoked_at": _instant(token.revoked_at),
        "last_used_at": _instant(token.last_used_at),
    }


def _state(token: StoredToken, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= now else "valid"


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _show(tokens: Sequence[StoredToken], now: datetime) -> None:
    table = grid("id", "name", "roles", "until", "last used", "state", fold=("name", "roles"))
    for token in tokens:
        bounds = "".join(f" {kind}={'|'.join(prefixes)}" for kind, prefixes in token.scope)
        table.add_row(
            token.token_id,
            text(clean(token.name)),
            text(clean(", ".join(token.roles) + bounds)),
            NEVER if token.expires_at is None else instant(_instant(token.expires_at)),
            "never" if token.last_used_at is None else instant(_instant(token.last_used_at)),
            _state(token, now),
        )
    console().print(table)
