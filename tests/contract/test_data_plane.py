"""One suite for every data plane: a real Envoy and memory."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from klever_deployer.adapters.local.envoy import EnvoyDataPlane
from klever_deployer.domain import Endpoint, ServingName, ServingRoute, VariantRoute
from klever_deployer.errors import DataPlaneError
from support.data_planes import Bench, Upstream, answered_by, behind_envoy, in_memory, route, running, upstreams
from support.deployer import IRIS
from support.processes import free_port
from support.waiting import eventually

OTHER = ServingName("default", "abalone")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(params=["envoy", "memory"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path, port: int) -> AsyncIterator[Bench]:
    async with behind_envoy(tmp_path, port) if request.param == "envoy" else in_memory() as bench:
        yield bench


@pytest.fixture
async def envoy(tmp_path: Path, port: int) -> AsyncIterator[Bench]:
    async with behind_envoy(tmp_path, port) as bench:
        yield bench


def process(directory: Path) -> psutil.Process:
    return psutil.Process(json.loads((directory / "envoy.json").read_text())["pid"])


async def test_a_route_appears_and_goes_and_others_stay(bench: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        assert await bench.ask() is None
        await bench.data_plane.apply(route((v1, 100)))
        await bench.data_plane.apply(route((v2, 100), serving=OTHER))
        assert (await bench.ask(), await bench.ask(OTHER)) == ("v1", "v2")
        assert bench.data_plane.served() == {IRIS, OTHER}
        for _ in range(2):
            await bench.data_plane.remove(IRIS)
        assert (await bench.ask(), await bench.ask(OTHER)) == (None, "v2")
        assert bench.data_plane.served() == {OTHER}


async def test_requests_are_spread_by_weight_and_at_once_by_the_next_weights(bench: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await bench.data_plane.apply(route((v1, 80), (v2, 20)))
        answers = await bench.spread(200)
        assert 130 <= answers["v1"] <= 190
        assert answers["v1"] + answers["v2"] == 200
        await bench.data_plane.apply(route((v1, 0), (v2, 100)))
        assert await bench.spread(50) == {"v2": 50}


async def test_no_request_fails_while_weights_change(bench: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await bench.data_plane.apply(route((v1, 100)))
        async with bench.load() as answers:
            for weight in (0, 20, 50, 80, 100):
                await bench.data_plane.apply(route((v1, 100 - weight), (v2, weight)))
                await answered_by(answers, "v2" if weight else "v1", 20)
            await bench.data_plane.apply(route((v2, 100)))
            await answered_by(answers, "v2", 20)
    assert bench.failures == []
    assert answers[None] == 0


async def test_no_request_fails_while_servers_are_replaced_and_the_old_ones_end(envoy: Bench) -> None:
    async with upstreams("first") as (first,):
        await envoy.data_plane.apply(route((first, 100)))
        async with envoy.load() as answers:
            old = first
            for name in ("second", "third", "fourth"):
                new = Upstream(name)
                await new.start()
                await envoy.data_plane.apply(route((new, 100)))
                await old.close()
                await answered_by(answers, name, 20)
                old = new
        await old.close()
    assert envoy.failures == []
    assert answers[None] == 0


async def test_a_change_waits_for_the_requests_that_the_old_route_still_has(envoy: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await envoy.data_plane.apply(route((v1, 100)))
        request = asyncio.create_task(envoy.ask(path="slow"))
        await v1.asked.wait()
        change = asyncio.create_task(envoy.data_plane.apply(route((v2, 100))))

        async def moved() -> bool:
            return await envoy.ask() == "v2"

        assert await eventually(moved)
        assert not change.done()
        v1.go_on.set()
        assert await request == "v1"
        await asyncio.wait_for(change, 5)


async def test_replicas_of_a_variant_share_its_requests(envoy: Bench) -> None:
    async with upstreams("one", "two") as (one, two):
        variant = VariantRoute("v1", "cafe", 100, (one.endpoint, two.endpoint))
        await envoy.data_plane.apply(ServingRoute(IRIS, (variant,)))
        assert await envoy.spread(20) == {"one": 10, "two": 10}
        await envoy.data_plane.apply(ServingRoute(IRIS, (replace(variant, endpoints=(two.endpoint,)),)))
        assert await envoy.spread(10) == {"two": 10}


async def test_the_model_server_sees_its_own_path_and_the_client_sees_the_variant(envoy: Bench) -> None:
    async with upstreams("v1") as (v1,):
        await envoy.data_plane.apply(route((v1, 100)))
        async with envoy.session.get(envoy.urls(IRIS, "v2/models/iris/ready") or "") as response:
            assert await response.json() == {"name": "v1", "path": "/v2/models/iris/ready"}
            assert response.headers["x-klever-variant"] == "v1"


async def test_a_killed_envoy_is_back_with_its_routes_and_takes_new_ones(envoy: Bench, tmp_path: Path) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await envoy.data_plane.apply(route((v1, 100)))
        killed = process(tmp_path)
        killed.kill()

        async def is_back() -> bool:
            return process(tmp_path) != killed and await envoy.ask() == "v1"

        assert await eventually(is_back)
        await envoy.data_plane.apply(route((v2, 100)))
        assert await envoy.ask() == "v2"


async def test_the_next_deployer_adopts_envoy_and_keeps_the_routes_it_does_not_change(
    envoy: Bench, tmp_path: Path, port: int
) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await envoy.data_plane.apply(route((v1, 100)))
        await envoy.data_plane.apply(route((v1, 100), serving=OTHER))
        before = process(tmp_path)
        async with running(EnvoyDataPlane(tmp_path, host="127.0.0.1", port=port, drain_seconds=5.0)) as successor:
            assert successor.served() == {IRIS, OTHER}
            await successor.apply(route((v2, 100)))
        assert (await envoy.ask(), await envoy.ask(OTHER)) == ("v2", "v1")
        assert process(tmp_path) == before


async def test_what_envoy_rejects_is_an_error_that_says_why_and_what_was_there_still_holds(envoy: Bench) -> None:
    async with upstreams("v1") as (v1,):
        await envoy.data_plane.apply(route((v1, 100)))
        nowhere = VariantRoute("v2", "cafe", 100, (Endpoint("no address", 1),))
        with pytest.raises(DataPlaneError, match="no address"):
            await envoy.data_plane.apply(ServingRoute(IRIS, (nowhere,)))
        assert await envoy.ask() == "v1"
        await envoy.data_plane.apply(route((v1, 100), serving=OTHER))
        assert await envoy.ask(OTHER) == "v1"


async def test_envoy_starts_once_another_program_has_left_its_port(tmp_path: Path, port: int) -> None:
    plane = EnvoyDataPlane(tmp_path, host="127.0.0.1", port=port, drain_seconds=5.0)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        async with running(plane):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(plane.apply(ServingRoute(IRIS, ())), 0.3)
            assert not await plane.is_live()
            other.close()
            assert await eventually(plane.is_live)
    await plane.close()


async def test_a_closed_data_plane_leaves_no_process(tmp_path: Path, port: int) -> None:
    async with behind_envoy(tmp_path, port):
        envoy = process(tmp_path)
        assert envoy.is_running()
    assert not envoy.is_running()
