"""The chain of the audit log: what was done to it, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msc_builders import changed

from msc_authority.core.audit_chain import GENESIS, Anchor, AuditRow, Damage, chained, hash_of, verify

START = datetime(2025, 11, 30, 10, 30, tzinfo=UTC)
DETAIL = {"reason": "näher", "value": 0.1, "none": None, "steps": (1, 2)}


def a_chain(length: int) -> list[AuditRow]:
    rows: list[AuditRow] = []
    for number in range(length):
        last = Anchor(rows[-1].sequence, rows[-1].hash) if rows else None
        at = START + timedelta(minutes=number)
        rows.append(chained(last, at=at, actor="ops", action="publish", target=f"policy {number}", detail=DETAIL))
    return rows


def found(rows: Sequence[AuditRow], *anchors: Anchor) -> tuple[int, Damage] | None:
    broken = verify(rows, anchors=anchors).broken
    return None if broken is None else (broken.sequence, broken.damage)


def moved(row: AuditRow, to: int) -> AuditRow:
    return replace(row, sequence=to)


def rewritten(row: AuditRow, **changes: object) -> AuditRow:
    return changed(row, changes)


def rehashed(row: AuditRow, **changes: object) -> AuditRow:
    other = rewritten(row, **changes)
    return replace(other, hash=hash_of(other))


def test_a_chain_as_it_was_written_holds_and_says_what_to_keep() -> None:
    rows = a_chain(5)

    verified = verify(rows)

    assert verified.broken is None
    assert verified.rows == 5
    assert verified.newest == Anchor(5, rows[-1].hash)
    assert rows[0].previous_hash == GENESIS


def test_no_row_at_all_says_that_nothing_is_known() -> None:
    verified = verify([])

    assert (verified.rows, verified.newest, verified.broken) == (0, None, None)


def test_a_row_reads_back_as_it_was_hashed() -> None:
    row = a_chain(1)[0]

    assert row.detail["steps"] == [1, 2]
    assert hash_of(row) == row.hash


def test_the_hash_does_not_depend_on_the_zone_an_instant_is_given_in() -> None:
    row = a_chain(1)[0]
    elsewhere = replace(row, at=row.at.astimezone(timezone(timedelta(hours=9))))

    assert hash_of(elsewhere) == row.hash


@pytest.mark.parametrize(
    "field",
    ["at", "actor", "action", "target", "detail"],
)
def test_a_row_whose_content_was_changed_is_named(field: str) -> None:
    rows = a_chain(5)
    other: dict[str, object] = {"at": START, "detail": {"reason": "nearer"}}
    rows[2] = rewritten(rows[2], **{field: other.get(field, "somebody else")})

    assert found(rows) == (3, Damage.CHANGED)


def test_a_changed_row_whose_hash_was_computed_anew_is_named_by_the_row_behind_it() -> None:
    rows = a_chain(5)
    rows[2] = rehashed(rows[2], actor="somebody else")

    assert found(rows) == (3, Damage.CHANGED)


def test_a_changed_first_row_is_named_whatever_it_says_of_the_one_before_it() -> None:
    rows = a_chain(3)
    rows[0] = rehashed(rows[0], previous_hash="f" * 64)

    assert found(rows) == (1, Damage.CHANGED)


def test_a_row_that_names_another_one_before_it_is_named() -> None:
    rows = a_chain(4)
    rows[2] = rehashed(rows[2], previous_hash="f" * 64)

    assert found(rows) == (3, Damage.CHANGED)


@pytest.mark.parametrize("first", [1, 2, 4])
def test_missing_rows_are_named(first: int) -> None:
    rows = a_chain(6)
    del rows[first - 1 : first + 1]

    assert found(rows) == (first, Damage.MISSING)


def test_missing_rows_show_when_those_behind_were_numbered_anew() -> None:
    rows = a_chain(6)
    renumbered = [*rows[:2], *(moved(row, row.sequence - 2) for row in rows[4:])]

    assert found(renumbered) == (3, Damage.MISSING)


def test_a_missing_row_before_the_last_one_shows_when_that_was_numbered_anew() -> None:
    rows = a_chain(4)

    assert found([*rows[:2], moved(rows[3], 3)]) == (3, Damage.MISSING)


def test_an_inserted_row_shows_though_its_own_hash_is_right() -> None:
    rows = a_chain(5)
    forged = chained(
        Anchor(2, rows[1].hash), at=START, actor="intruder", action="publish", target="policy 9", detail={}
    )
    shifted = [moved(row, row.sequence + 1) for row in rows[2:]]

    assert found([*rows[:2], forged, *shifted]) == (3, Damage.INSERTED)


def test_an_inserted_row_shows_where_its_hash_is_wrong_too() -> None:
    rows = a_chain(3)
    forged = replace(rows[2], actor="intruder", hash="a" * 64)
    behind = rehashed(rows[2], sequence=4)

    assert found([*rows[:2], forged, behind]) == (3, Damage.INSERTED)


def test_a_row_below_the_first_number_was_never_written() -> None:
    rows = a_chain(2)

    assert found([moved(rows[0], 0), *rows]) == (0, Damage.INSERTED)


@pytest.mark.parametrize(("one", "other"), [(2, 3), (2, 5), (1, 6)])
def test_rows_that_changed_places_are_named(one: int, other: int) -> None:
    rows = a_chain(6)
    rows[one - 1], rows[other - 1] = moved(rows[other - 1], one), moved(rows[one - 1], other)

    assert found(rows) == (one, Damage.REORDERED)


def test_an_end_that_was_cut_off_shows_by_an_anchor_only() -> None:
    rows = a_chain(5)
    anchor = Anchor(5, rows[-1].hash)

    assert found(rows[:3]) is None
    assert found(rows[:3], anchor) == (4, Damage.MISSING)


def test_nothing_left_at_all_shows_by_an_anchor() -> None:
    assert found([], Anchor(5, "a" * 64)) == (1, Damage.MISSING)


def test_a_chain_that_was_computed_anew_shows_by_an_anchor_only() -> None:
    anchor = Anchor(3, a_chain(3)[-1].hash)
    rows: list[AuditRow] = []
    for row in a_chain(5):
        last = Anchor(rows[-1].sequence, rows[-1].hash) if rows else None
        rows.append(chained(last, at=row.at, actor="nobody", action=row.action, target=row.target, detail=row.detail))

    assert found(rows) is None
    assert found(rows, anchor) == (3, Damage.REWRITTEN)


def test_each_of_several_anchors_is_compared() -> None:
    rows = a_chain(5)
    good, bad = Anchor(2, rows[1].hash), Anchor(4, "b" * 64)

    assert found(rows, good) is None
    assert found(rows, good, bad) == (4, Damage.REWRITTEN)


def test_a_chain_can_be_followed_from_a_row_on() -> None:
    rows = a_chain(6)
    after = Anchor(3, rows[2].hash)
    rows[1] = replace(rows[1], actor="somebody else")

    assert verify(rows[3:], after=after).broken is None
    assert verify(rows[3:], after=after).rows == 3
    assert verify(rows[4:], after=after).broken is not None


def test_an_anchor_reads_as_it_is_written() -> None:
    anchor = Anchor(12, "0a" * 32)

    assert Anchor.read(f" {anchor}\n") == anchor


@pytest.mark.parametrize("text", ["", "12", f"0:{GENESIS}", f"-1:{GENESIS}", "12:abc", f"x:{GENESIS}", f"1:{'G' * 64}"])
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="SEQ:HASH"):
        Anchor.read(text)


@given(
    length=st.integers(2, 12),
    damage=st.sampled_from(["change", "delete", "swap", "insert"]),
    data=st.data(),
)
def test_no_damage_before_the_last_row_goes_unseen(length: int, damage: str, data: st.DataObject) -> None:
    rows = a_chain(length)
    place = data.draw(st.integers(0, length - 2))
    match damage:
        case "change":
            change = data.draw(st.sampled_from((rewritten, rehashed)))
            rows[place] = change(rows[place], actor="somebody else")
        case "delete":
            del rows[place]
        case "swap":
            other = data.draw(st.integers(place + 1, length - 1))
            rows[place], rows[other] = moved(rows[other], place + 1), moved(rows[place], other + 1)
        case "insert":
            rows[place:] = [rehashed(rows[place], actor="x"), *(moved(row, row.sequence + 1) for row in rows[place:])]

    broken = verify(rows).broken

    assert broken is not None
    assert broken.sequence in {place + 1, place + 2}
