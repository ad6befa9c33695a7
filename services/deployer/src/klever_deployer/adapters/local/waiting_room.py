"""Holds requests for versions without replicas, starts a replica, and forwards the requests once it is ready."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import aiohttp
import structlog
from aiohttp import web

from klever_deployer.settings import MAX_REQUEST_BYTES
from kleverroutes.routing import ServingRoute, successor
from kleverroutes.versions import ServingName, VersionKey
from kleverserve.access import HEADER, REFUSAL
from kleverserve.http_server import Runner, json_refusal

from .access_keys import AccessKeys
from .envoy_config import VERSION_HEADER
from .forwarder import ReplicaLostError, forward, session
from .replica_specs import Endpoint

log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
POLL_SECONDS = 0.01
MOST_WAITING = 1000

READ_AHEAD = 16 * 1024
"""Bytes of each body that are read while the request waits; the rest stays at the client or in Envoy."""


class WaitingRoom:
    """A server on loopback that receives requests for versions without replicas.

    Args:
        find: returns a ready replica of a version, or None; raises LookupError with the reason if none will start.
        wake: called when a request waits for a version.
        patience: longest wait of a request, in seconds.
        max_waiting: limit of requests that wait at a time.
        limit: the limit for a body, in bytes.
        keys: the keys that requests must contain; none by default.
    """

    def __init__(
        self,
        find: Callable[[VersionKey], Endpoint | None],
        wake: Callable[[VersionKey], None],
        *,
        patience: float,
        max_waiting: int = MOST_WAITING,
        limit: int = MAX_REQUEST_BYTES,
        keys: AccessKeys | None = None,
    ) -> None:
        self._find = find
        self._wake = wake
        self._patience = patience
        self._max_waiting = max_waiting
        self._limit = limit
        self._keys = keys
        self._present: Counter[VersionKey] = Counter()
        self._searches: dict[VersionKey, asyncio.Task[Endpoint]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._servings: dict[ServingName, ServingRoute | None] = {}
        self._socket: socket.socket | None = None

    def endpoint(self, version: VersionKey) -> Endpoint:
        """The address for requests to a version."""
        self._servings.setdefault(version.serving)
        return Endpoint(HOST, self._listen().getsockname()[1])

    def follow(self, route: ServingRoute) -> None:
        """Redirects requests for versions that are not in this route to their successors."""
        self._servings[route.serving] = route

    def forget(self, serving: ServingName) -> None:
        """Refuse requests for the serving, because it was removed."""
        self._servings.pop(serving, None)

    async def run(self) -> None:
        """Accepts requests until cancelled; then refuses those that wait."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = Runner(
            application,
            shutdown_timeout=1.0,
            auto_decompress=False,
            read_bufsize=READ_AHEAD,
            handler_cancellation=True,  # a client that disconnects frees its place
        )
        async with session() as self._session:
            await runner.setup()
            try:
                await web.SockSite(runner, self._listen()).start()
                await asyncio.Event().wait()
            finally:
                for search in self._searches.values():
                    search.cancel()
                await asyncio.gather(*self._searches.values(), return_exceptions=True)
                await runner.cleanup()
                self._socket = None

    def _listen(self) -> socket.socket:
        """The listening socket, created on first use: a route may contain it before the server runs."""
        if self._socket is None:
            self._socket = socket.create_server((HOST, 0))
        return self._socket

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        version = VersionKey.parse(request.headers.get(VERSION_HEADER, ""))
        if version is None or version.serving not in self._servings:
            return _refused("no serving has this path")
        if self._keys and not self._keys.is_valid(version.serving, request.headers.get(HEADER)):
            return json_refusal(403, REFUSAL)
        if self._present.total() >= self._max_waiting:
            return _refused(f"{self._max_waiting} requests are already waiting: try again later")
        try:
            with self._waiting(version):
                return await self._wait_and_forward(request, version)
        except LookupError as error:
            return _refused(str(error.args[0]))
        except ReplicaLostError as error:
            log.warning("waiting request lost", version=version.name, error=str(error))
            return _refused("the model server exited while it processed the request")

    @contextmanager
    def _waiting(self, version: VersionKey) -> Iterator[None]:
        self._present[version] += 1
        try:
            yield
        finally:
            self._present[version] -= 1
            if not self._present[version]:
                del self._present[version]

    async def _wait_and_forward(self, request: web.Request, version: VersionKey) -> web.StreamResponse:
        """Raises LookupError, ReplicaLostError."""
        deadline = asyncio.get_running_loop().time() + self._patience
        while self._session is not None:
            endpoint = await self._wait_for_replica(version, deadline)
            try:
                return await forward(request, endpoint, self._session, limit=self._limit)
            except aiohttp.ClientConnectorError:  # the replica has just exited, and its state is not updated yet
                await asyncio.sleep(POLL_SECONDS)
        raise LookupError("the deployer is stopping")

    async def _wait_for_replica(self, version: VersionKey, deadline: float) -> Endpoint:
        """Wait for a ready replica. Raises LookupError if none will start, or none is ready in time."""
        search = self._searches.get(version)
        if search is None or search.done():
            search = self._searches[version] = asyncio.create_task(self._search(version))
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                return await asyncio.shield(search)
        raise LookupError(f"no model server was ready after {self._patience:g} s")

    async def _search(self, version: VersionKey) -> Endpoint:
        """Search a ready replica, for all requests that wait for a version; stop when none waits."""
        try:
            while (endpoint := self._find(serves := self._current_version(version))) is None:
                if version not in self._present:
                    raise LookupError("no request waits")
                self._wake(serves)
                await asyncio.sleep(POLL_SECONDS)
            return endpoint
        finally:
            self._searches.pop(version, None)

    def _current_version(self, version: VersionKey) -> VersionKey:
        """The version, or its successor in a newer route. Raises LookupError."""
        if version.serving not in self._servings:
            raise LookupError(f"{version.serving} is no longer served")
        route = self._servings[version.serving]
        target = version if route is None else successor(version, route)
        if target is None:
            raise LookupError(f"{version.serving} has no variant that serves")
        return target


def _refused(why: str) -> web.Response:
    response = json_refusal(503, why)
    response.headers["Retry-After"] = "1"
    return response
