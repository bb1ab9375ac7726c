"""Has an act done: asks first where it loosens something, sends it so that it is done once, shows what became of it."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

from msc_authority.cli.asking import acting, asking
from msc_authority.cli.errors import CommandError
from msc_authority.cli.operate_text import outcome_rows
from msc_authority.cli.output import console, fact_table, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from msc_authority.rpc.plain import Plain
    from msc_authority.rpc.remote import Remote
    from msc_authority.rpc.remote_acts import Asked

    Does = Callable[[Remote, Asked], Plain]


_RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was typed. `asks`: show what it would change, and ask whether to do it."""

    action: str
    reason: str
    actor: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)
    lasts_s: float | None = None
    asks: bool = False
    dry_run: bool = False
    as_json: bool = False


def carry_out(wish: Wish, target: str) -> None:
    """Has it done, and prints what became of it.

    Raises:
        CommandError: it was refused, nobody answers, or the person said no.
    """
    _carry_out(wish, target, lambda remote, asked: remote.act(asked))


def lift_it(override_id: str, wish: Wish, target: str) -> None:
    """Has an override lifted, and prints what became of it. Raises as `carry_out` does."""
    _carry_out(wish, target, lambda remote, asked: remote.lift(override_id, asked))


def _carry_out(wish: Wish, target: str, does: Does) -> None:
    from msc_authority.rpc.remote import DEADLINE_S

    # One id for every attempt: an answer that is lost on its way back does nothing twice.
    request_id = uuid.uuid4().hex
    with asking(target) as remote:
        if wish.asks and not wish.dry_run:
            _confirm(does(remote, _asked(wish, request_id, dry_run=True)), resumes=wish.action == _RESUME)
        with nullcontext() if wish.dry_run else acting(DEADLINE_S):
            answer = does(remote, _asked(wish, request_id, dry_run=wish.dry_run))
    if wish.as_json:
        print_json(answer)
    else:
        console().print(fact_table(outcome_rows(answer, dry_run=wish.dry_run, resumes=wish.action == _RESUME)))


def _asked(wish: Wish, request_id: str, *, dry_run: bool) -> Asked:
    from msc_authority.rpc.remote_acts import Asked

    return Asked(
        action=wish.action,
        reason=wish.reason,
        actor=wish.actor or _own_name(),
        request_id="" if dry_run else request_id,
        dry_run=dry_run,
        fields=wish.fields,
        lasts_s=wish.lasts_s,
    )


def _confirm(preview: Plain, *, resumes: bool) -> None:
    told = _on_stderr()
    told.print(fact_table(outcome_rows(preview, dry_run=True, resumes=resumes)))
    try:
        agreed = typer.confirm("Do it?", err=True)
    except typer.Abort:
        # Nobody is there to answer.
        typer.echo(err=True)
        agreed = False
    if not agreed:
        raise CommandError("nothing was done: it was not confirmed", advice="--yes does it without asking")


def _on_stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def _own_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # An account without a name, as in some containers.
        return ""
