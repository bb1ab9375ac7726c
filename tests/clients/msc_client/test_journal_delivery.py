"""Delivery decides: what is settled, what is tried again and when, and what is refused for good."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

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
Say = Callable[[Sequence[Pending]], Answer]


class MemoryStore:
    """Holds what waits, and remembers what was settled."""

    def __init__(self, count: int) -> None:
        self.waiting = [Pending(seq=seq, written_at_us=0, payload=b"%d" % seq) for seq in range(1, count + 1)]

    def peek(self, *, max_records: int, max_bytes: int) -> list[Pending]:
        return self.waiting[:max_records]

    def settle(self, upto: int) -> None:
        self.waiting = [pending for pending in self.waiting if pending.seq > upto]


class ScriptedSender:
    """Answers by script, and then stores everything."""

    def __init__(self, *script: Say) -> None:
        self.script = list(script)
        self.sent: list[list[int]] = []

    def send(self, batch: Sequence[Pending]) -> Answer:
        self.sent.append([pending.seq for pending in batch])
        return self.script.pop(0)(batch) if self.script else stored(batch)

    def close(self) -> None:
        """There is nothing to end."""


class Harness:
    """A delivery over a memory store, with the waits it asked for."""

    def __init__(self, folder: Path, sender: ScriptedSender, *, count: int = 4, records: int = 4) -> None:
        self.store = MemoryStore(count)
        self.waits: list[float] = []
        self.stopped = threading.Event()
        self.refused_file = folder / "refused.jsonl"
        self.delivery = Delivery(
            self.store,
            sender,
            RefusalLog(self.refused_file, lambda payload: {"raw": payload.decode()}),
            stopped=self.stopped,
            pause=self.waits.append,
            now=lambda: NOW,
            retry=RetryPolicy(),
            limits=BatchLimits(records=records),
        )

    def run(self) -> None:
        while self.delivery.deliver_next():
            pass

    def refused(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.refused_file.read_text().splitlines()]


def stored(batch: Sequence[Pending]) -> Answer:
    return Answer(stored=len(batch), refused_total=0)


def failing(failure: Failure, code: str = "UNAVAILABLE") -> Say:
    def say(batch: Sequence[Pending]) -> Answer:
        raise SendFailed(failure, code, "scripted")

    return say


def refusing(*seqs: int) -> Say:
    def say(batch: Sequence[Pending]) -> Answer:
        refused = tuple(Refused(seq=seq, id=f"id-{seq}", field="price", code="NOT_FINITE", reason="x") for seq in seqs)
        return Answer(stored=len(batch) - len(seqs), refused_total=len(seqs), refused=refused)

    return say


def test_everything_is_delivered_in_order_in_batches(tmp_path: Path) -> None:
    sender = ScriptedSender()
    harness = Harness(tmp_path, sender, count=5, records=2)

    harness.run()

    assert sender.sent == [[1, 2], [3, 4], [5]]
    assert (harness.store.waiting, harness.delivery.counts.delivered, harness.waits) == ([], 5, [])


def test_an_absent_authority_is_tried_again_with_waits_that_grow_up_to_a_bound(tmp_path: Path) -> None:
    sender = ScriptedSender(*[failing(Failure.AWAY)] * 40)
    harness = Harness(tmp_path, sender)

    harness.run()

    assert len(sender.sent) == 41
    assert all(0.05 <= wait <= 5.0 for wait in harness.waits)
    assert all(wait <= 0.25 * 2**attempt for attempt, wait in enumerate(harness.waits[:5]))
    assert len(set(harness.waits)) > 20
    assert (harness.delivery.counts.delivered, harness.delivery.counts.failures) == (4, 40)
    assert harness.delivery.counts.last_error == ""


def test_without_permission_it_is_tried_rarely_and_nothing_is_given_up(tmp_path: Path) -> None:
    harness = Harness(tmp_path, ScriptedSender(*[failing(Failure.DENIED, "PERMISSION_DENIED")] * 3))

    harness.run()

    assert all(30.0 <= wait <= 60.0 for wait in harness.waits)
    assert harness.delivery.counts.delivered == 4


def test_refused_facts_are_listed_with_their_content_and_never_sent_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sender = ScriptedSender(refusing(2, 3))
    harness = Harness(tmp_path, sender)

    harness.run()

    assert sender.sent == [[1, 2, 3, 4]]
    assert [(row["seq"], row["field"], row["code"]) for row in harness.refused()] == [
        (2, "price", "NOT_FINITE"),
        (3, "price", "NOT_FINITE"),
    ]
    assert harness.refused()[0]["fact"] == {"raw": "2"}
    assert (harness.delivery.counts.delivered, harness.delivery.counts.refused) == (2, 2)
    assert "id-2" in caplog.text


def test_a_refused_fact_is_listed_once_also_when_it_is_sent_again_after_a_crash(tmp_path: Path) -> None:
    Harness(tmp_path, ScriptedSender(refusing(2))).run()
    with (tmp_path / "refused.jsonl").open("a") as file:
        file.write('{"seq": 3, "cut o')

    again = Harness(tmp_path, ScriptedSender(refusing(2, 3)))
    again.run()

    lines = again.refused_file.read_text().splitlines()
    assert [json.loads(line)["seq"] for line in (lines[0], lines[2])] == [2, 3]
    assert len(lines) == 3


def test_one_unreadable_fact_is_found_and_refused_and_the_rest_delivered(tmp_path: Path) -> None:
    def unreadable(batch: Sequence[Pending]) -> Answer:
        if any(pending.seq == 6 for pending in batch):
            raise SendFailed(Failure.INVALID, "INVALID_ARGUMENT", "cannot parse")
        return stored(batch)

    sender = ScriptedSender(*[unreadable] * 50)
    harness = Harness(tmp_path, sender, count=9, records=8)

    harness.run()

    assert [(row["seq"], row["code"]) for row in harness.refused()] == [(6, "INVALID_ARGUMENT")]
    assert (harness.delivery.counts.delivered, harness.waits) == (8, [])


@pytest.mark.parametrize(
    "answer",
    [
        Answer(stored=3, refused_total=0),
        Answer(stored=3, refused_total=1),
        Answer(stored=3, refused_total=1, refused=(Refused(seq=99, id="", field="", code="", reason=""),)),
        Answer(stored=0, refused_total=0),
    ],
)
def test_an_answer_that_does_not_add_up_settles_nothing(tmp_path: Path, answer: Answer) -> None:
    sender = ScriptedSender(lambda batch: answer)
    harness = Harness(tmp_path, sender)

    harness.run()

    assert sender.sent == [[1, 2, 3, 4], [1, 2, 3, 4]]
    assert (len(harness.waits), harness.delivery.counts.delivered) == (1, 4)


def test_when_stopped_it_gives_up_waiting_and_settles_nothing(tmp_path: Path) -> None:
    sender = ScriptedSender()
    harness = Harness(tmp_path, sender)

    def stop(batch: Sequence[Pending]) -> Answer:
        harness.stopped.set()
        raise SendFailed(Failure.AWAY, "UNAVAILABLE", "gone")

    sender.script.append(stop)

    assert harness.delivery.deliver_next() is False
    assert len(harness.store.waiting) == 4


def test_nothing_is_settled_when_the_refusals_cannot_be_listed(tmp_path: Path) -> None:
    (tmp_path / "refused.jsonl").mkdir()

    with pytest.raises(IsADirectoryError):
        Harness(tmp_path, ScriptedSender(refusing(1))).run()


def test_an_outage_is_logged_at_its_start_now_and_then_and_at_its_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "msc_client.journal")

    Harness(tmp_path, ScriptedSender(*[failing(Failure.AWAY)] * 12)).run()

    levels = [entry.levelname for entry in caplog.records]
    assert levels == ["WARNING", "WARNING", "INFO"]


@pytest.mark.parametrize("wrong", [{"first_s": 0.0}, {"shortest_s": 6.0}, {"first_s": 9.0}, {"denied_s": 0.0}])
def test_waits_that_are_not_in_order_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="retry"):
        RetryPolicy(**wrong)
