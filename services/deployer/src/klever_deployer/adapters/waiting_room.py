"""Where requests wait for a variant that has no replica: they wake it, and are passed on once one is ready."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

import aiohttp
import structlog
from aiohttp import web

from klever_deployer.domain.replicas import Endpoint
from klever_deployer.domain.routing import BackendKey
from klever_deployer.envoy_config import BACKEND_HEADER

log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
POLL_SECONDS = 0.01
MOST_WAITING = 1000
LARGEST_BODY = 64 * 1024 * 1024
OWN_HEADERS = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "upgrade", "host"})
"""Of one hop, not of the message."""


class WaitingRoom:
    """A server on loopback that stands in for replicas that are not there.

    Args:
        find: the replica of a backend that is ready, if any; or raises LookupError that says why there will be none.
        wake: is told that a request waits for a backend.
        patience: seconds that a request waits at most.
        most: requests that may wait at a time.
    """

    def __init__(
        self,
        find: Callable[[BackendKey], Endpoint | None],
        wake: Callable[[BackendKey], None],
        *,
        patience: float,
        most: int = MOST_WAITING,
    ) -> None:
        self._find = find
        self._wake = wake
        self._patience = patience
        self._most = most
        self._waiting = 0
        self._searches: dict[BackendKey, asyncio.Task[Endpoint]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._names: dict[str, BackendKey] = {}
        self._socket = socket.create_server((HOST, 0))

    def endpoint(self, backend: BackendKey) -> Endpoint:
        """Where requests for a backend wait."""
        self._names[backend.name] = backend
        return Endpoint(HOST, self._socket.getsockname()[1])

    async def run(self) -> None:
        """Take requests, until cancelled; then send away who still waits."""
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(auto_decompress=False, timeout=timeout) as self._session:
            await runner.setup()
            try:
                await web.SockSite(runner, self._socket).start()
                await asyncio.Event().wait()
            finally:
                for search in self._searches.values():
                    search.cancel()
                await asyncio.gather(*self._searches.values(), return_exceptions=True)
                await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        backend = self._names.get(request.headers.get(BACKEND_HEADER, ""))
        if backend is None:
            return _refused("nothing is served here")
        if self._waiting >= self._most:
            return _refused(f"{self._most} requests wait already: try again in a moment")
        body = await request.read()
        self._waiting += 1
        try:
            return await self._pass_on(request, body, await self._ready(backend))
        except LookupError as error:
            return _refused(str(error.args[0]))
        finally:
            self._waiting -= 1

    async def _ready(self, backend: BackendKey) -> Endpoint:
        """A replica, once it is ready. Raises LookupError where none will be, or it takes too long."""
        search = self._searches.get(backend)
        if search is None or search.done():
            search = self._searches[backend] = asyncio.create_task(self._search(backend))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(search)
        raise LookupError(f"no model server was ready after {self._patience:g} s")

    async def _search(self, backend: BackendKey) -> Endpoint:
        """One for all who wait for a backend; it ends when nobody does."""
        while (endpoint := self._find(backend)) is None:
            if not self._waiting:
                raise LookupError("nobody waits any more")
            self._wake(backend)
            await asyncio.sleep(POLL_SECONDS)
        return endpoint

    async def _pass_on(self, request: web.Request, body: bytes, endpoint: Endpoint) -> web.Response:
        if self._session is None:
            return _refused("the deployer is stopping")
        url = f"http://{endpoint.host}:{endpoint.port}{request.raw_path}"
        headers = {name: value for name, value in request.headers.items() if name.lower() not in OWN_HEADERS}
        try:
            async with self._session.request(request.method, url, data=body, headers=headers) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in OWN_HEADERS}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
        except aiohttp.ClientError as error:
            log.warning("a request that waited was lost", url=url, error=str(error))
            return _refused("the model server ended while it worked on the request")


def _refused(why: str) -> web.Response:
    return web.json_response({"error": why}, status=503, headers={"Retry-After": "1"})
