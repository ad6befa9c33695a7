"""Calls of the SDK that change something have an Idempotency-Key, so that a repeated request takes effect once."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from aiohttp import web

from klever import KleverClient
from klever.errors import ApiError
from kleverproto.projects import OnUnsafe, ProjectPolicy
from kleverproto.rollouts import RolloutAction
from kleverproto.serving_changes import ChangeTraffic, DeployVersion, ScaleServing
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingDocument, ServingStatus
from kleverproto.variants import Variant
from support.processes import free_port

VERSION = "library/iris:v1"
SPEC = ServingSpec(variants=(Variant(name="v1", model=VERSION),))
NOW = datetime(2026, 11, 27, tzinfo=UTC)
SERVING = ServingDocument(
    namespace="default", name="iris", spec=SPEC, status=ServingStatus(), created_at=NOW, updated_at=NOW
)
CHANGES: dict[str, Callable[[KleverClient], Awaitable[object]]] = {
    "login_link": lambda client: client.login_link(),
    "delete_model": lambda client: client.delete_model(VERSION),
    "delete_versions": lambda client: client.delete_versions("library", "iris"),
    "set_policy": lambda client: client.set_policy("library", ProjectPolicy(scan=OnUnsafe.WARN)),
    "create_job": lambda client: client.create_job(VERSION),
    "cancel_job": lambda client: client.cancel_job("job-1"),
    "retry_job": lambda client: client.retry_job("job-1"),
    "delete_job": lambda client: client.delete_job("job-1"),
    "apply": lambda client: client.apply("iris", SPEC),
    "apply to a generation": lambda client: client.apply("iris", SPEC, replacing=SERVING),
    "deploy_version": lambda client: client.deploy_version("iris", DeployVersion.model_validate({"model": VERSION})),
    "change_traffic": lambda client: client.change_traffic("iris", ChangeTraffic()),
    "scale": lambda client: client.scale("iris", ScaleServing(replicas=2)),
    "roll_back": lambda client: client.roll_back("iris"),
    "steer": lambda client: client.steer("iris", RolloutAction.PROMOTE),
    "delete": lambda client: client.delete("iris"),
}


class Gateway:
    """Records the requests; answers with an error, or, for a number of them, not at all."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str | None]] = []
        self.if_match: list[str | None] = []
        self.lost = 0

    @property
    def keys(self) -> list[str | None]:
        return [key for _, key in self.requests]

    async def handle(self, request: web.Request) -> web.Response:
        await request.read()
        self.requests.append((request.method, request.headers.get("Idempotency-Key")))
        self.if_match.append(request.headers.get("If-Match"))
        if self.lost and request.transport is not None:
            self.lost -= 1
            request.transport.close()
        return web.json_response({"detail": "rejected", "code": "conflict"}, status=409)


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[KleverClient]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", gateway.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with KleverClient(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("name", CHANGES)
async def test_each_change_has_a_key_of_its_own(name: str) -> None:
    gateway = Gateway()
    async with running(gateway) as client:
        for _ in range(2):
            with pytest.raises(ApiError, match="rejected"):
                await CHANGES[name](client)
    first, second = (uuid.UUID(key) for key in gateway.keys)
    assert first != second
    assert gateway.if_match[0] == ("1" if name == "apply to a generation" else None)


async def test_a_request_that_is_repeated_after_a_lost_connection_has_the_same_key() -> None:
    gateway = Gateway()
    async with running(gateway) as client:
        with pytest.raises(ApiError):
            await client.scale("iris", ScaleServing(replicas=1))
        gateway.lost = 1
        with pytest.raises(ApiError):
            await client.scale("iris", ScaleServing(replicas=2))
    first, lost, repeated = gateway.keys
    assert lost == repeated
    assert lost not in {None, first}


async def test_reads_have_no_key() -> None:
    gateway = Gateway()
    async with running(gateway) as client:
        with pytest.raises(ApiError):
            await client.servings()
    assert gateway.requests == [("GET", None)]
