"""What `msc restore` says came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msc_authority.cli.output import clean

if TYPE_CHECKING:
    from msc_authority.adapters.sql.replaced import Replaced
    from msc_authority.adapters.sql.restore import Restored
    from msc_authority.ports.tokens import StoredToken

_FATES = {
    "kept": "Kept of what was replaced:",
    "back": "Of the backup only, and holding again:",
    "dropped": "Not holding any more:",
    "lost": "Given up, as you asked:",
}


def restored_document(done: Restored, where: str) -> dict[str, object]:
    """The result for programs. `where` is the URL of the database, masked."""
    broken, replaced, holding = done.audit_break, done.replaced, done.holding
    log, state = replaced.log, holding.trading_state
    return {
        "database": where,
        "rows": done.rows,
        "backup_epoch": done.backup_epoch,
        "replaced_epoch": done.replaced_epoch or None,
        "epoch": done.epoch,
        "audit_broken": None if broken is None else {"row": broken.sequence, "text": broken.text},
        "audit_rows_kept": None if log.behind is None else len(log.behind),
        "replaced_audit_anchor": str(log.anchor) if log.anchor else None,
        "knows_what_was_said": done.knows_what_was_said,
        "trading_state": None if state is None else state.name,
        "words": [{"fate": word.fate.value, "of": word.target, "text": word.text} for word in holding.words],
        "tokens": [_token_document(token) for token in holding.tokens],
    }


def restored_lines(done: Restored, where: str) -> Iterator[str]:
    """The result for a person. `where` is the URL of the database, masked."""
    yield f"Restored {done.rows} rows into {where}."
    before = f", the database's was {done.replaced_epoch}" if done.replaced_epoch else ""
    yield f"Epoch: {done.epoch} now; the backup's was {done.backup_epoch}{before}."
    if done.audit_break is not None:
        yield f"The audit log was broken already when the backup was made: {done.audit_break.text}."
    yield from _log_lines(done.replaced)
    yield from _word_lines(done)
    yield from _token_lines(done.holding.tokens)
    yield from _unknown_lines(done)
    yield from _trading_lines(done)


def _unknown_lines(done: Restored) -> Iterator[str]:
    wishes = done.wishes
    advised = {"--halt": wishes.halt, "--revoke-all-tokens": wishes.revoke_all_tokens}
    if not done.knows_what_was_said and not all(advised.values()):
        options = " ".join(["--replace", *advised])
        yield (
            "What persons said since the backup is not known here: a halt, an override, a revoked token. If there may "
            f"have been any, restore again before the authority starts, with {options}."
        )


def _log_lines(replaced: Replaced) -> Iterator[str]:
    log = replaced.log
    if log.behind:
        yield f"The audit log goes on with {_counted(len(log.behind), 'row')} written since the backup."
    elif log.behind is None and log.rows:
        yield (
            f"The replaced audit log ({_counted(log.rows, 'row')}, anchor {log.anchor}) does not go on from the "
            "backup's, or not soundly: it is gone, and its anchor is written down in this one."
        )


def _word_lines(done: Restored) -> Iterator[str]:
    for fate, heading in _FATES.items():
        words = [word for word in done.holding.words if word.fate.value == fate]
        if words:
            yield heading
            yield from (f"  {_named(word.target)}{clean(word.text)}" for word in words)


def _named(target: str) -> str:
    kind, _, name = target.partition(" ")
    return f"{name}  " if kind == "override" else ""


def _token_lines(tokens: tuple[StoredToken, ...]) -> Iterator[str]:
    if not tokens:
        yield "No token holds."
        return
    yield f"{_counted(len(tokens), 'token')} of the backup {'hold' if len(tokens) > 1 else 'holds'}:"
    for token in tokens:
        until = "without end" if token.expires_at is None else f"until {token.expires_at:%Y-%m-%d %H:%M:%SZ}"
        yield f"  {token.token_id}  {clean(token.name)} ({', '.join(map(clean, token.roles))}) {until}"


def _trading_lines(done: Restored) -> Iterator[str]:
    state = done.holding.trading_state
    if state is None:
        yield "The controller's state in the backup cannot be read: nobody can open positions before a person halts it."
    elif state.name == "HALTED":
        yield 'Trading is HALTED until a person says msc resume --reason "why".'
    elif state.name == "REDUCING":
        yield "Trading is REDUCING."
    yield "Start the authority: its first evaluation publishes version 1 of the new epoch, and clients move to it."


def _token_document(token: StoredToken) -> dict[str, object]:
    return {
        "token_id": token.token_id,
        "name": token.name,
        "roles": list(token.roles),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
    }


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
