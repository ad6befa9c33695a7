"""Events through the client library, despite connection failures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from klever.client import KleverClient
from klever.errors import ApiError, UnreachableError
from kleverproto.envelope import Event, EventSource
from kleverproto.servings import ServingProgressed
from support.processes import free_port


def frame(event_id: str, step: str = "") -> str:
    data = ServingProgressed(namespace="default", name="iris", generation=1, step=step)
    event: Event[ServingProgressed] = EventSource("test").event(data, event_id=event_id)
    return f"id: after-{event_id}\nevent: {event.type}\ndata: {event.model_dump_json(exclude_none=True)}\n\n"


@asynccontextmanager
async def gateway(port: int, *frames: str, positions: list[str]) -> AsyncIterator[None]:
    """Sends these frames on the first connection, then closes it. Records the position that each client requests."""

    async def events(request: web.Request) -> web.StreamResponse:
        positions.append(request.headers.get("Last-Event-ID", ""))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for each in frames if len(positions) == 1 else ():
            await response.write(each.encode())
        assert request.transport is not None
        request.transport.close()
        return response

    application = web.Application()
    application.router.add_get("/api/v1alpha1/events", events)
    async with TestServer(application, port=port):
        yield


async def test_an_event_cut_off_by_a_disconnect_comes_once_after_the_reconnect() -> None:
    port, positions, again = free_port(), list[str](), list[str]()
    whole = frame("second")
    async with KleverClient(f"http://127.0.0.1:{port}") as client, aclosing(client.events()) as events:
        async with gateway(port, "id: begin\n\n", frame("first"), whole[: len(whole) // 2], positions=positions):
            assert (await anext(events)).id == "first"
            second = asyncio.ensure_future(anext(events))
            await asyncio.wait({second}, timeout=0.1)
        async with gateway(port, whole, frame("third", "x" * 300_000), positions=again):
            assert (await asyncio.wait_for(second, 15)).id == "second"
            assert (await anext(events)).id == "third"
    assert positions[0] == ""
    assert again[0] == "after-first"


async def test_an_unreachable_platform_is_an_error_at_once() -> None:
    async with KleverClient(f"http://127.0.0.1:{free_port()}") as client, aclosing(client.events()) as events:
        with pytest.raises(UnreachableError):
            await anext(events)


async def test_a_refused_filter_is_an_error() -> None:
    async with TestServer(web.Application()) as server, KleverClient(str(server.make_url(""))) as client:
        with pytest.raises(ApiError):
            await anext(client.events(type="nothing"))
