"""Two gateways over one NATS: exactly one of several requests with the same precondition is accepted."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.gateway import Gateway, Owner, owner_at, running_gateway, version_document
from support.serving_decisions import deciding
from support.waiting import eventually

SERVINGS = "/namespaces/default/servings"
IRIS = f"{SERVINGS}/iris"


def body(replicas: int = 1) -> dict[str, Any]:
    return {"spec": {"variants": [{"name": "v1", "model": "library/iris:v1", "replicas": replicas}]}}


@pytest.fixture
async def owner(nats_url: str) -> AsyncIterator[Owner]:
    async with owner_at(nats_url) as owner:
        await owner.version(version_document())
        yield owner


@pytest.fixture
async def gateways(nats_url: str, owner: Owner, tmp_path: Path) -> AsyncIterator[tuple[Gateway, Gateway]]:
    async with (
        deciding(owner.client),
        running_gateway(nats_url, tmp_path / "first") as first,
        running_gateway(nats_url, tmp_path / "second") as second,
    ):
        yield first, second


Pair = tuple[Gateway, Gateway]


async def test_only_one_of_two_concurrent_changes_is_accepted_in_every_round(gateways: Pair) -> None:
    assert (await gateways[0].send("POST", SERVINGS, json={"name": "iris", **body()})).status == 202
    for generation in range(1, 21):
        headers = {"If-Match": str(generation)}
        answers = await asyncio.gather(
            *(
                gateway.send("PUT", IRIS, json=body(2 * generation + number), headers=headers)
                for number, gateway in enumerate(gateways)
            )
        )
        assert sorted(answer.status for answer in answers) == [202, 412]
        winner = next(number for number, answer in enumerate(answers) if answer.status == 202)
        assert answers[winner].json()["generation"] == generation + 1
        shown = (await gateways[winner].json(IRIS))["spec"]["variants"][0]["replicas"]
        assert shown == 2 * generation + winner


async def test_only_one_of_two_concurrent_creations_is_accepted(gateways: Pair) -> None:
    created = await asyncio.gather(
        *(gateway.send("POST", SERVINGS, json={"name": "iris", **body(n + 1)}) for n, gateway in enumerate(gateways))
    )
    assert sorted(answer.status for answer in created) == [202, 409]


async def test_a_client_that_reads_again_after_a_conflict_loses_no_change(gateways: Pair) -> None:
    """Each of two clients changes a counter ten times, as `klever` does: read, edit, PUT with If-Match."""
    assert (await gateways[0].send("POST", SERVINGS, json={"name": "iris", **body()})).status == 202

    async def add_ten(gateway: Gateway) -> None:
        done = 0
        while done < 10:
            present = await gateway.json(IRIS)
            replicas = present["spec"]["variants"][0]["replicas"] + 1
            headers = {"If-Match": str(present["generation"])}
            answer = await gateway.send("PUT", IRIS, json=body(replicas), headers=headers)
            assert answer.status in {202, 412}
            done += answer.status == 202

    await eventually(gateways[1].is_ready)
    await eventually(lambda: gateways[1].json(IRIS))
    await asyncio.gather(*map(add_ten, gateways))

    async def is_complete(gateway: Gateway) -> bool:
        return bool((await gateway.json(IRIS))["spec"]["variants"][0]["replicas"] == 21)

    for gateway in gateways:  # each shows the other's last change once it has read it
        await eventually(partial(is_complete, gateway))


async def test_the_same_request_at_both_gateways_takes_effect_once(gateways: Pair, owner: Owner) -> None:
    assert (await gateways[0].send("POST", SERVINGS, json={"name": "iris", **body()})).status == 202
    headers = {"If-Match": "1", "Idempotency-Key": "retry-1"}
    answers = [await gateway.send("PUT", IRIS, json=body(2), headers=headers) for gateway in gateways]
    assert [(answer.status, answer.json()["generation"]) for answer in answers] == [(202, 2), (202, 2)]
    requests = await owner.client.jetstream().stream_info(
        "KLEVER_SERVINGS", subjects_filter="klever.serving.requested.>"
    )
    assert sum((requests.state.subjects or {}).values()) == 2
    other = await gateways[1].send("PUT", IRIS, json=body(3), headers=headers)
    assert other.status == 412
