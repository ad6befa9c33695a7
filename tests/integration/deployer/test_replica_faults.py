"""Replicas that exit while they have requests, behind a real Envoy: the other ones answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest

from kleverproto.traffic import Retries, Sticky
from support.data_planes import Bench, behind_envoy, changed, route_to
from support.deployer import IRIS
from support.dying_servers import GrpcServer, SlowServer, two_slow_servers
from support.processes import free_port
from support.waiting import eventually

GRPC = {"content-type": "application/grpc", "te": "trailers", "seldon": "iris", "namespace": "default"}


@pytest.fixture
async def envoy(tmp_path: Path) -> AsyncIterator[Bench]:
    async with behind_envoy(tmp_path, free_port()) as bench:
        yield bench


@asynccontextmanager
async def posts(envoy: Bench, body: bytes, clients: int = 4) -> AsyncIterator[Counter[str]]:
    """Predictions in a loop. Yields the ports that answered, and all other outcomes."""
    ended: Counter[str] = Counter()
    url = envoy.urls(IRIS, "v2/models/iris/infer") or ""

    async def client() -> None:
        while True:
            try:
                async with envoy.session.post(url, data=BytesIO(body)) as response:
                    text = await response.text()
                    ended[text if response.status == 200 else f"{response.status} {text}"] += 1
            except aiohttp.ClientError as error:
                ended[repr(error)] += 1

    tasks = [asyncio.create_task(client()) for _ in range(clients)]
    try:
        yield ended
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def answered(ended: Counter[str], *servers: SlowServer) -> None:
    """Wait until each of these has answered some more requests."""
    until = {str(server.endpoint.port): ended[str(server.endpoint.port)] + 5 for server in servers}

    async def have_answered() -> bool:
        return all(ended[port] >= times for port, times in until.items())

    await eventually(have_answered, within=40)


@pytest.mark.parametrize("size", [100, 2 * 1024 * 1024], ids=["small", "large"])
async def test_no_request_fails_while_one_of_two_replicas_is_killed(envoy: Bench, size: int) -> None:
    async with two_slow_servers() as (first, second):
        await envoy.data_plane.apply(route_to(first.endpoint, second.endpoint))
        async with posts(envoy, b"x" * size) as ended:
            for server, other in ((first, second), (second, first)):
                await answered(ended, first, second)
                await server.kill()
                await answered(ended, other)
                await server.start()
    assert set(ended) == {str(server.endpoint.port) for server in (first, second)}


async def test_a_sticky_request_whose_replica_is_killed_is_answered_by_another(envoy: Bench) -> None:
    async with two_slow_servers() as (first, second):
        sticky = changed(route_to(first.endpoint, second.endpoint), sticky=Sticky(header="x-user"))
        await envoy.data_plane.apply(sticky)
        async with posts(envoy, b"x") as ended:  # without the header each request goes to any replica
            await answered(ended, first, second)
            await first.kill()
            await answered(ended, second)
    assert set(ended) == {str(server.endpoint.port) for server in (first, second)}


async def call(envoy: Bench) -> tuple[int, bytes]:
    """Make a gRPC call, which Envoy accepts over HTTP/1.1 too. Return status and message."""
    url = (envoy.urls(IRIS, "") or "").partition("/seldon/")[0] + "/inference.GRPCInferenceService/ModelInfer"
    async with envoy.session.post(url, data=b"\0\0\0\0\1x", headers=GRPC) as response:
        return response.status, (await response.read())[5:]


async def test_grpc_calls_whose_server_exits_are_answered_by_another(envoy: Bench) -> None:
    dying, living = GrpcServer("dying", dies=True), GrpcServer("living")
    await envoy.data_plane.apply(route_to(await dying.start(), await living.start()))
    assert {await call(envoy) for _ in range(10)} == {(200, b"living")}
    assert dying.requests > 0
    dying.close()
    living.close()


async def test_a_serving_may_disable_retries(envoy: Bench) -> None:
    dying, living = GrpcServer("dying", dies=True), GrpcServer("living")
    once = changed(route_to(await dying.start(), await living.start()), retries=Retries(attempts=0))
    await envoy.data_plane.apply(once)
    assert len([answer for answer in [await call(envoy) for _ in range(4)] if answer != (200, b"living")]) > 0
    assert dying.requests > 0
    dying.close()
    living.close()


async def test_a_single_replica_that_exits_is_an_error_and_not_an_endless_loop(envoy: Bench) -> None:
    dying = GrpcServer("dying", dies=True)
    await envoy.data_plane.apply(route_to(await dying.start()))
    async with asyncio.timeout(20):
        assert (await call(envoy))[1] != b"dying"
    assert 0 < dying.requests <= 4
    dying.close()
