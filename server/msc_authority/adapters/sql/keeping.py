"""Puts into a restored database what persons had said in the one that it replaces, with an audit line for each word."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select, update

from msc_authority.adapters.sql.audit import AuditLine, write_audit
from msc_authority.adapters.sql.evaluations import write_transitions
from msc_authority.adapters.sql.replaced import Replaced
from msc_authority.adapters.sql.tables import msc_state
from msc_authority.adapters.sql.tokens import insert_token, mark_revoked, tokens_in
from msc_authority.core.codec import StateMismatch
from msc_authority.core.operator_acts import Instruction, halted
from msc_authority.core.policy import TradingState
from msc_authority.core.restoring import Fate, Kept, Word, halted_unread, revoked_since, what_a_restore_keeps
from msc_authority.core.state import ControllerState
from msc_authority.ports.tokens import StoredToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the person who restores has said of it: give up what only the replaced database tightens, come up HALTED,
    take all tokens back.
    """

    lose_tightenings: bool = False
    halt: bool = False
    revoke_all_tokens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What holds behind a restore: words that only one database had, tokens, and whether entries are allowed.

    `trading_state` None: the state of the backup cannot be read, and was left as it is.
    """

    words: tuple[Word, ...]
    tokens: tuple[StoredToken, ...]
    trading_state: TradingState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a database has of the controller. `unread` says why it cannot be read; empty: it can."""

    state: ControllerState
    payload: bytes | None
    unread: str = ""

    @property
    def detail(self) -> dict[str, object]:
        """What cannot be read, for whoever will look into it."""
        return {"because": self.unread, "unreadable_state": base64.b64encode(self.payload or b"").decode()}

    @classmethod
    def of(cls, payload: bytes | None, now: datetime) -> _Said:
        initial = ControllerState.initial(now)
        try:
            return cls(state=initial if payload is None else ControllerState.decode(payload), payload=payload)
        except StateMismatch as error:
            return cls(state=initial, payload=payload, unread=str(error))


def keep_words(
    connection: Connection, replaced: Replaced, wishes: Wishes, *, now: datetime, actor: str, reason: str
) -> Holding:
    """Writes it, and returns what holds then. `reason` is that of the restore."""
    trading_state, words = _keep_state(connection, replaced, wishes, now, actor, reason)
    words += _keep_revocations(connection, replaced, now)
    for word in words:
        detail = {"said": word.text, **word.detail}
        line = AuditLine(actor=actor, action=f"restore_{word.fate}", target=word.target, detail=detail)
        write_audit(connection, now, line)
    if wishes.halt:
        write_audit(connection, now, AuditLine(actor=actor, action="halt", target="trading", detail={"reason": reason}))
    if wishes.revoke_all_tokens:
        _revoke_all(connection, replaced, now, actor, reason)
    return Holding(words=words, tokens=tuple(_holding(connection, now)), trading_state=trading_state)


def _keep_state(
    connection: Connection, replaced: Replaced, wishes: Wishes, now: datetime, actor: str, reason: str
) -> tuple[TradingState | None, tuple[Word, ...]]:
    payload: bytes | None = connection.scalar(select(msc_state.c.controller))
    backup = _Said.of(payload, now)
    kept = _decided(backup, replaced, now, lose=wishes.lose_tightenings)
    if backup.unread and not wishes.halt and (not replaced.rows or wishes.lose_tightenings):
        # An authority finds it unreadable, too, and publishes nothing before a person has halted it.
        return None, tuple(word for word in kept.words if word.fate is Fate.LOST)
    if wishes.halt and kept.state.trading_state is not TradingState.HALTED:
        said = Instruction(actor=actor, reason=reason, now=now, override_id="")
        kept = replace(kept, state=halted(kept.state, said).state)
    if kept.state != backup.state or backup.unread:
        connection.execute(update(msc_state).values(controller=kept.state.encode()))
    write_transitions(connection, None, kept.transitions)
    return kept.state.trading_state, kept.words


def _decided(backup: _Said, replaced: Replaced, now: datetime, *, lose: bool) -> Kept:
    since = _Said.of(replaced.controller, now)
    there = since.state if replaced.rows else None
    kept = what_a_restore_keeps(backup.state, there, now, lose_tightenings=lose)
    if since.unread and lose:
        text = "what persons had said cannot be read in the replaced database"
        return replace(kept, words=(Word(fate=Fate.LOST, target="trading", text=text), *kept.words))
    if since.unread:
        kept = halted_unread(kept, "the replaced database", since.detail)
    if backup.unread:
        kept = halted_unread(kept, "the backup", backup.detail)
    return kept


def _keep_revocations(connection: Connection, replaced: Replaced, now: datetime) -> tuple[Word, ...]:
    held = {token.token_id: token.revoked_at for token in tokens_in(connection)}
    since = {token.token_id: token for token in replaced.tokens}
    revoked = revoked_since(held, {token_id: token.revoked_at for token_id, token in since.items()})
    for token_id, at in revoked.items():
        if token_id in held:
            mark_revoked(connection, token_id, at)
        else:
            # A later backup may have it, and must find here that it was taken back.
            insert_token(connection, since[token_id])
    made = (token for token in replaced.tokens if token.token_id not in held and _holds(token, now))
    return (
        *(
            _token_word(Fate.KEPT, since[token_id], f"revoked at {at:%Y-%m-%d %H:%M:%SZ}")
            for token_id, at in revoked.items()
        ),
        *(_token_word(Fate.DROPPED, token, "not in the backup: gone") for token in made),
    )


def _token_word(fate: Fate, token: StoredToken, what: str) -> Word:
    text = f"token {token.token_id} of {token.name} {what}"
    return Word(fate=fate, target=f"token {token.token_id}", text=text, detail={"name": token.name})


def _revoke_all(connection: Connection, replaced: Replaced, now: datetime, actor: str, reason: str) -> None:
    there = {token.token_id for token in tokens_in(connection)}
    for token in replaced.tokens:
        if token.token_id not in there:
            insert_token(connection, token)
    for token in tokens_in(connection):
        if token.revoked_at is None:
            mark_revoked(connection, token.token_id, now)
            detail = {"name": token.name, "reason": reason}
            line = AuditLine(actor=actor, action="revoke_token", target=f"token {token.token_id}", detail=detail)
            write_audit(connection, now, line)


def _holding(connection: Connection, now: datetime) -> Iterator[StoredToken]:
    return (token for token in tokens_in(connection) if _holds(token, now))


def _holds(token: StoredToken, now: datetime) -> bool:
    return token.revoked_at is None and (token.expires_at is None or token.expires_at > now)
