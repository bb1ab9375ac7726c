from __future__ import annotations

from msc_live import ManualTime, Told, a_broker, a_head

from msc_authority.adapters.announce.local import LocalAnnouncements
from msc_authority.app.announcing import announcer
from msc_authority.core.policy import PolicyRef


async def test_each_head_is_announced_once_wherever_it_was_committed() -> None:
    time, told, announcements = ManualTime(), Told(), LocalAnnouncements()
    heard: list[PolicyRef | None] = []
    announcements.listen(heard.append)
    told.bus.subscribe(announcer(announcements))
    broker = a_broker(time, a_head(1), told)

    for version in (2, 2, 5, 3):
        broker.publish(a_head(version), confirmed_at=time.monotonic())

    assert [ref.version for ref in heard if ref] == [2, 5]
