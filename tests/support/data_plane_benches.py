"""Data planes with real servers behind them, and clients that send requests through them."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import aiohttp

from klever_deployer.adapters.local.ingress import LocalIngress
from klever_deployer.adapters.local.placed_routes import Endpoints
from klever_deployer.adapters.local.replica_specs import Endpoint
from klever_deployer.adapters.local.waiting_room import WaitingRoom
from klever_deployer.adapters.memory_data_plane import InMemoryDataPlane
from klever_deployer.ports import DataPlane, RequestCounts
from kleverkit.notices import Notices
from kleverroutes.paths import path_prefix
from kleverroutes.routing import ServingRoute
from kleverroutes.versions import ServingName, VersionKey
from support.data_planes import INFER, Upstream, behind_envoy, version_key, version_route
from support.deployer import IRIS


@dataclass
class Answer:
    """The answer of a server: its name, the request path, and the variant in the response header."""

    name: str
    path: str
    variant: str


class Client(ABC):
    """A client that keeps its cookies."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    @abstractmethod
    async def fetch(self, serving: ServingName, path: str, headers: dict[str, str]) -> tuple[int, Any, str]:
        """Return status, body, and the variant in the header."""

    @abstractmethod
    def another(self) -> "Client":
        """Return another client, without cookies."""

    async def answer(self, serving: ServingName = IRIS, path: str = INFER, **headers: str) -> Answer | None:
        """Return the answer, or None for 404. Any other answer is a failure."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            status, body, variant = await self.fetch(serving, path, named)
        except aiohttp.ClientError as error:
            self.failures.append(repr(error))
            return None
        if status == 200:
            return Answer(body["name"], body["path"], variant)
        if status != 404:
            self.failures.append(f"{status} {body}")
        return None

    async def ask(self, serving: ServingName = IRIS, path: str = INFER, **headers: str) -> str | None:
        """Return the server that answers, or None for 404."""
        answer = await self.answer(serving, path, **headers)
        return answer.name if answer is not None else None

    async def spread(self, requests: int) -> Counter[str | None]:
        """Count the answers of each server to this number of requests."""
        return Counter([await self.ask() for _ in range(requests)])

    @asynccontextmanager
    async def load(self, clients: int = 4) -> AsyncIterator[Counter[str | None]]:
        """Send requests continuously. Yields the number of answers of each server."""
        answers: Counter[str | None] = Counter()

        async def ask_on() -> None:
            while True:
                answers[await self.ask()] += 1

        tasks = [asyncio.create_task(ask_on()) for _ in range(clients)]
        try:
            yield answers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class DataPlaneBench:
    """A data plane, the servers of its versions, and a client."""

    data_plane: DataPlane
    requests: RequestCounts
    client: Client
    places: dict[VersionKey, Endpoints]
    moved: Notices[ServingName] = field(default_factory=Notices)
    shares_by_header: bool = True
    """True if a header can keep clients at one of several versions that share the requests."""

    async def apply(self, *weighted: tuple[Upstream, int], serving: ServingName = IRIS, **changes: Any) -> None:
        """Route to a version for each upstream, named after the upstream."""
        for upstream, _weight in weighted:
            self.places[version_key(upstream.name, serving)] = (upstream.endpoint,)
        route = version_route(*((each.name, weight) for each, weight in weighted), serving=serving)
        await self.data_plane.apply(ServingRoute(**vars(route) | changes))

    def move(self, version: VersionKey, *endpoints: Endpoint) -> None:
        """Replace the replicas of a version."""
        self.places[version] = endpoints
        self.moved.add(version.serving)


class HttpClient(Client):
    """Sends requests to the proxy."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port
        self._cookies: dict[str, str] = {}

    def another(self) -> "HttpClient":
        return HttpClient(self._port)

    async def fetch(self, serving: ServingName, path: str, headers: dict[str, str]) -> tuple[int, Any, str]:
        url = f"http://127.0.0.1:{self._port}{path_prefix(serving)}{path}"
        async with (
            aiohttp.ClientSession(cookies=self._cookies) as session,
            session.get(url, headers=headers) as response,
        ):
            self._cookies |= {name: morsel.value for name, morsel in response.cookies.items()}
            body = await response.json() if response.status == 200 else await response.text()
            return response.status, body, response.headers.get("x-klever-variant", "")


class DirectClient(Client):
    """Sends requests to the server that an in-memory data plane chooses."""

    def __init__(self, data_plane: InMemoryDataPlane, places: dict[VersionKey, Endpoints]) -> None:
        super().__init__()
        self._data_plane = data_plane
        self._places = places
        self._turn = cycle(range(2))
        self._cookie = ""

    def another(self) -> "DirectClient":
        return DirectClient(self._data_plane, self._places)

    async def fetch(self, serving: ServingName, path: str, headers: dict[str, str]) -> tuple[int, Any, str]:
        version = self._data_plane.choose(serving, headers | ({"cookie": self._cookie} if self._cookie else {}))
        if version is None:
            return 404, "", ""
        self._keep_cookie(serving, version)
        if (copied := self._data_plane.mirrored(serving)) is not None:
            await self._get(copied, path)
        began = time.monotonic()
        status, body = await self._get(version, path)
        took = (time.monotonic() - began) * 1000
        self._data_plane.count(version, is_error=status >= 500, milliseconds=took)
        return status, body, version.variant

    async def _get(self, version: VersionKey, path: str) -> tuple[int, Any]:
        endpoints = self._places[version]
        endpoint = endpoints[next(self._turn) % len(endpoints)]
        url = f"http://{endpoint.host}:{endpoint.port}/{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return response.status, await response.json()

    def _keep_cookie(self, serving: ServingName, version: VersionKey) -> None:
        sticky = self._data_plane.routes[serving].sticky
        if sticky is not None and sticky.cookie is not None and not self._cookie:
            self._cookie = f"{sticky.cookie.name}={version.token}"


@asynccontextmanager
async def in_memory(_directory: Path, _port: int, _drain_seconds: float) -> AsyncIterator[DataPlaneBench]:
    data_plane, places = InMemoryDataPlane(), dict[VersionKey, Endpoints]()
    yield DataPlaneBench(data_plane, data_plane, DirectClient(data_plane, places), places)


@asynccontextmanager
async def on_this_machine(directory: Path, port: int, drain_seconds: float) -> AsyncIterator[DataPlaneBench]:
    places = dict[VersionKey, Endpoints]()
    async with behind_envoy(directory, port, drain_seconds=drain_seconds) as envoy:
        room = WaitingRoom(lambda _version: None, lambda _version: None, patience=1.0)
        ingress = LocalIngress(envoy.data_plane, lambda version: places.get(version, ()), room)
        bench = DataPlaneBench(ingress, envoy.data_plane, HttpClient(port), places)
        following = asyncio.create_task(ingress.follow(bench.moved))
        try:
            yield bench
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


DATA_PLANES = {"memory": in_memory, "local": on_this_machine}
