"""Requests through a real Envoy, to a running model server and to one that must be waited for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from klever_deployer.adapters.local.ingress import LocalIngress
from klever_deployer.adapters.local.replica_specs import Endpoint
from klever_deployer.adapters.local.waiting_room import WaitingRoom
from kleverroutes.routing import RoutedVersion, ServingRoute, Share
from kleverroutes.versions import VersionKey
from support.data_planes import DRAIN_SECONDS, Bench, behind_envoy, route_to, version_key
from support.deployer import IRIS
from support.hop_contract import CASES, JSON, SENTINEL, Hop
from support.onnx_models import doubling, model_directory
from support.processes import free_port
from support.raw_http import exchange, head
from support.v2_client import ModelServer, model_server, tensor

LIMIT = 4 * 1024 * 1024
VERSION = version_key("v1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    directory = model_directory(doubling(), tmp_path_factory.mktemp("m") / "m")
    with model_server(directory, name="iris", extra=("--max-body-bytes", str(LIMIT))) as server:
        yield server


@asynccontextmanager
async def ingress(directory: Path) -> AsyncIterator[tuple[Bench, str]]:
    port = free_port()
    async with behind_envoy(directory, port) as bench:
        yield bench, f"http://127.0.0.1:{port}"


@asynccontextmanager
async def warm(replica: Endpoint) -> AsyncIterator[Endpoint]:
    yield replica


@asynccontextmanager
async def idle(replica: Endpoint) -> AsyncIterator[Endpoint]:
    """A hop on which each request waits in the room and wakes the replica."""
    awake = False

    def wake(_version: object) -> None:
        nonlocal awake
        awake = True

    def find(_version: object) -> Endpoint | None:
        nonlocal awake
        endpoint, awake = replica if awake else None, False
        return endpoint

    room = WaitingRoom(find, wake, patience=20, limit=LIMIT)
    task = asyncio.create_task(room.run())
    yield room.endpoint(VERSION)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(params=[warm, idle], ids=["warm", "idle"])
async def hop(request: pytest.FixtureRequest, server: ModelServer, tmp_path: Path) -> AsyncIterator[Hop]:
    where = urlsplit(server.url)
    asked = {"inputs": [tensor("X", "FP32", [1, 4], [1.0, 2.0, 3.0, 4.0])]}
    async with ingress(tmp_path) as (bench, url), request.param(Endpoint("127.0.0.1", where.port or 0)) as endpoint:
        await bench.data_plane.apply(route_to(endpoint))
        yield Hop(f"{url}/seldon/default/iris/v2/models/iris/infer", asked, LIMIT)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
async def test_every_hop_meets_the_contract(case: Callable[[Hop], Awaitable[None]], hop: Hop) -> None:
    await case(hop)


async def test_the_ingress_answers_errors_as_json_too(tmp_path: Path) -> None:
    async with ingress(tmp_path) as (bench, url):
        missing = await exchange(url, head("GET", f"/{SENTINEL}"))
        assert (missing.status, missing.document["error"].partition(":")[0]) == (404, "no serving has this path")
        await bench.data_plane.apply(route_to(Endpoint("127.0.0.1", free_port())))
        gone = await exchange(url, head("GET", "/seldon/default/iris/v2"))
        assert gone.status == 503
        assert "connect" in gone.document["error"]
        for wrong in (b"nonsense\r\n\r\n", head("POST", "/", ("Content-Length", "x"))):
            invalid = await exchange(url, wrong)
            assert (invalid.status, invalid.document) == (400, {"error": "the request is not valid HTTP"})


async def test_the_logs_of_the_ingress_hold_no_client_data(server: ModelServer, tmp_path: Path) -> None:
    async with ingress(tmp_path) as (bench, url):
        await bench.data_plane.apply(route_to(Endpoint("127.0.0.1", urlsplit(server.url).port or 0)))
        path = "/seldon/default/iris/v2/models/iris"
        for headers in ([("Authorization", SENTINEL)], [("Cookie", SENTINEL * 10_000)], [("x", f"{SENTINEL}\x00")]):
            await exchange(url, head("GET", f"{path}?key={SENTINEL}", *headers))
        hop = Hop(f"{url}{path}/infer", {}, LIMIT)
        await hop.refused(400, SENTINEL.encode(), JSON)
        long = await exchange(url, head("GET", "/" + "a" * 50_000))
        assert long.status == 404
    written = {name: (tmp_path / name).read_text() for name in ("access.log", "envoy.log")}
    assert SENTINEL not in str(written)
    entries = written["access.log"].splitlines()
    assert len(entries) >= 4
    assert max(map(len, entries)) < 3000


async def test_a_waiting_request_goes_to_the_new_revision(server: ModelServer, tmp_path: Path) -> None:
    newer = VersionKey(IRIS, VERSION.variant, "newer")
    replica = Endpoint("127.0.0.1", urlsplit(server.url).port or 0)
    woken = asyncio.Event()
    places = {newer: replica}
    room = WaitingRoom(places.get, lambda _version: woken.set(), patience=20, limit=LIMIT)
    task = asyncio.create_task(room.run())
    async with ingress(tmp_path) as (bench, url):
        plane = LocalIngress(bench.data_plane, lambda version: tuple(filter(None, [places.get(version)])), room)
        await plane.apply(to(VERSION))
        path = "/seldon/default/iris/v2/models/iris/ready"
        waiting = asyncio.create_task(exchange(url, head("GET", path)))
        await woken.wait()
        await asyncio.wait_for(plane.apply(to(newer)), DRAIN_SECONDS / 2)
        assert (await waiting).status == 200
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def to(version: VersionKey) -> ServingRoute:
    return ServingRoute(IRIS, (RoutedVersion(version, can_be_idle=True),), (Share(version, 100),))
