"""Model servers that only answer with their name, and an Envoy in front of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from klever_deployer.adapters.local.envoy import Envoy
from klever_deployer.adapters.local.placed_routes import Place, PlacedRoute
from klever_deployer.adapters.local.replica_specs import Endpoint
from klever_deployer.settings import MAX_REQUEST_BYTES
from kleverroutes.paths import path_prefix
from kleverroutes.routing import RoutedVersion, ServingRoute, Share
from kleverroutes.versions import ServingName, VersionKey
from support.deployer import IRIS
from support.waiting import eventually

DRAIN_SECONDS = 5.0
INFER = "v2/models/iris/infer"


class Upstream:
    """Answers every request with its name and the request path; answers `/slow` once `resume` is set."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.slow_requested = asyncio.Event()
        self.answered = 0
        self.resume = asyncio.Event()
        self.status = 200
        application = web.Application()
        application.router.add_get("/slow", self._slow)
        application.router.add_get("/{path:.*}", self._answer)
        self._server = TestServer(application, host="127.0.0.1")

    async def start(self) -> Endpoint:
        await self._server.start_server()
        return self.endpoint

    async def close(self) -> None:
        await self._server.close()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self._server.port or 0)

    async def _answer(self, request: web.Request) -> web.Response:
        self.answered += 1
        return web.json_response({"name": self.name, "path": request.path}, status=self.status)

    async def _slow(self, request: web.Request) -> web.Response:
        self.slow_requested.set()
        await self.resume.wait()
        return await self._answer(request)


@asynccontextmanager
async def upstreams(*names: str) -> AsyncIterator[list[Upstream]]:
    running = [Upstream(name) for name in names]
    for upstream in running:
        await upstream.start()
    try:
        yield running
    finally:
        for upstream in running:
            await upstream.close()


def route(*weighted: tuple[Upstream, int], serving: ServingName = IRIS) -> PlacedRoute:
    """A route with a variant for each upstream, named after it."""
    places = tuple(Place(version_key(u.name, serving), (u.endpoint,)) for u, _weight in weighted)
    return PlacedRoute(version_route(*((u.name, weight) for u, weight in weighted), serving=serving), places)


def version_route(*weighted: tuple[str, int], serving: ServingName = IRIS) -> ServingRoute:
    """A route with a variant for each name."""
    versions = tuple(RoutedVersion(version_key(name, serving), custom=True) for name, _weight in weighted)
    shares = tuple(Share(version_key(name, serving), weight) for name, weight in weighted)
    return ServingRoute(serving, versions, shares)


def route_to(*endpoints: Endpoint, version: VersionKey | None = None, custom: bool = False) -> PlacedRoute:
    """A route to one version with these replicas."""
    key = version or version_key("v1")
    route = ServingRoute(key.serving, (RoutedVersion(key, custom=custom),), (Share(key, 100),))
    return PlacedRoute(route, (Place(key, endpoints),))


def changed(placed: PlacedRoute, **changes: Any) -> PlacedRoute:
    """The same replicas with another route."""
    return replace(placed, route=replace(placed.route, **changes))


def version_key(name: str, serving: ServingName = IRIS) -> VersionKey:
    return VersionKey(serving, name, "cafe")


class Urls(Protocol):
    """The addresses to which a client of a data plane sends requests."""

    def __call__(self, serving: ServingName, path: str) -> str | None: ...


@dataclass
class Bench:
    """An Envoy and its client."""

    data_plane: Envoy
    urls: Urls
    session: aiohttp.ClientSession
    failures: list[str] = field(default_factory=list)

    async def ask(self, serving: ServingName = IRIS, path: str = INFER, **headers: str) -> str | None:
        """Return the server that answers, or None for 404. Any other answer is a failure."""
        url = self.urls(serving, path)
        if url is None:
            return None
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            async with self.session.get(url, headers=named) as response:
                if response.status == 200:
                    return str((await response.json())["name"])
                if response.status != 404:
                    self.failures.append(f"{response.status} {await response.text()}")
        except aiohttp.ClientError as error:
            self.failures.append(repr(error))
        return None

    async def spread(self, requests: int) -> Counter[str | None]:
        """Count the answers of each server to this number of requests."""
        return Counter([await self.ask() for _ in range(requests)])

    @asynccontextmanager
    async def load(self, clients: int = 4) -> AsyncIterator[Counter[str | None]]:
        """Send requests continuously. Yields the number of answers of each server."""
        answers: Counter[str | None] = Counter()

        async def client() -> None:
            while True:
                answers[await self.ask()] += 1

        tasks = [asyncio.create_task(client()) for _ in range(clients)]
        try:
            yield answers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def answered_by(answers: Counter[str | None], name: str, times: int) -> None:
    """Wait until an upstream has answered this number of additional requests."""
    until = answers[name] + times

    async def is_enough() -> bool:
        return answers[name] >= until

    assert await eventually(is_enough)


@asynccontextmanager
async def running(envoy: Envoy) -> AsyncIterator[Envoy]:
    """Run the background loops of the data plane as the service does, and leave Envoy running."""
    envoy.load()
    task = asyncio.create_task(envoy.run())
    try:
        yield envoy
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def behind_envoy(
    directory: Path,
    port: int,
    otlp_endpoint: str | None = None,
    *,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    drain_seconds: float = DRAIN_SECONDS,
) -> AsyncIterator[Bench]:
    envoy = Envoy(
        directory,
        host="127.0.0.1",
        port=port,
        drain_seconds=drain_seconds,
        otlp_endpoint=otlp_endpoint,
        max_request_bytes=max_request_bytes,
    )

    def url(serving: ServingName, path: str) -> str:
        return f"http://127.0.0.1:{port}{path_prefix(serving)}{path}"

    async with running(envoy), aiohttp.ClientSession() as session:
        await eventually(envoy.is_live)
        yield Bench(envoy, url, session)
    await envoy.stop()
