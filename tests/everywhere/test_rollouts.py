"""Rollouts are judged by the responses, and replicas follow the requests, on a laptop and on a cluster."""

from typing import Any

import pytest

from support.constant_load import constant_load
from support.places.place import Place
from support.waiting import eventually

pytestmark = pytest.mark.timeout(300)

CANARY = {
    "type": "canary",
    "steps": [20, 60],
    "intervalSeconds": 1.0,
    "analysis": {"maxErrorPercent": 5, "minRequests": 20},
}
WAITS = {**CANARY, "analysis": {"maxErrorPercent": 5, "minRequests": 1_000_000}}
WITHIN = 60


def document(place: Place, ref: str, value: int, *, status: int = 200, **fields: Any) -> dict[str, Any]:
    """A serving with one variant, whose server responds with a value and a status."""
    variant = {
        "name": "own",
        "model": ref,
        "custom": place.substrate.custom("server.py"),
        "env": {"VALUE": str(value), "STATUS": str(status)},
        **{name: fields.pop(name) for name in ("autoscaling",) if name in fields},
    }
    return {"variants": [variant], **fields}


async def weights(place: Place, name: str) -> list[int]:
    """The weights of the new version in the steps of the rollout."""
    rollout = (await place.serving(name)).status.rollout
    assert rollout is not None
    return [step.weight for step in rollout.steps]


async def test_good_canary_is_promoted_and_no_request_fails(place: Place, own_server: str) -> None:
    name = place.new_name()
    await place.applied(name, document(place, own_server, 7))
    async with constant_load(await place.url(name)) as load:
        await place.applied(name, document(place, own_server, 8, strategy=CANARY))

        async def only_new_responds() -> bool:
            return load.answers[8] > 50

        await eventually(only_new_responds, within=WITHIN)
    assert load.failures == {}
    assert await weights(place, name) == [20, 60, 100]
    await place.undeploy(name)


async def test_bad_canary_is_rolled_back(place: Place, own_server: str) -> None:
    name = place.new_name()
    await place.applied(name, document(place, own_server, 7))
    async with constant_load(await place.url(name)) as load:
        done = await place.apply(name, document(place, own_server, 8, status=500, strategy=CANARY))
        assert done.code != 0
        assert "requests failed, and the limit is 5 %" in done.out + done.err
        assert await weights(place, name) == [20]
        failed, good = load.failures.total(), load.answers[7]

        async def old_responds() -> bool:
            return load.answers[7] > good + 50

        await eventually(old_responds, within=WITHIN)
        assert load.failures.total() <= failed + 4  # requests in flight
    assert set(load.failures) == {500}
    await place.undeploy(name)


@pytest.mark.parametrize(("action", "value"), [("promote", 8), ("abort", 7)])
async def test_users_promote_and_abort_a_canary(place: Place, own_server: str, action: str, value: int) -> None:
    name = place.new_name()
    await place.applied(name, document(place, own_server, 7))
    async with constant_load(await place.url(name)) as load:
        await place.apply(name, document(place, own_server, 8, strategy=WAITS), "--no-wait")

        async def both_respond() -> bool:
            return load.answers[8] > 0 and await weights(place, name) == [20]

        await eventually(both_respond, within=WITHIN)
        await place.shell.run(f"klever rollout {name} {action} -n {place.namespace}")

        async def one_responds() -> bool:
            before = load.answers.copy()
            async with place.requests(name) as requests:
                return set(await requests.values(20)) == {value} and load.answers[value] > before[value]

        await eventually(one_responds, within=WITHIN)
    assert load.failures == {}
    await place.undeploy(name)


async def test_replicas_follow_the_requests_in_flight(place: Place, own_server: str) -> None:
    name = place.new_name()
    autoscaling = {"minReplicas": 1, "maxReplicas": 2, "targetInFlight": 2, "scaleDownSeconds": 3}
    await place.applied(name, document(place, own_server, 7, autoscaling=autoscaling))

    async def ready() -> int:
        return (await place.serving(name)).status.variants[0].ready_replicas

    async def are_two() -> bool:
        return await ready() == 2

    async def is_one() -> bool:
        return await ready() == 1

    async with constant_load(await place.url(name), headers={"x-seconds": "0.3"}, clients=8) as load:
        await eventually(are_two, within=WITHIN, every=0.5)
    await eventually(is_one, within=WITHIN, every=0.5)
    assert load.failures == {}
    await place.undeploy(name)
