from __future__ import annotations

import logging
from collections import Counter

import pytest
from msc_live import EPOCH, ManualTime, Told, a_head

from msc_authority.app.cache_complaints import NEWER_TOLD_AFTER, Complaints
from msc_authority.core.policy import PolicyRef
from msc_authority.ports.cache import Before, CacheError, CacheFault, Put

HEAD = a_head(3)
CLEAN = Put(before=Before.SAME, ref=HEAD.ref)
FOLLOWED = Put(before=Before.OLDER, ref=PolicyRef(EPOCH, 2))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def complaints(told: Told, time: ManualTime, caplog: pytest.LogCaptureFixture) -> Complaints:
    caplog.set_level(logging.INFO)
    return Complaints(told.bus, time)


@pytest.mark.parametrize("first", [Put(before=Before.NOTHING), FOLLOWED, CLEAN])
def test_the_first_put_finds_what_it_finds(
    complaints: Complaints, caplog: pytest.LogCaptureFixture, first: Put
) -> None:
    complaints.judge(HEAD, first)
    assert caplog.messages == []


def test_a_newer_policy_follows_an_older_one_without_a_word(
    complaints: Complaints, caplog: pytest.LogCaptureFixture
) -> None:
    complaints.judge(a_head(2), CLEAN)
    complaints.judge(a_head(3), FOLLOWED)
    assert caplog.messages == []
    assert complaints.found == {Before.SAME: 1, Before.OLDER: 1}


@pytest.mark.parametrize(
    ("put", "words"),
    [
        (Put(before=Before.NOTHING), "The cache had lost the policy; 7:3 was put back"),
        (FOLLOWED, "Somebody had put an older policy into the cache, 7:2; overwritten by 7:3"),
        (
            Put(before=Before.UNREADABLE),
            "What the cache had as the policy is not what this program wrote; overwritten by 7:3",
        ),
        (
            Put(before=Before.OUTDATED, ref=HEAD.ref),
            "The cache had policy 7:3 as an older version of this program writes it; written anew",
        ),
        (
            Put(before=Before.SAME, ref=HEAD.ref, mended=("msc:policy:changes (set)",)),
            "The cache had other things under names of ours; policy 7:3 was put there anew: msc:policy:changes (set)",
        ),
    ],
)
def test_what_is_wrong_is_told_once_each_time_it_begins_and_counted(
    complaints: Complaints, caplog: pytest.LogCaptureFixture, put: Put, words: str
) -> None:
    for outcome in (CLEAN, put, put, put, CLEAN, put):
        complaints.judge(HEAD, outcome)
    assert caplog.messages == [words, words]
    assert complaints.overwritten == {put.before: 4}


def test_what_expired_is_not_lost(complaints: Complaints, caplog: pytest.LogCaptureFixture) -> None:
    complaints.judge(HEAD, CLEAN)
    complaints.expired()
    complaints.judge(HEAD, Put(before=Before.NOTHING))
    assert caplog.messages == []


def test_to_be_overtaken_is_no_fault_and_to_stay_behind_is_one(
    complaints: Complaints, caplog: pytest.LogCaptureFixture
) -> None:
    overtaken = Put(before=Before.NEWER, ref=PolicyRef(EPOCH, 9))
    for outcome in (CLEAN, *[overtaken] * (NEWER_TOLD_AFTER - 1), CLEAN):
        complaints.judge(HEAD, outcome)
    assert caplog.messages == []
    for _ in range(NEWER_TOLD_AFTER + 5):
        complaints.judge(HEAD, overtaken)
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.ERROR
    assert "The cache has policy 7:9, and the newest in the database is 7:3" in caplog.text
    assert "set redis_key_prefix" in caplog.text


def test_other_content_under_the_same_reference_is_an_integrity_error_once(complaints: Complaints, told: Told) -> None:
    for _ in range(3):
        complaints.judge(HEAD, Put(before=Before.OTHER, ref=HEAD.ref))
    assert told.names() == ["IntegrityBroken"]
    complaints.judge(HEAD, CLEAN)
    complaints.judge(HEAD, Put(before=Before.OTHER, ref=HEAD.ref))
    assert told.names() == ["IntegrityBroken"] * 2
    assert complaints.integrity_errors == 2


def test_each_fault_is_told_once_in_an_outage_and_again_in_the_next(
    complaints: Complaints, time: ManualTime, caplog: pytest.LogCaptureFixture
) -> None:
    lost, loading = (CacheError(fault.value, fault) for fault in (CacheFault.LOST, CacheFault.LOADING))
    for error in (lost, lost, loading, lost, loading):
        complaints.failed(error)
    time.leap(7)
    assert complaints.failing
    complaints.worked()
    complaints.worked()
    complaints.failed(lost)
    prefix = "The cache cannot be used, and nothing waits for it: "
    assert caplog.messages == [
        prefix + "lost",
        prefix + "loading",
        "The cache is used again, after 7.0 s",
        prefix + "lost",
    ]
    assert complaints.faults == Counter({CacheFault.LOST: 4, CacheFault.LOADING: 2})
