"""What delivery does with batches that the authority cannot read, with refusals, and with waits: step by step."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msc_client._delivery import (
    Answer,
    BatchLimits,
    Delivery,
    Failure,
    Pending,
    RefusalLog,
    Refused,
    RetryPolicy,
    SendFailed,
)

NOW = datetime(2022, 1, 1, tzinfo=UTC)
AWAY, DENIED, INVALID = Failure.AWAY, Failure.DENIED, Failure.INVALID


class Line:
    """Facts that wait in a row, and an authority that reads them by a rule of the test's."""

    def __init__(self, folder: Path, count: int, rule: Callable[[list[int]], Answer], *, records: int = 8) -> None:
        self.waiting = [Pending(seq=seq, written_at_us=0, payload=b"%d" % seq) for seq in range(1, count + 1)]
        self.rule = rule
        self.sent: list[list[int]] = []
        self.waits: list[float] = []
        self.settled: list[int] = []
        self.refused_file = folder / "refused.jsonl"
        self.stopped = threading.Event()
        self.delivery = Delivery(
            self,
            self,
            RefusalLog(self.refused_file, lambda payload: {"raw": payload.decode()}),
            stopped=self.stopped,
            pause=self.waits.append,
            now=lambda: NOW,
            retry=RetryPolicy(),
            limits=BatchLimits(records=records),
        )

    def peek(self, *, max_records: int, max_bytes: int) -> list[Pending]:
        return self.waiting[:max_records]

    def settle(self, upto: int) -> None:
        self.settled.append(upto)
        self.waiting = [pending for pending in self.waiting if pending.seq > upto]

    def send(self, batch: Sequence[Pending]) -> Answer:
        seqs = [pending.seq for pending in batch]
        self.sent.append(seqs)
        return self.rule(seqs)

    def close(self) -> None:
        """There is nothing to end."""

    def run(self) -> Line:
        while self.delivery.deliver_next():
            pass
        return self

    def refused(self) -> list[int]:
        if not self.refused_file.exists():
            return []
        return [json.loads(line)["seq"] for line in self.refused_file.read_text().splitlines()]


def unreadable(*bad: int) -> Callable[[list[int]], Answer]:
    def rule(seqs: list[int]) -> Answer:
        if set(seqs) & set(bad):
            raise SendFailed(INVALID, "INVALID_ARGUMENT", "cannot be parsed")
        return Answer(stored=len(seqs), refused_total=0)

    return rule


def failing_first(failures: list[Failure]) -> Callable[[list[int]], Answer]:
    def rule(seqs: list[int]) -> Answer:
        if failures:
            raise SendFailed(failures.pop(0), "SCRIPTED", "scripted")
        return Answer(stored=len(seqs), refused_total=0)

    return rule


def test_an_unreadable_batch_is_halved_down_to_the_fact_that_is_to_blame(tmp_path: Path) -> None:
    line = Line(tmp_path, 8, unreadable(3)).run()
    assert line.sent[:3] == [[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4], [1, 2]]
    assert [3] in line.sent
    assert line.refused() == [3]
    assert (line.delivery.counts.delivered, line.delivery.counts.refused) == (7, 1)
    assert line.waits == []


def test_after_a_halving_batches_grow_back_to_their_size_and_not_beyond(tmp_path: Path) -> None:
    line = Line(tmp_path, 60, unreadable(1)).run()
    after = [len(seqs) for seqs in line.sent[line.sent.index([1]) + 1 :]]
    assert after[:4] == [2, 4, 8, 8]
    assert max(after) == 8


@given(bad=st.sets(st.integers(1, 40), max_size=8), records=st.integers(1, 16))
def test_whatever_is_unreadable_exactly_that_is_refused_and_the_rest_arrives_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, bad: set[int], records: int
) -> None:
    line = Line(tmp_path_factory.mktemp("line"), 40, unreadable(*bad), records=records).run()
    assert line.refused() == sorted(bad)
    arrived = [seq for seqs in line.sent if not set(seqs) & bad for seq in seqs]
    assert arrived == [seq for seq in range(1, 41) if seq not in bad]
    assert line.settled == sorted(line.settled)
    assert (line.waiting, line.delivery.counts.delivered) == ([], 40 - len(bad))


def test_a_fact_refused_alone_is_listed_with_the_status_that_refused_it(tmp_path: Path) -> None:
    Line(tmp_path, 1, unreadable(1)).run()
    [row] = [json.loads(line) for line in (tmp_path / "refused.jsonl").read_text().splitlines()]
    assert row == {
        "seq": 1,
        "refused_at": "2022-01-01T00:00:00+00:00",
        "id": "",
        "field": "",
        "code": "INVALID_ARGUMENT",
        "reason": "INVALID_ARGUMENT: cannot be parsed",
        "fact": {"raw": "1"},
    }


