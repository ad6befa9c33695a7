"""The ports of model servers of a real platform: only its ingress can use them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from klever_deployer.adapters.local.access_keys import AccessKeys
from kleverproto.serving_specs import ServingSpec
from kleverroutes.versions import ServingName
from kleverserve.access import HEADER
from support.small_models import adder
from support.waiting import eventually
from support.whole_platform import Platform, running_platform

pytestmark = pytest.mark.timeout(300)

BODY = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0]}]}
SLEEPY = {"minReplicas": 0, "maxReplicas": 1, "scaleDownSeconds": 0.1}


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[Platform]:
    home = tmp_path / "home"
    home.mkdir()
    async with running_platform(home) as running:
        await running.push(adder(tmp_path / "adder", 1), "library/adder:v1")
        yield running


async def deployed(platform: Platform, **changes: Any) -> str:
    """The URL of the served model."""
    async with platform.client() as client:
        wanted = {"variants": [{"name": "v1", "model": "library/adder:v1", **changes}]}
        applied = await client.apply("adder", ServingSpec.model_validate(wanted))
        document = await client.wait_for_ready("adder", applied.generation)
    return document.status.url or ""


async def status_of(url: str, key: str = "") -> int:
    headers = {HEADER: key} if key else {}
    async with aiohttp.ClientSession() as session, session.post(url, json=BODY, headers=headers) as response:
        return response.status


def port_of_the_server(platform: Platform) -> int:
    (record,) = (platform.home / "deployer" / "workloads" / "replicas").glob("*.json")
    port: int = json.loads(record.read_text())["port"]
    return port


async def test_only_the_ingress_reaches_a_model_even_after_restarts(
    platform: Platform,
) -> None:
    url = await deployed(platform)
    direct = f"http://127.0.0.1:{port_of_the_server(platform)}/v2/models/adder/infer"

    async def is_closed() -> bool:
        return [await status_of(direct), await status_of(direct, "guessed"), await status_of(url, "guessed")] == [
            *(403, 403, 200),
        ]

    assert await is_closed()
    platform.kill("deployer")  # the next one adopts the model server
    await platform.healed()
    assert await is_closed()
    for server in platform.children("kleverserve"):
        server.kill()
    await eventually(is_closed, within=120)


async def test_servers_with_another_key_than_the_ingress_are_replaced(platform: Platform) -> None:
    url = await deployed(platform)
    (server,) = platform.children("kleverserve")
    (platform.home / "deployer" / "access.secret").unlink()
    platform.kill("deployer")
    await platform.healed()

    async def is_served_by_another() -> bool:
        return not server.is_running() and await status_of(url) == 200

    await eventually(is_served_by_another, within=120)


async def test_a_request_wakes_a_model_through_the_waiting_room(platform: Platform) -> None:
    url = await deployed(platform, autoscaling=SLEEPY)
    assert await status_of(url) == 200


async def test_mirrored_requests_have_the_key_too(platform: Platform, tmp_path: Path) -> None:
    await platform.push(adder(tmp_path / "second", 2), "library/adder:v2")
    variants = [{"name": name, "model": f"library/adder:{name}"} for name in ("v1", "v2")]
    traffic = {"weights": {"v1": 100, "v2": 0}, "mirror": {"variant": "v2"}}
    async with platform.client() as client:
        applied = await client.apply("adder", ServingSpec.model_validate({"variants": variants, "traffic": traffic}))
        document = await client.wait_for_ready("adder", applied.generation)
    key = AccessKeys.from_file(platform.home / "deployer" / "access.secret")(ServingName("default", "adder"))
    (record,) = (platform.home / "deployer" / "workloads" / "replicas").glob("*.v2.*.json")
    metrics = f"http://127.0.0.1:{json.loads(record.read_text())['port']}/metrics"

    async def was_mirrored() -> bool:
        assert await status_of(document.status.url or "") == 200
        async with aiohttp.ClientSession() as session, session.get(metrics, headers={HEADER: key}) as response:
            return 'code="200"' in await response.text()

    await eventually(was_mirrored, within=60)
