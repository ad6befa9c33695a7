"""Registries and token endpoints with wrong answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ormb.client import OrmbClient
from ormb.errors import AuthenticationError
from ormb.reference import Reference


@asynccontextmanager
async def registry(challenge: str, token_answer: str) -> AsyncIterator[str]:
    """The host:port of a registry that always refuses. `{host}` in the challenge stands for it."""

    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=401, headers={"WWW-Authenticate": challenge.format(host=request.host)})

    async def token(_request: web.Request) -> web.Response:
        return web.Response(text=token_answer)

    application = web.Application()
    application.router.add_get("/token", token)
    application.router.add_get("/v2/{rest:.*}", refuse)
    async with TestServer(application) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OrmbClient]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    async with OrmbClient(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("answer", ["{}", "[]", "null", "<html>not JSON</html>", "", '"token"'])
async def test_an_answer_without_a_token_names_its_sender(client: OrmbClient, answer: str) -> None:
    async with registry('Bearer realm="http://{host}/token",service="r"', answer) as host:
        with pytest.raises(AuthenticationError, match=f"http://{host}/token answers without a token"):
            await client.inspect(Reference(host, "library/iris", "v1"))


async def test_a_challenge_without_a_realm_is_reported(client: OrmbClient) -> None:
    async with registry('Bearer service="r"', "{}") as host:
        with pytest.raises(AuthenticationError, match="does not say where to get one"):
            await client.inspect(Reference(host, "library/iris", "v1"))


@pytest.mark.parametrize("challenge", ["", "Negotiate", 'Basic realm="r"'])
async def test_any_other_refusal_asks_for_a_login(client: OrmbClient, challenge: str) -> None:
    async with registry(challenge, "{}") as host:
        with pytest.raises(AuthenticationError, match=f"wants credentials for .*: `ormb login {host}`"):
            await client.inspect(Reference(host, "library/iris", "v1"))


async def test_a_token_that_the_registry_rejects_ends_in_a_refusal(client: OrmbClient) -> None:
    async with registry('Bearer realm="http://{host}/token",service="r"', '{"token": "t"}') as host:
        with pytest.raises(AuthenticationError, match="wants credentials"):
            await client.inspect(Reference(host, "library/iris", "v1"))
