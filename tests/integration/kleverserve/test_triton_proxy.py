"""The proxy in front of Triton's HTTP API, with a server that behaves like Triton."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kleverserve.triton.proxy import Proxy
from support.processes import free_port
from support.raw_http import Answer, exchange, head

LIMIT = 1000
READ = [("Content-Type", "application/json"), ("Accept-Encoding", "gzip"), ("Inference-Header-Content-Length", "2")]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        came = {"path": request.raw_path, "headers": dict(request.headers), "body": await request.text()}
        return web.json_response(came, headers={"X-Own": "1"})

    async def fail(request: web.Request) -> web.Response:
        return web.Response(status=int(request.query["status"]), body=request.query["body"].encode())

    application = web.Application()
    application.router.add_get("/v2/models/fails", fail)
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application, host="127.0.0.1") as triton:
        port = free_port()
        proxy = Proxy("127.0.0.1", port, f"http://127.0.0.1:{triton.port}", LIMIT)
        await asyncio.to_thread(proxy.start)
        proxy.announce_ready()
        yield f"http://127.0.0.1:{port}"
        await asyncio.to_thread(proxy.stop)


async def post(url: str, body: bytes, *headers: tuple[str, str]) -> Answer:
    return await exchange(
        url, head("POST", "/v2/models/m/infer?c=%7E", ("Content-Length", str(len(body))), *headers), body
    )


async def test_only_headers_that_triton_reads_are_forwarded(url: str) -> None:
    answer = await post(url, b"{}", *READ, ("Authorization", "secret"), ("X-More", "1"))
    came = answer.document
    assert (came["path"], came["body"], answer.header("x-own")) == ("/v2/models/m/infer?c=%7E", "{}", None)
    passed = {name: value for name, value in came["headers"].items() if name not in {"Host", "Content-Length"}}
    assert passed == dict(READ)


@pytest.mark.parametrize(
    ("status", "body", "answered", "message"),
    [
        (
            500,
            '{"error":"failed to parse the request JSON buffer: x"}',
            400,
            "failed to parse the request JSON buffer: x",
        ),
        (500, '{"error":"the model failed"}', 500, "the model failed"),
        (404, "", 404, "Not Found"),
        (503, "not now", 503, "not now"),
    ],
)
async def test_errors_are_json_and_client_errors_are_400(
    url: str, status: int, body: str, answered: int, message: str
) -> None:
    answer = await exchange(url, head("GET", f"/v2/models/fails?status={status}&body={body.replace(' ', '+')}"))
    assert (answer.status, answer.document) == (answered, {"error": message})


async def test_an_unreachable_triton_is_an_error_too() -> None:
    port = free_port()
    proxy = Proxy("127.0.0.1", port, f"http://127.0.0.1:{free_port()}", LIMIT)
    proxy.start()
    proxy.announce_ready()
    answer = await exchange(f"http://127.0.0.1:{port}", head("GET", "/v2/health/ready"))
    assert (answer.status, answer.document) == (503, {"error": "Triton does not respond: ClientConnectorError"})
    await asyncio.to_thread(proxy.stop)


@pytest.mark.parametrize("path", ["/v2/health/ready", "/v2/models/m/ready", "/v2/models/m/versions/1/ready"])
async def test_a_triton_that_has_not_answered_a_sample_is_not_ready(path: str) -> None:
    async def ready(_request: web.Request) -> web.Response:
        return web.Response()

    application = web.Application()
    application.router.add_get("/{path:.*}", ready)
    async with TestServer(application, host="127.0.0.1") as triton:
        port = free_port()
        proxy = Proxy("127.0.0.1", port, f"http://127.0.0.1:{triton.port}", LIMIT)
        await asyncio.to_thread(proxy.start)
        url = f"http://127.0.0.1:{port}"
        assert (await exchange(url, head("GET", path))).status == 503
        assert (await exchange(url, head("GET", "/v2/health/live"))).status == 200
        proxy.announce_ready()
        assert (await exchange(url, head("GET", path))).status == 200
        await asyncio.to_thread(proxy.stop)


async def test_a_port_in_use_is_an_oserror(url: str) -> None:
    taken = int(url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Proxy("127.0.0.1", taken, "http://127.0.0.1:1", LIMIT).start()


@pytest.mark.parametrize("path", ["/v2/repository/index", "/v2/models/m%2f..%2f..%2frepository/index", "/v2/logging"])
async def test_management_does_not_reach_triton(url: str, path: str) -> None:
    answer = await exchange(url, head("POST", path, ("Content-Length", "0")))
    assert (answer.status, answer.document) == (404, {"error": "this path is not for clients of the model"})
