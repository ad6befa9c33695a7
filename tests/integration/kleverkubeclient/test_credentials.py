"""Tokens that expire are replaced, and many open streams do not block other requests."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.failures import ApiUnavailableError
from kleverkubeclient.resources import PODS
from support.waiting import eventually

STREAMS = 120
"""More than the usual limit of connections."""
UNTIL = 60.0


class Server:
    """Accepts one token, and leaves watches open."""

    def __init__(self) -> None:
        self.token = "first"
        self.streams = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"message": "Unauthorized"}, status=401)
        if "watch" not in request.query:
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})
        response = web.StreamResponse()
        await response.prepare(request)
        self.streams += 1
        await asyncio.Event().wait()
        return response


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    server, app = Server(), web.Application()
    app.router.add_get("/{path:.*}", server.handle)
    async with TestServer(app) as running:
        yield server, str(running.make_url("")).rstrip("/")


def write_inline(directory: Path, url: str, token: str) -> Path:
    return _write(directory, url, {"token": token})


def write_file(directory: Path, url: str, token: str) -> Path:
    (directory / "token").write_text(token)
    return _write(directory, url, {"tokenFile": str(directory / "token")})


def write_plugin(directory: Path, url: str, token: str) -> Path:
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    (directory / "credential").write_text(json.dumps(credential))
    plugin = {"apiVersion": credential["apiVersion"], "command": "cat", "args": [str(directory / "credential")]}
    return _write(directory, url, {"exec": {**plugin, "interactiveMode": "Never"}})


def _write(directory: Path, url: str, user: dict[str, object]) -> Path:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": url}}],
        "users": [{"name": "klever", "user": user}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "klever"}}],
        "current-context": "tests",
    }
    file = directory / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return file


@pytest.mark.parametrize("write", [write_inline, write_file, write_plugin], ids=["inline", "file", "plug-in"])
async def test_a_token_that_has_expired_is_read_again(
    server: tuple[Server, str], tmp_path: Path, write: Callable[[Path, str, str], Path]
) -> None:
    expiring, url = server
    async with connected(write(tmp_path, url, "first")) as client:
        api = KubernetesApi(client)
        await api.list(PODS, "a=b")
        expiring.token = "second"
        write(tmp_path, url, "second")
        with pytest.raises(ApiUnavailableError, match="Unauthorized"):
            await api.list(PODS, "a=b")
        assert (await api.list(PODS, "a=b")).items == []


async def test_credentials_that_cannot_be_read_now_do_not_end_the_connection(
    server: tuple[Server, str], tmp_path: Path
) -> None:
    expiring, url = server
    kubeconfig = write_inline(tmp_path, url, "first")
    async with connected(kubeconfig) as client:
        api = KubernetesApi(client)
        expiring.token = "second"
        kubeconfig.unlink()
        for _ in range(2):
            with pytest.raises(ApiUnavailableError, match="Unauthorized"):
                await api.list(PODS, "a=b")


async def test_many_open_streams_do_not_block_other_requests(server: tuple[Server, str], tmp_path: Path) -> None:
    busy, url = server
    async with connected(write_inline(tmp_path, url, "first")) as client:
        api = KubernetesApi(client)
        streams = [asyncio.create_task(watch(api)) for _ in range(STREAMS)]

        async def are_open() -> bool:
            return busy.streams == STREAMS

        try:
            await eventually(are_open, within=20)
            assert (await api.list(PODS, "a=b")).items == []
        finally:
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)


async def watch(api: KubernetesApi) -> None:
    async for _ in api.watch(PODS, "a=b", "1", seconds=60, silence=UNTIL):
        pass
