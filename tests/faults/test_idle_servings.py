"""A serving without a replica, with real servers around it: its requests wait and are answered."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingReady, ServingRequested
from kleverproto.variants import Autoscaling
from support import hop_contract
from support.deployer import spec
from support.deployer_service import Surroundings, model_servers, surroundings
from support.hop_contract import Hop
from support.onnx_models import look_up, model_directory
from support.v2_client import tensor
from support.waiting import eventually

LIMIT = 100_000
BODY: dict[str, Any] = {"inputs": [tensor("index", "INT64", [], [1])]}


@pytest.fixture
async def world(nats_url: str, tmp_path: Path) -> AsyncIterator[Surroundings]:
    async with surroundings(nats_url, tmp_path) as world:
        await world.push(model_directory(look_up(), tmp_path / "look-up"), "library/iris:v1")
        yield world


def idle_spec() -> ServingSpec:
    plain = spec("v1")
    scaling = Autoscaling(min_replicas=0, max_replicas=2, scale_down_seconds=0.1)
    variants = tuple(variant.model_copy(update={"autoscaling": scaling}) for variant in plain.variants)
    return plain.model_copy(update={"variants": variants})


async def nothing_runs() -> bool:
    return model_servers() == []


async def test_requests_wake_a_replica_after_the_last_one_was_stopped_and_none_is_lost(world: Surroundings) -> None:
    request = ServingRequested(namespace="default", name="iris", spec=idle_spec())
    event = await world.answer(await world.ask(request))
    assert isinstance(event.data, ServingReady)
    url = event.data.url

    for _ in range(2):
        assert await eventually(nothing_runs, within=30)
        answers = await asyncio.gather(*(world.infer(url, BODY) for _ in range(20)))
        assert {code for code, _ in answers} == {200}
        assert {answer["outputs"][0]["data"][0] for _, answer in answers} == {20.0}


async def test_envoys_counters_are_reported_by_variant(world: Surroundings) -> None:
    request = ServingRequested(namespace="default", name="iris", spec=spec("v1"))
    event = await world.answer(await world.ask(request))
    assert isinstance(event.data, ServingReady)
    await world.infer(event.data.url, BODY)

    async def counted() -> bool:
        async with world.session.get(f"http://127.0.0.1:{world.settings.port}/metrics/ingress") as answer:
            text = await answer.text()
        lines = [line for line in text.splitlines() if line.startswith("envoy_cluster_upstream_rq_total{")]
        return any('klever_serving="iris"' in line and 'klever_variant="v1"' in line for line in lines)

    assert await eventually(counted, within=15)


async def test_one_setting_limits_requests_with_and_without_running_replicas(nats_url: str, tmp_path: Path) -> None:
    async with surroundings(nats_url, tmp_path, max_request_bytes=LIMIT) as world:
        await world.push(model_directory(look_up(), tmp_path / "look-up"), "library/iris:v1")
        request = ServingRequested(namespace="default", name="iris", spec=idle_spec())
        event = await world.answer(await world.ask(request))
        assert isinstance(event.data, ServingReady)
        hop = Hop(event.data.url, BODY, LIMIT)
        await hop_contract.a_bomb_is_refused_at_the_limit(hop)
        assert await eventually(nothing_runs, within=30)
        await hop_contract.a_bomb_is_refused_at_the_limit(hop)
        assert await eventually(nothing_runs, within=30)
        await hop_contract.a_body_over_the_limit_is_refused(hop)
