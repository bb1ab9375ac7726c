"""Composes what is seen of the parts that an authority in production stands on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msc_authority.app.production import CacheSigns, DoorTally, Production, StoreSigns, UpkeepSigns

if TYPE_CHECKING:
    from msc_authority.compose.parts import Stores
    from msc_authority.ports.announcements import Announcements


class Signs:
    """Asks each of them."""

    def __init__(
        self,
        stores: Stores,
        announcements: Announcements,
        *,
        door: Callable[[], DoorTally],
        cache: Callable[[], CacheSigns | None],
    ) -> None:
        """The upkeep begins later."""
        self._stores, self._announcements, self._door, self._cache = stores, announcements, door, cache
        self._upkeep: Callable[[], UpkeepSigns] = UpkeepSigns

    def watch_upkeep(self, signs: Callable[[], UpkeepSigns]) -> None:
        """Has the upkeep asked from now on."""
        self._upkeep = signs

    def production(self) -> Production:
        """Returns how they are now."""
        tally = self._stores.tally()
        return Production(
            door=self._door(),
            cache=self._cache(),
            store=StoreSigns(
                lost=tally.lost,
                unavailable=tally.unavailable,
                repeated=tally.repeated,
                listening=self._announcements.connected,
            ),
            upkeep=self._upkeep(),
        )
