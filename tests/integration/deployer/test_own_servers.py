"""Custom servers that describe their model must answer a sample before they are ready."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from klever_deployer.adapters.local.custom_servers import sample_fault

ROWS = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]}
Status = Callable[[Any], int]


@asynccontextmanager
async def own_server(metadata: Any, status: Status) -> AsyncIterator[tuple[str, list[Any]]]:
    """The URL of a model, and the received requests."""
    requests: list[Any] = []
    closing = asyncio.Event()

    async def describe(_request: web.Request) -> web.Response:
        if metadata is None:
            raise web.HTTPNotFound
        return web.Response(text=metadata) if isinstance(metadata, str) else web.json_response(metadata)

    async def infer(request: web.Request) -> web.StreamResponse:
        document = await request.json()
        requests.append(document["inputs"])
        code = status(document["inputs"])
        if code == HANGS:
            await closing.wait()
        return web.json_response({"error": "no weights"}, status=code)

    application = web.Application()
    application.add_routes([web.get("/v2/models/m", describe), web.post("/v2/models/m/infer", infer)])
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v2/models/m", requests
    finally:
        closing.set()
        await runner.cleanup()


HANGS = -1


def always(status: int) -> Status:
    return lambda _: status


async def fault(metadata: Any, status: Status, seconds: float = 30.0) -> tuple[str | None, list[Any]]:
    async with own_server(metadata, status) as (url, requests), aiohttp.ClientSession() as session:
        return await sample_fault(session, url, seconds), requests


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "no JSON",
        {},
        {"inputs": []},
        {"inputs": None},
        [],
        {"inputs": [{"name": "x"}]},
        {"inputs": [{"name": "x", "datatype": "COMPLEX", "shape": [1]}]},
    ],
    ids=str,
)
async def test_a_server_without_declared_inputs_is_not_probed(metadata: Any) -> None:
    assert await fault(metadata, always(500)) == (None, [])


@pytest.mark.parametrize("status", [200, 400, 422])
async def test_a_server_that_answers_or_refuses_the_values_is_ready(status: int) -> None:
    problem, requests = await fault(ROWS, always(status))
    assert problem is None
    assert requests == [[{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [0.0, 0.0, 0.0, 0.0]}]]


async def test_a_server_that_answers_another_sample_is_ready() -> None:
    problem, requests = await fault(ROWS, lambda inputs: 200 if inputs[0]["shape"] == [2, 4] else 500)
    assert problem is None
    assert len(requests) > 1


async def test_a_server_that_answers_every_sample_with_an_error_is_reported() -> None:
    problem, _ = await fault(ROWS, always(500))
    assert problem == 'it responds to a sample request with 500: {"error": "no weights"}'


async def test_a_server_that_does_not_answer_is_reported() -> None:
    problem, _ = await fault(ROWS, always(HANGS), seconds=0.2)
    assert problem == "it did not respond to a sample request within 0.2 s"
