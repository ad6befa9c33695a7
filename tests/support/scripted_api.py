"""An API server that a test has written, and a client of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from kubernetes_asyncio.client import ApiClient, Configuration

ANY_PATH = "/{path:.*}"


@asynccontextmanager
async def scripted_api(handler: Handler, *paths: str) -> AsyncIterator[ApiClient]:
    """Runs a server with this handler for some paths, or for all if none is given; others are not found."""
    app = web.Application()
    for path in paths or (ANY_PATH,):
        app.router.add_route("*", path, handler)
    async with TestServer(app) as server, ApiClient(Configuration(host=str(server.make_url("")).rstrip("/"))) as client:
        yield client
