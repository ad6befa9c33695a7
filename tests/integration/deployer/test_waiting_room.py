"""Requests that wait for a replica, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from klever_deployer.adapters.waiting_room import WaitingRoom
from klever_deployer.domain.replicas import Endpoint
from klever_deployer.domain.routing import BackendKey
from klever_deployer.envoy_config import BACKEND_HEADER
from support.data_planes import backend_key
from support.waiting import eventually

BACKEND = backend_key("v1")


@dataclass
class Replica:
    """A model server that is there once it is started."""

    server: TestServer
    started: asyncio.Event = field(default_factory=asyncio.Event)
    failure: str = ""
    woken: list[BackendKey] = field(default_factory=list)

    def find(self, _backend: BackendKey) -> Endpoint | None:
        if self.failure:
            raise LookupError(self.failure)
        return Endpoint("127.0.0.1", self.server.port or 0) if self.started.is_set() else None


@pytest.fixture
async def replica() -> AsyncIterator[Replica]:
    async def answer(request: web.Request) -> web.Response:
        facts = {"method": request.method, "path": request.raw_path, "body": await request.text()}
        return web.json_response(facts | {"sent": request.headers["X-Sent"]}, status=418, headers={"X-Own": "yes"})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(application, host="127.0.0.1")
    await server.start_server()
    yield Replica(server)
    await server.close()


@asynccontextmanager
async def opened(replica: Replica, *, patience: float = 20.0) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    room = WaitingRoom(replica.find, replica.woken.append, patience=patience, most=3)
    task = asyncio.create_task(room.run())
    endpoint = room.endpoint(BACKEND)
    headers = {BACKEND_HEADER: BACKEND.name, "X-Sent": "it"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session, f"http://{endpoint.host}:{endpoint.port}"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_requests_wake_a_replica_and_are_passed_on_as_they_are(replica: Replica) -> None:
    async with opened(replica) as (session, url):
        asked = [asyncio.create_task(session.post(f"{url}/v2/a%20b?c=d", data=f"body {n}")) for n in range(3)]

        async def is_woken() -> bool:
            return bool(replica.woken)

        await eventually(is_woken)
        replica.started.set()
        for number, task in enumerate(asked):
            async with await task as answer:
                assert (answer.status, answer.headers["X-Own"]) == (418, "yes")
                told = await answer.json()
                assert told == {"method": "POST", "path": "/v2/a%20b?c=d", "body": f"body {number}", "sent": "it"}
    assert set(replica.woken) == {BACKEND}


async def refusal(session: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str]:
    async with session.get(f"{url}/v2", headers=headers) as answer:
        return answer.status, (await answer.json())["error"]


async def test_a_replica_that_never_comes_is_an_answer_that_says_why(replica: Replica) -> None:
    async with opened(replica, patience=0.05) as (session, url):
        assert await refusal(session, url) == (503, "no model server was ready after 0.05 s")
        replica.failure = "the model server does not start: no file"
        assert await refusal(session, url) == (503, replica.failure)
        assert await refusal(session, url, **{BACKEND_HEADER: "other"}) == (503, "nothing is served here")


async def test_no_more_wait_than_there_is_room_for(replica: Replica) -> None:
    async with opened(replica) as (session, url):
        waiting = [asyncio.create_task(refusal(session, url)) for _ in range(4)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result()[1] for task in done} == {"3 requests wait already: try again in a moment"}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_replica_that_ends_while_it_works_is_an_answer_too(replica: Replica) -> None:
    replica.started.set()
    async with opened(replica) as (session, url):
        await replica.server.close()
        assert await refusal(session, url) == (503, "the model server ended while it worked on the request")
