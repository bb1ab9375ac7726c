"""What all announcements do. In one process, that of a store in memory and of SQLite, they are calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msc_live import until

from msc_authority.adapters.announce import open_announcements
from msc_authority.adapters.announce.local import LocalAnnouncements
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.announcements import Announcements


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def announcements(request: pytest.FixtureRequest) -> Iterator[Announcements]:
    if request.param == "memory":
        made: Announcements = LocalAnnouncements()
    else:
        made = open_announcements(
            request.getfixturevalue(f"{'postgres' if request.param == 'postgresql' else request.param}_url")
        )
    yield made
    made.close()


async def test_everybody_who_listens_hears_the_newest_though_another_listener_fails(
    announcements: Announcements,
) -> None:
    first, second = list[PolicyRef | None](), list[PolicyRef | None]()
    announcements.listen(first.append)
    announcements.listen(lambda _: 1 / 0)  # type: ignore[arg-type]  # a bug
    announcements.listen(second.append)
    await until(lambda: announcements.connected is not False)

    for version in (1, 2):
        announcements.announce(PolicyRef(7, version))

    await until(lambda: PolicyRef(7, 2) in first and PolicyRef(7, 2) in second)


async def test_closed_they_tell_nobody_and_closing_twice_is_fine(announcements: Announcements) -> None:
    heard = list[PolicyRef | None]()
    announcements.listen(heard.append)
    await until(lambda: announcements.connected is not False)
    announcements.close()
    announcements.close()
    before = list(heard)

    announcements.announce(PolicyRef(7, 1))

    assert heard == before
