"""What becomes of a lease when somebody asks for it, the same for every store. Pure: the store's instant is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from msc_authority.ports.replicas import LeaseState
from msc_authority.ports.store import Fenced


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """The lease as kept. `holder` empty: it was given back."""

    term: int
    holder: str
    address: str
    renewed_at: datetime
    expires_at: datetime

    def is_free(self, now: datetime) -> bool:
        """Whether nobody has it. One renewed in the future is nobody's: the store's clock was set back since."""
        return not self.holder or not self.renewed_at <= now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Somebody asks for the lease. `one_machine`: only one can reach the store, so an address is one seat."""

    holder: str
    address: str
    ttl_s: float
    one_machine: bool = False


def granted(row: LeaseRow | None, claim: Claim, now: datetime) -> LeaseRow | None:
    """Returns the lease as the claimant gets it, or None: another has it."""
    mine = LeaseRow(
        term=1,
        holder=claim.holder,
        address=claim.address,
        renewed_at=now,
        expires_at=now + timedelta(seconds=claim.ttl_s),
    )
    if row is None:
        return mine
    if row.holder == claim.holder:
        return replace(mine, term=row.term)
    # Also for one who gave it back: what it may still be writing under the old term is not to pass.
    same_seat = claim.one_machine and row.address == claim.address
    return replace(mine, term=row.term + 1) if row.is_free(now) or same_seat else None


def given_back(row: LeaseRow, now: datetime) -> LeaseRow:
    """Returns the lease as nobody's. Whoever gets it next has a new term."""
    return replace(row, holder="", address="", expires_at=now)


def state_of(row: LeaseRow, asker: str, now: datetime) -> LeaseState:
    """Returns what the asker is told."""
    free = row.is_free(now)
    return LeaseState(
        term=row.term,
        holder="" if free else row.holder,
        address="" if free else row.address,
        held=not free and row.holder == asker,
        expires_in_s=max(0.0, (row.expires_at - now).total_seconds()),
    )


def check_term(present: int | None, term: int | None) -> None:
    """Passes what is written under the present term, or under none.

    Raises:
        Fenced: that term is over.
    """
    if term is not None and term != present:
        raise Fenced(f"term {term} is over: another replica leads in term {present}; nothing was written", term)
