"""Kills while models are served: the endpoint stays available or recovers by itself."""

from pathlib import Path

import aiohttp
import pytest

from klever.errors import FailedError
from kleverproto.projects import OnInvalid, ProjectPolicy
from kleverproto.serving_changes import DeployVersion
from kleverproto.servings import ServingDocument
from support.constant_load import ONE, Load, constant_load
from support.small_models import adder, broken
from support.waiting import eventually
from support.whole_platform import Platform


async def deploy(platform: Platform, ref: str, *, traffic: int | None = None, wait: bool = True) -> ServingDocument:
    async with platform.client() as client:
        wanted = await client.deploy_version("adder", DeployVersion(model=ref, traffic=traffic))
        return await client.wait_for_ready("adder", wanted.generation) if wait else wanted


async def _has_answers(load: Load, count: int) -> bool:
    return load.answers.total() >= count


async def answers(url: str) -> float:
    load = Load()
    async with aiohttp.ClientSession() as session:
        await load.ask(session, url)
    assert not load.failures, load.failures
    return next(iter(load.answers))


@pytest.mark.timeout(120)
async def test_adding_reweighting_and_removing_versions_fails_no_request(platform: Platform, tmp_path: Path) -> None:
    for number in (1, 2):
        await platform.push(adder(tmp_path / str(number), number), f"library/adder:v{number}")
    url = (await deploy(platform, "library/adder:v1")).status.url or ""
    async with constant_load(url) as load:
        await deploy(platform, "library/adder:v2", traffic=20)
        await deploy(platform, "library/adder:v2", traffic=70)
        await deploy(platform, "library/adder:v2")
        await deploy(platform, "library/adder:v1")
        assert await eventually(lambda: _has_answers(load, 500), within=30)
    assert load.failures == {}
    assert set(load.answers) == {2.0, 3.0}


@pytest.mark.timeout(120)
async def test_a_deployer_killed_during_a_rollout_completes_it_without_failed_requests(
    platform: Platform, tmp_path: Path
) -> None:
    for number in (1, 2):
        await platform.push(adder(tmp_path / str(number), number), f"library/adder:v{number}")
    url = (await deploy(platform, "library/adder:v1")).status.url or ""
    async with constant_load(url) as load:
        wanted = await deploy(platform, "library/adder:v2", wait=False)
        await eventually(lambda: _second_server(platform))
        platform.kill("deployer")
        async with platform.client() as client:
            await client.wait_for_ready("adder", wanted.generation)
    assert load.failures == {}
    assert await answers(url) == 3.0

    async def one_server_is_left() -> bool:
        return len(platform.children("kleverserve")) == 1

    assert await eventually(one_server_is_left)


async def _second_server(platform: Platform) -> bool:
    return len(platform.children("kleverserve")) >= 2


@pytest.mark.timeout(120)
async def test_a_killed_envoy_restarts_with_its_routes(platform: Platform, tmp_path: Path) -> None:
    await platform.push(adder(tmp_path / "1", 1), "library/adder:v1")
    url = (await deploy(platform, "library/adder:v1")).status.url or ""
    [envoy] = platform.children("bin/envoy")
    envoy.kill()

    async def answers_again() -> bool:
        return await answers(url) == 2.0 and platform.children("bin/envoy")[0].pid != envoy.pid

    assert await eventually(answers_again, within=20)


@pytest.mark.timeout(120)
async def test_a_killed_model_server_is_restarted(platform: Platform, tmp_path: Path) -> None:
    await platform.push(adder(tmp_path / "1", 1), "library/adder:v1")
    url = (await deploy(platform, "library/adder:v1")).status.url or ""
    [server] = platform.children("kleverserve")
    server.kill()

    async def answers_again() -> bool:
        return await answers(url) == 2.0 and platform.children("kleverserve")[0].pid != server.pid

    assert await eventually(answers_again, within=20)


@pytest.mark.timeout(120)
async def test_a_version_that_cannot_be_loaded_leaves_the_old_one_serving(platform: Platform, tmp_path: Path) -> None:
    await platform.push(adder(tmp_path / "1", 1), "library/adder:v1")
    await platform.push(broken(tmp_path / "2"), "library/adder:v2")
    async with platform.client() as client:
        await client.set_policy("library", ProjectPolicy(invalid=OnInvalid.WARN))
    url = (await deploy(platform, "library/adder:v1")).status.url or ""
    async with constant_load(url) as load:
        with pytest.raises(FailedError, match="does not start"):
            await deploy(platform, "library/adder:v2")
    assert load.failures == {}
    assert await answers(url) == 2.0


@pytest.mark.timeout(120)
async def test_undeploying_a_model_stops_its_processes(platform: Platform, tmp_path: Path) -> None:
    await platform.push(adder(tmp_path / "1", 1), "library/adder:v1")
    url = (await deploy(platform, "library/adder:v1")).status.url or ""
    async with platform.client() as client:
        await client.delete("adder")
        await client.wait_for_deleted("adder")
    assert platform.children("kleverserve") == []
    async with aiohttp.ClientSession() as session, session.post(url, json=ONE) as response:
        assert response.status == 404
