"""An authority's database that is backed up, lives on, and is restored over."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from msc_backups import backed_up, restored
from msc_builders import ManualClock
from msc_operating import Operating

from msc_authority.adapters.sql import SqlStore
from msc_authority.adapters.sql.keeping import Wishes
from msc_authority.adapters.sql.restore import Restored
from msc_authority.app.access import Role
from msc_authority.app.acts import Act
from msc_authority.app.tokens import mint
from msc_authority.core.overrides import OverrideKind
from msc_authority.core.policy import StrategyState
from msc_authority.core.restoring import Fate

HOURS = 4


class Scene:
    """An authority's database that is backed up, lives on, and is restored over; `now` is its present."""

    def __init__(self, url: str, store: SqlStore, clock: ManualClock, file: Path) -> None:
        self.url, self.store, self.clock, self.file = url, store, clock, file
        self.operating = Operating(clock, store).after_good_hours(HOURS)

    def says(self, *acts: Act) -> Scene:
        for act in acts:
            self.operating.operator.act(act, "alice", "because")
        return self

    def backs_up(self) -> Scene:
        backed_up(self.url, self.file)
        self.clock.advance(timedelta(minutes=1))
        return self

    def restores(self, **wishes: bool) -> Restored:
        self.clock.advance(timedelta(minutes=1))
        return restored(self.url, self.file, replace=True, now=self.clock.now(), wishes=Wishes(**wishes))

    def backs_up_to(self, name: str) -> Scene:
        """For more backups than one."""
        self.file = self.file.with_name(name)
        return self.backs_up()

    def restores_from(self, name: str, **wishes: bool) -> Restored:
        self.file = self.file.with_name(name)
        return self.restores(**wishes)

    def token(self, name: str) -> str:
        minted = mint(name=name, roles=[Role.READER], now=self.clock.now(), created_by="alice")
        self.store.tokens.add(minted.stored)
        return minted.stored.token_id

    def kinds(self) -> set[OverrideKind]:
        return {one.kind for one in self.operating.state.overrides}

    def retired(self) -> frozenset[str]:
        return self.operating.state.lives.in_state(StrategyState.RETIRED)

    def audit(self) -> list[tuple[str, str]]:
        return [(row.action, row.target) for row in self.store.audit.rows_after(None)]


def words(done: Restored, fate: Fate) -> list[str]:
    return [word.target for word in done.holding.words if word.fate is fate]
