"""A real Envoy: replaced servers, its access log, its spans, and its survival of the deployer."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from klever_deployer.adapters.local.envoy import Envoy
from klever_deployer.adapters.local.envoy_admin import EnvoyAdmin
from klever_deployer.adapters.local.envoy_logs import EnvoyLogs
from klever_deployer.adapters.local.replica_specs import Endpoint
from klever_deployer.errors import RefusedByProxyError
from kleverroutes.versions import ServingName
from support.data_planes import (
    Bench,
    Upstream,
    answered_by,
    behind_envoy,
    route,
    route_to,
    running,
    upstreams,
    version_key,
)
from support.deployer import IRIS
from support.processes import free_port
from support.waiting import eventually

OTHER = ServingName("default", "abalone")


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def envoy(tmp_path: Path, port: int) -> AsyncIterator[Bench]:
    async with behind_envoy(tmp_path, port) as bench:
        yield bench


def process(directory: Path) -> psutil.Process:
    return psutil.Process(json.loads((directory / "envoy.json").read_text())["pid"])


async def test_no_request_fails_while_servers_are_replaced(envoy: Bench) -> None:
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


async def test_a_change_waits_for_the_open_requests_of_the_old_route(envoy: Bench) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await envoy.data_plane.apply(route((v1, 100)))
        request = asyncio.create_task(envoy.ask(path="slow"))
        await v1.slow_requested.wait()
        change = asyncio.create_task(envoy.data_plane.apply(route((v2, 100))))

        async def moved() -> bool:
            return await envoy.ask() == "v2"

        assert await eventually(moved)
        assert not change.done()
        v1.resume.set()
        assert await request == "v1"
        await asyncio.wait_for(change, 5)


async def test_replicas_of_a_variant_share_its_requests(envoy: Bench) -> None:
    async with upstreams("one", "two") as (one, two):
        await envoy.data_plane.apply(route_to(one.endpoint, two.endpoint, custom=True))
        assert await envoy.spread(20) == {"one": 10, "two": 10}
        await envoy.data_plane.apply(route_to(two.endpoint, custom=True))
        assert await envoy.spread(10) == {"two": 10}


async def test_the_access_log_holds_duration_and_upstream_of_a_response(envoy: Bench, tmp_path: Path) -> None:
    async with upstreams("v1") as (v1,):
        await envoy.data_plane.apply(route((v1, 100)))
        await envoy.ask()

        async def logged() -> bool:
            return "default/iris/v1/cafe" in (tmp_path / "access.log").read_text()

        assert await eventually(logged, within=15)
        entry = json.loads((tmp_path / "access.log").read_text().splitlines()[0])
        assert (entry["status"], entry["path"]) == (200, "/seldon/default/iris/v2/models/iris/infer")


def has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


async def test_an_oversized_access_log_is_rotated_without_losing_lines(envoy: Bench, tmp_path: Path) -> None:
    own, admin = tmp_path / "envoy.log", EnvoyAdmin(tmp_path / "admin-address")
    log = EnvoyLogs(tmp_path / "access.log", own, admin, largest=10)
    async with upstreams("v1") as (v1,):
        await envoy.data_plane.apply(route((v1, 100)))

        async def sampled(path: Path) -> bool:
            await envoy.ask()
            return await asyncio.to_thread(has_content, path)

        assert await eventually(lambda: sampled(tmp_path / "access.log"), within=20)
        await log.rotate()
        assert await eventually(lambda: sampled(tmp_path / "access.log"), within=20)
    both = [
        json.loads(line)
        for name in ("access.log.1", "access.log")
        for line in (tmp_path / name).read_text().splitlines()
    ]
    assert all(entry["status"] == 200 for entry in both)


async def test_a_request_is_a_span_of_the_clients_trace(tmp_path: Path, port: int) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    sent: list[bytes] = []

    async def collect(request: web.Request) -> web.Response:
        sent.append(await request.read())
        return web.Response(content_type="application/x-protobuf")

    application = web.Application()
    application.router.add_post("/v1/traces", collect)
    async with TestServer(application, host="127.0.0.1") as collector, upstreams("v1") as (v1,):
        url = f"http://{collector.host}:{collector.port}"
        async with behind_envoy(tmp_path, port, url) as bench:
            await bench.data_plane.apply(route((v1, 100)))
            assert await bench.ask(traceparent=f"00-{trace}-b7ad6b7169203331-01") == "v1"

            async def is_recorded() -> bool:
                return any(bytes.fromhex(trace) in body and b"klever-ingress" in body for body in sent)

            assert await eventually(is_recorded, within=15)


async def test_a_killed_envoy_restarts_with_its_routes_and_accepts_new_ones(envoy: Bench, tmp_path: Path) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await envoy.data_plane.apply(route((v1, 100)))
        killed = process(tmp_path)
        killed.kill()

        async def is_back() -> bool:
            return process(tmp_path) != killed and await envoy.ask() == "v1"

        assert await eventually(is_back)
        await envoy.data_plane.apply(route((v2, 100)))
        assert await envoy.ask() == "v2"


async def test_the_next_deployer_adopts_envoy_and_keeps_unchanged_routes(
    envoy: Bench, tmp_path: Path, port: int
) -> None:
    async with upstreams("v1", "v2") as (v1, v2):
        await envoy.data_plane.apply(route((v1, 100)))
        await envoy.data_plane.apply(route((v1, 100), serving=OTHER))
        before = process(tmp_path)
        async with running(Envoy(tmp_path, host="127.0.0.1", port=port, drain_seconds=5.0)) as successor:
            assert successor.served() == {IRIS, OTHER}
            await successor.apply(route((v2, 100)))
        assert (await envoy.ask(), await envoy.ask(OTHER)) == ("v2", "v1")
        assert process(tmp_path) == before


async def test_a_rejected_update_is_an_error_with_the_reason_and_old_routes_stay(envoy: Bench) -> None:
    async with upstreams("v1") as (v1,):
        await envoy.data_plane.apply(route((v1, 100)))
        with pytest.raises(RefusedByProxyError, match="no address"):
            await envoy.data_plane.apply(route_to(Endpoint("no address", 1), version=version_key("v2")))
        assert await envoy.ask() == "v1"
        await envoy.data_plane.apply(route((v1, 100), serving=OTHER))
        assert await envoy.ask(OTHER) == "v1"


async def test_envoy_starts_once_its_port_is_free(tmp_path: Path, port: int) -> None:
    plane = Envoy(tmp_path, host="127.0.0.1", port=port, drain_seconds=5.0)
    with socket.create_server(("127.0.0.1", port)) as other:
        async with running(plane):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(plane.apply(route()), 0.3)
            assert not await plane.is_live()
            other.close()
            assert await eventually(plane.is_live)
    await plane.stop()


async def test_a_closed_data_plane_leaves_no_process(tmp_path: Path, port: int) -> None:
    async with behind_envoy(tmp_path, port):
        envoy = process(tmp_path)
        assert envoy.is_running()
    assert not envoy.is_running()