@pytest.mark.parametrize(
    ("failures", "bounds"),
    [
        ([AWAY], [(0.05, 0.25)]),
        ([AWAY] * 7, [(0.05, most) for most in (0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0)]),
        ([DENIED, DENIED], [(30.0, 60.0)] * 2),
        ([AWAY, DENIED, AWAY], [(0.05, 0.25), (30.0, 60.0), (0.05, 1.0)]),
    ],
)
def test_each_wait_is_within_the_bounds_of_its_cause(
    tmp_path: Path, failures: list[Failure], bounds: list[tuple[float, float]]
) -> None:
    line = Line(tmp_path, 2, failing_first(list(failures))).run()
    assert len(line.waits) == len(bounds)
    for wait_s, (least_s, most_s) in zip(line.waits, bounds, strict=True):
        assert least_s <= wait_s <= most_s
    assert line.delivery.counts.failures == len(failures)
    assert line.sent == [[1, 2]] * (len(failures) + 1)


def test_patience_begins_anew_with_each_batch(tmp_path: Path) -> None:
    line = Line(tmp_path, 2, failing_first([AWAY] * 6), records=1)
    assert line.delivery.deliver_next()
    line.rule = failing_first([AWAY])
    line.run()
    assert line.waits[-1] <= 0.25


def test_an_invalid_batch_after_an_outage_is_halved_and_not_waited_for(tmp_path: Path) -> None:
    outage = [True, True]

    def rule(seqs: list[int]) -> Answer:
        if outage and outage.pop():
            raise SendFailed(AWAY, "UNAVAILABLE", "gone")
        return unreadable(2)(seqs)

    line = Line(tmp_path, 4, rule).run()
    assert (len(line.waits), line.refused(), line.delivery.counts.delivered) == (2, [2], 3)


def test_a_stop_during_halving_leaves_what_was_not_settled(tmp_path: Path) -> None:
    line = Line(tmp_path, 8, unreadable(1))
    assert line.delivery.deliver_next()
    line.stopped.set()
    assert line.delivery.deliver_next() is False
    assert (line.settled, len(line.waiting), line.refused()) == ([], 8, [])


def test_a_bug_in_a_sender_is_not_taken_for_an_outage(tmp_path: Path) -> None:
    def rule(seqs: list[int]) -> Answer:
        raise KeyError("a bug")

    line = Line(tmp_path, 2, rule)
    with pytest.raises(KeyError):
        line.delivery.deliver_next()
    assert (line.waits, line.settled) == ([], [])


def test_the_end_of_an_outage_is_said_and_clears_the_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "msc_client.journal"):
        line = Line(tmp_path, 1, failing_first([AWAY] * 21)).run()
    said = [(record.levelname, record.getMessage().split(":")[0]) for record in caplog.records]
    assert said == [
        ("WARNING", "journal delivery fails, attempt 1"),
        ("WARNING", "journal delivery fails, attempt 11"),
        ("WARNING", "journal delivery fails, attempt 21"),
        ("INFO", "journal delivery works again"),
    ]
    assert line.delivery.counts.last_error == ""


# The list of refused facts


def refusal(seq: int) -> tuple[Pending, Refused]:
    pending = Pending(seq=seq, written_at_us=0, payload=b"%d" % seq)
    return pending, Refused(seq=seq, id=f"id-{seq}", field="price", code="NOT_FINITE", reason="is nan")


def listed(path: Path) -> RefusalLog:
    return RefusalLog(path, lambda payload: {"raw": payload.decode()})


@pytest.mark.parametrize(
    ("content", "last"),
    [
        ("", 0),
        ('{"seq": 4}\n', 4),
        ('{"seq": 9}\n{"seq": 4}\n', 9),
        ('{"seq": 4}\n{"seq": 5, "cut', 4),
        ('{"seq": 4}\nnull\n[1]\n{}\n{"seq": "7"}\n\xff\n', 4),
    ],
)
def test_the_list_goes_on_behind_its_greatest_number_whatever_else_is_in_it(
    tmp_path: Path, content: str, last: int
) -> None:
    path = tmp_path / "refused.jsonl"
    path.write_bytes(content.encode("latin-1"))
    refusals = listed(path)
    assert refusals.last_seq == last
    assert refusals.add([refusal(seq) for seq in range(1, 12)], NOW) == 11 - last


def test_every_torn_tail_stays_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "refused.jsonl"
    listed(path).add([refusal(1)], NOW)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        listed(path).add([refusal(2)], NOW)
        last = path.read_bytes().splitlines()[-1]
        assert json.loads(last)["seq"] == 2, size
