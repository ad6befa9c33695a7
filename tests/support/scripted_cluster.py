"""Something that answers lists and watches of an API server as a test has planned it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from kubernetes_asyncio.client import ApiClient

from support.scripted_api import scripted_api

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def pod(name: str, version: int, **labels: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-of-{name}", "labels": labels}
    return {"metadata": {**metadata, "resourceVersion": str(version)}}


def event(kind: str, changed: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": changed}).encode() + b"\n"


class ScriptedCluster:
    """Lists its objects; each watch takes the next of the planned responses, and waits after the last one."""

    def __init__(self) -> None:
        self.pods: list[dict[str, Any]] = []
        self.version = 1
        self.lists = 0
        self.watched_from: list[str] = []
        self.answers: list[Answer] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            self.lists += 1
            return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": self.pods})
        self.watched_from.append(request.query["resourceVersion"])
        return await (self.answers.pop(0) if self.answers else silence)(request)


async def silence(request: web.Request) -> web.StreamResponse:
    """A connection on which nothing arrives any more."""
    response = web.StreamResponse()
    await response.prepare(request)
    await asyncio.Event().wait()
    return response


def events(*lines: bytes, cut: bool = False) -> Answer:
    """A watch with these events that ends, or whose connection is cut."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        if cut and request.transport is not None:
            request.transport.abort()
        return response

    return answer


def status(code: int, text: str, **headers: str) -> Answer:
    """A response without a watch."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=text, headers=headers)

    return answer


@asynccontextmanager
async def scripted_cluster() -> AsyncIterator[tuple[ScriptedCluster, ApiClient]]:
    cluster = ScriptedCluster()
    async with scripted_api(cluster.handle, "/api/v1/pods") as client:
        yield cluster, client
