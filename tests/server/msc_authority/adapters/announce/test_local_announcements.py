from __future__ import annotations

import pytest

from msc_authority.adapters.announce.local import LocalAnnouncements
from msc_authority.core.policy import PolicyRef

REF = PolicyRef(7, 1)


def test_all_who_listen_are_told_even_when_one_of_them_fails(caplog: pytest.LogCaptureFixture) -> None:
    announcements, heard = LocalAnnouncements(), list[PolicyRef | None]()
    announcements.listen(lambda _: 1 / 0)  # type: ignore[arg-type]  # a bug
    announcements.listen(heard.append)
    announcements.announce(REF)
    assert heard == [REF]
    assert caplog.messages == ["A listener failed on the announcement of 7:1"]


def test_closed_it_tells_nobody_and_closing_twice_is_fine() -> None:
    announcements, heard = LocalAnnouncements(), list[PolicyRef | None]()
    announcements.listen(heard.append)
    announcements.close()
    announcements.close()
    announcements.announce(REF)
    assert heard == []
