"""Ready means that there is a policy to rely on."""

from __future__ import annotations

from msc_http import talking


async def test_ready_names_the_policy_that_can_be_relied_on() -> None:
    async with talking() as client:
        response = await client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["head"]["version"] == 1
