"""`msc audit verify` and `msc audit list`: who did what, and that nobody changed the record of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from msc_authority.cli.database import DatabaseOption, opened, settings_of
from msc_authority.cli.errors import CommandError, ExitCode, command
from msc_authority.cli.instants import instant_given
from msc_authority.cli.options import ConfigOption, HomeOption, JsonOption
from msc_authority.cli.output import clean, console, grid, instant, print_json, text

if TYPE_CHECKING:
    from msc_authority.core.audit_chain import Anchor, AuditRow, Verification


_ID_CHARS = 12


def build_audit_app() -> typer.Typer:
    """The commands under `msc audit`. Whoever knows more of them adds them."""
    app = typer.Typer(help="The audit log: who did what, as a chain that shows what was done to it.")

    @app.callback()
    def _audit() -> None:
        """The audit log: who did what, as a chain that shows what was done to it."""

    app.command("verify")(verify)
    app.command("list")(list_rows)
    return app


@command
def verify(
    anchor: Annotated[
        list[str] | None,
        typer.Option(metavar="SEQ:HASH", help="A row as an earlier check printed it; may be given several times."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Look at rows from then on, and believe those before.")
    ] = None,
    database_url: DatabaseOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that no row of the audit log was changed, removed, put in or moved. Changes nothing.

    It prints the newest row's number and hash: keep them elsewhere, and give them to the next check as --anchor. Only
    an anchor shows that the end of the log was cut off, or all of it computed anew. Exit code 1: the chain is broken.
    """
    from msc_authority.adapters.sql.audit import SqlAuditLog
    from msc_authority.core.audit_chain import verify as follow

    anchors = _anchors(anchor or ())
    start = instant_given("--since", since) if since else None
    url = settings_of(config, {"home": home, "database_url": database_url}).database_url
    with opened(url) as database:
        log = SqlAuditLog(database)
        after = log.last_before(start) if start else None
        _check_reach(anchors, after)
        verified = follow(log.rows_after(after.sequence if after else None), after=after, anchors=anchors)
    if as_json:
        print_json(_document(verified, after))
    else:
        typer.echo("\n".join(_lines(verified, after)))
    if not _is_good(verified, after):
        raise typer.Exit(ExitCode.BAD_NEWS)


@command
def list_rows(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, newest first.")] = 20,
    before: Annotated[int | None, typer.Option(min=1, metavar="SEQ", help="Rows older than this one.")] = None,
    database_url: DatabaseOption = None,
    config: ConfigOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List who did what to the policy, the store and its keys, newest first."""
    from msc_authority.adapters.sql.audit import SqlAuditLog

    url = settings_of(config, {"home": home, "database_url": database_url}).database_url
    with opened(url) as database:
        rows = SqlAuditLog(database).page(before, limit)
    if as_json:
        for row in rows:
            print_json(row_document(row))
        return
    table = grid("row", "at", "actor", "known by", "action", "what", right=("row",), fold=("actor", "known by"))
    for row in rows:
        reason = row.detail.get("failure") or row.detail.get("reason")
        what = f"{row.target}: {reason}" if reason else row.target
        told = (text(clean(word)) for word in (row.actor, credential_text(row), row.action, what))
        table.add_row(str(row.sequence), instant(row.at.isoformat()), *told)
    console().print(table)


def credential_text(row: AuditRow) -> str:
    """By what it was known who acted, in words; empty where nobody outside did."""
    credential = row.detail.get("credential")
    if not isinstance(credential, Mapping):
        return ""
    # Of a fingerprint, the beginning tells it from others; --json has all of it.
    return f"{credential.get('kind')} {str(credential.get('id', ''))[:_ID_CHARS]}".strip()


def row_document(row: AuditRow) -> dict[str, object]:
    """The row as JSON takes it."""
    return {
        "sequence": row.sequence,
        "at": row.at.isoformat(),
        "actor": row.actor,
        "action": row.action,
        "object": row.target,
        "detail": row.detail,
        "previous_hash": row.previous_hash,
        "hash": row.hash,
    }


def _anchors(given: Sequence[str]) -> list[Anchor]:
    from msc_authority.core.audit_chain import Anchor

    try:
        return [Anchor.read(word) for word in given]
    except ValueError as error:
        raise CommandError(f"--anchor: {error}", code=ExitCode.USAGE, reason="ANCHOR") from error


def _check_reach(anchors: Sequence[Anchor], after: Anchor | None) -> None:
    for anchor in anchors:
        if after is not None and anchor.sequence <= after.sequence:
            message = f"--anchor {anchor.sequence}:… names a row from before --since, which is not looked at"
            raise CommandError(message, advice="leave one of the two out", code=ExitCode.USAGE, reason="ANCHOR")


def _is_good(verified: Verification, after: Anchor | None) -> bool:
    # A store writes its first row when it is made: a log without any has lost them all.
    return verified.broken is None and (verified.newest is not None or after is not None)


def _document(verified: Verification, after: Anchor | None) -> dict[str, object]:
    broken = verified.broken
    return {
        "intact": _is_good(verified, after),
        "rows": verified.rows,
        "believed_up_to": after.sequence if after else 0,
        "anchor": str(verified.newest) if verified.newest else None,
        "broken": None if broken is None else {"row": broken.sequence, "what": broken.damage, "text": broken.text},
    }


def _lines(verified: Verification, after: Anchor | None) -> list[str]:
    broken, newest = verified.broken, verified.newest
    behind = f" behind row {after.sequence}, which was believed" if after else ""
    if broken is not None:
        held = f"up to row {newest.sequence} it holds" if newest and verified.rows else "nothing stands before it"
        return [f"BROKEN at row {broken.sequence} ({broken.damage}): {broken.text}; {held}{behind}."]
    if newest is None:
        return ["BROKEN: the log is empty, and the making of the database is its first row."]
    return [
        f"The audit log is intact: {verified.rows} rows{behind}.",
        "Keep this anchor where nobody who can write the database can write, and give it to the next check:",
        f"  --anchor {newest}",
    ]
