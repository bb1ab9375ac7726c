"""Who asks for nothing but the current policy gets bytes that were put together before: the same answer, sooner."""

from __future__ import annotations

from msc_builders import a_content
from msc_served import served

from msc_authority.core.policy import RiskMode
from msc_policy import v1 as pb

PLAIN, ASKING_MORE = pb.GetPolicyRequest(), pb.GetPolicyRequest(if_none_match='"none"')


async def test_a_plain_request_is_answered_like_one_that_asks_for_more() -> None:
    async with served() as scene:
        await scene.publish()
        scene.time.leap(0.4)
        plain, more = await scene.stub.GetPolicy(PLAIN), await scene.stub.GetPolicy(ASKING_MORE)
        assert plain == more
        assert plain.policy.ref == plain.head
        assert plain.freshness.ttl.seconds == 3599
        assert plain.server_time.nanos == 400_000_000


async def test_it_follows_the_head_and_the_time() -> None:
    async with served() as scene:
        await scene.publish()
        first = await scene.stub.GetPolicy(PLAIN)
        scene.time.leap(2.0)
        later = await scene.stub.GetPolicy(PLAIN)
        assert later.server_time.seconds - first.server_time.seconds == 2
        assert first.freshness.ttl.seconds - later.freshness.ttl.seconds == 2
        await scene.publish(a_content(RiskMode.DEFENSIVE))
        after = await scene.stub.GetPolicy(PLAIN)
        assert after.policy.risk_mode == pb.RISK_MODE_DEFENSIVE
        assert after.head.version == first.head.version + 1


async def test_calls_of_one_instant_share_an_answer_for_ten_milliseconds_at_most() -> None:
    async with served() as scene:
        await scene.publish()
        scene.time.leap(1.0)
        one = await scene.stub.GetPolicy(PLAIN)
        scene.time.leap(0.009)
        assert await scene.stub.GetPolicy(PLAIN) == one
        scene.time.leap(0.009)
        assert await scene.stub.GetPolicy(PLAIN) != one
